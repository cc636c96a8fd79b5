//! Context switches of processes: `/proc/PID/task/*/status`, thread by thread.
//!
//! The kernel shows no sum that another process could read, and a thread that has ended takes its counts along: it is counted up to
//! the last reading before its end. A thread that began and ended between two readings is not counted at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sockets::{Owner, descendants};

/// How often threads left the CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switches {
    /// They waited for something.
    pub voluntary: u64,
    /// Others had their turn.
    pub involuntary: u64,
}

/// What was read of the threads of a QEMU and of carriers since the ledger was begun.
#[derive(Debug)]
pub struct Ledger {
    qemu: u32,
    carriers: Vec<u32>,
    threads: BTreeMap<(Owner, u32), Thread>,
}

#[derive(Debug, Clone, Copy)]
struct Thread {
    before: Switches,
    last: Switches,
}

impl Ledger {
    /// Begins to count.
    pub fn begin(qemu: u32, carriers: Vec<u32>) -> Self {
        let mut ledger = Ledger {
            qemu,
            carriers,
            threads: BTreeMap::new(),
        };
        ledger.read();
        for thread in ledger.threads.values_mut() {
            thread.before = thread.last;
        }
        ledger
    }

    /// Counts another carrier's threads from now on.
    pub fn adopt(&mut self, carrier: u32) {
        self.carriers.push(carrier);
    }

    /// Reads every thread that lives.
    pub fn read(&mut self) {
        let qemu = (self.qemu, Owner::Qemu);
        let carriers = descendants(&self.carriers);
        let carriers = carriers.into_iter().map(|pid| (pid, Owner::Carrier));
        for (pid, owner) in std::iter::once(qemu).chain(carriers) {
            for (tid, last) in of_threads(pid) {
                let thread = self.threads.entry((owner, tid)).or_insert(Thread {
                    before: Switches::default(),
                    last,
                });
                thread.last = last;
            }
        }
    }

    /// The sum over an owner's threads since the beginning; `None` if none was ever seen.
    pub fn of(&self, owner: Owner) -> Option<Switches> {
        let threads = self
            .threads
            .iter()
            .filter(|((whose, _), _)| *whose == owner);
        threads
            .map(|(_, thread)| Switches {
                voluntary: thread
                    .last
                    .voluntary
                    .saturating_sub(thread.before.voluntary),
                involuntary: thread
                    .last
                    .involuntary
                    .saturating_sub(thread.before.involuntary),
            })
            .reduce(|sum, one| Switches {
                voluntary: sum.voluntary + one.voluntary,
                involuntary: sum.involuntary + one.involuntary,
            })
    }
}

fn of_threads(pid: u32) -> impl Iterator<Item = (u32, Switches)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    tasks.into_iter().flatten().flatten().filter_map(|task| {
        let tid = task.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        Some((tid, parse(&status)?))
    })
}

fn parse(status: &str) -> Option<Switches> {
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Some(Switches {
        voluntary: field("voluntary_ctxt_switches:")?,
        involuntary: field("nonvoluntary_ctxt_switches:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_told_apart() {
        let status =
            "Name:\tqemu (x)\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n";
        let expected = Switches {
            voluntary: 150,
            involuntary: 7,
        };
        assert_eq!(parse(status), Some(expected));
        assert_eq!(parse("Name:\tqemu\nvoluntary_ctxt_switches:\tmany\n"), None);
    }

    // A child that reads its input sleeps for every line, and nothing else is counted.
    #[test]
    fn waiting_is_voluntary_and_counts_from_the_beginning() {
        use std::io::{BufRead as _, Write as _};
        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut input = child.stdin.take().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        let mut exchange = |times: u32| {
            for _ in 0..times {
                // Where its answer takes the CPU from it, it would find the next line before it sleeps.
                while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
                    std::thread::yield_now();
                }
                input.write_all(b"x\n").unwrap();
                lines.next().unwrap().unwrap();
            }
        };
        exchange(3);
        let mut ledger = Ledger::begin(child.id(), Vec::new());
        assert_eq!(ledger.of(Owner::Qemu).unwrap().involuntary, 0);
        exchange(50);
        ledger.read();
        let counted = ledger.of(Owner::Qemu).unwrap();
        assert!((25..=60).contains(&counted.voluntary), "{counted:?}");
        assert_eq!(ledger.of(Owner::Carrier), None);
        drop(input);
        child.wait().unwrap();
    }
}
