//! What a cell asks of the host: files, programs, huge pages, CPUs, NUMA nodes.

use std::path::Path;

use super::super::{accelerator, pinning};
use super::{Case, Needed, Problem};
use crate::error::chain;
use crate::image::{self, GuestKernel};
use crate::role::Role;
use crate::spec::{Boot, GuestSpec};

/// Everything that this host lacks for a cell.
pub(super) fn problems(case: &Case, role: Role) -> Vec<Problem> {
    let of_disk = match &case.guest.boot {
        Boot::Image { .. } => Some(qemu_img()),
        Boot::Lmbench | Boot::Kernel { .. } => None,
    };
    let missing = case.programs.iter().chain(&of_disk);
    let missing: Vec<Problem> = missing.filter_map(missing_program).collect();
    files(&case.guest)
        .into_iter()
        .chain(huge_pages(case))
        .chain(missing)
        .chain(out_of_reach(case, role))
        .chain(locked_memory(case, role))
        .collect()
}

fn files(guest: &GuestSpec) -> Vec<Problem> {
    let unreadable = |key: &str, path: &Path| {
        let why = match std::fs::metadata(path) {
            Ok(file) if file.is_dir() => "it is a directory".to_owned(),
            _ => std::fs::File::open(path).err()?.to_string(),
        };
        Some(
            Problem::of_machine(
                format!("{} can't be read: {why}", path.display()),
                "give the path of a file that exists on both hosts",
            )
            .key(key, "names it"),
        )
    };
    match &guest.boot {
        Boot::Lmbench => GuestKernel::find()
            .and_then(|kernel| image::initramfs(&kernel, false))
            .err()
            .map(|error| with_hint(&chain(&error), "run harness/setup.sh"))
            .into_iter()
            .collect(),
        Boot::Kernel { kernel, initrd, .. } => [
            Some(("guest.kernel", kernel)),
            initrd.as_ref().map(|initrd| ("guest.initrd", initrd)),
        ]
        .into_iter()
        .flatten()
        .filter_map(|(key, path)| unreadable(key, path))
        .collect(),
        Boot::Image { image } => unreadable("guest.image", image).into_iter().collect(),
    }
}

/// It makes the overlay of a guest's disk.
fn qemu_img() -> Needed {
    Needed {
        program: "qemu-img".to_owned(),
        package: "QEMU's disk tools (Debian, Ubuntu: qemu-utils; Fedora: qemu-img)".to_owned(),
        by: "a guest with an image".to_owned(),
    }
}

fn missing_program(needed: &Needed) -> Option<Problem> {
    let Needed {
        program,
        package,
        by,
    } = needed;
    let found = accelerator::which(Path::new(program), &crate::lab::search_path());
    found.is_none().then(|| {
        Problem::of_machine(
            format!("{by} needs the program `{program}`, which is not installed"),
            format!("install {package}"),
        )
    })
}

/// QEMU would end at once, with words that do not say how many there are.
fn huge_pages(case: &Case) -> Option<Problem> {
    if !case.guest.huge_pages {
        return None;
    }
    let (free, size) = crate::host::huge_pages();
    let needed = case.guest.memory_bytes.div_ceil(size.max(1));
    (free < needed).then(|| {
        Problem::lacking(
            case,
            format!("each guest needs {needed} huge pages of {} KiB, {free} are free", size >> 10),
            format!("reserve them for both guests: sysctl -w vm.nr_hugepages={}; or remove huge-pages from [guest]", needed * 2),
        )
        .key("guest.huge-pages", "asks for them")
    })
}

/// A problem of the machine from an error's text, with the hint that it brings or this one.
fn with_hint(text: &str, otherwise: &str) -> Problem {
    let (text, hint) = text.split_once("\nhint: ").unwrap_or((text, otherwise));
    Problem::of_machine(text, hint.replace("\nhint: ", "; "))
}

/// The kernel counts pages that wait to be sent without a copy as locked. libvirt asks for the guest's whole memory, too.
fn locked_memory(case: &Case, role: Role) -> Option<Problem> {
    if !case.migration.knobs.zero_copy_send || role != Role::Source || locks_without_limit() {
        return None;
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current?;
    let needed = case.guest.memory_bytes;
    (limit < needed).then(|| {
        Problem::lacking(
            case,
            format!(
                "zero-copy-send needs {} KiB of memory that may be locked, and {} KiB may be",
                needed >> 10,
                limit >> 10
            ),
            "run it as root, or raise the limit: ulimit -l unlimited",
        )
        .key("migration.zero-copy-send", "asks for it")
    })
}

/// Root of the machine; root of a user namespace is no more than anybody here.
fn locks_without_limit() -> bool {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let everybody = read("/proc/self/uid_map");
    let everybody: Vec<&str> = everybody.split_ascii_whitespace().collect();
    everybody == ["0", "0", "4294967295"]
        && capabilities.is_some_and(|mask| mask & CAP_IPC_LOCK != 0)
}

/// capabilities(7).
const CAP_IPC_LOCK: u64 = 1 << 14;

/// CPUs and NUMA nodes that the cell names and this host has not.
fn out_of_reach(case: &Case, role: Role) -> Vec<Problem> {
    let pinning = case.guest.placement.side(role);
    let list = |numbers: &[u32]| {
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        numbers.join(", ")
    };
    let lacks = |what: &str, missing: &[u32], key: &str| {
        (!missing.is_empty()).then(|| {
            let text = format!("this host has no {what} {}", list(missing));
            Problem::lacking(case, text, "name those that `lscpu` lists")
                .key(format!("guest.pinning.{role}.{key}"), "names it")
        })
    };
    let nodes: Vec<u32> = pinning
        .memory_nodes
        .iter()
        .copied()
        .filter(|node| !Path::new(&format!("/sys/devices/system/node/node{node}")).exists())
        .collect();
    [
        ("qemu", &pinning.qemu),
        ("vcpus", &pinning.vcpus),
        ("migration", &pinning.migration),
    ]
    .into_iter()
    .filter_map(|(key, cpus)| {
        let missing = pinning::out_of_reach(cpus.iter().copied());
        lacks("CPU", &missing, key)
    })
    .chain(lacks("NUMA node", &nodes, "memory-nodes"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_package() {
        let needed = |program: &str| Needed {
            program: program.to_owned(),
            package: "a package".to_owned(),
            by: "carrier x".to_owned(),
        };
        assert_eq!(missing_program(&needed("sh")), None);
        let problem = missing_program(&needed("no-such-sshd")).unwrap();
        assert!(problem.text.contains("carrier x") && problem.text.contains("no-such-sshd"));
        assert_eq!(problem.hint, "install a package");
    }
}
