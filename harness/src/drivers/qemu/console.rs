//! The file that a guest's serial console is written to.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::command_line::Files;
use crate::hypervisor::Console;

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
    }
}
