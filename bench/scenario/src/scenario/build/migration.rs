//! `[migration]`, alone and together with carrier, policy and workload.

use std::time::Duration;

use indexmap::IndexMap;
use lmbench_guest::spec::{Pattern, WorkloadSpec};
use lmbench_harness::policy;
use lmbench_harness::spec::{GuestSpec, MigrationSpec, PolicySpec, RecoverySpec, TimeoutAction};

use super::chosen::Chosen;
use super::knobs;
use super::link::check_rate;
use super::qmp;
use crate::carrier::CarrierSpec;
use crate::scenario::period::to_settle;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::{Rate, Time};
use crate::scenario::value;

/// QEMU's maximum of `downtime-limit`.
const DOWNTIME_LIMIT_MAX: Time = Time::from_nanos(2_000_000_000_000);

/// Settling time of a workload without a period.
const SETTLE: Duration = Duration::from_secs(2);
/// Shortest settling time in which a workload's rate can be read with some confidence: five windows of 100 ms.
const SETTLE_MIN: Time = Time::from_nanos(500_000_000);

/// Shortest silence that can be told from a slow moment.
const RECOVER_AFTER_MIN: Duration = Duration::from_secs(1);

/// Reads `[migration]`.
pub(super) fn migration(
    section: &Section<'_>,
    workload: Option<&WorkloadSpec>,
    problems: &mut Problems,
) -> MigrationSpec {
    let rate = |name: &str, problems: &mut Problems| {
        let rate = section.get::<Rate>(name);
        check_rate(
            section,
            &rate,
            name,
            "leave the key out to lift the limit",
            problems,
        );
        rate.value.and_then(Rate::bytes_per_second)
    };
    MigrationSpec {
        downtime_limit: downtime_limit(section, problems),
        max_bandwidth: rate("max-bandwidth", problems),
        max_postcopy_bandwidth: rate("max-postcopy-bandwidth", problems),
        multifd_channels: section.get("multifd-channels").or(1).value.unwrap_or(1),
        preempt: flag(section, "preempt", false),
        timeout: timeout(section, problems),
        timeout_action: timeout_action(section),
        recovery: recovery(section, problems),
        settle: settle(section, workload),
        metering: flag(section, "metering", true),
        count_syscalls: count_syscalls(section, problems),
        knobs: Box::new(knobs::knobs(section, problems)),
        qmp: section
            .section_names("qmp")
            .iter()
            .map(|entry| (entry.key.clone(), value::json(&entry.node)))
            .collect::<IndexMap<_, _>>(),
    }
}

/// Where nothing is asked for, a whole period of the workload's is in it.
fn settle(section: &Section<'_>, workload: Option<&WorkloadSpec>) -> Duration {
    let period = workload.map_or(Duration::ZERO, |workload| to_settle(&workload.pattern));
    let asked = section.get::<Time>("settle").value.map(Time::duration);
    asked.unwrap_or_else(|| period.max(SETTLE))
}

fn recovery(section: &Section<'_>, problems: &mut Problems) -> RecoverySpec {
    let own = RecoverySpec::default();
    let time = |name: &str, own: Duration| {
        let time = section.get::<Time>(name);
        (time.value.map_or(own, Time::duration), time.place(section))
    };
    let (after, place) = time("recover-after", own.after);
    if after < RECOVER_AFTER_MIN {
        problems.push(
            Problem::at(&place, "`migration.recover-after` is too short")
                .label("a busy machine is silent for as long")
                .hint("write at least \"1 s\""),
        );
    }
    RecoverySpec {
        attempts: section
            .get("recover")
            .or(own.attempts)
            .value
            .unwrap_or(own.attempts),
        pause: time("recover-pause", own.pause).0,
        after,
    }
}

pub(super) fn flag(section: &Section<'_>, name: &str, default: bool) -> bool {
    section
        .get::<bool>(name)
        .or(default)
        .value
        .unwrap_or(default)
}

fn count_syscalls(section: &Section<'_>, problems: &mut Problems) -> bool {
    let count = section.get::<bool>("count-syscalls").or(false);
    let metering = section.get::<bool>("metering");
    if count.value == Some(true) && metering.value == Some(false) {
        problems.push(
            Problem::at(
                &count.place(section),
                "`migration.count-syscalls` without metering",
            )
            .label("nothing is counted while metering = false")
            .hint("remove one of the two"),
        );
    }
    count.value.unwrap_or(false)
}

fn timeout_action(section: &Section<'_>) -> TimeoutAction {
    match section.get::<String>("timeout-action").value.as_deref() {
        Some("pause") => TimeoutAction::Pause,
        Some("post-copy") => TimeoutAction::PostCopy,
        _ => TimeoutAction::Cancel,
    }
}

fn downtime_limit(section: &Section<'_>, problems: &mut Problems) -> Duration {
    let limit = section
        .get::<Time>("downtime-limit")
        .or(Time::from_nanos(300_000_000));
    if let Some(time) = limit.value {
        let place = limit.place(section);
        if time > DOWNTIME_LIMIT_MAX {
            problems.push(
                Problem::at(&place, "`migration.downtime-limit` is above QEMU's maximum")
                    .label(format!("{time}"))
                    .hint("write at most \"2000 s\"; operators use \"50 ms\" to \"2 s\""),
            );
        } else if time.nanos() < 1_000_000 {
            problems.push(
                Problem::at(
                    &place,
                    "`migration.downtime-limit` is below QEMU's resolution",
                )
                .label(format!("{time}"))
                .hint("QEMU counts whole milliseconds: write at least \"1 ms\""),
            );
        }
    }
    limit.value.map(Time::duration).unwrap_or_default()
}

fn timeout(section: &Section<'_>, problems: &mut Problems) -> Duration {
    let timeout = section
        .get::<Time>("timeout")
        .or(Time::from_nanos(60_000_000_000));
    if timeout.value == Some(Time::from_nanos(0)) {
        problems.push(
            Problem::at(&timeout.place(section), "`migration.timeout` is zero")
                .label("no migration ends in no time")
                .hint("write a time such as \"60 s\"; there is no unlimited wait"),
        );
    }
    timeout.value.map(Time::duration).unwrap_or_default()
}

/// What the migration's settings mean together with the rest of the cell.
pub(super) fn together(
    section: &Section<'_>,
    carrier: &Chosen<CarrierSpec>,
    policy: &Chosen<PolicySpec>,
    guest: &GuestSpec,
    workload: Option<&WorkloadSpec>,
    problems: &mut Problems,
) {
    let needs = policy::from_spec(&policy.spec, guest.into()).needs();
    let post_copy_at_timeout = timeout_action(section) == TimeoutAction::PostCopy;
    check_channels(section, carrier, problems);
    check_settle(section, workload, problems);
    let preempt = section.get::<bool>("preempt");
    if preempt.value == Some(true) && policy.known && !needs.post_copy && !post_copy_at_timeout {
        problems.push(
            Problem::at(
                &preempt.place(section),
                "`migration.preempt` without post-copy",
            )
            .label("serves post-copy's page requests")
            .also(
                policy.span.as_ref(),
                "this policy never switches to post-copy",
            )
            .hint("use policy \"post-copy\", or timeout-action = \"post-copy\", or remove preempt"),
        );
    }
    check_own_preempt(carrier, policy, &needs, problems);
    qmp::check(section, policy, &needs, post_copy_at_timeout, problems);
    let other = knobs::Other {
        carrier,
        policy,
        needs: &needs,
        post_copy: needs.post_copy || post_copy_at_timeout,
        guest,
    };
    knobs::together(section, &other, problems);
}

/// The same for a policy that asks for the second connection by itself.
fn check_own_preempt(
    carrier: &Chosen<CarrierSpec>,
    policy: &Chosen<PolicySpec>,
    needs: &policy::Needs,
    problems: &mut Problems,
) {
    let span = carrier.span.as_ref().or(policy.span.as_ref());
    if let (true, Some(span)) = (needs.preempt && carrier.spec.hands_over(), span) {
        problems.push(
            Problem::at(
                span,
                "this policy's post-copy with `carrier.tcp.path = \"fd\"`",
            )
            .label("hands one connection to QEMU, and the policy needs two")
            .also(policy.span.as_ref(), "the policy")
            .hint("use carrier.tcp.path = \"splice\", or post-copy = false under [policy.pilot]"),
        );
    }
}

/// A connection that is handed to QEMU is one connection.
fn check_channels(section: &Section<'_>, carrier: &Chosen<CarrierSpec>, problems: &mut Problems) {
    if !carrier.spec.hands_over() {
        return;
    }
    let channels = section.get::<u32>("multifd-channels");
    let preempt = section.get::<bool>("preempt");
    for (setting, needs, several) in [
        (
            &channels.span,
            "`migration.multifd-channels` above 1",
            channels.value.is_some_and(|count| count > 1),
        ),
        (
            &preempt.span,
            "`migration.preempt`",
            preempt.value == Some(true),
        ),
    ] {
        if let (Some(span), true) = (setting, several) {
            problems.push(
                Problem::at(span, format!("{needs} with `carrier.tcp.path = \"fd\"`"))
                    .label("needs several connections")
                    .also(carrier.span.as_ref(), "hands one connection to QEMU")
                    .hint("use carrier.tcp.path = \"splice\", or a single channel"),
            );
        }
    }
}

fn check_settle(section: &Section<'_>, workload: Option<&WorkloadSpec>, problems: &mut Problems) {
    let settle = section.get::<Time>("settle");
    let runs = workload.is_some_and(|workload| workload.pattern != Pattern::Idle);
    if let Some(time) = settle.value
        && runs
        && time < SETTLE_MIN
    {
        problems.push(
            Problem::at(&settle.place(section), "`migration.settle` is too short to measure the workload's own rate")
                .label(format!("{time}"))
                .hint(format!("write at least \"{SETTLE_MIN}\": brownout_ms and workload_slowdown compare against this rate")),
        );
    }
}
