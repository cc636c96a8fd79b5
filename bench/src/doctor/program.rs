//! Looks at a program that the user has named: whether it is what it shall be, and which.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::probe;
use crate::programs::Program;

/// What a program shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// QEMU's system emulator.
    Qemu,
    /// lmbench.
    Lmbench,
}

/// Why a program can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not there.
    #[error("there is no program {path:?}\nhint: give the path of {kind}, or a name on PATH")]
    Absent {
        /// What was given.
        path: PathBuf,
        /// What was wanted.
        kind: Kind,
    },
    /// It is something else.
    #[error("{path:?} is not {kind}: {problem}\nhint: `{} --version` must begin with {:?}", path.display(), kind.greeting())]
    Other {
        /// The program.
        path: PathBuf,
        /// What was wanted.
        kind: Kind,
        /// What it said instead.
        problem: String,
    },
    /// It can't be read.
    #[error("can't read {path:?}\nhint: whoever compares programs must be able to read them")]
    Unreadable {
        /// The program.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl Kind {
    /// How its `--version` begins.
    fn greeting(self) -> &'static str {
        match self {
            Kind::Qemu => "QEMU emulator version ",
            Kind::Lmbench => "lmbench ",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Qemu => "a QEMU",
            Kind::Lmbench => "an lmbench",
        })
    }
}

/// Looks at the program that the user has named.
pub fn examine(name: &Path, kind: Kind) -> Result<Program, ProgramError> {
    let absent = || ProgramError::Absent {
        path: name.to_owned(),
        kind,
    };
    let path = located(name).ok_or_else(absent)?;
    let version = version(&path, kind).map_err(|problem| ProgramError::Other {
        path: path.clone(),
        kind,
        problem,
    })?;
    let sha256 = sha256(&path).map_err(|source| ProgramError::Unreadable {
        path: path.clone(),
        source,
    })?;
    Ok(Program {
        path,
        version,
        sha256,
    })
}

/// A path as a shell takes it: with a slash a file, without one a name on PATH. Links are kept: a program may look at its own name.
fn located(name: &Path) -> Option<PathBuf> {
    let found = if name.as_os_str().as_encoded_bytes().contains(&b'/') {
        std::path::absolute(name).ok()
    } else {
        probe::find(name.to_str()?)
    };
    found.filter(|path| path.is_file())
}

fn version(path: &Path, kind: Kind) -> Result<String, String> {
    let Some(text) = path.to_str() else {
        return Err("its path is not text".to_owned());
    };
    let said = match probe::run(&[text, "--version"]) {
        probe::Outcome::Success(said) => said,
        other => return Err(other.trouble("it")),
    };
    let first = said.lines().next().unwrap_or_default();
    let Some(version) = first.strip_prefix(kind.greeting()) else {
        return Err(format!(
            "it says {:?}",
            first.chars().take(SAID_SHOWN).collect::<String>()
        ));
    };
    let version: String = version.chars().take(SAID_SHOWN).collect();
    Ok(probe::version_in(&version).unwrap_or(version))
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:x}", hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

const SAID_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn script(folder: &Path, name: &str, body: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_program_is_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let qemu = script(
            folder.path(),
            "qemu",
            "echo 'QEMU emulator version 10.1.2 (Debian 1:10.1.2+ds-1)'; echo 'Copyright'",
        );
        let program = examine(&qemu, Kind::Qemu).unwrap();
        assert_eq!(
            (program.path, program.version.as_str()),
            (qemu.clone(), "10.1.2")
        );
        assert_eq!(program.sha256.len(), 64);
        let error = examine(&qemu, Kind::Lmbench).unwrap_err().to_string();
        assert!(
            error.contains("is not an lmbench: it says \"QEMU"),
            "{error}"
        );
        let own = script(folder.path(), "lmbench", "echo lmbench 0.1.0");
        assert_eq!(examine(&own, Kind::Lmbench).unwrap().version, "0.1.0");
    }

    #[test]
    fn what_is_none_is_named_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let failing = script(folder.path(), "fails", "echo broken >&2; exit 3");
        let file = folder.path().join("text");
        fs::write(&file, "QEMU emulator version 1").unwrap();
        for path in [
            &failing,
            &file,
            &folder.path().join("none"),
            &folder.path().to_owned(),
        ] {
            let error = examine(path, Kind::Qemu).unwrap_err().to_string();
            assert!(
                error.contains("\nhint: ") && error.contains(&*path.to_string_lossy()),
                "{error}"
            );
        }
        assert!(examine(Path::new("lmbench-no-such-program"), Kind::Qemu).is_err());
        assert!(examine(Path::new(""), Kind::Qemu).is_err());
    }
}
