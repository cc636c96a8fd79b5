//! A private directory for keys, configuration and sockets, which goes when its owner goes.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A folder, or a file in it, could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare {}", path.display())]
pub struct FolderError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Mode 0700 from its first moment, with a name that nobody guesses.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self, FolderError> {
        let base = base(std::env::temp_dir());
        let mut random = [0; 8];
        if let Err(error) = getrandom::fill(&mut random) {
            return Err(FolderError {
                path: base,
                source: error.into(),
            });
        }
        let path = base.join(format!("lmbench-{:016x}", u64::from_be_bytes(random)));
        // Fails if the path exists, so nobody can have prepared it.
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(FolderError { path, source }),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only this user can read.
    pub(crate) fn write(&self, name: &str, contents: &str) -> Result<PathBuf, FolderError> {
        let path = self.path(name);
        let written = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(contents.as_bytes()));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(FolderError { path, source }),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing is left to do about a folder that cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// OpenSSH reads paths as patterns and expressions, and sockets have short ones: an unusual temporary directory is not used.
fn base(wanted: PathBuf) -> PathBuf {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = wanted.as_os_str().as_bytes();
    let usable = wanted.is_absolute() && bytes.len() <= BASE_LEN_MAX && bytes.iter().all(plain);
    if usable {
        wanted
    } else {
        Path::new("/tmp").to_owned()
    }
}

/// Leaves room for our names below the kernel's 107 bytes of a socket's path and the suffix that `ssh` may put to it.
const BASE_LEN_MAX: usize = 48;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn folder_and_files_are_private_and_go_with_it() {
        let folder = Folder::new().unwrap();
        let file = folder.write("key", "secret").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&file)), (0o700, 0o600));
        assert!(folder.write("key", "other").is_err());
        let path = folder.0.clone();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_temporary_directory_that_openssh_would_misread_is_not_used() {
        assert_eq!(base("/var/tmp".into()), Path::new("/var/tmp"));
        for odd in ["/tmp/a b", "/tmp/%h", "tmp", "/tmp/$HOME", "/tmp/é"] {
            assert_eq!(base(odd.into()), Path::new("/tmp"), "{odd}");
        }
        assert_eq!(
            base(format!("/{}", "x".repeat(60)).into()),
            Path::new("/tmp")
        );
    }
}
