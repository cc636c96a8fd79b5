//! How a run stands that goes on, for `lmbench ctl RUN status`, and in a few words for lists.

use std::time::Duration;

use super::text::{clean, clean_short};
use super::time;
use crate::control::{Decided, MigrationStatus, RepeatStatus, Status};
use crate::metric::Unit;

/// The whole of it.
pub fn status_text(status: &Status) -> String {
    let mut text = format!(
        "run {} of {}, process {}, goes on for {}\n",
        clean(&status.run),
        clean_short(&status.scenario, 60),
        status.process,
        seconds(status.elapsed_s),
    );
    let Some(now) = &status.now else {
        let (done, all) = (status.finished, status.migrations);
        return text + &format!("between two migrations, {done} of {all} done\n");
    };
    text += &format!(
        "migration {} of {}: {}, {}\n",
        now.position,
        status.migrations,
        clean(&now.cell),
        repeat(now)
    );
    text += &format!("{} for {}", clean(&now.phase), seconds(now.phase_s));
    if let Some(limit) = now.phase_limit_s {
        text += &format!(" (at most {})", seconds(limit));
    }
    text += &format!(", policy {}\n", clean(&now.policy));
    if let Some(migration) = &now.migration {
        text += &of_migration(migration);
    }
    text
}

/// `[4/9] repeat 2/3, migrating for 12.3 s`.
pub(super) fn in_short(status: &Status) -> String {
    match &status.now {
        Some(now) => format!(
            "[{}/{}] {}, {} for {}",
            now.position,
            status.migrations,
            repeat(now),
            clean_short(&now.phase, 20),
            seconds(now.phase_s)
        ),
        None => format!(
            "[{}/{}] between two migrations",
            status.finished, status.migrations
        ),
    }
}

fn repeat(now: &RepeatStatus) -> String {
    match now.repeat {
        0 => "warm-up".to_owned(),
        number => format!("repeat {number}/{}", now.repeats),
    }
}

fn of_migration(migration: &MigrationStatus) -> String {
    let mut lines = vec![
        ("state", clean(&migration.state)),
        ("since migrate", seconds(migration.elapsed_s)),
        ("pass", migration.pass.to_string()),
        (
            "remaining",
            Unit::Byte.format(migration.remaining_bytes as f64),
        ),
    ];
    if let Some(downtime) = migration.expected_downtime_ms {
        lines.push(("expected downtime", Unit::Millisecond.format(downtime)));
    }
    lines.push(("convergence", migration.convergence.words()));
    lines.push(("as of", format!("{} ago", seconds(migration.read_s_ago))));
    let mut text: String = lines
        .iter()
        .map(|(name, value)| format!("  {name:<18} {value}\n"))
        .collect();
    for decided in &migration.decisions {
        text += &format!("  {}\n", decision(decided));
    }
    text
}

/// `at 3.2 s operator: set downtime-limit ms 500 done: set`.
pub(super) fn decision(decided: &Decided) -> String {
    format!(
        "at {} {}: {}",
        seconds(decided.at_s),
        clean(&decided.by),
        clean_short(&decided.what, 400)
    )
}

/// What another program said may be no time at all.
pub(super) fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "?".to_owned(), time::duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convergence::Convergence;

    fn status() -> Status {
        Status {
            run: "20260301-120000-jvm-heavy-1f3c".to_owned(),
            scenario: "jvm\u{1b}[31m".to_owned(),
            process: 4711,
            elapsed_s: 271.0,
            migrations: 9,
            finished: 3,
            now: Some(RepeatStatus {
                position: 4,
                cell: "carrier=tcp".to_owned(),
                repeat: 2,
                repeats: 3,
                policy: "post-copy".to_owned(),
                phase: "migrating".to_owned(),
                phase_s: 12.3,
                phase_limit_s: Some(60.0),
                migration: Some(MigrationStatus {
                    state: "active".to_owned(),
                    elapsed_s: 12.0,
                    read_s_ago: 0.1,
                    pass: 3,
                    remaining_bytes: 123 << 20,
                    throughput_bits_per_s: 4.8e8,
                    dirty_bytes_per_s: Some(1e8),
                    throttle_percent: Some(20),
                    expected_downtime_ms: Some(2100.0),
                    convergence: Convergence {
                        dirtied_bps: Some(1e8),
                        sent_bps: Some(6e7),
                        least_left_bytes: Some(9e7),
                        limit_ms: Some(500.0),
                        throttle_percent: Some(20.0),
                        first_pass: false,
                    },
                    decisions: vec![Decided {
                        at_s: 3.2,
                        by: "operator".to_owned(),
                        what: "set downtime-limit ms 500 done: set\u{7}".to_owned(),
                    }],
                }),
            }),
        }
    }

    #[test]
    fn a_status_in_full_and_in_short() {
        let full = status();
        let mut booting = status();
        if let Some(now) = &mut booting.now {
            (now.phase, now.phase_limit_s, now.repeat) = ("booting".to_owned(), None, 0);
            (now.migration, now.phase_s) = (None, f64::NAN);
        }
        let between = Status {
            now: None,
            ..status()
        };
        let all = [full, booting, between];
        let texts = all
            .iter()
            .map(|status| format!("{}{}\n\n", status_text(status), in_short(status)));
        insta::assert_snapshot!(texts.collect::<String>());
    }
}
