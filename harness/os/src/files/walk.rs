//! From a path to the descriptor of a folder.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat};
use rustix::io::Errno;

use super::{OTHERS_WRITE, ROOT, refused};

/// What becomes of parts that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Refuse,
    Make,
}

/// A walk of this user.
pub(super) struct Walk {
    pub(super) user: u32,
}

impl Walk {
    pub(super) fn folder(&self, path: &Path, missing: Missing) -> io::Result<OwnedFd> {
        let mut at = start(path)?;
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            let found = match (openat(&at, &part, FOLDER, Mode::empty()), missing) {
                (Err(Errno::NOENT), Missing::Make) => {
                    match mkdirat(&at, &part, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => openat(&at, &part, FOLDER, Mode::empty()),
                        Err(error) => return Err(error.into()),
                    }
                }
                (found, _) => found,
            };
            match found {
                Ok(next) => at = next,
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let target = self.link(&at, &part)?;
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::LOOP.into());
                    }
                    if target.is_absolute() {
                        at = start(&target)?;
                    }
                    rest.append(&mut parts(&target));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(at)
    }

    /// Where a symbolic link points to, if it may be followed. What is no link is an error: a folder was looked for.
    pub(super) fn link(&self, folder: &OwnedFd, name: &OsStr) -> io::Result<PathBuf> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let link = openat(folder, name, flags, Mode::empty())?;
        let found = fstat(&link)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            return Err(Errno::NOTDIR.into());
        }
        if !self.follows(&found, &fstat(folder)?) {
            let why = format!(
                "{:?} is a symbolic link of user {}, which is not followed",
                name.to_string_lossy(),
                found.st_uid
            );
            return Err(refused(ErrorKind::PermissionDenied, &why));
        }
        // Of the link that was looked at, whatever has its name by now.
        let target = readlinkat(link.as_fd(), "", Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// In a user namespace all whom it does not know look the same, root among them: there a link counts as much as the folder it is in.
    fn follows(&self, link: &Stat, folder: &Stat) -> bool {
        link.st_uid == self.user
            || link.st_uid == ROOT
            || (link.st_uid == OVERFLOW && folder.st_mode & OTHERS_WRITE == 0 && !knows_everybody())
    }
}

fn start(path: &Path) -> io::Result<OwnedFd> {
    let place = if path.is_absolute() { "/" } else { "." };
    Ok(openat(CWD, place, FOLDER, Mode::empty())?)
}

/// The last first.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}

/// Whether this process is in no user namespace but the first.
fn knows_everybody() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// With `O_DIRECTORY` an automounter mounts what is behind the name.
pub(super) const FOLDER: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// As many as the kernel follows, `path_resolution(7)`.
const LINKS_MAX: u32 = 40;
/// The kernel's default of /proc/sys/kernel/overflowuid.
const OVERFLOW: u32 = 65534;
