//! A link between two hosts made of two TAP devices and a process that moves frames between them: rate, delay, jitter, loss,
//! reordering, cut and flap, for machines whose kernel has no netem.
//!
//! TCP, ssh, TLS and QUIC cross it as packets, so that loss meets their congestion controllers. Each direction is a thread: it reads a
//! frame from one device, the model (`model`, pure, with the time as an argument) says when it arrives at the other or that it never does,
//! the delay line (`delay_line`) holds it until then. A lost frame is one frame on the wire: a GSO packet of which some are lost is cut
//! up (`segment`), all others cross whole, 64 KiB in one read and one write.
//!
//! Makes no namespaces and gives nobody an address: the devices appear in the process's own network namespace, and whoever started it
//! (`crate::lab`) moves them to the hosts. They vanish with the process.

mod buffers;
mod delay_line;
mod direction;
mod lateness;
mod model;
mod protocol;
mod realtime;
mod segment;
mod serve;
mod tap;

pub use protocol::{Answer, Command, DirectionReport, Report, Toward};
pub use serve::{LinkError, serve};
pub use tap::is_available;

/// The largest frame's payload that a TAP device takes: 65535 with the Ethernet header.
pub const MTU_MAX: u32 = 65_521;
