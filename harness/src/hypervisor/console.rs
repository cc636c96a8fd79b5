//! What a guest wrote to its serial console.

use serde::{Deserialize, Serialize};

/// A guest's console on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Console {
    /// All that was written, bytes.
    pub bytes: u64,
    /// The end of it, 4 KiB at most, whatever a guest writes.
    pub tail: String,
}

impl Console {
    /// The line that says that the guest is dead: it may use all of its vCPUs' time, and does nothing.
    pub fn death(&self) -> Option<&str> {
        let mut lines = self.tail.lines();
        let line = lines.find(|line| DEATHS.iter().any(|words| line.contains(words)))?;
        Some(line.trim())
    }
}

/// Linux's words for its own death (kernel/panic.c), and `SeaBIOS`' for a guest that finds nothing to boot (src/boot.c).
const DEATHS: [&str; 2] = ["Kernel panic - not syncing", "No bootable device"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_guest_says_so() {
        let said = "[    6.4] Run /init as init process\r\n[    6.5] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[    6.6] CPU: 0 PID: 1\r\n";
        let console = Console {
            bytes: 1,
            tail: said.to_owned(),
        };
        assert_eq!(
            console.death(),
            Some("[    6.5] Kernel panic - not syncing: VFS: Unable to mount root fs")
        );
    }
}
