//! What the dashboard knows of a run, put together from its events. Reads no clock and draws nothing.
//!
//! How the run stands is `control::Board`'s knowledge, place and time left are the progress display's; added here are the curves, the
//! cells' results.

use std::collections::BTreeMap;
use std::time::Duration;

use super::curves::Curves;
use crate::control::{self, MigrationStatus, Status};
use crate::event::{Phase, RunEvent};
use crate::plan::Plan;
use crate::record::{CellRecord, Record, Repeat, summarise};
use crate::terminal::progress::tracker::Tracker;

/// A run that is watched.
#[derive(Debug)]
pub struct Board {
    scenario: String,
    pub(super) opened: Duration,
    started: bool,
    run: control::Board,
    pub(super) tracker: Tracker,
    /// All cells, their repeats without what is not shown.
    pub(super) cells: Vec<CellRecord>,
    /// The cell that is being measured.
    pub(super) current: Option<usize>,
    /// Of the migration that goes on, or of the last one.
    pub(super) curves: Curves,
    /// How the last migration stood at its end.
    last: Option<MigrationStatus>,
    pub(super) warnings: usize,
    pub(super) last_warning: Option<String>,
}

/// How the run stands in the moment that is drawn.
#[derive(Debug)]
pub(super) struct View {
    pub(super) scenario: String,
    pub(super) status: Status,
    pub(super) elapsed: Duration,
    pub(super) left: Option<Duration>,
    /// Of the migration that goes on, or of the last one.
    pub(super) migration: Option<MigrationStatus>,
    /// Whether that one goes on.
    pub(super) is_live: bool,
}

impl Board {
    /// Before the run's first event; `begun` is the record of a run that is to go on, `now` any clock that goes on.
    pub fn new(plan: &Plan, begun: Option<&Record>, now: Duration) -> Self {
        let cells = plan.cells.iter().map(|cell| {
            let earlier = begun.and_then(|record| {
                let index = record.cell_index(&cell.id)?;
                record.cells.get(index)
            });
            let repeats: Vec<Repeat> = earlier
                .map(|cell| cell.repeats.iter().map(slim).collect())
                .unwrap_or_default();
            CellRecord {
                id: cell.id.clone(),
                parameters: cell.parameters.clone(),
                summary: summarise(&repeats),
                repeats,
                settled: earlier.is_some_and(|cell| cell.settled),
            }
        });
        Board {
            scenario: plan.scenario.clone(),
            opened: now,
            started: false,
            run: control::Board::default(),
            tracker: Tracker::default(),
            cells: cells.collect(),
            current: None,
            curves: Curves::default(),
            last: None,
            warnings: 0,
            last_warning: None,
        }
    }

    /// Takes an event in; `now` is the clock that it was made with.
    pub fn observe(&mut self, event: &RunEvent, now: Duration) {
        // What was last read of a migration is forgotten at its end, and stays on the screen until the next one begins.
        if let Some(migration) = self.live(now) {
            self.last = Some(migration);
        }
        self.run.observe(event, now);
        self.tracker.observe(event, now);
        match event {
            RunEvent::RunStarted { .. } => self.started = true,
            RunEvent::RepeatStarted { cell, .. } => {
                self.current = self.cells.iter().position(|known| known.id == *cell);
            }
            RunEvent::Phase {
                phase: Phase::Migrating,
                ..
            } => {
                self.curves = Curves::default();
                self.last = None;
            }
            RunEvent::Progress(progress) => self.curves.push(progress),
            RunEvent::Phase { .. } | RunEvent::Decision(_) => {}
            RunEvent::RepeatFinished { cell, repeat } => self.finish(cell, repeat),
            RunEvent::Warning(text) => {
                self.warnings += 1;
                self.last_warning = Some(text.clone());
            }
        }
    }

    pub(super) fn view(&self, now: Duration) -> View {
        let status = self.run.status(now);
        let live = status
            .now
            .as_ref()
            .and_then(|repeat| repeat.migration.clone());
        View {
            scenario: self.scenario.clone(),
            elapsed: if self.started {
                Duration::try_from_secs_f64(status.elapsed_s).unwrap_or_default()
            } else {
                now.saturating_sub(self.opened)
            },
            left: self.tracker.time_left(now),
            is_live: live.is_some(),
            migration: live.or_else(|| self.last.clone()),
            status,
        }
    }

    fn live(&self, now: Duration) -> Option<MigrationStatus> {
        self.run.status(now).now?.migration
    }

    fn finish(&mut self, cell: &str, repeat: &Repeat) {
        self.current = None;
        let found = self.cells.iter_mut().find(|known| known.id == cell);
        // Warm-ups count for nothing.
        if let Some(cell) = found.filter(|_| repeat.repeat > 0) {
            cell.repeats
                .retain(|earlier| earlier.repeat != repeat.repeat);
            cell.repeats.push(slim(repeat));
            cell.summary = summarise(&cell.repeats);
        }
    }
}

/// A repeat with what is shown and nothing else: events and histograms would fill the memory in a long run.
fn slim(repeat: &Repeat) -> Repeat {
    let shown = |id: &&str| Some(((*id).to_owned(), *repeat.metrics.get(*id)?));
    let metrics: BTreeMap<String, f64> = [TOTAL_TIME, BLACKOUT].iter().filter_map(shown).collect();
    Repeat {
        repeat: repeat.repeat,
        outcome: repeat.outcome,
        reason: None,
        started_ms: repeat.started_ms,
        metrics,
        integrity: None,
        events: Vec::new(),
        deviations: Vec::new(),
        op_latency_ns: Vec::new(),
    }
}

/// Metrics of the cells' table.
pub(super) const TOTAL_TIME: &str = "total_time_ms";
pub(super) const BLACKOUT: &str = "blackout_ms";
