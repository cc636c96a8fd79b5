//! What a run tells its observers. The runner does nothing else for the user; terminal and records are made from these.

use std::path::PathBuf;
use std::time::Duration;

use lmbench_harness::hypervisor::MigrationStatus;
use serde_json::Value;

use crate::convergence::Convergence;
use crate::record::Repeat;

/// One thing that happened in a run.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// The plan stands and the hosts are ready.
    RunStarted {
        /// Id of the run.
        run_id: String,
        /// Name of the scenario.
        scenario: String,
        /// Number of cells.
        cells: usize,
        /// Migrations to do, warm-ups included.
        migrations: usize,
        /// Where the record grows.
        directory: PathBuf,
    },
    /// A migration's preparation begins.
    RepeatStarted {
        /// Position in the run's order, from 1.
        position: usize,
        /// Id of the cell.
        cell: String,
        /// Number of the repeat in its cell, from 1; 0 for a warm-up.
        repeat: u32,
        /// Repeats per cell.
        repeats: u32,
        /// Name of the policy.
        policy: String,
    },
    /// The repeat entered another phase.
    Phase {
        /// Which.
        phase: Phase,
        /// How long it may last at most, if limited.
        limit: Option<Duration>,
    },
    /// The migration's progress.
    Progress(Progress),
    /// Somebody has decided something about the migration.
    Decision(Decision),
    /// A migration ended, in whatever way.
    RepeatFinished {
        /// Id of the cell.
        cell: String,
        /// What will stand in the record.
        repeat: Repeat,
    },
    /// Something worth saying that ends nothing.
    Warning(String),
}

/// The phases of one repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// QEMU and its guest start.
    Booting,
    /// The workload fills its memory.
    Filling,
    /// The workload runs undisturbed.
    Settling,
    /// The stream flows.
    Migrating,
    /// The destination compares the workload's memory.
    Verifying,
    /// Guests and carriers end.
    TearingDown,
}

impl Phase {
    /// What a person calls it.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Booting => "booting",
            Phase::Filling => "filling memory",
            Phase::Settling => "settling",
            Phase::Migrating => "migrating",
            Phase::Verifying => "verifying memory",
            Phase::TearingDown => "tearing down",
        }
    }
}

/// A decision about a migration that goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Since `migrate`.
    pub elapsed: Duration,
    /// Who: `policy`, `timeout`, `operator`; `refused` is the hypervisor's no.
    pub by: String,
    /// As it stands in the record.
    pub data: Value,
}

impl Decision {
    /// What and why: `set downtime-limit ms 500: the ramp's next step`.
    pub fn words(&self) -> String {
        let part = |names: [&str; 3]| {
            let found = names.iter().find_map(|name| self.data.get(*name));
            found.map(spoken).unwrap_or_default()
        };
        let what = part(["action", "order", "operation"]);
        let why = part(["reason", "detail", ""]);
        match self.data.get("outcome").and_then(Value::as_str) {
            Some(outcome) => format!("{what} {outcome}: {why}"),
            None => format!("{what}: {why}"),
        }
    }
}

/// Names and values of a JSON value, one after the other.
fn spoken(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let words = fields
                .iter()
                .map(|(name, value)| format!("{name} {}", spoken(value)));
            words.collect::<Vec<_>>().join(" ")
        }
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

/// One reading of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Since `migrate`.
    pub elapsed: Duration,
    /// Where the migration stands.
    pub status: MigrationStatus,
    /// Pass over memory (`dirty-sync-count`).
    pub pass: u64,
    /// Payload speed as QEMU measures it, in bits per second (QEMU's own figure is in Mbit/s).
    pub throughput_bps: f64,
    /// Bytes per second that the guest dirties, if QEMU knows.
    pub dirty_rate_bps: Option<f64>,
    /// Bytes still to send.
    pub remaining_bytes: u64,
    /// CPU throttle in percent, if any.
    pub throttle_percent: Option<u32>,
    /// The downtime that QEMU expects if it switched over now, ms.
    pub expected_downtime_ms: Option<f64>,
    /// The least memory that was left after a dirty sync.
    pub least_left_bytes: Option<u64>,
    /// The downtime limit that is set now, ms.
    pub downtime_limit_ms: Option<f64>,
}

impl Progress {
    /// What decides whether it converges; in post-copy nothing does any more.
    pub fn convergence(&self) -> Convergence {
        let sent_bps = Some(self.throughput_bps / 8.0);
        if self.status.is_post_copy() {
            return Convergence {
                sent_bps,
                ..Convergence::default()
            };
        }
        Convergence {
            dirtied_bps: self.dirty_rate_bps,
            sent_bps,
            least_left_bytes: self.least_left_bytes.map(|bytes| bytes as f64),
            limit_ms: self.downtime_limit_ms,
            throttle_percent: self.throttle_percent.map(f64::from),
            first_pass: self.pass <= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn in_post_copy_no_downtime_has_to_suffice() {
        let mut progress = Progress {
            elapsed: Duration::ZERO,
            status: MigrationStatus::Active,
            pass: 3,
            throughput_bps: 8e6,
            dirty_rate_bps: Some(2e6),
            remaining_bytes: 5,
            throttle_percent: None,
            expected_downtime_ms: None,
            least_left_bytes: Some(1_000_000),
            downtime_limit_ms: Some(300.0),
        };
        assert_eq!(progress.convergence().needed_ms(), Some(1000.0));
        progress.status = MigrationStatus::PostcopyActive;
        assert_eq!(progress.convergence().words(), "sent 977 KiB/s");
    }

    #[test]
    fn decisions_are_put_into_words() {
        for (data, words) in [
            (
                json!({ "action": "start-post-copy", "reason": "pass 2 is over" }),
                "start-post-copy: pass 2 is over",
            ),
            (
                json!({ "action": { "set": { "max-bandwidth": { "bytes_per_second": null } } }, "reason": "free" }),
                "set max-bandwidth bytes_per_second none: free",
            ),
            (
                json!({ "order": "pause", "outcome": "done", "detail": "the guest is stopped" }),
                "pause done: the guest is stopped",
            ),
            (json!({ "operation": "stop", "reason": "no" }), "stop: no"),
            (json!(null), ": "),
        ] {
            let decision = Decision {
                elapsed: Duration::ZERO,
                by: String::new(),
                data,
            };
            assert_eq!(decision.words(), words);
        }
    }
}
