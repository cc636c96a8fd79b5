//! Each peer's policy against its published rule: tables of readings and what the rule says to them. What is expected was worked out
//! from the rule and its constants; nothing here looks into a policy.

use std::time::Duration;

use super::*;

mod kubevirt;
mod nova;
mod others;
mod ovirt;
mod properties;

/// A guest of so many GiB.
fn gib(count: u64) -> Subject {
    Subject {
        memory_bytes: count << 30,
    }
}

/// A reading of a migration on its way. Bytes in MiB.
fn active(pass: u64, remaining_mib: f64) -> Progress {
    Progress {
        status: "active".into(),
        pass,
        // The decimals make shares such as 9.5 % of it exact.
        remaining_bytes: (remaining_mib * f64::from(1 << 20)) as u64,
        ..Progress::default()
    }
}

/// What is decided, in words as short as the tables need them.
fn words(decisions: &[Decision]) -> String {
    let word = |decision: &Decision| match &decision.action {
        Action::StartPostCopy => "post-copy".to_owned(),
        Action::Pause => "pause".to_owned(),
        Action::Resume => "resume".to_owned(),
        Action::Cancel => "cancel".to_owned(),
        Action::Set(Setting::DowntimeLimit { ms }) => format!("limit {ms}"),
        Action::Set(other) => format!("{other:?}"),
    };
    decisions.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Shows readings to a policy of this name; each row is time in seconds, reading, and what the rule says.
fn check(spec: &PolicySpec, subject: Subject, rows: &[(f64, Progress, &str)]) {
    let mut policy = from_spec(spec, subject);
    for (at, progress, expected) in rows {
        let decisions = policy.on_progress(seconds(*at), progress);
        assert_eq!(
            words(&decisions),
            *expected,
            "{} at {at} s of {progress:?}: {decisions:?}",
            policy.name()
        );
    }
}

fn limit(ms: u64) -> Setting {
    Setting::DowntimeLimit { ms }
}
