//! What an interface has moved, as the kernel counts it. Reads only.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// Bytes since the interface was made, link-layer headers included. One GSO packet counts its headers once, so a busy link counts a few
/// percent less than the frames on a wire would have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceBytes {
    /// Sent by this host.
    pub sent: u64,
    /// Received by this host.
    pub received: u64,
}

/// Reads the counters of an interface of the calling thread's network namespace.
///
/// From `/proc/thread-self/net/dev`, which follows the reader; `/sys/class/net` would show the namespace in which sysfs was mounted.
pub fn interface_bytes(interface: &str) -> io::Result<InterfaceBytes> {
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no interface {interface} in this network namespace"),
        )
    };
    parse(&table, interface).ok_or_else(missing)
}

/// Packets that an interface in the namespace of `pid` was to send and dropped; 0 once it is gone.
pub(super) fn dropped_packets(pid: u32, interface: &str) -> u64 {
    let table = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    counters(&table, interface)
        .and_then(|counters| counters.get(11).copied())
        .unwrap_or(0)
}

fn parse(table: &str, interface: &str) -> Option<InterfaceBytes> {
    let counters = counters(table, interface)?;
    Some(InterfaceBytes {
        received: *counters.first()?,
        sent: *counters.get(8)?,
    })
}

fn counters(table: &str, interface: &str) -> Option<Vec<u64>> {
    let counters = table.lines().find_map(|line| {
        let (name, counters) = line.split_once(':')?;
        (name.trim() == interface).then_some(counters)
    })?;
    let counters = counters.split_ascii_whitespace();
    counters.map(|counter| counter.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_the_whole_name() {
        let table = "Inter-|   Receive   |  Transmit\n face |bytes packets|bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  mig0:  100 2 0 0 0 0 0 0 12345 4 0 0 0 0 0 0\n";
        assert_eq!(
            parse(table, "mig0"),
            Some(InterfaceBytes {
                sent: 12345,
                received: 100
            })
        );
        assert_eq!(parse(table, "mig"), None);
        assert_eq!(counters(table, "lo").unwrap()[11], 12);
    }

    #[test]
    fn loopback_is_always_there() {
        assert!(interface_bytes("lo").is_ok());
        assert_eq!(
            interface_bytes("absent0").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
