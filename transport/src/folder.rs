//! A private directory for keys, configuration and sockets, which goes when its owner goes.
//!
//! An owner that is killed leaves it, keys and all. So each one holds a lock on its folder for as long as it lives, and whoever makes a folder
//! first removes those of the same user that nobody holds. A folder gets the name by which it is looked for only once it is locked.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

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
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked; the kernel lets go of it when this process ends, however it does. Programs that it starts do not inherit it.
    _held: File,
}

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
        remove_abandoned(&base);
        Self::make(base.join(format!("{PREFIX}{:016x}", u64::from_be_bytes(random))))
    }

    fn make(path: PathBuf) -> Result<Self, FolderError> {
        let unlocked = path.with_extension(UNLOCKED);
        // Fails if the path exists, so nobody can have prepared it.
        let made = DirBuilder::new().mode(0o700).create(&unlocked);
        let held = made.and_then(|()| {
            let held = open_folder(&unlocked)?;
            flock(&held, FlockOperation::NonBlockingLockExclusive)?;
            std::fs::rename(&unlocked, &path)?;
            Ok(held)
        });
        match held {
            Ok(held) => Ok(Self { path, _held: held }),
            Err(source) => {
                // It may not have come to be.
                let _ = std::fs::remove_dir(&unlocked);
                Err(FolderError { path, source })
            }
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
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
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes what owners left that were killed. What cannot be removed is somebody else's, or will be found again by the next one.
fn remove_abandoned(base: &Path) {
    let us = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(is_ours) {
            continue;
        }
        // Opened without following a link and asked itself, so whoever owns the base's other names gains nothing.
        let path = entry.path();
        let Ok(folder) = open_folder(&path) else {
            continue;
        };
        let own = folder.metadata().is_ok_and(|folder| folder.uid() == us);
        if own && flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Whether a folder of this name is locked as long as anybody needs it.
fn is_ours(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX);
    digits.is_some_and(|digits| {
        digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
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
/// Not that of versions that held no lock.
const PREFIX: &str = "lmbench_";
const UNLOCKED: &str = "new";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn folder_and_files_are_private_and_go_with_it() {
        let folder = Folder::new().unwrap();
        let file = folder.write("key", "secret").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.path), mode(&file)), (0o700, 0o600));
        assert!(folder.write("key", "other").is_err());
        let path = folder.path.clone();
        drop(folder);
        assert!(!path.exists());
    }

    /// A descriptor that is closed is all that the kernel leaves of a killed owner's hold.
    #[test]
    fn what_a_killed_owner_left_is_removed_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let path = |name: &str| base.path().join(name);
        let killed = Folder::make(path("lmbench_00000000000000aa")).unwrap();
        killed.write("client", "secret").unwrap();
        // Its directory stays, its lock does not.
        let Folder { path: left, .. } = &killed;
        let left = left.clone();
        let alive = Folder::make(path("lmbench_00000000000000bb")).unwrap();
        for name in [
            "lmbench_other",
            "lmbench-0123456789abcdef",
            "lmbench_00000000000000cc.new",
        ] {
            std::fs::create_dir(path(name)).unwrap();
        }
        std::os::unix::fs::symlink(path("lmbench_other"), path("lmbench_00000000000000dd"))
            .unwrap();
        remove_abandoned(base.path());
        assert!(left.exists());
        let Folder { _held: held, .. } = &killed;
        flock(held, FlockOperation::Unlock).unwrap();
        remove_abandoned(base.path());
        assert!(!left.exists() && alive.path.exists());
        let others = std::fs::read_dir(base.path()).unwrap().count();
        assert_eq!(others, 5);
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
