//! Secrets on this host: files that nobody else reads, and memory that no crash writes down.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, geteuid, set_dumpable_behavior, setrlimit,
};
pub use zeroize::Zeroizing;

/// A secret cannot be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a secret no more.
    #[error("others can read {}, its mode is {mode:o}\nhint: chmod 600 {}, and make a new secret if others may have read this one", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// Reads a secret; the memory is overwritten when it is dropped. A file that others can read is refused, and for its owner also one that
/// the group can read, as `ssh` does; a pipe has no readers but the one that it was made for.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let own = metadata.uid() == geteuid().as_raw();
    let forbidden = if own { 0o077 } else { 0o007 };
    if metadata.is_file() && metadata.mode() & forbidden != 0 {
        return Err(SecretError::Exposed {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
        });
    }
    // With room for all of it, so that no copy stays behind in a smaller buffer.
    let len = usize::try_from(metadata.len()).unwrap_or(0).min(LEN_MAX);
    let mut secret = Zeroizing::new(Vec::with_capacity(len + 1));
    let mut limited = (&mut file).take(LEN_MAX as u64);
    limited.read_to_end(&mut secret).map_err(failed)?;
    Ok(secret)
}

/// No crash of this process, or of one that it starts, leaves its memory on the disk: keys, and pages of the guest.
///
/// The limit is one byte, which the kernel takes for "none" also where dumps go to a program (`core_pattern` with a pipe), and a limit of zero
/// would not be looked at (core(5); `do_coredump` in fs/coredump.c). `PR_SET_DUMPABLE` would do as well, but gives `/proc/PID` to root,
/// and an ordinary user's meters could not read it any more.
pub fn forbid_core_dumps() -> io::Result<()> {
    let limit = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    // Where the limit was zero before, only root can raise it to one.
    let forbidden = setrlimit(Resource::Core, limit)
        .or_else(|_| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    Ok(forbidden?)
}

/// Far more than a chain of certificates has.
const LEN_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, "abc").unwrap();
        for (mode, refused) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(secret) => assert!(!refused && *secret == *b"abc", "{mode:o}"),
                Err(error) => {
                    assert!(refused, "{mode:o}: {error}");
                    assert!(error.to_string().contains("\nhint: chmod 600 "), "{error}");
                }
            }
        }
        let missing = read(&folder.path().join("missing"));
        assert!(matches!(missing, Err(SecretError::Read { .. })));
    }
}
