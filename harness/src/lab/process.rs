//! Processes named so that a recycled pid is never hit: pid plus start time, signalled through a pidfd.

use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::clock::monotonic_ns;

/// One process of this boot, for ever: the kernel gives a pid away again, but not with the same start time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Clock ticks after boot (field 22 of /proc/PID/stat).
    pub(super) start: u64,
}

impl Process {
    /// The process that has this pid now.
    pub(super) fn of_pid(pid: u32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Process {
            pid,
            start: start_time(&stat)?,
        })
    }

    /// `None` once the process has ended (a zombie has ended, too).
    pub(super) fn open(&self) -> Option<Handle> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Asked after the pidfd is open: from here on it can only mean the process whose start time was compared.
        (Process::of_pid(self.pid)? == *self).then_some(Handle { pidfd })
    }

    /// The program's name, for messages.
    pub(super) fn name(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/comm", self.pid))
            .map_or_else(|_| "?".to_owned(), |name| name.trim_end().to_owned())
    }
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.pid, self.name())
    }
}

/// A hold on one running process.
#[derive(Debug)]
pub(super) struct Handle {
    pidfd: OwnedFd,
}

impl Handle {
    /// Opens a child that has not been waited for, whose pid therefore cannot be recycled.
    pub(super) fn of_child(child: &std::process::Child) -> Option<Handle> {
        let pid = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
        Some(Handle {
            pidfd: pidfd_open(pid, PidfdFlags::empty()).ok()?,
        })
    }

    /// Another hold on the same process.
    pub(super) fn duplicate(&self) -> Option<Handle> {
        let pidfd = self.pidfd.try_clone().ok()?;
        Some(Handle { pidfd })
    }

    /// Whether the process ended within `limit`.
    pub(super) fn ends_within(&self, limit: Duration) -> bool {
        let deadline = Deadline::after(limit);
        loop {
            let left = deadline.left();
            let timeout = Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(
                &mut [PollFd::new(&self.pidfd, PollFlags::IN)],
                Some(&timeout),
            ) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Fails only for a process that has ended or belongs to somebody else; waiting tells which.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }
}

/// A point on the run clock after which nobody waits any longer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at_ns: u64,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Deadline {
        Deadline {
            at_ns: monotonic_ns()
                .saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    pub(super) fn left(self) -> Duration {
        Duration::from_nanos(self.at_ns.saturating_sub(monotonic_ns()))
    }
}

/// Ends all of them: `grace` to end by themselves, then SIGKILL. Returns those that had to be killed and those that survived even that.
pub(super) fn end_all(processes: &[Process], grace: Duration) -> (Vec<String>, Vec<String>) {
    let mut killed = Vec::new();
    let mut survivors = Vec::new();
    let deadline = Deadline::after(grace);
    for process in processes {
        let Some(handle) = process.open() else {
            continue;
        };
        if handle.ends_within(deadline.left()) {
            continue;
        }
        let label = process.to_string();
        handle.signal(Signal::KILL);
        if handle.ends_within(KILL_LIMIT) {
            killed.push(label);
        } else {
            survivors.push(label);
        }
    }
    (killed, survivors)
}

/// All processes of this machine that `wanted` accepts by pid.
pub(super) fn find(wanted: impl Fn(u32) -> bool) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id() && wanted(*pid))
        .filter_map(Process::of_pid)
        .collect()
}

/// Field 22; the second field is a name in parentheses that may itself hold blanks and parentheses.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // A zombie keeps its entry until somebody waits for it, but it holds no namespace any more.
    let mut fields = after_name.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// SIGKILL takes effect at once unless the process is stuck inside the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_survives_names_with_parentheses_and_ignores_zombies() {
        let numbers = (4..=52)
            .map(|field| field.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(start_time(&format!("7 (a) R (b)) S {numbers}")), Some(22));
        assert_eq!(start_time(&format!("7 (cat) Z {numbers}")), None);
        assert_eq!(start_time("7 (cat"), None);
    }

    #[test]
    fn a_recycled_pid_is_not_opened() {
        let own = Process::of_pid(std::process::id()).unwrap();
        assert!(own.open().is_some());
        assert!(
            Process {
                start: own.start + 1,
                ..own
            }
            .open()
            .is_none()
        );
    }

    #[test]
    fn ending_a_child_kills_it_and_only_it() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::of_pid(child.id()).unwrap();
        let stranger = Process {
            start: process.start + 1,
            ..process.clone()
        };
        assert_eq!(end_all(&[stranger], Duration::ZERO), (vec![], vec![]));
        assert!(
            child.try_wait().unwrap().is_none(),
            "the stranger's record must not touch it"
        );
        let (killed, survivors) = end_all(&[process], Duration::ZERO);
        assert_eq!((killed.len(), survivors.len()), (1, 0));
        child.wait().unwrap();
    }
}
