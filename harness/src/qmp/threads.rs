//! QEMU's threads by what they do, so that their CPU time can be read from `/proc`.

use serde_json::Value;

/// The thread that executes a virtual CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VcpuThread {
    /// The vCPU's number.
    pub index: u32,
    /// Linux thread id.
    pub thread_id: u32,
}

/// A thread of a migration under way, for example a multifd sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MigrationThread {
    /// QEMU's name for it.
    pub name: String,
    /// Linux thread id.
    pub thread_id: u32,
}

impl VcpuThread {
    pub(super) fn from_reply(cpu: &Value) -> Option<VcpuThread> {
        Some(VcpuThread {
            index: number(cpu, "cpu-index")?,
            thread_id: number(cpu, "thread-id")?,
        })
    }
}

impl MigrationThread {
    pub(super) fn from_reply(thread: &Value) -> Option<MigrationThread> {
        Some(MigrationThread {
            name: thread["name"].as_str()?.to_owned(),
            thread_id: number(thread, "thread-id")?,
        })
    }
}

fn number(value: &Value, name: &str) -> Option<u32> {
    value[name]
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
}
