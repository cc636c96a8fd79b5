//! The tenant network: the segment on which guests' clients are, across both hosts.
//!
//! This module says what is agreed on between those who make it (`crate::lab`), who plug a guest in (`crate::drivers::qemu`), the guest, and who
//! asks it for answers ([`probe`]). The guest's kernel answers ICMP echo requests from interrupt context, whatever its
//! workload does.

pub mod probe;

use std::net::Ipv4Addr;

/// The guest's address, in a /24 of RFC 2544's benchmarking range.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 100);
/// The address of whoever asks, on the source's end of the segment.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 1);
/// The guest's hardware address, the same on both hosts.
pub const GUEST_HARDWARE: [u8; 6] = [0x02, 0x6c, 0x6d, 0x00, 0x02, 0x64];
/// The bridge on each host.
pub const BRIDGE: &str = "tenant";
/// The device on each host that QEMU opens.
pub const TAP: &str = "tenant-tap";
/// The wire between the two bridges.
pub const WIRE: &str = "tenant-wire";
/// Kernel parameter of lmbench's own guest, which its kernel hands to PID 1 as an environment variable: the address to take.
pub const PARAMETER: &str = "LMBENCH_TENANT";

/// `02:6c:…`, as tools write it.
pub fn hardware_text(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}
