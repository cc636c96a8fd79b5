//! What policies would have decided on a recorded run: its readings shown to each of them again.
//!
//! A recorded migration does not react, so this ends where a policy would have changed it for good. Reads no files and prints nothing.

mod recorded;

pub use recorded::{Recorded, reading, recorded};

use std::time::Duration;

use lmbench_harness::policy::{self, Action, Needs, Setting, Throttle};
use lmbench_harness::progress::Progress;
use lmbench_harness::spec::PolicySpec;
use serde::Serialize;

use crate::record::{CellRecord, Repeat};

/// What a replay can't tell.
pub const LIMITS: [&str; 3] = [
    "A replay can't know what a lever would have done to the guest and to the stream: everything after a policy's first one, or after a begin of its own, is hypothetical.",
    "Readings are as dense as the recorded samples: beside a guest, a policy that looks more often sees more.",
    "The recorded migration had a policy and an end of its own: what a policy would have done after that end is unknown.",
];

/// A reading of the source and when it was taken, counted from `migrate`.
pub type Reading = (Duration, Progress);

/// What all policies would have decided on one migration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Replay {
    /// Id of the cell.
    pub cell: String,
    /// Number of the repeat.
    pub repeat: u32,
    /// How it ended when it was recorded.
    pub outcome: String,
    /// The policy it was recorded under, if the scenario can still be read.
    pub recorded_policy: Option<String>,
    /// When something was first changed while it was recorded, ms: readings after that are of a migration with that change.
    pub recorded_lever_ms: Option<f64>,
    /// Readings that a policy could see.
    pub readings: usize,
    /// The last of them, ms from `migrate`.
    pub until_ms: f64,
    /// The longest time between two of them, ms.
    pub gap_max_ms: f64,
    /// One per policy.
    pub policies: Vec<Replayed>,
}

/// What one policy would have decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Replayed {
    /// Its name.
    pub policy: String,
    /// What it would have begun with, in words; empty if nothing.
    pub begins_with: Vec<String>,
    /// Whether that alone would have made another migration of it.
    pub begins_otherwise: bool,
    /// In order.
    pub decisions: Vec<Row>,
    /// Whether its last decision ends what a recording can tell.
    pub ended: bool,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// ms from `migrate`.
    pub at_ms: f64,
    /// Dirty syncs by then.
    pub pass: u64,
    /// What.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Whether the policy would have changed the migration before, so that it would not have seen this reading.
    pub hypothetical: bool,
}

impl Replay {
    /// Shows a migration's readings, in the order of their times, to each policy.
    pub fn new(
        cell: &CellRecord,
        repeat: &Repeat,
        readings: &[Reading],
        policies: &[PolicySpec],
        recorded: &Recorded,
    ) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let gaps = readings
            .windows(2)
            .map(|pair| ms(pair[1].0.saturating_sub(pair[0].0)));
        let recorded_policy = recorded.policy.as_ref();
        Replay {
            cell: cell.id.clone(),
            repeat: repeat.repeat,
            outcome: repeat.outcome.name().to_owned(),
            recorded_policy: recorded_policy.map(|spec| {
                let policy = policy::from_spec(spec, recorded.subject);
                policy.name().to_owned()
            }),
            recorded_lever_ms: recorded::first_lever_ms(repeat),
            readings: readings.len(),
            until_ms: readings.last().map_or(0.0, |(at, _)| ms(*at)),
            gap_max_ms: gaps.fold(0.0, f64::max),
            policies: policies
                .iter()
                .map(|spec| replay(readings, spec, recorded))
                .collect(),
        }
    }
}

/// Shows the readings to a policy.
pub fn replay(readings: &[Reading], spec: &PolicySpec, recorded: &Recorded) -> Replayed {
    let mut policy = policy::from_spec(spec, recorded.subject);
    let needs = policy.needs();
    let begins_otherwise = recorded.policy.as_ref().is_none_or(|spec| {
        let before = policy::from_spec(spec, recorded.subject).needs();
        begin_of(&before, recorded) != begin_of(&needs, recorded)
    });
    let mut replayed = Replayed {
        policy: policy.name().to_owned(),
        begins_with: begin(&needs),
        begins_otherwise,
        decisions: Vec::new(),
        ended: false,
    };
    let mut pulled = begins_otherwise;
    for (now, progress) in readings {
        for decision in policy.on_progress(*now, progress) {
            replayed.ended |= !matches!(decision.action, Action::Set(_));
            replayed.decisions.push(Row {
                at_ms: now.as_secs_f64() * 1e3,
                pass: progress.pass,
                action: decision.action,
                reason: decision.reason,
                hypothetical: pulled,
            });
            pulled = true;
        }
        if replayed.ended {
            break;
        }
    }
    replayed
}

/// What makes another migration of it from the first byte on. That post-copy is possible changes nothing until it begins.
fn begin_of(
    needs: &Needs,
    recorded: &Recorded,
) -> (Option<Throttle>, bool, Option<u64>, Vec<Setting>) {
    let mut limit = recorded.downtime_limit_ms;
    let mut settings = needs.settings.clone();
    settings.retain(|setting| match setting {
        Setting::DowntimeLimit { ms } => {
            limit = Some(*ms);
            false
        }
        _ => true,
    });
    (needs.throttle, needs.xbzrle, limit, settings)
}

/// In words.
fn begin(needs: &Needs) -> Vec<String> {
    let mut words = Vec::new();
    if needs.post_copy {
        words.push("post-copy possible".to_owned());
    }
    if let Some(throttle) = needs.throttle {
        words.push(format!(
            "throttle from {} % by {} % to {} %",
            throttle.initial, throttle.increment, throttle.max
        ));
    }
    if needs.xbzrle {
        words.push("xbzrle".to_owned());
    }
    let settings = needs.settings.iter().cloned().map(Action::Set);
    words.extend(settings.map(|action| in_words(&action)));
    words
}

/// An action in a few words.
pub fn in_words(action: &Action) -> String {
    match action {
        Action::StartPostCopy => "post-copy".to_owned(),
        Action::Pause => "stop the guest".to_owned(),
        Action::Resume => "resume the guest".to_owned(),
        Action::Cancel => "give up".to_owned(),
        Action::Set(setting) => setting_in_words(setting),
    }
}

/// From its serialized form, which names the setting, its fields and their units.
fn setting_in_words(setting: &Setting) -> String {
    let value = serde_json::to_value(setting).unwrap_or_default();
    let Some((name, fields)) = value.as_object().and_then(|object| object.iter().next()) else {
        return value.to_string();
    };
    let fields = fields.as_object().into_iter().flatten();
    let parts: Vec<String> = fields
        .map(|(field, value)| match (field.as_str(), value.as_u64()) {
            ("ms", Some(ms)) => format!("{ms} ms"),
            ("bytes", Some(bytes)) => format!("{} MiB", bytes >> 20),
            ("bytes_per_second", Some(rate)) => format!("{} MB/s", rate / 1_000_000),
            ("bytes_per_second", None) => "unlimited".to_owned(),
            _ => format!("{field} {value}"),
        })
        .collect();
    format!("{name} {}", parts.join(", "))
}

#[cfg(test)]
mod tests;
