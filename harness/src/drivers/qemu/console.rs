//! What a guest wrote to its serial console.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::command_line::Files;

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
    pub fn obituary(&self) -> Option<&str> {
        let mut lines = self.tail.lines();
        let line = lines.find(|line| DEATHS.iter().any(|words| line.contains(words)))?;
        Some(line.trim())
    }
}

/// The console of the QEMU that keeps its files in `directory`; an empty one if there is none.
pub fn console(directory: &Path) -> Console {
    read(&Files::below(directory).console).unwrap_or_default()
}

fn read(path: &Path) -> std::io::Result<Console> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(KEPT)))?;
    let mut end = Vec::new();
    file.take(KEPT).read_to_end(&mut end)?;
    Ok(Console {
        bytes,
        tail: String::from_utf8_lossy(&end).into_owned(),
    })
}

/// Linux's words for its own death (kernel/panic.c), and `SeaBIOS`' for a guest that finds nothing to boot (src/boot.c).
const DEATHS: [&str; 2] = ["Kernel panic - not syncing", "No bootable device"];
/// A panic with its stack.
const KEPT: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_console_of_any_size_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(console(directory.path()), Console::default());
        let path = Files::below(directory.path()).console;
        let text = "x".repeat(10_000) + "\nlogin: \u{fffd}";
        std::fs::write(&path, &text).unwrap();
        let console = console(directory.path());
        assert_eq!(console.bytes, text.len() as u64);
        assert!(console.tail.len() as u64 <= KEPT && console.tail.ends_with("login: \u{fffd}"));
        assert_eq!(console.obituary(), None);
    }

    #[test]
    fn a_dead_guest_says_so() {
        let said = "[    6.4] Run /init as init process\r\n[    6.5] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[    6.6] CPU: 0 PID: 1\r\n";
        let console = Console {
            bytes: 1,
            tail: said.to_owned(),
        };
        assert_eq!(
            console.obituary(),
            Some("[    6.5] Kernel panic - not syncing: VFS: Unable to mount root fs")
        );
    }
}
