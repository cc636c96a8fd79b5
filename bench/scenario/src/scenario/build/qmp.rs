//! `[migration.qmp]`: names that lmbench sets itself, and capabilities that exclude each other.
//!
//! Only what holds for every QEMU stands here. What depends on its version is asked of QEMU itself before a run.

use lmbench_harness::policy::Needs;
use lmbench_harness::spec::PolicySpec;

use super::chosen::Chosen;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::tree::{Entry, Value};

/// Names with a setting of their own, and which.
const OWN: [(&str, &str); 11] = [
    ("downtime-limit", "migration.downtime-limit"),
    ("max-bandwidth", "migration.max-bandwidth"),
    ("max-postcopy-bandwidth", "migration.max-postcopy-bandwidth"),
    ("multifd-channels", "migration.multifd-channels"),
    ("postcopy-preempt", "migration.preempt"),
    ("auto-converge", "policy \"auto-converge\""),
    ("cpu-throttle-initial", "policy.auto-converge.initial"),
    ("cpu-throttle-increment", "policy.auto-converge.increment"),
    ("max-cpu-throttle", "policy.auto-converge.max"),
    ("tls-creds", "a carrier"),
    ("tls-hostname", "a carrier"),
];

/// Capabilities that QEMU refuses together (`migrate_caps_check`), whatever its version; a test asks the QEMU at hand.
/// Post-copy with multifd is not among them: QEMU 10.0 refuses it and later ones may not, so it is asked before a run.
pub const EXCLUDE: [(&str, &str); 9] = [
    ("xbzrle", "background-snapshot"),
    ("xbzrle", "mapped-ram"),
    ("multifd", "xbzrle"),
    ("postcopy-ram", "background-snapshot"),
    ("postcopy-ram", "x-ignore-shared"),
    ("postcopy-ram", "mapped-ram"),
    ("multifd", "background-snapshot"),
    ("auto-converge", "background-snapshot"),
    ("auto-converge", "dirty-limit"),
];

/// Checks the names against what the cell's other settings switch on.
pub(super) fn check(
    section: &Section<'_>,
    policy: &Chosen<PolicySpec>,
    needs: &Needs,
    post_copy_at_timeout: bool,
    problems: &mut Problems,
) {
    let entries = section.section_names("qmp");
    for entry in entries {
        check_name(entry, problems);
    }
    let channels = section.get::<u32>("multifd-channels");
    let wanted = [
        (
            "multifd",
            channels.value.is_some_and(|count| count > 1),
            channels.span.clone(),
            "several channels need",
        ),
        (
            "postcopy-ram",
            needs.post_copy,
            policy.span.clone(),
            "this policy needs",
        ),
        (
            "postcopy-ram",
            post_copy_at_timeout,
            section.get::<String>("timeout-action").span,
            "this timeout-action needs",
        ),
        (
            "auto-converge",
            needs.throttle.is_some(),
            policy.span.clone(),
            "this policy needs",
        ),
        (
            "xbzrle",
            needs.xbzrle,
            policy.span.clone(),
            "this policy needs",
        ),
    ];
    for (capability, _, span, who) in wanted.iter().filter(|(_, on, _, _)| *on) {
        for entry in entries {
            let off = entry.key == *capability && matches!(entry.node.value, Value::Flag(false));
            let excluded = is_on(entry)
                && EXCLUDE.iter().any(|(a, b)| {
                    (a, b) == (capability, &entry.key.as_str())
                        || (b, a) == (capability, &entry.key.as_str())
                });
            if off || excluded {
                problems.push(
                    Problem::at(
                        &entry.node.span,
                        format!(
                            "`migration.qmp.{}` contradicts the rest of the scenario",
                            entry.key
                        ),
                    )
                    .label(if off {
                        "switches it off"
                    } else {
                        "excludes it"
                    })
                    .also(span.as_ref(), format!("{who} the capability {capability}"))
                    .hint(format!(
                        "QEMU would refuse `{capability}` here: remove one of the two"
                    )),
                );
            }
        }
    }
    let on = |name: &str| {
        wanted
            .iter()
            .find(|(other, on, _, _)| *on && *other == name)
    };
    for (a, b) in EXCLUDE {
        if let (Some((_, _, first, why)), Some((_, _, second, because))) = (on(a), on(b))
            && let Some(place) = second.as_ref().or(first.as_ref())
        {
            problems.push(
                Problem::at(place, format!("QEMU refuses `{a}` together with `{b}`"))
                    .label(format!("{because} {b}"))
                    .also(first.as_ref(), format!("{why} {a}"))
                    .hint("give one of the two up"),
            );
        }
    }
    exclude_each_other(entries, problems);
}

fn is_on(entry: &Entry) -> bool {
    matches!(entry.node.value, Value::Flag(true))
}

fn check_name(entry: &Entry, problems: &mut Problems) {
    if let Some((name, instead)) = OWN.iter().find(|(name, _)| *name == entry.key) {
        problems.push(
            Problem::at(&entry.key_span, format!("lmbench sets `{name}` itself"))
                .label("would be set twice")
                .hint(format!("use {instead}")),
        );
    } else if entry.key.contains('_') || entry.key.chars().any(|c| c.is_ascii_uppercase()) {
        problems.push(
            Problem::at(
                &entry.key_span,
                format!("`{}` is not a QMP name", entry.key),
            )
            .label("QMP names are lower-case with hyphens")
            .hint(format!(
                "write {}",
                entry.key.replace('_', "-").to_ascii_lowercase()
            )),
        );
    }
}

fn exclude_each_other(entries: &[Entry], problems: &mut Problems) {
    for (a, b) in EXCLUDE {
        let on = |name: &str| {
            entries
                .iter()
                .find(|entry| entry.key == name && is_on(entry))
        };
        if let (Some(first), Some(second)) = (on(a), on(b)) {
            problems.push(
                Problem::at(
                    &second.node.span,
                    format!("QEMU refuses `{a}` together with `{b}`"),
                )
                .label("this one")
                .also(Some(&first.node.span), "and this one")
                .hint("remove one of the two"),
            );
        }
    }
}
