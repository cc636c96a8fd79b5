//! Files and folders made where others may write: no link of theirs is followed, and nothing of theirs is filled.
//!
//! Whoever may write to a folder can put a link, a pipe or a file of their own where a name is expected. So a path is walked part
//! by part and from descriptor to descriptor, and a symbolic link is followed only if it is ours or root's. The idea is that of
//! systemd's `chase` with `CHASE_SAFE` (src/basic/chase.c). What is then made is new (`O_EXCL`), and takes a name by `rename`; what
//! is written in place is a plain file with one name whose owner is us.
//!
//! A file of another is taken in one case, which is also that of the kernel's `fs.protected_regular`: it belongs to the folder's
//! owner, and nobody else may write to that folder. A job summary of a CI machine, written by root in a container, is such a file.

mod replacement;
mod walk;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

pub use self::replacement::Replacement;
use self::walk::{Missing, Walk};

/// A folder that was reached by no link of a stranger. Its descriptor stays with it, whatever becomes of its path.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    /// Who we are.
    user: u32,
}

/// What is done to a file that may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InPlace {
    /// Every write goes to its end.
    Append,
    /// It is read and written; what it holds stays until then.
    ReadWrite,
}

impl Folder {
    /// A folder that is there.
    pub fn open(path: &Path) -> io::Result<Folder> {
        Folder::walked(path, Missing::Refuse)
    }

    /// A folder, made with all above it where they are missing.
    pub fn make(path: &Path) -> io::Result<Folder> {
        Folder::walked(path, Missing::Make)
    }

    /// The folder that a file is in, and the file's name there.
    pub fn of(path: &Path) -> io::Result<(Folder, &OsStr)> {
        let name = path
            .file_name()
            .ok_or_else(|| refused(ErrorKind::InvalidInput, "that names no file"))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok((Folder::open(parent)?, name))
    }

    fn walked(path: &Path, missing: Missing) -> io::Result<Folder> {
        let user = rustix::process::geteuid().as_raw();
        let fd = Walk { user }.folder(path, missing)?;
        Ok(Folder { fd, user })
    }

    /// A folder in this one, which must not be there yet.
    pub fn make_new(&self, name: &OsStr, mode: u32) -> io::Result<Folder> {
        rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode))?;
        let fd = openat(&self.fd, name, walk::FOLDER, Mode::empty())?;
        // Between the two somebody who may write here can have put another in its place.
        let found = fstat(&fd)?;
        let ours = self.takes(&found)?;
        ours.then_some(Folder {
            fd,
            user: self.user,
        })
        .ok_or_else(|| foreign(&found))
    }

    /// A file that must not be there yet.
    pub fn new_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | COMMON;
        Ok(openat(&self.fd, name, flags, Mode::from_raw_mode(mode))?.into())
    }

    /// A file that is written in place, made if need be.
    pub fn in_place(&self, name: &OsStr, how: InPlace, mode: u32) -> io::Result<File> {
        let flags = match how {
            InPlace::Append => OFlags::WRONLY | OFlags::APPEND,
            InPlace::ReadWrite => OFlags::RDWR,
        };
        for _ in 0..ATTEMPTS {
            // A pipe without a reader must not be waited for.
            match openat(
                &self.fd,
                name,
                flags | COMMON | OFlags::NONBLOCK,
                Mode::empty(),
            ) {
                Ok(file) => return self.checked(file.into()),
                Err(Errno::NOENT) => {}
                Err(Errno::LOOP) => return Err(refused(ErrorKind::PermissionDenied, LINK)),
                Err(Errno::NXIO) => return Err(refused(ErrorKind::PermissionDenied, NO_FILE)),
                Err(error) => return Err(error.into()),
            }
            let anew = flags | COMMON | OFlags::CREATE | OFlags::EXCL;
            match openat(&self.fd, name, anew, Mode::from_raw_mode(mode)) {
                // Somebody made it in between.
                Err(Errno::EXIST) => {}
                file => return Ok(file?.into()),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// A file that shall take the place of the one with this name, when it is done.
    pub fn replace(&self, name: &OsStr, mode: u32) -> io::Result<Replacement> {
        Replacement::begin(self.again()?, name, mode)
    }

    /// What a name leads to that is no plain file: a device, a pipe, or `/dev/stdout`. `None` for a plain file, a link to one, or nothing.
    pub fn special(&self, name: &OsStr) -> io::Result<Option<File>> {
        let Some(there) = self.stat(name)? else {
            return Ok(None);
        };
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        match FileType::from_raw_mode(there.st_mode) {
            FileType::RegularFile | FileType::Directory => Ok(None),
            FileType::Symlink => {
                let target = Walk { user: self.user }.link(&self.fd, name)?;
                let leads_to = statat(&self.fd, &target, AtFlags::empty());
                let plain = leads_to.is_err()
                    || leads_to.is_ok_and(|found| {
                        FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
                    });
                // A standard stream that goes to a file is still a stream.
                let stream = target.as_os_str().as_encoded_bytes().starts_with(b"/proc/");
                if plain && !stream {
                    return Ok(None);
                }
                Ok(Some(
                    openat(&self.fd, &target, flags, Mode::empty())?.into(),
                ))
            }
            // Only root makes devices; whoever else's pipe it is would read what we write.
            FileType::CharacterDevice => Ok(Some(self.open_same(name, flags, &there)?)),
            FileType::Fifo | FileType::Socket | FileType::BlockDevice | FileType::Unknown => {
                if !self.takes(&there)? && there.st_uid != ROOT {
                    return Err(foreign(&there));
                }
                Ok(Some(self.open_same(name, flags, &there)?))
            }
        }
    }

    fn open_same(&self, name: &OsStr, flags: OFlags, seen: &Stat) -> io::Result<File> {
        let file = openat(&self.fd, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        let found = fstat(&file)?;
        if (found.st_dev, found.st_ino) != (seen.st_dev, seen.st_ino) {
            return Err(refused(ErrorKind::PermissionDenied, NO_FILE));
        }
        Ok(file.into())
    }

    /// Removes a name, whatever has it but a folder.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Makes what was made, renamed and removed here outlast a power cut.
    pub fn sync(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = openat(&self.fd, ".", flags, Mode::empty())?;
        Ok(rustix::fs::fsync(open)?)
    }

    fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn checked(&self, file: File) -> io::Result<File> {
        let found = fstat(&file)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(refused(ErrorKind::PermissionDenied, NO_FILE));
        }
        // A second name may be anywhere, in whatever file of ours somebody wants filled.
        if found.st_nlink > 1 {
            return Err(refused(ErrorKind::PermissionDenied, NAMES));
        }
        if self.takes(&found)? {
            Ok(file)
        } else {
            Err(foreign(&found))
        }
    }

    /// Whether what is in this folder is ours to fill or replace.
    fn takes(&self, found: &Stat) -> io::Result<bool> {
        if found.st_uid == self.user {
            return Ok(true);
        }
        let folder = fstat(&self.fd)?;
        Ok(found.st_uid == folder.st_uid && folder.st_mode & OTHERS_WRITE == 0)
    }

    fn again(&self) -> io::Result<Folder> {
        let fd = self.fd.try_clone()?;
        let user = self.user;
        Ok(Folder { fd, user })
    }
}

/// A plain file that is there, for reading. A pipe of this name is an error at once, and never waited for.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(path, flags, Mode::empty())?.into();
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(refused(ErrorKind::InvalidInput, NO_FILE))
    }
}

/// Writes a whole file, which appears with all it holds or not at all.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (folder, name) = Folder::of(path)?;
    let replacement = folder.replace(name, mode)?;
    replacement.file().write_all(bytes)?;
    replacement.finish().map(drop)
}

fn refused(kind: ErrorKind, why: &str) -> io::Error {
    io::Error::new(kind, why)
}

fn foreign(found: &Stat) -> io::Error {
    let why = format!("what is there belongs to user {}", found.st_uid);
    io::Error::new(ErrorKind::PermissionDenied, why)
}

const COMMON: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);
const OTHERS_WRITE: u32 = 0o022;
const ROOT: u32 = 0;
/// Of whoever makes and removes a file as fast as we look.
const ATTEMPTS: usize = 16;
const LINK: &str = "it is a symbolic link";
const NO_FILE: &str = "it is no plain file";
const NAMES: &str = "the file has a second name";
/// Readable and writable, as far as the umask lets.
pub const ANYBODY: u32 = 0o666;
/// Of what holds memory or secrets.
pub const OWNER_ONLY: u32 = 0o600;

#[cfg(test)]
mod tests;
