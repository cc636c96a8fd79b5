//! `[workload.PATTERN]`: exactly one pattern, in the memory that the guest has.

mod pattern;
mod phases;

use lmbench_guest::spec::{Content, Pattern, WorkloadSpec};

use super::guest::Hardware;
use super::{kernel_reserve, memory_for};
use crate::scenario::keys::{PATTERNS, SHARED};
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::{Section, Setting};
use crate::scenario::tree::{Entry, Span};
use crate::scenario::units::{Share, Size};

/// Memory of a workload and where it was said.
pub(super) struct Room {
    /// What it owns.
    pub(super) memory: Setting<Size>,
    /// Where a complaint about it belongs.
    pub(super) place: Span,
}

/// Reads `[workload]`; `None` for the user's own guest, and when there is nothing sound to read.
pub(super) fn workload(
    section: &Section<'_>,
    hardware: &Hardware,
    seed: u64,
    problems: &mut Problems,
) -> Option<WorkloadSpec> {
    let patterns: Vec<&Entry> = section
        .entries()
        .iter()
        .filter(|entry| PATTERNS.contains(&entry.key.as_str()))
        .collect();
    if let (Some(own), Some(entry)) = (&hardware.own, section.entries().first()) {
        problems.push(
            Problem::at(&entry.key_span, "a workload in a guest of your own")
                .label("needs lmbench's code in the guest")
                .also(Some(own), "the guest of your own")
                .hint("remove [workload], or remove kernel and image to boot lmbench's own guest"),
        );
        return None;
    }
    let pattern = match patterns[..] {
        [] => {
            if hardware.own.is_none()
                && !section.is_reported()
                && section
                    .entries()
                    .iter()
                    .all(|entry| SHARED.contains(&entry.key.as_str()))
            {
                problems.push(
                    Problem::at(&section.span(), "no workload says what the guest does")
                        .hint("add one such as [workload.uniform] with rate = \"80 MiB/s\"; [workload.idle] does nothing, on purpose"),
                );
            }
            return None;
        }
        [only] => only,
        [first, .., last] => {
            problems.push(
                Problem::at(&last.key_span, "more than one workload pattern")
                    .label("a second one")
                    .also(Some(&first.key_span), "the first")
                    .hint("keep one; [[workload.phases]] runs several in sequence"),
            );
            return None;
        }
    };
    read(section, pattern, hardware, seed, problems)
}

fn read(
    section: &Section<'_>,
    entry: &Entry,
    hardware: &Hardware,
    seed: u64,
    problems: &mut Problems,
) -> Option<WorkloadSpec> {
    let phases = entry.key == "phases";
    let inner = if phases {
        section.clone()
    } else {
        entry.node.table()?;
        section.section(&entry.key)
    };
    if !phases {
        misplaced(section, entry, problems);
    }
    let room = room(&inner, entry, hardware, problems);
    let pattern = if phases {
        Pattern::Phases(phases::read(section, entry, &room, problems))
    } else {
        pattern::read(&inner, &entry.key, &room, problems)?
    };
    let whole_pages = matches!(pattern, Pattern::Jvm { .. } | Pattern::Sweep { .. });
    Some(WorkloadSpec {
        seed,
        threads: inner.get("threads").or(hardware.vcpus).value.unwrap_or(1),
        memory_bytes: room.memory.value.map_or(0, Size::bytes),
        content: content(&inner, whole_pages, problems),
        pattern,
    })
}

/// Shared keys in `[workload]` itself belong to phases.
fn misplaced(section: &Section<'_>, pattern: &Entry, problems: &mut Problems) {
    for entry in section
        .entries()
        .iter()
        .filter(|entry| SHARED.contains(&entry.key.as_str()))
    {
        problems.push(
            Problem::at(
                &entry.key_span,
                format!("`{}` stands in [workload]", entry.key),
            )
            .label("only phases have it here")
            .also(Some(&pattern.key_span), "the pattern")
            .hint(format!("move it below [workload.{}]", pattern.key)),
        );
    }
}

/// The workload's memory, checked against the guest's.
fn room(
    section: &Section<'_>,
    entry: &Entry,
    hardware: &Hardware,
    problems: &mut Problems,
) -> Room {
    let reserve = |memory: Size| kernel_reserve(memory.bytes(), hardware.vcpus);
    let available = hardware
        .memory
        .value
        .map(|memory| memory.bytes().saturating_sub(reserve(memory)));
    let mut memory = section.get::<Size>("memory");
    let place = memory
        .span
        .clone()
        .unwrap_or_else(|| entry.key_span.clone());
    if memory.is_missing() {
        let default = if entry.key == "jvm" {
            pattern::jvm_memory(section)
        } else {
            available.map(Size::from_bytes)
        };
        match default {
            Some(size) => memory = memory.or(size),
            None => return Room { memory, place },
        }
    }
    if let Some(size) = memory.value
        && size.bytes() < MEMORY_MIN
    {
        problems.push(
            Problem::at(&place, "the workload has hardly any memory")
                .label(format!("{size}"))
                .hint(format!(
                    "give it at least \"{}\"",
                    Size::from_bytes(MEMORY_MIN)
                )),
        );
    } else if let (Some(size), Some(available)) = (memory.value, available)
        && size.bytes() > available
    {
        problems.push(
            Problem::at(&place, "the workload does not fit the guest")
                .label(format!("needs {size}"))
                .also(hardware.memory.span.as_ref(), format!("leaves {} beside the kernel", Size::from_bytes(available)))
                .hint(format!(
                    "lower it, or write guest.memory = \"{}\" or more (the kernel and lmbench need some of it)",
                    Size::from_bytes(memory_for(size.bytes(), hardware.vcpus))
                )),
        );
    }
    Room { memory, place }
}

fn content(section: &Section<'_>, whole_pages: bool, problems: &mut Problems) -> Content {
    let share = |name: &str| section.get::<Share>(name);
    let shares = [share("zero"), share("compressible"), share("duplicate")];
    let parts: u32 = shares
        .iter()
        .filter_map(|share| share.value)
        .map(Share::parts_per_billion)
        .sum();
    if Share::from_parts_per_billion(parts).is_none() {
        let given: Vec<&Span> = shares
            .iter()
            .filter_map(|share| share.span.as_ref())
            .collect();
        let mut problem = Problem::at(
            given[given.len() - 1],
            "`zero`, `compressible` and `duplicate` add up to more than 100 %",
        )
        .label("with this one")
        .hint("they share the same pages: lower them until they add up to at most 100 %");
        for span in &given[..given.len() - 1] {
            problem = problem.also(Some(span), "and this one");
        }
        problems.push(problem);
    }
    let [zero, compressible, duplicate] =
        shares.map(|share| share.value.map_or(0.0, Share::fraction));
    Content {
        bytes_per_page: section
            .get("bytes-per-page")
            .or(if whole_pages { 4096 } else { 64 })
            .value
            .unwrap_or(64),
        zero,
        compressible,
        duplicate,
    }
}

const MIB: u64 = 1 << 20;

/// Least memory of a workload.
const MEMORY_MIN: u64 = MIB;
