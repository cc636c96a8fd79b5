//! The lab's runtime directory: private, short enough for unix sockets, locked as long as the lab lives. Starts nothing.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::process::Process;
use crate::role::Role;

/// A lab's directory together with the lock that says that the lab lives.
#[derive(Debug)]
pub(super) struct LabDirectory {
    pub(super) id: String,
    pub(super) path: PathBuf,
    source: PathBuf,
    destination: PathBuf,
    /// flock is dropped by the kernel with the last descriptor, whatever ends this process.
    _lock: File,
}

impl LabDirectory {
    /// Makes a directory below `root`. Call it with the root's lock held: a reaper must not see it unlocked.
    pub(super) fn create(root: &Root) -> Result<LabDirectory, LabError> {
        let (id, path) = unused(root, PREFIX)?;
        LabDirectory::fill(id, path)
    }

    fn fill(id: String, path: PathBuf) -> Result<LabDirectory, LabError> {
        let lock = open_lock(&path)?;
        lock.lock().map_err(LabError::file("lock", &path))?;
        let [source, destination] = Role::BOTH.map(|role| path.join(role.name()));
        for directory in [&source, &destination] {
            private_builder()
                .create(directory)
                .map_err(LabError::file("create", directory))?;
        }
        let lab = LabDirectory {
            id,
            path,
            source,
            destination,
            _lock: lock,
        };
        lab.check_length()?;
        Ok(lab)
    }

    pub(super) fn of(&self, role: Role) -> &Path {
        match role {
            Role::Source => &self.source,
            Role::Destination => &self.destination,
        }
    }

    pub(super) fn remove(&self) -> Result<(), LabError> {
        remove_tree(&self.path)
    }

    fn check_length(&self) -> Result<(), LabError> {
        let bytes = self.destination.as_os_str().len();
        let Some(excess) = bytes
            .checked_sub(DIRECTORY_BYTES_MAX)
            .filter(|excess| *excess > 0)
        else {
            return Ok(());
        };
        let _ = self.remove();
        Err(LabError::PathTooLong {
            path: self.destination.clone(),
            bytes,
            excess,
        })
    }
}

/// The directory that holds all labs of one user.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    /// Held while labs are made or reaped, so that nobody reaps a lab that is just being made.
    _lock: File,
}

impl Root {
    /// `<base>/lmbench-<uid>`, made if need be, checked, and locked. Anybody may take that name in /tmp first: then it is passed over
    /// with `<base>/lmbench-<uid>-<8 hexadecimal digits>`, which later starts find.
    pub(super) fn open(base: &Path) -> Result<Root, LabError> {
        Root::open_as(base, rustix::process::geteuid().as_raw())
    }

    fn open_as(base: &Path, own: u32) -> Result<Root, LabError> {
        let name = format!("lmbench-{}", outer_uid());
        let path = base.join(&name);
        let path = if made_or_there(&path, own)? {
            path
        } else {
            let spare = spares(base, &name, own)?.into_iter().next();
            spare.map_or_else(
                || unused_in(base, &format!("{name}-")).map(|(_, path)| path),
                Ok,
            )?
        };
        let lock = open_lock(&path)?;
        lock.lock().map_err(LabError::file("lock", &path))?;
        Ok(Root { path, _lock: lock })
    }

    /// Labs whose owner is gone.
    pub(super) fn stale(&self) -> Result<Vec<PathBuf>, LabError> {
        let entries = fs::read_dir(&self.path).map_err(LabError::file("read", &self.path))?;
        let labs = entries
            .flatten()
            .filter(|entry| is_lab_name(entry.file_name().as_bytes()));
        // file_type does not follow symlinks: a link with a lab's name is nobody's lab.
        let labs = labs.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        Ok(labs
            .map(|entry| entry.path())
            .filter(|path| is_stale(path))
            .collect())
    }
}

/// Makes the directory of all labs, or finds our own; `false` if another user has the name.
fn made_or_there(path: &Path, own: u32) -> Result<bool, LabError> {
    match private_builder().create(path) {
        Ok(()) => return Ok(true),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(LabError::file("create", path)(source)),
    }
    let metadata = fs::symlink_metadata(path).map_err(LabError::file("examine", path))?;
    if metadata.uid() != own {
        return Ok(false);
    }
    check_private(path, &metadata)?;
    Ok(true)
}

/// The directories of labs that earlier starts made beside a name that was taken, in their order.
fn spares(base: &Path, name: &str, own: u32) -> Result<Vec<PathBuf>, LabError> {
    let is_spare = |found: &[u8]| {
        found
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"-"))
            .is_some_and(is_id)
    };
    let entries = fs::read_dir(base).map_err(LabError::file("read", base))?;
    let mut spares: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| is_spare(entry.file_name().as_bytes()))
        .map(|entry| entry.path())
        .filter(|path| {
            fs::symlink_metadata(path)
                .is_ok_and(|found| found.uid() == own && check_private(path, &found).is_ok())
        })
        .collect();
    spares.sort();
    Ok(spares)
}

/// Makes a directory with a name that nobody has; its id and its path.
pub(super) fn unused(root: &Root, prefix: &str) -> Result<(String, PathBuf), LabError> {
    unused_in(&root.path, prefix)
}

fn unused_in(directory: &Path, prefix: &str) -> Result<(String, PathBuf), LabError> {
    for _ in 0..ATTEMPTS {
        let id = format!("{:08x}", RandomState::new().build_hasher().finish() as u32);
        let path = directory.join(format!("{prefix}{id}"));
        match private_builder().create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(LabError::file("create", &path)(source)),
            Ok(()) => return Ok((id, path)),
        }
    }
    Err(LabError::file("find a free name in", directory)(
        io::ErrorKind::AlreadyExists.into(),
    ))
}

/// Where labs live when the caller does not say.
pub(super) fn default_base() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|value| !value.is_empty())
        .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// Adds a process to those that the next start ends, should this lab not end in order. `lab` is [`super::Lab::path`].
pub fn record_process(lab: &Path, pid: u32) -> Result<(), LabError> {
    let path = lab.join(PROCESSES);
    let Some(process) = Process::of_pid(pid) else {
        return Ok(());
    };
    let line = format!("{} {} {}\n", process.pid, process.start, boot_id());
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(&path);
    // One short write to a file opened for appending is atomic, so both agents may record at once.
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(LabError::file("write", &path))
}

/// The processes recorded in a lab's directory, in this boot.
pub(super) fn recorded_processes(lab: &Path) -> Vec<Process> {
    parse_processes(
        &fs::read_to_string(lab.join(PROCESSES)).unwrap_or_default(),
        &boot_id(),
    )
}

/// Removes a directory; one that somebody else has just removed is fine.
pub(super) fn remove_tree(path: &Path) -> Result<(), LabError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(LabError::file("remove", path)(source))
        }
        _ => Ok(()),
    }
}

fn parse_processes(text: &str, boot: &str) -> Vec<Process> {
    let parse = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let process = Process {
            pid: fields.next()?.parse().ok()?,
            start: fields.next()?.parse().ok()?,
        };
        (fields.next()? == boot).then_some(process)
    };
    text.lines().filter_map(parse).collect()
}

/// Start times count from boot, and /tmp can outlive it.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

/// In a user namespace everybody is root; directories are named after the user outside.
fn outer_uid() -> u32 {
    let inside = rustix::process::geteuid().as_raw();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    outer_uid_in(&map, inside).unwrap_or(inside)
}

fn outer_uid_in(map: &str, inside: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut fields = line
            .split_ascii_whitespace()
            .map(|field| field.parse::<u32>().ok());
        let (first, outer, count) = (fields.next()??, fields.next()??, fields.next()??);
        inside
            .checked_sub(first)
            .filter(|offset| *offset < count)
            .map(|offset| outer + offset)
    })
}

fn check_private(path: &Path, metadata: &fs::Metadata) -> Result<(), LabError> {
    let insecure = |why: String| {
        Err(LabError::Insecure {
            path: path.to_owned(),
            why,
        })
    };
    if !metadata.is_dir() {
        return insecure("is not a directory (symlinks are refused)".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        return insecure(format!(
            "has mode {:04o} instead of 0700",
            metadata.mode() & 0o7777
        ));
    }
    Ok(())
}

fn is_stale(lab: &Path) -> bool {
    let lock = OpenOptions::new()
        .write(true)
        .custom_flags(no_follow())
        .open(lab.join(LOCK));
    match lock {
        Ok(lock) => lock.try_lock().is_ok(),
        // Its owner died between making the directory and the lock, or while removing it.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn is_lab_name(name: &[u8]) -> bool {
    [PREFIX, RUN_PREFIX]
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix.as_bytes()))
        .any(is_id)
}

fn is_id(text: &[u8]) -> bool {
    text.len() == 8 && text.iter().all(u8::is_ascii_hexdigit)
}

pub(super) fn open_lock(directory: &Path) -> Result<File, LabError> {
    let path = directory.join(LOCK);
    let options = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow())
        .clone();
    options.open(&path).map_err(LabError::file("open", &path))
}

fn private_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

const PREFIX: &str = "lab-";
/// Of directories that belong to a run and hold no lab.
pub(super) const RUN_PREFIX: &str = "run-";
const LOCK: &str = "lock";
const PROCESSES: &str = "processes";
const ATTEMPTS: u32 = 16;
/// `sun_path` has 108 bytes with the terminating zero; a slash and a socket's name of up to 32 bytes come after the directory.
const DIRECTORY_BYTES_MAX: usize = 107 - 1 - 32;

#[cfg(test)]
mod tests;
