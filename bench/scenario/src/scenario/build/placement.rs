//! `[guest]`: where its threads and memory lie.

use lmbench_harness::spec::{MemoryPolicy, Pinning, Placement};

use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;

/// Entries of the dirty ring where dirty-limit is on and nothing else was said: guestperf's and libvirt's usual choice.
pub(super) const DIRTY_RING: u32 = 4096;

/// Reads pinning, the dirty ring and huge pages that the kernel grants.
pub(super) fn placement(section: &Section<'_>, problems: &mut Problems) -> Placement {
    let pinning = section.section("pinning");
    let huge = section.get::<bool>("transparent-huge-pages").or(true);
    Placement {
        dirty_ring_size: dirty_ring(section, problems),
        no_transparent_huge_pages: huge.value == Some(false),
        source: side(&pinning.section("source"), problems),
        destination: side(&pinning.section("destination"), problems),
    }
}

fn dirty_ring(section: &Section<'_>, problems: &mut Problems) -> Option<u32> {
    let ring = section.get::<u32>("dirty-ring-size");
    let place = ring.place(section);
    let size = ring.value?;
    if !size.is_power_of_two() {
        problems.push(
            Problem::at(&place, "`guest.dirty-ring-size` is not a power of two")
                .label(size.to_string())
                .hint(format!("write {}", size.next_power_of_two())),
        );
    }
    let accelerator = section.get::<String>("accelerator");
    if accelerator.value.as_deref() == Some("tcg") {
        problems.push(
            Problem::at(&place, "`guest.dirty-ring-size` without KVM")
                .label("is KVM's")
                .also(accelerator.span.as_ref(), "takes QEMU's translator")
                .hint("use accelerator = \"auto\" or \"kvm\", or remove dirty-ring-size"),
        );
    }
    Some(size)
}

fn side(section: &Section<'_>, problems: &mut Problems) -> Pinning {
    let mut list = |name: &str| numbers(section, name, problems);
    let pinning = Pinning {
        qemu: list("qemu"),
        vcpus: list("vcpus"),
        migration: list("migration"),
        memory_nodes: list("memory-nodes"),
        memory_policy: match section.get::<String>("memory-policy").value.as_deref() {
            Some("preferred") => MemoryPolicy::Preferred,
            Some("interleave") => MemoryPolicy::Interleave,
            _ => MemoryPolicy::Bind,
        },
    };
    let policy = section.get::<String>("memory-policy");
    if let (Some(span), true) = (&policy.span, section.entry("memory-nodes").is_none()) {
        let path = section.path();
        problems.push(
            Problem::at(span, format!("`{path}.memory-policy` without memory-nodes"))
                .label("spreads over which nodes?")
                .hint("add memory-nodes = \"0\" or the like, or remove memory-policy"),
        );
    }
    pinning
}

fn numbers(section: &Section<'_>, name: &str, problems: &mut Problems) -> Vec<u32> {
    let setting = section.get::<String>(name);
    let Some(text) = &setting.value else {
        return Vec::new();
    };
    parse(text).unwrap_or_else(|| {
        let path = section.path();
        problems.push(
            Problem::at(
                &setting.place(section),
                format!("`{path}.{name}` is no list of numbers"),
            )
            .label(format!("at most {HIGHEST}, each once"))
            .hint("write for example \"0-3,8\""),
        );
        Vec::new()
    })
}

/// `0-3,8` in the kernel's notation, in any order.
fn parse(text: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n <= HIGHEST);
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return None;
        }
        numbers.extend(first..=last);
    }
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    (numbers.len() == count).then_some(numbers)
}

/// What the kernel's interface takes without more ado.
const HIGHEST: u32 = 1023;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_the_kernels_notation() {
        for (text, numbers) in [
            ("0", Some(vec![0])),
            ("8, 0-3", Some(vec![0, 1, 2, 3, 8])),
            ("", None),
            ("3-1", None),
            ("0,0-1", None),
            ("1024", None),
            ("0-4294967295", None),
            ("all", None),
        ] {
            assert_eq!(parse(text), numbers, "{text:?}");
        }
    }
}
