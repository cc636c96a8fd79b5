//! Who holds which socket: `/proc/PID/fd` of the processes.
//!
//! A carrier's process whose descriptors may not be read, because it belongs to somebody else, holds nothing here.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::cpu;

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// QEMU's, also when a carrier handed it over.
    Qemu,
    /// A carrier's, or a descendant's of one.
    Carrier,
}

/// Socket inodes of a QEMU and of carriers with all their descendants. What both hold is QEMU's.
pub(super) fn inodes(qemu: u32, carriers: &[u32]) -> BTreeMap<u32, Owner> {
    let mut inodes = BTreeMap::new();
    for pid in descendants(carriers) {
        inodes.extend(of_process(pid).map(|inode| (inode, Owner::Carrier)));
    }
    inodes.extend(of_process(qemu).map(|inode| (inode, Owner::Qemu)));
    inodes
}

/// An error if the descriptors of a process may not be read; one that is gone has none.
pub(super) fn readable(pid: u32) -> io::Result<()> {
    match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// The processes with all their descendants.
pub fn descendants(pids: &[u32]) -> Vec<u32> {
    let mut all = Vec::new();
    let mut waiting = pids.to_vec();
    while let Some(pid) = waiting.pop().filter(|_| all.len() < cpu::TREE_MAX) {
        waiting.extend(cpu::children(pid));
        all.push(pid);
    }
    all
}

fn of_process(pid: u32) -> impl Iterator<Item = u32> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"));
    descriptors
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?;
            inode(target.to_str()?)
        })
}

fn inode(target: &str) -> Option<u32> {
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_have_an_inode_here() {
        assert_eq!(inode("socket:[4711]"), Some(4711));
        for other in [
            "/dev/null",
            "pipe:[4711]",
            "socket:[]",
            "socket:[-1]",
            "socket:[1",
        ] {
            assert_eq!(inode(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_that_is_gone_holds_nothing() {
        assert!(inodes(u32::MAX, &[u32::MAX]).is_empty());
    }
}
