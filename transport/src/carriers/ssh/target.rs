//! Whether the socket that `sshd` is to connect to can be anybody else's.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::SshError;
use super::server;

/// `sshd` connects to the socket by itself, without a look at who listens, so nobody else may be able to make one at its path, nor to put
/// another folder in the place of one above it. Links are followed now and not later. The folder itself may not be one like /tmp.
pub(super) fn safe(socket: &Path, peer_uid: Option<u32>) -> Result<PathBuf, SshError> {
    let folder = match socket.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let exposed = |folder: &Path, why| SshError::Exposed {
        folder: folder.to_owned(),
        why,
    };
    let found = folder.canonicalize();
    let found = found.map_err(|error| exposed(folder, error.to_string()))?;
    let ours = rustix::process::geteuid().as_raw();
    for above in found.ancestors() {
        let metadata = std::fs::metadata(above);
        let metadata = metadata.map_err(|error| exposed(above, error.to_string()))?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        let known = [0, ours].contains(&owner) || Some(owner) == peer_uid;
        // In a user namespace root itself has no name, and owns the folders above ours.
        if !known && (above == found || owner != OVERFLOW || server::knows_everybody()) {
            return Err(exposed(above, format!("it belongs to user {owner}")));
        }
        let sticky = above != found && mode & 0o1000 != 0;
        if mode & 0o022 != 0 && !sticky {
            return Err(exposed(above, format!("its mode is {mode:o}")));
        }
    }
    Ok(socket
        .file_name()
        .map_or_else(|| found.clone(), |name| found.join(name)))
}

/// The kernel's default of /proc/sys/kernel/overflowuid.
const OVERFLOW: u32 = 65534;

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Whoever may write to a folder above a private one can put their own in its place, but not where it is sticky.
    #[test]
    fn no_folder_above_the_socket_is_open_to_others() {
        let base = tempfile::tempdir().unwrap();
        let shared = base.path().join("shared");
        let private = shared.join("private");
        create_dir(&shared).unwrap();
        create_dir(&private).unwrap();
        let link = base.path().join("link");
        symlink(&private, &link).unwrap();
        let socket = private.canonicalize().unwrap().join("socket");
        for (above, mode, refused) in [
            (0o755, 0o700, false),
            (0o777, 0o700, true),
            (0o770, 0o700, true),
            (0o1777, 0o700, false),
            (0o755, 0o770, true),
            (0o755, 0o1777, true),
        ] {
            set_permissions(&shared, Permissions::from_mode(above)).unwrap();
            set_permissions(&private, Permissions::from_mode(mode)).unwrap();
            for folder in [&private, &link] {
                match safe(&folder.join("socket"), None) {
                    Ok(target) => assert!(!refused && target == socket, "{above:o} {mode:o}"),
                    Err(error) => assert!(refused, "{above:o} {mode:o}: {error}"),
                }
            }
        }
    }
}
