//! Decisions during one migration.
//!
//! A policy does no input or output and reads no clock, so the same code runs beside a guest and on a recorded run.
//! To add one: a variant of [`PolicySpec`], a file below `policy/`, a line in [`from_spec`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::progress::Progress;
use crate::spec::PolicySpec;

mod auto_converge;
mod deadline;
mod post_copy;
mod unattended;

pub use deadline::Deadline;

/// What a policy wants done now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// `migrate-start-postcopy`.
    StartPostCopy,
    /// Stop the guest so that the migration ends without more dirty memory.
    Pause,
    /// `migrate_cancel`.
    Cancel,
    /// Let a guest run again that was stopped.
    Resume,
}

/// An action with the policy's reason, for the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Why, for a reader of the record.
    pub reason: String,
}

/// Decides during one migration.
pub trait Policy: Send {
    /// Its name in scenarios and records.
    fn name(&self) -> &'static str;

    /// Capabilities it needs on both sides, by QMP name.
    fn capabilities(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }

    /// Parameters it needs on the source, by QMP name.
    fn parameters(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// Whether it decides by what it reads; one that does not needs no readings.
    fn needs_readings(&self) -> bool {
        true
    }

    /// Called at every reading; `now` counts from `migrate`.
    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Option<Decision>;
}

/// The policy that a scenario asks for.
pub fn from_spec(spec: &PolicySpec) -> Box<dyn Policy> {
    match *spec {
        PolicySpec::Static => Box::new(unattended::Static),
        PolicySpec::AutoConverge {
            initial,
            increment,
            max,
        } => Box::new(auto_converge::AutoConverge {
            initial,
            increment,
            max,
        }),
        PolicySpec::PostCopy {
            after_passes,
            after,
        } => Box::new(post_copy::PostCopy::new(after_passes, after)),
    }
}
