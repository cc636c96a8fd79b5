//! A scenario's words in the model's.

use std::time::Duration;

use lmbench_guest::spec::{Pattern, Rate, WorkloadSpec};
use lmbench_model::{
    Carrier, Congestion, PAGE_BYTES, Path, Pattern as Written, Rate as Speed, Settings,
    ThrottleSettings, Workload,
};

use crate::hypervisor::GuestError;
use crate::policy::{self, Deadline, Needs, Setting, Subject};
use crate::spec::{LinkSpec, MigrationSpec, Network, NetworkSpec, PolicySpec};

/// The way over one of a lab's networks. What the model lacks of it (jitter, packets that overtake) is left out; cuts are the run's.
pub fn path(network: &NetworkSpec, which: Network, carrier: Carrier) -> Path {
    let LinkSpec {
        rate_bps,
        rtt,
        loss,
        mtu,
        background_bps,
        ..
    } = match which {
        Network::Migration => &network.migration,
        Network::Management => &network.management,
    };
    let plain = Path::new(carrier);
    // Half of a socket's buffer is the kernel's own, and QEMU fills the rest; lmbench's carriers ask for less.
    let buffer = network
        .tcp_buffer_bytes
        .filter(|_| carrier.source_s_per_gib <= 0.0);
    Path {
        link_bps: rate_bps.map(|rate| rate as f64),
        mtu: mtu.unwrap_or(plain.mtu),
        rtt: plain.rtt + rtt.unwrap_or_default(),
        loss: loss.unwrap_or(0.0),
        congestion: match network.tcp_congestion_control.as_deref() {
            None | Some("bbr") => plain.congestion,
            Some(_) => Congestion::LossBased,
        },
        other_traffic_bps: background_bps.unwrap_or(0) as f64,
        buffer_bytes: buffer.map_or(plain.buffer_bytes, |bytes| bytes as f64 / 2.0),
        ..plain
    }
}

/// What a migration asks for that the model has not: keys, and what they say.
pub(super) fn lacking(
    migration: &MigrationSpec,
    policy: &PolicySpec,
    subject: Subject,
) -> Vec<(&'static str, &'static str)> {
    let knobs = &migration.knobs;
    let compression = knobs.multifd_compression.as_deref().unwrap_or("none");
    let all = [
        (knobs.xbzrle, "migration.xbzrle", "is on"),
        (
            needs(migration, policy, subject).xbzrle,
            "policy",
            "needs XBZRLE",
        ),
        (knobs.dirty_limit, "migration.dirty-limit", "is on"),
        (knobs.switchover_ack, "migration.switchover-ack", "is on"),
        (knobs.zero_copy_send, "migration.zero-copy-send", "is on"),
        (knobs.no_return_path, "migration.return-path", "is off"),
        (
            knobs.zero_page_detection.is_some(),
            "migration.zero-page-detection",
            "is set",
        ),
        (
            !matches!(compression, "none" | "zstd"),
            "migration.multifd-compression",
            "is neither none nor zstd",
        ),
        (!migration.qmp.is_empty(), "migration.qmp", "has settings"),
    ];
    let lacking = all.into_iter().filter(|(is, ..)| *is);
    lacking.map(|(_, key, what)| (key, what)).collect()
}

/// The settings of a migration.
pub(super) fn settings(
    migration: &MigrationSpec,
    policy: &PolicySpec,
    subject: Subject,
) -> Result<Settings, GuestError> {
    if let Some((key, what)) = lacking(migration, policy, subject).first() {
        return GuestError::unsupported("prepare a simulated migration", format!("{key} {what}"));
    }
    let needs = needs(migration, policy, subject);
    let knobs = &migration.knobs;
    let compressed = knobs.multifd_compression.as_deref() == Some("zstd");
    let mut settings = Settings {
        max_bandwidth: migration.max_bandwidth.unwrap_or(0),
        max_postcopy_bandwidth: migration.max_postcopy_bandwidth.unwrap_or(0),
        avail_switchover_bandwidth: knobs.avail_switchover_bandwidth.unwrap_or(0),
        downtime_limit: whole_ms(migration.downtime_limit),
        auto_converge: needs.throttle.is_some(),
        multifd: migration.multifd_channels > 1,
        compression_s_per_gib: compressed.then_some(ZSTD_S_PER_GIB),
        postcopy_ram: needs.post_copy,
        postcopy_preempt: migration.preempt || needs.preempt,
        pause_before_switchover: knobs.pause_before_switchover,
        ..Settings::default()
    };
    let throttle = needs.throttle.map(Setting::Throttle);
    for setting in throttle.iter().chain(&needs.settings) {
        set(&mut settings, setting)?;
    }
    Ok(settings)
}

/// Changes one of them.
pub(super) fn set(settings: &mut Settings, setting: &Setting) -> Result<(), GuestError> {
    match *setting {
        Setting::DowntimeLimit { ms } => settings.downtime_limit = Duration::from_millis(ms),
        Setting::MaxBandwidth { bytes_per_second } => {
            settings.max_bandwidth = bytes_per_second.unwrap_or(0);
        }
        Setting::MaxPostcopyBandwidth { bytes_per_second } => {
            settings.max_postcopy_bandwidth = bytes_per_second.unwrap_or(0);
        }
        Setting::AvailSwitchoverBandwidth { bytes_per_second } => {
            settings.avail_switchover_bandwidth = bytes_per_second.unwrap_or(0);
        }
        Setting::XbzrleCache { .. } => {
            return GuestError::unsupported("set the cache of XBZRLE", "the model has none");
        }
        Setting::Throttle(throttle) => {
            settings.throttle = ThrottleSettings {
                initial: throttle.initial,
                increment: throttle.increment,
                max: throttle.max,
                ..settings.throttle
            }
        }
        Setting::ThrottleTrigger { percent } => settings.throttle.trigger_threshold = percent,
        Setting::ThrottleTailSlow { on } => settings.throttle.tailslow = on,
    }
    Ok(())
}

fn needs(migration: &MigrationSpec, policy: &PolicySpec, subject: Subject) -> Needs {
    let deadline = Deadline::new(migration.timeout, migration.timeout_action);
    let policy = policy::from_spec(policy, subject);
    policy.needs().and(deadline.needs())
}

/// The workload of a guest with so many vCPUs.
pub(super) fn workload(spec: &WorkloadSpec, vcpus: u32) -> Workload {
    Workload {
        memory_bytes: spec.memory_bytes,
        pattern: pattern(&spec.pattern),
        zero: spec.content.zero,
        compressible: spec.content.compressible,
        duplicate: spec.content.duplicate,
        unbounded_pages_per_s: UNBOUNDED_PAGES_PER_S * f64::from(vcpus.max(1)),
    }
}

/// That of a guest that was only booted.
pub(super) fn no_workload() -> Workload {
    Workload {
        memory_bytes: 0,
        pattern: Written::Idle,
        zero: 0.0,
        compressible: 0.0,
        duplicate: 0.0,
        unbounded_pages_per_s: UNBOUNDED_PAGES_PER_S,
    }
}

fn pattern(pattern: &Pattern) -> Written {
    match *pattern {
        Pattern::Idle => Written::Idle,
        Pattern::Uniform { rate } => Written::Uniform { rate: speed(rate) },
        Pattern::HotSet {
            rate,
            hot_bytes,
            hot_share,
        } => Written::HotSet {
            rate: speed(rate),
            hot_bytes,
            hot_share,
        },
        Pattern::Zipf { rate, exponent } => Written::Zipf {
            rate: speed(rate),
            exponent,
        },
        Pattern::Sweep { rate } => Written::Sweep { rate: speed(rate) },
        Pattern::Jvm {
            young_bytes,
            old_bytes,
            allocation_rate,
            survivors,
        } => Written::Jvm {
            young_bytes,
            old_bytes,
            allocation_rate: speed(allocation_rate),
            survivors,
        },
        Pattern::Database {
            rate,
            log_bytes,
            log_share,
            checkpoint_interval_ns,
            checkpoint_share,
        } => Written::Database {
            rate: speed(rate),
            log_bytes,
            log_share,
            checkpoint_interval: Duration::from_nanos(checkpoint_interval_ns),
            checkpoint_share,
        },
        Pattern::Phases(ref phases) => Written::Phases(
            phases
                .iter()
                .map(|phase| {
                    (
                        Duration::from_nanos(phase.duration_ns),
                        self::pattern(&phase.pattern),
                    )
                })
                .collect(),
        ),
    }
}

fn speed(rate: Rate) -> Speed {
    match rate {
        Rate::Unbounded => Speed::Unbounded,
        Rate::BytesPerSecond(bytes) => Speed::BytesPerSecond(bytes),
    }
}

/// Page writes per second of a guest at full speed: those that its rate asks for. Collections and checkpoints are left out, and phases
/// count by their length.
pub(super) fn operations_per_s(spec: &WorkloadSpec) -> f64 {
    let unbounded = UNBOUNDED_PAGES_PER_S * f64::from(spec.threads.max(1));
    operations_of(&spec.pattern, unbounded)
}

fn operations_of(pattern: &Pattern, unbounded: f64) -> f64 {
    let rate = match pattern {
        Pattern::Idle => return 0.0,
        Pattern::Uniform { rate }
        | Pattern::HotSet { rate, .. }
        | Pattern::Zipf { rate, .. }
        | Pattern::Sweep { rate }
        | Pattern::Database { rate, .. }
        | Pattern::Jvm {
            allocation_rate: rate,
            ..
        } => *rate,
        Pattern::Phases(phases) => {
            let length: f64 = phases.iter().map(|phase| phase.duration_ns as f64).sum();
            let written = phases
                .iter()
                .map(|phase| phase.duration_ns as f64 * operations_of(&phase.pattern, unbounded));
            return written.sum::<f64>() / length.max(1.0);
        }
    };
    match rate {
        Rate::Unbounded => unbounded,
        Rate::BytesPerSecond(bytes) => (bytes as f64 / PAGE_BYTES).min(unbounded),
    }
}

/// QEMU takes whole milliseconds.
fn whole_ms(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// A vCPU's page writes under TCG: 4.1 µs each (`op_latency_us_p50` of run 20261201-081052-ci-1a53).
pub(super) const UNBOUNDED_PAGES_PER_S: f64 = 244_000.0;
/// See [`Settings::compression_s_per_gib`].
const ZSTD_S_PER_GIB: f64 = 2.8;
