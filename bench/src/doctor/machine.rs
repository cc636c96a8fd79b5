//! The machine under the guests: memory, disk, and the kernel's settings that figures depend on. Its processor has a file of its own.

use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use super::probe::read;

/// Looks at all of it; results will go to `results`.
pub(super) fn examine(results: &Path) -> Vec<Finding> {
    let memory_info = read("/proc/meminfo").unwrap_or_default();
    vec![
        memory(available_memory(&memory_info)).required(),
        huge_pages(&memory_info),
        disk(results).required(),
        congestion_control(),
        buffers(setting("net/core/rmem_max"), setting("net/core/wmem_max")),
        accounting(),
    ]
}

/// A field of `/proc/meminfo`, as it stands there.
fn field(memory_info: &str, name: &str) -> Option<u64> {
    let line = memory_info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is free in the machine, or in this container if it is allowed less.
fn available_memory(memory_info: &str) -> Option<u64> {
    let machine = field(memory_info, "MemAvailable")? * 1024;
    let limit = read("/sys/fs/cgroup/memory.max").and_then(|text| text.parse::<u64>().ok());
    let used = read("/sys/fs/cgroup/memory.current").and_then(|text| text.parse::<u64>().ok());
    Some(match (limit, used) {
        (Some(limit), Some(used)) => machine.min(limit.saturating_sub(used)),
        _ => machine,
    })
}

fn memory(available: Option<u64>) -> Finding {
    let name = "free memory";
    let Some(available) = available else {
        return Finding::limited(name, "/proc/meminfo does not say how much");
    };
    let version = Some(gibibytes(available));
    let lesser = "a lab holds two guests at once, so it is little";
    match available {
        0..MEMORY_LEAST => Finding::missing(name, "too little for two guests of 256 MiB")
            .mend("end what uses the memory"),
        MEMORY_LEAST..MEMORY_WANTED => {
            Finding::limited(name, lesser).mend("end what uses the memory, or give guests less")
        }
        _ => Finding::found(name, "enough for two guests of 1 GiB"),
    }
    .version(version)
}

fn huge_pages(memory_info: &str) -> Finding {
    let name = "huge pages";
    let free = field(memory_info, "HugePages_Free").unwrap_or(0);
    let size_kib = field(memory_info, "Hugepagesize").unwrap_or(0);
    if free == 0 {
        return Finding::limited(
            name,
            "none reserved; only scenarios with `huge-pages = true` need them",
        )
        .mend("sysctl -w vm.nr_hugepages=1536");
    }
    Finding::found(name, format!("{free} free pages of {size_kib} KiB"))
        .version(Some(gibibytes(free * size_kib * 1024)))
}

fn disk(results: &Path) -> Finding {
    let name = "results disk";
    // The folder itself is made by the first run.
    let here = Path::new(".");
    let existing = results
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(here);
    let shown = results.display();
    if access(existing, Access::WRITE_OK).is_err() {
        return Finding::missing(name, format!("{shown} is not writable"))
            .mend("choose another folder by --out");
    }
    let Ok(system) = statvfs(existing) else {
        return Finding::limited(
            name,
            format!("the file system of {shown} does not say how much is free"),
        );
    };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    match free {
        0..DISK_LEAST => {
            Finding::missing(name, format!("{shown} has too little room for a record"))
                .mend("free some space, or choose another folder by --out")
        }
        DISK_LEAST..DISK_WANTED => Finding::limited(name, format!("{shown} has room for few runs")),
        _ => Finding::found(name, format!("{shown} has room")),
    }
    .version(Some(gibibytes(free)))
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
}

fn setting(name: &str) -> Option<u64> {
    read(format!("/proc/sys/{name}"))?.parse().ok()
}

fn congestion_control() -> Finding {
    let name = "tcp congestion";
    match read("/proc/sys/net/ipv4/tcp_congestion_control") {
        Some(algorithm) => {
            let others =
                read("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap_or_default();
            Finding::found(name, format!("the default; available: {others}"))
                .version(Some(algorithm))
        }
        None => Finding::limited(name, "the kernel does not say which is the default"),
    }
}

fn buffers(receive: Option<u64>, send: Option<u64>) -> Finding {
    let name = "socket buffers";
    // In a network namespace without these files, the limits of the machine hold unseen.
    let (Some(receive), Some(send)) = (receive, send) else {
        return Finding::limited(name, "net.core.rmem_max and wmem_max are not visible here");
    };
    let version = Some(format!("{} KiB", receive.min(send) / 1024));
    if receive.min(send) >= BUFFERS_WANTED {
        return Finding::found(
            name,
            "net.core.rmem_max and wmem_max suit the `quic` carrier",
        )
        .version(version);
    }
    Finding::limited(
        name,
        "net.core.rmem_max or wmem_max is small: the `quic` carrier drops packets on fast links",
    )
    .version(version)
    .mend(format!(
        "sysctl -w net.core.rmem_max={BUFFERS_WANTED} net.core.wmem_max={BUFFERS_WANTED}"
    ))
}

fn accounting() -> Finding {
    let name = "proc";
    let unreadable: Vec<_> = ACCOUNTING_FILES
        .iter()
        .filter(|path| read(path).is_none())
        .copied()
        .collect();
    if unreadable.is_empty() {
        return Finding::found(name, "CPU time and network counters are readable").required();
    }
    Finding::missing(
        name,
        format!(
            "not readable, so CPU and network cannot be accounted for: {}",
            unreadable.join(", ")
        ),
    )
    .required()
    .mend("mount -t proc proc /proc")
}

const MEMORY_LEAST: u64 = 1 << 30;
const MEMORY_WANTED: u64 = 3 << 30;
const DISK_LEAST: u64 = 64 << 20;
const DISK_WANTED: u64 = 1 << 30;
/// What the QUIC carrier asks its sockets for.
const BUFFERS_WANTED: u64 = 4 << 20;
const ACCOUNTING_FILES: [&str; 4] = [
    "/proc/self/stat",
    "/proc/self/status",
    "/proc/stat",
    "/proc/net/dev",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn meminfo_fields_are_matched_whole() {
        let info = "MemTotal: 10 kB\nMemAvailable:    4096 kB\nHugePages_Free:       8\nHugepagesize:       2048 kB";
        assert_eq!(field(info, "MemAvailable"), Some(4096));
        assert_eq!(field(info, "Mem"), None);
        assert_eq!(huge_pages(info).detail, "8 free pages of 2048 KiB");
        assert_eq!(huge_pages("").status, Status::Limited);
    }

    #[test]
    fn memory_is_judged_by_two_guests() {
        assert_eq!(memory(Some(MEMORY_LEAST - 1)).status, Status::Missing);
        assert_eq!(memory(Some(MEMORY_LEAST)).status, Status::Limited);
        assert_eq!(memory(Some(MEMORY_WANTED)).status, Status::Found);
        assert_eq!(memory(None).status, Status::Limited);
        assert_eq!(memory(Some(3 << 29)).version.as_deref(), Some("1.5 GiB"));
    }

    #[test]
    fn a_folder_that_is_not_made_yet_has_its_parent_s_room() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        assert_ne!(disk(&folder.path().join("not/yet/made")).version, None);
        assert_eq!(
            disk(Path::new("/proc/self/results")).status,
            Status::Missing
        );
    }

    #[test]
    fn the_smaller_of_the_two_buffers_decides() {
        assert_eq!(
            buffers(Some(BUFFERS_WANTED), Some(212_992))
                .version
                .as_deref(),
            Some("208 KiB")
        );
        assert_eq!(
            buffers(Some(BUFFERS_WANTED), Some(BUFFERS_WANTED)).status,
            Status::Found
        );
    }
}
