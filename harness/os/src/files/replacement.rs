//! A file that takes another's place in one step.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, ErrorKind};

use rustix::fs::renameat;

use super::{ATTEMPTS, Folder, foreign};

/// Written under a name that nobody guesses, until [`Replacement::finish`] gives it its own. Dropped before, it goes.
#[derive(Debug)]
pub struct Replacement {
    folder: Folder,
    name: OsString,
    temporary: Option<OsString>,
    file: File,
}

impl Replacement {
    pub(super) fn begin(folder: Folder, name: &OsStr, mode: u32) -> io::Result<Replacement> {
        check(&folder, name)?;
        for _ in 0..ATTEMPTS {
            // Keyed anew from the kernel's randomness for each.
            let random = RandomState::new().build_hasher().finish();
            let mut temporary = name.to_owned();
            // Not the name's own ending, such as `.prom`: a collector would read it half-written.
            temporary.push(format!(".{random:016x}.new"));
            match folder.new_file(&temporary, mode) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                file => {
                    return Ok(Replacement {
                        file: file?,
                        folder,
                        name: name.to_owned(),
                        temporary: Some(temporary),
                    });
                }
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    #[cfg(test)]
    pub(super) fn folder_for_test(&mut self, user: u32) {
        self.folder.user = user;
    }

    /// Where to write.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name; whatever had it is gone. The file may be written on.
    pub fn finish(mut self) -> io::Result<File> {
        check(&self.folder, &self.name)?;
        if let Some(temporary) = &self.temporary {
            renameat(&self.folder.fd, temporary, &self.folder.fd, &self.name)?;
        }
        self.temporary = None;
        self.file.try_clone()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = self.folder.remove(temporary);
        }
    }
}

/// To rename over a file fills nothing, but takes it from its owner.
fn check(folder: &Folder, name: &OsStr) -> io::Result<()> {
    match folder.stat(name)? {
        Some(found) if !folder.takes(&found)? => Err(foreign(&found)),
        _ => Ok(()),
    }
}
