//! CPU time of processes and threads, read from `/proc`.
//!
//! Resolution: 10 ms (one clock tick) for a process, which includes threads that have ended; 1 ns for a live thread.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// CPU time of a process since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Nanoseconds in user mode.
    pub user_ns: u64,
    /// Nanoseconds in the kernel.
    pub system_ns: u64,
}

impl CpuTime {
    /// User and system together.
    pub fn total_ns(self) -> u64 {
        self.user_ns + self.system_ns
    }

    /// What was used since an earlier reading.
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
        }
    }
}

impl std::ops::Add for CpuTime {
    type Output = CpuTime;
    fn add(self, other: CpuTime) -> CpuTime {
        CpuTime {
            user_ns: self.user_ns + other.user_ns,
            system_ns: self.system_ns + other.system_ns,
        }
    }
}

/// CPU time of one thread since its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadTime {
    /// The kernel's name of it; QEMU names vCPUs `CPU 0/TCG` or `CPU 0/KVM`, multifd threads `mig/src/send_0`.
    pub name: String,
    /// Thread id.
    pub tid: u32,
    /// Nanoseconds on a CPU.
    pub cpu_ns: u64,
}

/// CPU time of a process, `None` once it is gone.
pub fn of_process(pid: u32) -> Option<CpuTime> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&stat, rustix::param::clock_ticks_per_second())
}

/// CPU time of every live thread of a process.
pub fn of_threads(pid: u32) -> Vec<ThreadTime> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut threads: Vec<ThreadTime> = tasks
        .flatten()
        .filter_map(|task| thread(&task.path()))
        .collect();
    threads.sort_by_key(|thread| thread.tid);
    threads
}

fn thread(task: &Path) -> Option<ThreadTime> {
    let name = std::fs::read_to_string(task.join("comm"))
        .ok()?
        .trim_end()
        .to_owned();
    let schedstat = std::fs::read_to_string(task.join("schedstat")).ok()?;
    let cpu_ns = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(ThreadTime {
        name,
        tid: task.file_name()?.to_str()?.parse().ok()?,
        cpu_ns,
    })
}

/// Fields 14 (utime) and 15 (stime) of proc_pid_stat(5). The command name before them may hold spaces and brackets.
fn parse_stat(stat: &str, ticks_per_second: u64) -> Option<CpuTime> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut next = || Some(fields.next()?.parse::<u64>().ok()? * 1_000_000_000 / ticks_per_second);
    Some(CpuTime {
        user_ns: next()?,
        system_ns: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        let time = parse_stat(stat, 100).unwrap();
        assert_eq!(
            time,
            CpuTime {
                user_ns: 2_500_000_000,
                system_ns: 500_000_000
            }
        );
    }

    // Burning until the thread's own clock shows 20 ms: two ticks, so the process must show at least one.
    #[test]
    fn our_own_work_is_seen() {
        let pid = std::process::id();
        let of_me = || {
            of_threads(pid)
                .iter()
                .map(|thread| thread.cpu_ns)
                .sum::<u64>()
        };
        let start = of_me();
        while of_me() < start + 20_000_000 {}
        assert!(of_process(pid).unwrap().total_ns() >= 10_000_000);
    }

    #[test]
    fn a_process_that_is_gone_has_no_time() {
        assert_eq!(of_process(u32::MAX), None);
        assert!(of_threads(u32::MAX).is_empty());
    }
}
