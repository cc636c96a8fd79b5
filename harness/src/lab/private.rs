//! A private directory beside the labs, for what belongs to a whole run: its control socket. Cleared away like a lab's.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::directory::{RUN_PREFIX, Root, default_base, open_lock, remove_tree, unused};
use super::error::LabError;

/// A directory with mode 0700 and a name of its own, short enough for unix sockets with names of up to 32 bytes; removed when dropped.
/// What a killed owner leaves is removed by the next start of a lab.
#[derive(Debug)]
pub struct PrivateDirectory {
    path: PathBuf,
    _lock: File,
}

impl PrivateDirectory {
    /// Makes one where labs are made. Blocks as long as another start clears away what it found.
    pub fn create() -> Result<Self, LabError> {
        PrivateDirectory::below(&default_base())
    }

    fn below(base: &Path) -> Result<Self, LabError> {
        let root = Root::open(base)?;
        let (_, path) = unused(&root, RUN_PREFIX)?;
        let lock = open_lock(&path)?;
        lock.lock().map_err(LabError::file("lock", &path))?;
        Ok(PrivateDirectory { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, "a private directory stays until the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_private_gone_when_dropped_and_stale_when_its_owner_was_killed() {
        let base = tempfile::tempdir().unwrap();
        let directory = PrivateDirectory::below(base.path()).unwrap();
        let path = directory.path().to_owned();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        let root = Root::open(base.path()).unwrap();
        assert_eq!(root.stale().unwrap(), Vec::<PathBuf>::new());
        drop(root);
        drop(directory);
        assert!(!path.exists());

        let mut directory = PrivateDirectory::below(base.path()).unwrap();
        let path = std::mem::take(&mut directory.path);
        // The kernel drops a killed owner's lock; here nothing is removed, for the path is empty.
        drop(directory);
        let root = Root::open(base.path()).unwrap();
        assert_eq!(root.stale().unwrap(), [path]);
    }
}
