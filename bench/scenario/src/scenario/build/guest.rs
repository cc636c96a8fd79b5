//! `[guest]`.

use std::path::PathBuf;

use lmbench_harness::spec::{Accelerator, Boot, GuestSpec};

use super::{GUEST_MEMORY_MIN, placement};
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::{Section, Setting};
use crate::scenario::tree::Span;
use crate::scenario::units::{Size, Time};

const MIB: u64 = 1 << 20;

/// Longest time between heartbeats: above it a pause of the size of any sensible downtime limit goes unseen.
const HEARTBEAT_MAX: u64 = 1_000_000_000;

/// What the workload has to fit into.
pub(super) struct Hardware {
    /// Guest RAM.
    pub(super) memory: Setting<Size>,
    /// Virtual CPUs.
    pub(super) vcpus: u32,
    /// Where the user's own guest is named, if it is one.
    pub(super) own: Option<Span>,
}

/// Reads `[guest]`.
pub(super) fn guest(section: &Section<'_>, problems: &mut Problems) -> (GuestSpec, Hardware) {
    let vcpus = section.get::<u32>("vcpus").or(1).value.unwrap_or(1);
    let mut memory = section.get::<Size>("memory").or(Size::from_bytes(1 << 30));
    check_memory(section, &mut memory, problems);
    let (boot, own) = boot(section, problems);
    let boot_timeout = section
        .get::<Time>("boot-timeout")
        .or(Time::from_nanos(60_000_000_000));
    if boot_timeout.value == Some(Time::from_nanos(0)) {
        problems.push(
            Problem::at(&boot_timeout.place(section), "`guest.boot-timeout` is zero")
                .label("no guest boots in no time")
                .hint("write a time such as \"60 s\""),
        );
    }
    let spec = GuestSpec {
        vcpus,
        memory_bytes: memory.value.map_or(0, Size::bytes),
        accelerator: match section.get::<String>("accelerator").value.as_deref() {
            Some("kvm") => Accelerator::Kvm,
            Some("tcg") => Accelerator::Tcg,
            _ => Accelerator::Auto,
        },
        prealloc: section.get("prealloc").or(true).value.unwrap_or(true),
        huge_pages: section.get("huge-pages").or(false).value.unwrap_or(false),
        machine: section
            .get::<String>("machine")
            .value
            .unwrap_or_else(|| "q35".to_owned()),
        cpu: section.get("cpu").value,
        boot,
        boot_timeout: boot_timeout.value.map(Time::duration).unwrap_or_default(),
        heartbeat: heartbeat(section, problems).duration(),
        placement: placement::placement(section, problems),
        // What a guest of the user's own makes of a card more is not ours to try.
        tenant: section
            .get::<bool>("tenant")
            .value
            .or(own.is_some().then_some(false)),
    };
    (spec, Hardware { memory, vcpus, own })
}

/// What is reported here nobody needs to know: a workload does not fit a guest that is too small to boot.
fn check_memory(section: &Section<'_>, memory: &mut Setting<Size>, problems: &mut Problems) {
    let Some(size) = memory.value else { return };
    let place = memory.place(section);
    if size.bytes() < GUEST_MEMORY_MIN {
        problems.push(
            Problem::at(&place, "`guest.memory` is too small to boot")
                .label(format!("{size}"))
                .hint(format!(
                    "a stock kernel needs at least \"{}\"",
                    Size::from_bytes(GUEST_MEMORY_MIN)
                )),
        );
        memory.value = None;
    } else if !size.bytes().is_multiple_of(MIB) {
        problems.push(
            Problem::at(&place, "`guest.memory` is not a whole number of MiB")
                .label(format!("{} bytes", size.bytes()))
                .hint(format!(
                    "QEMU takes whole MiB: write \"{}\"",
                    Size::from_bytes(size.bytes().div_ceil(MIB).saturating_mul(MIB))
                )),
        );
    }
}

fn heartbeat(section: &Section<'_>, problems: &mut Problems) -> Time {
    let heartbeat = section
        .get::<Time>("heartbeat")
        .or(Time::from_nanos(5_000_000));
    let time = heartbeat.value.unwrap_or(Time::from_nanos(0));
    if time.nanos() != 0 && !(1_000_000..=HEARTBEAT_MAX).contains(&time.nanos()) {
        problems.push(
            Problem::at(&heartbeat.place(section), "`guest.heartbeat` is out of range")
                .label(format!("{time}"))
                .hint("write a time from \"1 ms\" (the guest's timer is no finer) to \"1 s\", or \"0 ms\" for none"),
        );
    }
    time
}

/// What boots, and where the user's own guest is named.
fn boot(section: &Section<'_>, problems: &mut Problems) -> (Boot, Option<Span>) {
    let text = |name: &str| section.get::<String>(name);
    let (image, kernel, initrd, append) = (
        text("image"),
        text("kernel"),
        text("initrd"),
        text("append"),
    );
    if let (Some(image_span), Some(kernel_span)) = (&image.span, &kernel.span) {
        problems.push(
            Problem::at(
                kernel_span,
                "`guest.kernel` and `guest.image` contradict each other",
            )
            .label("boots this kernel")
            .also(Some(image_span), "boots this disk")
            .hint("keep one of the two; a disk brings its own kernel"),
        );
    }
    for (name, setting) in [("initrd", &initrd), ("append", &append)] {
        if let (Some(span), true) = (&setting.span, kernel.is_missing()) {
            problems.push(
                Problem::at(span, format!("`guest.{name}` needs `guest.kernel`"))
                    .label("belongs to a kernel of your own")
                    .hint(format!(
                        "add kernel = \"/path/to/vmlinuz\", or remove {name}"
                    )),
            );
        }
    }
    for (name, setting) in [("image", &image), ("kernel", &kernel), ("initrd", &initrd)] {
        if let (Some(path), Some(span)) = (&setting.value, &setting.span)
            && !path.starts_with('/')
        {
            problems.push(
                Problem::at(span, format!("`guest.{name}` is not an absolute path"))
                    .label("relative to what, on which host?")
                    .hint("both hosts open it: write the whole path, beginning with /"),
            );
        }
    }
    let own = kernel.span.or(image.span);
    let boot = match (kernel.value, image.value) {
        (Some(kernel), _) => Boot::Kernel {
            kernel: PathBuf::from(kernel),
            initrd: initrd.value.map(PathBuf::from),
            append: append.value.unwrap_or_default(),
        },
        (None, Some(image)) => Boot::Image {
            image: PathBuf::from(image),
        },
        (None, None) => Boot::Lmbench,
    };
    (boot, own)
}
