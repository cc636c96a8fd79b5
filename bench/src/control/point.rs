//! Where a run's socket is: the file `control` in its folder, there while the run goes on. After a run that was killed it stays, and
//! points to nothing.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use lmbench_harness::files::{self, OWNER_ONLY};
use serde::{Deserialize, Serialize};

/// The file in a run's folder.
pub const CONTROL_FILE: &str = "control";

/// Where to find a run that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Id of the run, which the folder's name may not be.
    pub run: String,
    /// Name of the machine; results may lie on a file system that several see.
    pub host: String,
    /// The socket there.
    pub socket: PathBuf,
}

impl Point {
    /// Of a run on this machine.
    pub(super) fn here(run: &str, socket: PathBuf) -> Point {
        Point {
            run: run.to_owned(),
            host: this_host(),
            socket,
        }
    }

    /// Whether the run is, or was, on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.host == this_host()
    }

    /// Writes it into a run's folder, whole or not at all.
    pub(super) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let path = directory.join(CONTROL_FILE);
        let text = serde_json::to_string(self)?;
        files::write(&path, format!("{text}\n").as_bytes(), OWNER_ONLY)?;
        Ok(path)
    }

    /// Of the run in `directory`; `None` if there is none, or none that can be read.
    pub(super) fn read(directory: &Path) -> Option<Point> {
        let mut text = String::new();
        let file = files::open_plain(&directory.join(CONTROL_FILE)).ok()?;
        file.take(LONGEST).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

fn this_host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Far longer than any of ours.
const LONGEST: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_nonsense_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Point::read(directory.path()), None);
        let point = Point::here("id", "/run/x/control".into());
        let path = point.write(directory.path()).unwrap();
        assert_eq!(Point::read(directory.path()), Some(point.clone()));
        assert!(point.is_here());
        for nonsense in ["", "{", "{\"run\":1}", "\u{0}"] {
            fs::write(&path, nonsense).unwrap();
            assert_eq!(Point::read(directory.path()), None);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
