//! `[migration]`: QEMU's knobs, alone and together with the rest of the cell.
//!
//! Only what holds for every QEMU stands here; what the one at hand lacks it is asked before a run.

use std::time::Duration;

use lmbench_harness::policy::Needs;
use lmbench_harness::spec::{GuestSpec, Knobs, PolicySpec};

use super::chosen::Chosen;
use super::link::check_rate;
use super::migration::flag;
use crate::carrier::CarrierSpec;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::{FromScalar, Section, Setting};
use crate::scenario::tree::Span;
use crate::scenario::units::{Rate, Size, Time};

/// Reads the knobs.
pub(super) fn knobs(section: &Section<'_>, problems: &mut Problems) -> Knobs {
    let count = |name: &str| section.get::<u32>(name).value;
    let text = |name: &str| section.get::<String>(name).value;
    let bandwidth = section.get::<Rate>("avail-switchover-bandwidth");
    let hint = "leave the key out to use QEMU's own estimate";
    check_rate(
        section,
        &bandwidth,
        "avail-switchover-bandwidth",
        hint,
        problems,
    );
    let mut time = |name: &str, least_ms: u64, most_ms: u64| {
        milliseconds(section, name, least_ms, most_ms, problems)
    };
    Knobs {
        avail_switchover_bandwidth: bandwidth.value.and_then(Rate::bytes_per_second),
        no_return_path: !flag(section, "return-path", true),
        switchover_ack: flag(section, "switchover-ack", false),
        pause_before_switchover: flag(section, "pause-before-switchover", false),
        release_ram: flag(section, "release-ram", false),
        zero_copy_send: flag(section, "zero-copy-send", false),
        zero_page_detection: text("zero-page-detection"),
        multifd_compression: text("multifd-compression"),
        multifd_zlib_level: count("multifd-zlib-level"),
        multifd_zstd_level: count("multifd-zstd-level"),
        multifd_qatzip_level: count("multifd-qatzip-level"),
        xbzrle: flag(section, "xbzrle", false),
        dirty_limit: flag(section, "dirty-limit", false),
        vcpu_dirty_limit_period: time("vcpu-dirty-limit-period", 1, 1000),
        announce_initial: time("announce-initial", 0, 100_000),
        announce_max: time("announce-max", 0, 100_000),
        announce_rounds: count("announce-rounds"),
        announce_step: time("announce-step", 0, 10_000),
        xbzrle_cache_size: cache_size(section, problems),
        vcpu_dirty_limit: vcpu_dirty_limit(section, problems),
    }
}

/// QEMU counts whole milliseconds within its own bounds.
fn milliseconds(
    section: &Section<'_>,
    name: &str,
    least: u64,
    most: u64,
    problems: &mut Problems,
) -> Option<Duration> {
    let setting = section.get::<Time>(name);
    let time = setting.value?;
    let nanos = 1_000_000;
    if !(least * nanos..=most * nanos).contains(&time.nanos())
        || !time.nanos().is_multiple_of(nanos)
    {
        problems.push(
            Problem::at(
                &setting.place(section),
                format!("`migration.{name}` is not what QEMU takes"),
            )
            .label(format!("{time}"))
            .hint(format!(
                "write whole milliseconds from \"{least} ms\" to \"{most} ms\""
            )),
        );
    }
    Some(time.duration())
}

fn cache_size(section: &Section<'_>, problems: &mut Problems) -> Option<u64> {
    let setting = section.get::<Size>("xbzrle-cache-size");
    let bytes = setting.value?.bytes();
    if !bytes.is_power_of_two() || bytes < PAGE {
        let down = Size::from_bytes((1 << bytes.max(PAGE).ilog2()).max(PAGE));
        problems.push(
            Problem::at(
                &setting.place(section),
                "`migration.xbzrle-cache-size` is not a power of two",
            )
            .label(format!("{bytes} bytes"))
            .hint(format!("QEMU takes no other size: write \"{down}\"")),
        );
    }
    Some(bytes)
}

/// QEMU calls the unit MB/s and counts MiB.
fn vcpu_dirty_limit(section: &Section<'_>, problems: &mut Problems) -> Option<u64> {
    let setting = section.get::<Rate>("vcpu-dirty-limit");
    let bytes = setting.value?.bytes_per_second();
    let whole = bytes.filter(|bytes| *bytes > 0 && bytes.is_multiple_of(MIB));
    if whole.is_none() {
        problems.push(
            Problem::at(
                &setting.place(section),
                "`migration.vcpu-dirty-limit` is not a whole number of MiB/s",
            )
            .label("QEMU counts those")
            .hint("write \"1 MiB/s\" or more; remove dirty-limit to lift the limit"),
        );
    }
    whole.map(|bytes| bytes / MIB)
}

/// What the knobs have to agree with.
pub(super) struct Other<'a> {
    pub(super) carrier: &'a Chosen<CarrierSpec>,
    pub(super) policy: &'a Chosen<PolicySpec>,
    pub(super) needs: &'a Needs,
    /// Whether the cell may switch to post-copy.
    pub(super) post_copy: bool,
    pub(super) guest: &'a GuestSpec,
}

/// What contradicts itself.
pub(super) fn together(section: &Section<'_>, other: &Other<'_>, problems: &mut Problems) {
    let channels = section.get::<u32>("multifd-channels");
    let several = channels.value.is_some_and(|count| count > 1);
    compression(section, several, problems);
    let qmp_has = |name: &str| {
        let mut entries = section.section_names("qmp").iter();
        entries.any(|entry| entry.key == name)
    };
    let mut rule = Rules { section, problems };
    let xbzrle = section.get::<bool>("xbzrle");
    if several {
        rule.both(
            "xbzrle",
            &xbzrle,
            "excludes multifd",
            channels.span.as_ref(),
            "uses multifd",
            "QEMU takes one of the two: remove xbzrle, or use a single channel",
        );
    }
    // In a matrix with and without it, its settings stand in every cell.
    let differs = xbzrle.span.is_some() || other.needs.xbzrle || qmp_has("xbzrle");
    rule.useless::<Size>(
        "xbzrle-cache-size",
        differs,
        "is xbzrle's",
        "add xbzrle = true",
    );
    let limit = section.get::<bool>("dirty-limit");
    let limits = limit.span.is_some() || qmp_has("dirty-limit");
    for name in ["vcpu-dirty-limit", "vcpu-dirty-limit-period"] {
        rule.useless::<Rate>(name, limits, "is dirty-limit's", "add dirty-limit = true");
    }
    if other.needs.throttle.is_some() {
        rule.both(
            "dirty-limit",
            &limit,
            "slows each vCPU",
            other.policy.span.as_ref(),
            "slows all alike (auto-converge)",
            "QEMU takes one of the two: use another policy, or remove dirty-limit",
        );
    }
    if other.guest.accelerator == lmbench_harness::spec::Accelerator::Tcg {
        rule.both(
            "dirty-limit",
            &limit,
            "needs KVM's dirty ring",
            None,
            "",
            "use accelerator = \"auto\" or \"kvm\", or remove dirty-limit",
        );
    }
    if section.get::<bool>("return-path").value == Some(false) {
        let ack = section.get::<bool>("switchover-ack");
        let off = section.get::<bool>("return-path").span;
        rule.both(
            "switchover-ack",
            &ack,
            "comes over the return path",
            off.as_ref(),
            "takes it away",
            "remove one of the two",
        );
    }
    if other.policy.known && !other.post_copy {
        let release = section.get::<bool>("release-ram");
        rule.both(
            "release-ram",
            &release,
            "acts in post-copy only",
            other.policy.span.as_ref(),
            "never switches to post-copy",
            "use policy \"post-copy\", or remove release-ram",
        );
    }
    zero_copy(section, several, other, problems);
    set_twice(section, problems);
}

/// The kernel sends from the pages themselves, so nothing may stand between them and a TCP socket of QEMU's.
fn zero_copy(section: &Section<'_>, several: bool, other: &Other<'_>, problems: &mut Problems) {
    let channels = section.get::<u32>("multifd-channels");
    let mut rule = Rules { section, problems };
    let zero_copy = section.get::<bool>("zero-copy-send");
    if !several {
        rule.both(
            "zero-copy-send",
            &zero_copy,
            "is multifd's",
            channels.span.as_ref(),
            "a single channel",
            "set multifd-channels to 2 or more, or remove zero-copy-send",
        );
    }
    if other.carrier.known && other.carrier.spec != CarrierSpec::NativeTcp {
        rule.both(
            "zero-copy-send",
            &zero_copy,
            "needs a TCP socket of QEMU's own",
            other.carrier.span.as_ref(),
            "gives it none that is not encrypted",
            "use carrier \"native-tcp\", or remove zero-copy-send",
        );
    }
    let compression = section.get::<String>("multifd-compression");
    if compression
        .value
        .as_deref()
        .is_some_and(|method| method != "none")
    {
        rule.both(
            "zero-copy-send",
            &zero_copy,
            "sends pages as they are",
            compression.span.as_ref(),
            "sends other bytes",
            "remove one of the two",
        );
    }
}

fn compression(section: &Section<'_>, several: bool, problems: &mut Problems) {
    let method = section.get::<String>("multifd-compression");
    let name = method.value.as_deref().unwrap_or("none");
    let mut rule = Rules { section, problems };
    if name != "none" && !several {
        let channels = section.get::<u32>("multifd-channels").span;
        rule.add(
            method.span.as_ref(),
            "`migration.multifd-compression` without multifd",
            "is multifd's",
            channels.as_ref(),
            "a single channel",
            "set multifd-channels to 2 or more, or remove multifd-compression",
        );
    }
    let free = section.section_names("qmp");
    let by_name = free.iter().any(|entry| entry.key == "multifd-compression");
    for (level, of) in [
        ("multifd-zlib-level", "zlib"),
        ("multifd-zstd-level", "zstd"),
        ("multifd-qatzip-level", "qatzip"),
    ] {
        let hint = format!("set multifd-compression = \"{of}\"");
        rule.useless::<u32>(
            level,
            method.span.is_some() || by_name,
            &format!("is {of}'s"),
            &hint,
        );
    }
}

/// A key of lmbench's own wins over nothing: who writes both means two things.
fn set_twice(section: &Section<'_>, problems: &mut Problems) {
    for entry in section.section_names("qmp") {
        let key = match entry.key.as_str() {
            "x-vcpu-dirty-limit-period" => "vcpu-dirty-limit-period",
            key => key,
        };
        let named = Knobs::NAMES.contains(&key) || ALSO_NAMED.contains(&key);
        if let Some(own) = named.then(|| section.entry(key)).flatten() {
            problems.push(
                Problem::at(&entry.key_span, format!("`{}` is set twice", entry.key))
                    .label("here by its QMP name")
                    .also(Some(&own.key_span), "and here")
                    .hint("keep the one outside [migration.qmp]"),
            );
        }
    }
}

struct Rules<'a, 'b> {
    section: &'a Section<'b>,
    problems: &'a mut Problems,
}

impl Rules<'_, '_> {
    /// `name` is on and must not be, for a reason that stands elsewhere.
    fn both(
        &mut self,
        name: &str,
        setting: &Setting<bool>,
        label: &str,
        also: Option<&Span>,
        there: &str,
        hint: &str,
    ) {
        if setting.value == Some(true) {
            let title = format!("`migration.{name}` contradicts the rest of the scenario");
            self.add(setting.span.as_ref(), &title, label, also, there, hint);
        }
    }

    /// `name` is set and changes nothing.
    fn useless<T: FromScalar>(&mut self, name: &str, is_used: bool, label: &str, hint: &str) {
        let setting = self.section.get::<T>(name);
        if !is_used {
            let title = format!("`migration.{name}` changes nothing");
            let hint = format!("{hint}, or remove {name}");
            self.add(setting.span.as_ref(), &title, label, None, "", &hint);
        }
    }

    fn add(
        &mut self,
        span: Option<&Span>,
        title: &str,
        label: &str,
        also: Option<&Span>,
        there: &str,
        hint: &str,
    ) {
        if let Some(span) = span {
            let problem = Problem::at(span, title).label(label);
            self.problems.push(problem.also(also, there).hint(hint));
        }
    }
}

/// Further keys that are also QMP names.
const ALSO_NAMED: [&str; 2] = ["return-path", "vcpu-dirty-limit-period"];
const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;
