//! CPU time of processes and threads, as the kernel's scheduler counts it.
//!
//! Resolution: 1 ns for what sleeps or has ended, a process or a thread, while one that runs is as of its last scheduler tick (4 ms at
//! 250 Hz); one clock tick (10 ms) for the split of a process into user and system. `lmbench doctor --calibrate` measures it.
#![expect(
    unsafe_code,
    reason = "rustix can't name another process's CPU clock, and /proc has its total in ticks of 10 ms only"
)]

use std::path::Path;

use serde::{Deserialize, Serialize};

/// CPU time of a process since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Nanoseconds in user mode and in the kernel.
    pub total_ns: u64,
    /// The part in user mode, to a clock tick.
    pub user_ns: u64,
    /// The part in the kernel, to a clock tick.
    pub system_ns: u64,
}

impl CpuTime {
    /// What was used since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            total_ns: self.total_ns.saturating_sub(earlier.total_ns),
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
        }
    }
}

impl std::ops::Add for CpuTime {
    type Output = CpuTime;
    fn add(self, other: CpuTime) -> CpuTime {
        CpuTime {
            total_ns: self.total_ns + other.total_ns,
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

/// CPU time of a process, `None` once it is gone. A process that has ended and was not reaped keeps its time.
pub fn of_process(pid: u32) -> Option<CpuTime> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (user_ns, system_ns) = parse_stat(&stat, UTIME, rustix::param::clock_ticks_per_second())?;
    Some(CpuTime {
        total_ns: process_clock_ns(pid)?,
        user_ns,
        system_ns,
    })
}

/// CPU time of several processes together, with all their descendants; `None` if there are none.
///
/// A carrier may work through children, as OpenSSH does, and these have children again. Those that were waited for count through
/// whoever waited, to a clock tick; one that is waited for in the moment of the reading may count twice or not at all,
/// until the next reading. Lost are descendants whose parent has died before them.
pub fn of_trees(pids: &[u32]) -> Option<CpuTime> {
    let mut times = Vec::new();
    let mut waiting = pids.to_vec();
    while let Some(pid) = waiting.pop().filter(|_| times.len() < TREE_MAX) {
        // Children first: one that goes between the two readings is then in its parent's.
        waiting.extend(children(pid));
        times.extend(of_process(pid));
        times.extend(of_reaped(pid));
    }
    times.into_iter().reduce(|sum, time| sum + time)
}

/// What the children of a process had used when it waited for them, and theirs likewise.
fn of_reaped(pid: u32) -> Option<CpuTime> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (user_ns, system_ns) = parse_stat(&stat, CUTIME, rustix::param::clock_ticks_per_second())?;
    Some(CpuTime {
        total_ns: user_ns + system_ns,
        user_ns,
        system_ns,
    })
}

/// The live children of all threads of a process, zombies included.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The CPU clock of a process: `clock_getcpuclockid(3)` and a reading of it.
fn process_clock_ns(pid: u32) -> Option<u64> {
    let pid = i32::try_from(pid).ok()?;
    let mut clock = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both calls only write to the live variable that they are given, of the type that they expect.
    let read = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    let nanoseconds = |time: libc::timespec| {
        Some(u64::try_from(time.tv_sec).ok()? * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
    };
    nanoseconds(time).filter(|_| read)
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

/// The user time at field `first` of `proc_pid_stat(5)` and the system time after it. The command name before them may hold spaces
/// and brackets.
fn parse_stat(stat: &str, first: usize, ticks_per_second: u64) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace().skip(first - STATE);
    let mut next = || Some(fields.next()?.parse::<u64>().ok()? * 1_000_000_000 / ticks_per_second);
    Some((next()?, next()?))
}

/// Fields of `proc_pid_stat(5)`: the first one after the command name, own times, and those of children that were waited for.
const STATE: usize = 3;
const UTIME: usize = 14;
const CUTIME: usize = 16;
/// A process that forks without end must not keep its reader busy without end.
pub(crate) const TREE_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 7 3 20 0 1 0 100 0 0";
        assert_eq!(
            parse_stat(stat, UTIME, 100),
            Some((2_500_000_000, 500_000_000))
        );
        assert_eq!(
            parse_stat(stat, CUTIME, 100),
            Some((70_000_000, 30_000_000))
        );
    }

    // A thread that has ended counts: its own clock showed 3 ms, far below a tick, so the process must show them too.
    #[test]
    fn work_of_an_ended_thread_is_seen_to_less_than_a_tick() {
        let pid = std::process::id();
        let before = of_process(pid).unwrap();
        std::thread::spawn(|| {
            let clock = || {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
                now.tv_sec * 1_000_000_000 + now.tv_nsec
            };
            while clock() < 3_000_000 {}
        })
        .join()
        .unwrap();
        assert!(of_process(pid).unwrap().since(before).total_ns >= 3_000_000);
    }

    // A carrier ends before its time is read: as long as it is not reaped, the time must still be there.
    #[test]
    fn an_ended_process_keeps_its_time_until_it_is_reaped() {
        let mut child = std::process::Command::new("/bin/true")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        // Its end of the pipe closes when it ends.
        std::io::Read::read_to_end(&mut output, &mut Vec::new()).unwrap();
        let pid = child.id();
        assert!(of_process(pid).unwrap().total_ns > 0);
        child.wait().unwrap();
        assert_eq!(of_process(pid), None);
    }

    // The outer shell only waits, so time beyond a few ticks can only be its descendants': first live, two levels down, then reaped.
    #[test]
    fn descendants_count_while_they_live_and_after_they_were_reaped() {
        use std::io::{BufRead as _, Write as _};
        let work = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read x";
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("sh -c '({work}); echo reaped; read x'; :")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut input = child.stdin.take().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "done");
        let own = of_process(pid).unwrap().total_ns;
        let live = of_trees(&[pid]).unwrap().total_ns;
        assert!(live > own + 30_000_000, "{live} {own}");
        input.write_all(b"\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "reaped");
        let reaped = of_trees(&[pid]).unwrap().total_ns;
        // Two ticks: user and system time are each cut to whole ones.
        assert!(reaped + 20_000_000 > live, "{reaped} {live}");
        input.write_all(b"\n").unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_is_gone_has_no_time() {
        assert_eq!(of_process(u32::MAX), None);
        assert_eq!(of_trees(&[u32::MAX]), None);
        assert!(of_threads(u32::MAX).is_empty());
    }
}
