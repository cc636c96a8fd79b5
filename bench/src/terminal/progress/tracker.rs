//! Where a run stands, put together from its events, and the words for it.

use std::time::Duration;

use lmbench_harness::hypervisor::MigrationStatus;

use crate::conditions::UNPROVEN;
use crate::convergence;
use crate::event::{Phase, Progress, RunEvent};
use crate::metric::{Unit, format_value};
use crate::record::{Outcome, Repeat};
use crate::terminal::summary::words;
use crate::terminal::text::{clean, clean_short, counted};
use crate::terminal::time;

/// Where a run stands.
#[derive(Debug, Clone, Default)]
pub(in crate::terminal) struct Tracker {
    pub(in crate::terminal) migrations: usize,
    pub(in crate::terminal) finished: usize,
    position: usize,
    cell: String,
    repeat: String,
    pub(super) began: Option<Duration>,
}

impl Tracker {
    /// Takes an event in; `now` is the reader's clock.
    pub(in crate::terminal) fn observe(&mut self, event: &RunEvent, now: Duration) {
        match event {
            RunEvent::RunStarted { migrations, .. } => self.migrations = *migrations,
            RunEvent::RepeatStarted {
                position,
                cell,
                repeat,
                repeats,
                ..
            } => {
                self.began.get_or_insert(now);
                self.position = *position;
                self.cell = clean(cell);
                self.repeat = if *repeat == 0 {
                    "warm-up".to_owned()
                } else {
                    format!("repeat {repeat}/{repeats}")
                };
            }
            RunEvent::RepeatFinished { .. } => self.finished += 1,
            RunEvent::Phase { .. }
            | RunEvent::Progress(_)
            | RunEvent::Decision(_)
            | RunEvent::Warning(_) => {}
        }
    }

    /// `[4/9] carrier=tcp,policy=static repeat 2/3`.
    pub(in crate::terminal) fn place(&self) -> String {
        format!(
            "[{}/{}] {} {}",
            self.position, self.migrations, self.cell, self.repeat
        )
    }

    /// `[4/9] repeat 2/3, about 12 min left: carrier=tcp,policy=static`: what does not fit a line is the end of the cell.
    pub(in crate::terminal) fn heading(&self, left: &str) -> String {
        format!(
            "[{}/{}] {}{left}: {}",
            self.position, self.migrations, self.repeat, self.cell
        )
    }

    /// The time left if the rest goes as the finished migrations went; nothing to go by before the first.
    pub(in crate::terminal) fn time_left(&self, now: Duration) -> Option<Duration> {
        let left = self
            .migrations
            .checked_sub(self.finished)
            .filter(|left| *left > 0)?;
        let spent = now.checked_sub(self.began?)?;
        (self.finished > 0).then(|| spent.mul_f64(left as f64 / self.finished as f64))
    }

    /// The line of an event that stays when a display that moves has ended.
    pub(in crate::terminal) fn lasting(&self, event: &RunEvent) -> Option<String> {
        match event {
            RunEvent::RunStarted { .. } => opening(event),
            RunEvent::RepeatFinished { repeat, .. } => {
                Some(format!("{}: {}", self.place(), ending(repeat)))
            }
            RunEvent::Warning(text) => Some(format!("warning: {}", clean(text))),
            _ => None,
        }
    }
}

/// The first line of a run.
pub(super) fn opening(event: &RunEvent) -> Option<String> {
    let RunEvent::RunStarted {
        run_id,
        scenario,
        cells,
        migrations,
        directory,
    } = event
    else {
        return None;
    };
    Some(format!(
        "run {} of {}: {}, {}; record in {}",
        clean(run_id),
        clean_short(scenario, 60),
        counted(*cells, "cell"),
        counted(*migrations, "migration"),
        clean(&directory.to_string_lossy()),
    ))
}

/// A phase, and how long it may last.
pub(super) fn phase(phase: Phase, limit: Option<Duration>) -> String {
    let word = phase.words();
    limit.map_or(word.to_owned(), |limit| {
        format!("{word} (at most {})", time::duration(limit))
    })
}

/// A reading of a migration, with what decides whether it converges.
pub(super) fn reading(progress: &Progress) -> String {
    let mut parts = vec![
        time::duration(progress.elapsed),
        format!("pass {}", progress.pass),
    ];
    if progress.status != MigrationStatus::Active {
        parts.push(clean_short(progress.status.as_str(), 30));
    }
    parts.push(format!(
        "{} left",
        Unit::Byte.format(progress.remaining_bytes as f64)
    ));
    format!("{}; {}", parts.join(", "), progress.convergence().words())
}

/// How a migration ended, with the numbers that matter most.
pub(super) fn ending(repeat: &Repeat) -> String {
    let mut text = words(repeat.outcome).to_owned();
    let shown = [
        ("total_time_ms", "in"),
        ("blackout_ms", "blackout"),
        ("downtime_ms", "downtime"),
        ("throughput_bps", "at"),
    ];
    if repeat.outcome == Outcome::Completed {
        let values = shown.iter().filter_map(|(id, word)| {
            Some(format!(
                "{word} {}",
                format_value(id, *repeat.metrics.get(*id)?)
            ))
        });
        text += &values
            .map(|value| format!(", {value}"))
            .collect::<String>()
            .replacen(", in", " in", 1);
    } else if let Some(reason) = &repeat.reason {
        text += &format!(": {}", clean_short(reason, 400));
    }
    if repeat.is_unproven() {
        text += &format!("; {UNPROVEN}");
    }
    // Of what this host can't give there is a warning.
    for deviation in repeat.deviations.iter().filter(|it| !it.ranked) {
        text += &format!("; not as asked: {}", clean_short(&deviation.words(), 400));
    }
    if let Some(why) = convergence::of_repeat(repeat) {
        text += &why.after("; ");
    }
    if repeat
        .integrity
        .as_ref()
        .and_then(|integrity| integrity.memory_intact)
        == Some(false)
    {
        text += ", MEMORY DAMAGED";
    }
    text
}
