//! How much the hosts' kernels let a TCP connection keep: `net.ipv4.tcp_wmem` and `tcp_rmem`, which each namespace has for itself.

use super::Lab;
use super::command;
use super::error::LabError;
use crate::role::Role;

impl Lab {
    /// Sets the most that a connection may keep in each direction; `None` is what this machine's connections may.
    pub(super) fn set_tcp_buffer(&mut self, bytes: Option<u64>) -> Result<(), LabError> {
        if self.tcp_buffer == bytes {
            return Ok(());
        }
        let script: Vec<String> = KEYS
            .into_iter()
            .filter_map(|key| Some(write(key, limits(key)?, bytes)))
            .collect();
        let script = script.join(" && ");
        for role in Role::BOTH {
            command::shell(self.pid(role), &script, &mut self.commands)?;
        }
        self.tcp_buffer = bytes;
        Ok(())
    }
}

/// Least, initial and most, of this process's own network. `None` on a kernel that has no such limit.
fn limits(key: &str) -> Option<[u64; 3]> {
    let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{key}")).ok()?;
    let mut values = text
        .split_ascii_whitespace()
        .map(|value| value.parse().ok());
    Some([values.next()??, values.next()??, values.next()??])
}

fn write(key: &str, [least, initial, most]: [u64; 3], bytes: Option<u64>) -> String {
    let most = bytes.unwrap_or(most).max(initial);
    format!("echo {least} {initial} {most} > /proc/sys/net/ipv4/{key}")
}

const KEYS: [&str; 2] = ["tcp_wmem", "tcp_rmem"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_most_changes_and_never_below_what_a_connection_begins_with() {
        let limits = [4096, 16_384, 4 << 20];
        let written = |bytes| write("tcp_wmem", limits, bytes);
        assert_eq!(
            written(Some(16 << 20)),
            "echo 4096 16384 16777216 > /proc/sys/net/ipv4/tcp_wmem"
        );
        assert_eq!(
            written(None),
            "echo 4096 16384 4194304 > /proc/sys/net/ipv4/tcp_wmem"
        );
        assert_eq!(
            written(Some(1)),
            "echo 4096 16384 16384 > /proc/sys/net/ipv4/tcp_wmem"
        );
        assert!(super::limits("tcp_wmem").is_some());
    }
}
