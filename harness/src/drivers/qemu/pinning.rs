//! Binds QEMU's threads to CPUs and keeps huge pages from it, from outside, as a management daemon does.
//!
//! QEMU names its threads (`debug-threads=on`), so a thread's name tells what it is for. Those of a migration come into
//! being when it starts, hence somebody has to look again and again: that is done only where lists are set.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{
    CpuSet, disable_transparent_huge_pages, sched_getaffinity, sched_setaffinity,
};
use tokio::task::JoinHandle;

use crate::spec::{GuestSpec, Pinning};

/// Starts QEMU with or without transparent huge pages. The kernel hands the setting down to children and keeps it when
/// they execute another program; this process has it only meanwhile, and allocates no memory worth a huge page.
pub(super) fn started<T>(spec: &GuestSpec, start: impl FnOnce() -> T) -> T {
    let without = spec.placement.no_transparent_huge_pages;
    if without && let Err(error) = disable_transparent_huge_pages(true) {
        tracing::warn!(%error, "transparent huge pages stay as the host has them");
    }
    let made = start();
    if without {
        // What could be set can be taken back.
        let _ = disable_transparent_huge_pages(false);
    }
    made
}

/// Binds a process that has one thread yet; all that it starts inherit from it.
pub(super) fn pin_whole(pid: u32, pinning: &Pinning) {
    if !pinning.qemu.is_empty() {
        pin(pid, &pinning.qemu);
    }
}

/// Keeps vCPUs and migration threads where they belong, for as long as it lives.
pub(super) struct Pins(JoinHandle<()>);

impl Pins {
    /// `None` where there is nothing to keep.
    pub(super) fn keep(pid: u32, pinning: &Pinning) -> Option<Self> {
        if pinning.vcpus.is_empty() && pinning.migration.is_empty() {
            return None;
        }
        let pinning = pinning.clone();
        Some(Pins(tokio::spawn(async move {
            let mut done = BTreeSet::new();
            loop {
                pin_threads(pid, &pinning, &mut done);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Binds the threads that have not been bound yet.
fn pin_threads(pid: u32, pinning: &Pinning, done: &mut BTreeSet<u32>) {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let name = task.file_name();
        let Some(tid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if done.contains(&tid) {
            continue;
        }
        // A thread has the name of its maker for a moment, and may be gone by now.
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if let Some(cpus) = cpus_for(comm.trim_end(), pinning) {
            pin(tid, cpus);
            done.insert(tid);
        }
    }
}

/// The list for a thread of this name; `None` if it stays where its maker was.
fn cpus_for<'a>(name: &str, pinning: &'a Pinning) -> Option<&'a [u32]> {
    let list = if name.starts_with("CPU ") {
        &pinning.vcpus
    } else if MIGRATION
        .iter()
        .any(|beginning| name.starts_with(beginning))
    {
        &pinning.migration
    } else {
        return None;
    };
    (!list.is_empty()).then_some(list)
}

fn pin(tid: u32, cpus: &[u32]) {
    let mut set = CpuSet::new();
    for cpu in cpus.iter().filter(|cpu| **cpu < CPUS_MAX) {
        set.set(*cpu as usize);
    }
    let id = i32::try_from(tid).ok().and_then(Pid::from_raw);
    // Without an id the kernel would take this thread.
    let Some(id) = id else { return };
    if let Err(error) = sched_setaffinity(Some(id), &set) {
        tracing::warn!(%error, tid, ?cpus, "a thread could not be bound to its CPUs");
    }
}

/// The CPUs of a list that this process may not use.
pub(super) fn out_of_reach(cpus: impl Iterator<Item = u32>) -> Vec<u32> {
    let Ok(allowed) = sched_getaffinity(None) else {
        return Vec::new();
    };
    let reachable = |cpu: &u32| *cpu < CPUS_MAX && allowed.is_set(*cpu as usize);
    let missing: BTreeSet<u32> = cpus.filter(|cpu| !reachable(cpu)).collect();
    missing.into_iter().collect()
}

/// How the names of a migration's threads begin: since QEMU 9.1, and before.
const MIGRATION: [&str; 6] = [
    "mig/",
    "live_migration",
    "multifd",
    "return path",
    "postcopy/",
    "bg_snapshot",
];
/// A migration lasts tens of these at least; looking costs a listing of some ten threads.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What the kernel's interface takes in the size that rustix gives it.
const CPUS_MAX: u32 = CpuSet::MAX_CPU as u32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn pinning() -> Pinning {
        Pinning {
            vcpus: vec![0],
            migration: vec![1, 2],
            ..Pinning::default()
        }
    }

    #[test]
    fn a_thread_is_known_by_its_name() {
        let pinning = pinning();
        for (name, cpus) in [
            ("CPU 0/TCG", Some(&[0][..])),
            ("CPU 12/KVM", Some(&[0][..])),
            ("mig/src/main", Some(&[1, 2][..])),
            ("mig/dst/recv_3", Some(&[1, 2][..])),
            ("multifdsend_0", Some(&[1, 2][..])),
            ("qemu-system-x86", None),
            ("IO mon_iothread", None),
        ] {
            assert_eq!(cpus_for(name, &pinning), cpus, "{name}");
        }
        assert_eq!(cpus_for("CPU 0/TCG", &Pinning::default()), None);
    }

    #[test]
    fn a_thread_that_comes_later_is_bound_too() {
        let pid = std::process::id();
        let mut done = BTreeSet::new();
        pin_threads(pid, &pinning(), &mut done);
        assert!(done.is_empty());
        let (tell, told) = mpsc::channel();
        let (let_go, wait) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("CPU 7/test".into());
        let thread = thread.spawn(move || {
            tell.send(rustix::thread::gettid()).unwrap();
            let _ = wait.recv();
        });
        let tid = told.recv().unwrap();
        pin_threads(pid, &pinning(), &mut done);
        let bound = sched_getaffinity(Some(tid)).unwrap();
        assert_eq!((bound.count(), bound.is_set(0)), (1, true));
        drop(let_go);
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn a_cpu_that_is_not_there_is_out_of_reach() {
        assert_eq!(out_of_reach([0, 1023, 70_000].into_iter()), [1023, 70_000]);
    }

    #[test]
    fn only_the_child_goes_without_huge_pages() {
        use crate::spec::{Accelerator, Boot, Placement};
        let spec = GuestSpec {
            tenant: None,
            vcpus: 1,
            memory_bytes: 0,
            accelerator: Accelerator::Tcg,
            prealloc: false,
            huge_pages: false,
            machine: String::new(),
            cpu: None,
            boot: Boot::Lmbench,
            boot_timeout: Duration::ZERO,
            heartbeat: Duration::ZERO,
            placement: Placement {
                no_transparent_huge_pages: true,
                ..Placement::default()
            },
        };
        let child = started(&spec, || {
            let output = std::process::Command::new("grep")
                .args(["THP_enabled", "/proc/self/status"])
                .output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        });
        assert_eq!(child.split_ascii_whitespace().last(), Some("0"));
        assert!(!rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
