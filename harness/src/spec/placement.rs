//! Where a guest's threads and memory lie on its host.

use serde::{Deserialize, Serialize};

use crate::role::Role;

/// Placement of both QEMUs. Nothing is touched by default: the host's scheduler decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// `dirty-ring-size` of KVM: entries per vCPU. Dirty limit needs it.
    pub dirty_ring_size: Option<u32>,
    /// Whether QEMU gets no transparent huge pages, whatever the host's setting.
    pub no_transparent_huge_pages: bool,
    /// On the source.
    pub source: Pinning,
    /// On the destination.
    pub destination: Pinning,
}

/// Where the parts of one QEMU may be. An empty list is everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pinning {
    /// CPUs of all threads that no other list is for.
    pub qemu: Vec<u32>,
    /// CPUs of the threads that execute the guest.
    pub vcpus: Vec<u32>,
    /// CPUs of the migration's own threads, multifd's among them.
    pub migration: Vec<u32>,
    /// NUMA nodes of guest RAM.
    pub memory_nodes: Vec<u32>,
    /// How RAM is spread over them.
    pub memory_policy: MemoryPolicy,
}

/// NUMA policy of guest RAM, by QEMU's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryPolicy {
    /// On these nodes only.
    #[default]
    Bind,
    /// On these if they have room.
    Preferred,
    /// Page by page in turn.
    Interleave,
}

impl MemoryPolicy {
    /// QEMU's word.
    pub fn name(self) -> &'static str {
        match self {
            MemoryPolicy::Bind => "bind",
            MemoryPolicy::Preferred => "preferred",
            MemoryPolicy::Interleave => "interleave",
        }
    }
}

impl Placement {
    /// What holds on one side.
    pub fn side(&self, role: Role) -> &Pinning {
        match role {
            Role::Source => &self.source,
            Role::Destination => &self.destination,
        }
    }
}

impl Pinning {
    /// All CPUs that are named.
    pub fn cpus(&self) -> impl Iterator<Item = u32> {
        let lists = [&self.qemu, &self.vcpus, &self.migration];
        lists.into_iter().flatten().copied()
    }

    /// Whether any thread is bound to CPUs.
    pub fn binds_threads(&self) -> bool {
        self.cpus().next().is_some()
    }
}
