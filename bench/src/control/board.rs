//! How a run stands, put together from its events. Reads no clock: its caller says what time it is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::convergence::Convergence;
use crate::event::{Decision, Progress, RunEvent};

/// How a run stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its id.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Process id of the run.
    pub process: u32,
    /// Since it began or went on, seconds.
    pub elapsed_s: f64,
    /// Migrations to do since then, warm-ups included.
    pub migrations: usize,
    /// Migrations that have ended.
    pub finished: usize,
    /// What is being done.
    pub now: Option<RepeatStatus>,
}

/// How the repeat stands that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepeatStatus {
    /// Which of the run's migrations, from 1.
    pub position: usize,
    /// Id of the cell.
    pub cell: String,
    /// Number of the repeat in its cell, from 1; 0 for a warm-up.
    pub repeat: u32,
    /// Repeats per cell.
    pub repeats: u32,
    /// Name of the policy.
    pub policy: String,
    /// The phase, in words.
    pub phase: String,
    /// In this phase, seconds.
    pub phase_s: f64,
    /// The phase ends after so many seconds at the latest.
    pub phase_limit_s: Option<f64>,
    /// How the migration stands, while one goes on and something is known of it.
    pub migration: Option<MigrationStatus>,
}

/// How a migration stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MigrationStatus {
    /// QEMU's migration status.
    pub state: String,
    /// Since `migrate`, seconds.
    pub elapsed_s: f64,
    /// Age of the reading that the figures are from, seconds.
    pub read_s_ago: f64,
    /// Pass over memory.
    pub pass: u64,
    /// Bytes still to send.
    pub remaining_bytes: u64,
    /// Payload speed as QEMU measures it.
    pub throughput_bits_per_s: f64,
    /// What the guest dirties, if QEMU knows.
    pub dirty_bytes_per_s: Option<f64>,
    /// CPU throttle.
    pub throttle_percent: Option<u32>,
    /// The downtime that QEMU expects if it switched over now.
    pub expected_downtime_ms: Option<f64>,
    /// What decides whether it converges.
    #[serde(default)]
    pub convergence: Convergence,
    /// The last decisions, oldest first.
    pub decisions: Vec<Decided>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Since `migrate`, seconds.
    pub at_s: f64,
    /// Who: `policy`, `timeout`, `operator`; `refused` is the hypervisor's no.
    pub by: String,
    /// What and why, in words.
    pub what: String,
}

/// Follows a run. Clones are the same board.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    status: Status,
    began: Duration,
    phase_began: Duration,
    /// The last reading and when it came.
    reading: Option<(Duration, Progress)>,
    decisions: VecDeque<Decided>,
}

impl Board {
    /// Takes an event in; `now` is any clock that goes on.
    pub fn observe(&self, event: &RunEvent, now: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.observe(event, now);
    }

    /// How it stands at `now`, on the same clock.
    pub fn status(&self, now: Duration) -> Status {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.at(now)
    }
}

impl Known {
    fn observe(&mut self, event: &RunEvent, now: Duration) {
        match event {
            RunEvent::RunStarted {
                run_id,
                scenario,
                migrations,
                ..
            } => {
                self.began = now;
                self.status = Status {
                    run: run_id.clone(),
                    scenario: scenario.clone(),
                    process: std::process::id(),
                    migrations: *migrations,
                    ..Status::default()
                };
            }
            RunEvent::RepeatStarted {
                position,
                cell,
                repeat,
                repeats,
                policy,
            } => {
                self.status.now = Some(RepeatStatus {
                    position: *position,
                    cell: cell.clone(),
                    repeat: *repeat,
                    repeats: *repeats,
                    policy: policy.clone(),
                    phase: "beginning".to_owned(),
                    phase_s: 0.0,
                    phase_limit_s: None,
                    migration: None,
                });
                self.enter(now);
            }
            RunEvent::Phase { phase, limit } => {
                if let Some(repeat) = &mut self.status.now {
                    phase.words().clone_into(&mut repeat.phase);
                    repeat.phase_limit_s = limit.map(|limit| limit.as_secs_f64());
                }
                self.enter(now);
            }
            RunEvent::Progress(progress) => self.reading = Some((now, progress.clone())),
            RunEvent::Decision(decision) => self.decide(decision),
            RunEvent::RepeatFinished { .. } => {
                self.status.finished += 1;
                self.status.now = None;
            }
            RunEvent::Warning(_) => {}
        }
    }

    /// A phase begins: what was read in the last one is old.
    fn enter(&mut self, now: Duration) {
        self.phase_began = now;
        self.reading = None;
        self.decisions.clear();
    }

    fn decide(&mut self, decision: &Decision) {
        if self.decisions.len() == DECISIONS_MAX {
            self.decisions.pop_front();
        }
        self.decisions.push_back(Decided {
            at_s: decision.elapsed.as_secs_f64(),
            by: decision.by.clone(),
            what: decision.words(),
        });
    }

    fn at(&self, now: Duration) -> Status {
        let since = |then: Duration| now.saturating_sub(then).as_secs_f64();
        let mut status = self.status.clone();
        status.elapsed_s = since(self.began);
        if let Some(repeat) = &mut status.now {
            repeat.phase_s = since(self.phase_began);
            repeat.migration = self.reading.as_ref().map(|(read, progress)| {
                let age = since(*read);
                MigrationStatus {
                    state: progress.status.to_string(),
                    elapsed_s: progress.elapsed.as_secs_f64() + age,
                    read_s_ago: age,
                    pass: progress.pass,
                    remaining_bytes: progress.remaining_bytes,
                    throughput_bits_per_s: progress.throughput_bps,
                    dirty_bytes_per_s: progress.dirty_rate_bps,
                    throttle_percent: progress.throttle_percent,
                    expected_downtime_ms: progress.expected_downtime_ms,
                    convergence: progress.convergence(),
                    decisions: self.decisions.iter().cloned().collect(),
                }
            });
        }
        status
    }
}

/// Decisions that are kept: those of a screen.
const DECISIONS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Phase;
    use crate::record::{Outcome, Repeat};

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn board() -> Board {
        let board = Board::default();
        let started = RunEvent::RunStarted {
            run_id: "id".to_owned(),
            scenario: "jvm".to_owned(),
            cells: 2,
            migrations: 4,
            directory: "results/id".into(),
        };
        board.observe(&started, at(100));
        let repeat = RunEvent::RepeatStarted {
            position: 1,
            cell: "carrier=tcp".to_owned(),
            repeat: 1,
            repeats: 2,
            policy: "static".to_owned(),
        };
        board.observe(&repeat, at(101));
        board
    }

    fn migrating(board: &Board) {
        let phase = RunEvent::Phase {
            phase: Phase::Migrating,
            limit: Some(at(60)),
        };
        board.observe(&phase, at(110));
        let progress = Progress {
            elapsed: at(3),
            status: "active".into(),
            pass: 2,
            throughput_bps: 1e9,
            dirty_rate_bps: None,
            remaining_bytes: 7,
            throttle_percent: None,
            expected_downtime_ms: Some(300.0),
            least_left_bytes: None,
            downtime_limit_ms: Some(300.0),
        };
        board.observe(&RunEvent::Progress(progress), at(113));
    }

    #[test]
    fn a_status_is_of_the_moment_in_which_it_is_asked_for() {
        let board = board();
        let now = board.status(at(104)).now.unwrap();
        assert_eq!((now.phase.as_str(), now.migration), ("beginning", None));
        migrating(&board);
        let status = board.status(at(115));
        assert_eq!((status.elapsed_s, status.migrations), (15.0, 4));
        let now = status.now.unwrap();
        assert_eq!((now.phase.as_str(), now.phase_s), ("migrating", 5.0));
        let migration = now.migration.unwrap();
        assert_eq!((migration.elapsed_s, migration.read_s_ago), (5.0, 2.0));
    }

    #[test]
    fn only_the_last_decisions_of_this_migration_are_kept() {
        let board = board();
        migrating(&board);
        for number in 0..9 {
            let decision = Decision {
                elapsed: at(number),
                by: "policy".to_owned(),
                data: json!({ "action": "pause", "reason": format!("number {number}") }),
            };
            board.observe(&RunEvent::Decision(decision), at(113 + number));
        }
        let decisions = |board: &Board| board.status(at(130)).now?.migration.map(|it| it.decisions);
        let kept = decisions(&board).unwrap();
        assert_eq!(kept.len(), DECISIONS_MAX);
        assert_eq!(kept[0].what, "pause: number 4");
        let verifying = RunEvent::Phase {
            phase: Phase::Verifying,
            limit: None,
        };
        board.observe(&verifying, at(140));
        assert_eq!(decisions(&board), None);
    }

    #[test]
    fn between_two_repeats_nothing_is_being_done() {
        let board = board();
        let finished = RunEvent::RepeatFinished {
            cell: "carrier=tcp".to_owned(),
            repeat: Repeat::unfinished(1, 0.0, Outcome::Failed, "it broke"),
        };
        board.observe(&finished, at(120));
        let status = board.status(at(121));
        assert_eq!((status.finished, status.now.as_ref()), (1, None));
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }
}
