//! What a host is: for the record, and to compare clocks and memory.

use serde::{Deserialize, Serialize};

use crate::clock::monotonic_ns;

/// A host, as its agent describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// Host name.
    pub name: String,
    /// `uname -r`.
    pub kernel: String,
    /// CPU model name.
    pub cpu: String,
    /// Online CPUs.
    pub cores: u32,
    /// `MemTotal`.
    pub memory_bytes: u64,
    /// `MemAvailable`.
    pub memory_available_bytes: u64,
    /// Names this boot; two agents with the same one share a clock.
    pub boot_id: String,
    /// TCP congestion control of new connections.
    pub congestion_control: String,
    /// Mode of transparent huge pages.
    pub huge_pages: String,
    /// This host's clock when the answer was made, ns.
    pub now_ns: u64,
    /// Version of its lmbench.
    pub lmbench: String,
}

/// This lmbench. A debug build is told from others: its carriers and instruments are several times as slow.
pub const VERSION: &str = if cfg!(debug_assertions) {
    concat!(env!("CARGO_PKG_VERSION"), " (debug build)")
} else {
    env!("CARGO_PKG_VERSION")
};

impl HostInfo {
    /// Looks at this host.
    pub fn examine() -> Self {
        let uname = rustix::system::uname();
        HostInfo {
            name: uname.nodename().to_string_lossy().into_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            cpu: cpu_model(),
            cores: std::thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            memory_bytes: memory("MemTotal:"),
            memory_available_bytes: memory("MemAvailable:"),
            boot_id: boot_id(),
            congestion_control: line("/proc/sys/net/ipv4/tcp_congestion_control"),
            huge_pages: chosen(&line("/sys/kernel/mm/transparent_hugepage/enabled")),
            now_ns: monotonic_ns(),
            lmbench: VERSION.to_owned(),
        }
    }
}

/// Names this boot of the machine.
pub(crate) fn boot_id() -> String {
    line("/proc/sys/kernel/random/boot_id")
}

/// The CPU's model name.
pub fn cpu_model() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn line(path: &str) -> String {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The bracketed word of a sysfs choice such as `always [madvise] never`.
fn chosen(choices: &str) -> String {
    choices
        .split(['[', ']'])
        .nth(1)
        .unwrap_or(choices)
        .to_owned()
}

/// Free huge pages, and the size of one in bytes.
pub fn huge_pages() -> (u64, u64) {
    // The count has no unit, so the kibibytes are taken back.
    (memory("HugePages_Free:") / 1024, memory("Hugepagesize:"))
}

fn memory(field: &str) -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo.lines().find_map(|line| {
        line.strip_prefix(field)?
            .split_ascii_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_memory_cores_and_a_boot() {
        let host = HostInfo::examine();
        assert!(
            host.memory_bytes >= host.memory_available_bytes && host.memory_available_bytes > 0
        );
        assert!(host.cores > 0 && host.boot_id.len() == 36);
    }

    #[test]
    fn the_bracketed_choice_is_taken() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(chosen(""), "");
    }
}
