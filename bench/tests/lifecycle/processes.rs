//! The processes below one run, found by walking `/proc` from the pid that the test started. Nothing else is ever signalled.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What a process of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Controller,
    Agent(Host),
    Qemu(Host),
    Carrier(Host),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Source,
    Destination,
}

/// A process for ever: a recycled pid has another start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    start: u64,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Option<Process> {
        Some(Process {
            pid,
            start: stat(pid)?.start,
        })
    }

    /// Neither gone nor a zombie that only waits for its parent.
    pub(crate) fn lives(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.start == self.start && !stat.ended)
    }

    /// Sends a signal to this process and no other; false if it is gone.
    pub(crate) fn signal(self, signal: Signal) -> bool {
        let pid = Pid::from_raw(self.pid.cast_signed()).unwrap();
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        // Compared after the handle is open: from here on it can only mean this process.
        self.lives() && pidfd_send_signal(&handle, signal).is_ok()
    }

    pub(crate) fn describe(self) -> String {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let line: String = String::from_utf8_lossy(&line).replace('\0', " ");
        format!(
            "{} {}",
            self.pid,
            line.chars().take(120).collect::<String>()
        )
    }
}

struct Stat {
    parent: u32,
    start: u64,
    ended: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
        ended: matches!(*fields.first()?, "Z" | "X"),
    })
}

pub(crate) fn all_pids() -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// All living processes below `root`, itself included, with what they are; programs that are no part of ours have none.
pub(crate) fn tree(root: Process) -> Vec<(Process, Option<Part>)> {
    let parents: Vec<(u32, u32)> = all_pids()
        .into_iter()
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut found = Vec::new();
    let mut open = if root.lives() {
        vec![root.pid]
    } else {
        Vec::new()
    };
    while let Some(parent) = open.pop() {
        if let Some(process) = Process::of(parent).filter(|process| process.lives()) {
            let part = if parent == root.pid {
                Some(Part::Controller)
            } else {
                part(parent)
            };
            found.push((process, part));
        }
        open.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
    }
    // Both agents are called alike; the lab starts the source's first.
    let mut agents: Vec<Process> = found
        .iter()
        .filter(|(_, part)| matches!(part, Some(Part::Agent(_))))
        .map(|(process, _)| *process)
        .collect();
    agents.sort_by_key(|process| (process.start, process.pid));
    if let Some(second) = agents.get(1) {
        for (process, part) in &mut found {
            if process == second {
                *part = Some(Part::Agent(Host::Destination));
            }
        }
    }
    found.sort();
    found
}

fn part(pid: u32) -> Option<Part> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let has = |word: &str| words.iter().any(|own| own == word);
    if words.first()?.contains("qemu-system") {
        // The QEMU that preflight asks has no name.
        let name = words.iter().find(|word| word.starts_with("lmbench-"))?;
        let host = if name.starts_with("lmbench-source") {
            Host::Source
        } else {
            Host::Destination
        };
        return Some(Part::Qemu(host));
    }
    if has("carry") {
        return Some(Part::Carrier(if has("source") {
            Host::Source
        } else {
            Host::Destination
        }));
    }
    has("--stdio").then_some(Part::Agent(Host::Source))
}

/// `LMBENCH_LAB` in a process's environment.
pub(crate) fn lab_mark(pid: u32) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"LMBENCH_LAB="))
        .map(<[u8]>::to_vec)
}

pub(crate) fn is_below(mark: &[u8], base: &Path) -> bool {
    mark.starts_with(base.as_os_str().as_bytes())
}

/// A network namespace's inode; `None` once the process is gone.
pub(crate) fn network_namespace(pid: u32) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(format!("/proc/{pid}/ns/net"))
        .ok()
        .map(|file| file.ino())
}
