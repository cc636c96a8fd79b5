//! What is said over a control socket.

use lmbench_harness::policy::Setting;
use serde::{Deserialize, Serialize};

use super::Status;

/// A request: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Id of the run that is meant; another run refuses it.
    pub run: String,
    /// What is wanted.
    pub command: Command,
}

/// What can be wanted of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// How it stands.
    Status,
    /// Give this migration up; the guest stays on the source.
    Cancel,
    /// End this migration now: post-copy if it was switched on, else stop the guest.
    ForceComplete,
    /// Stop the guest.
    Pause,
    /// Let the guest run again.
    Resume,
    /// Make links whole that were cut, and go on with a post-copy that lost them.
    ResumeNetwork,
    /// Go on with a post-copy that lost its network.
    Recover,
    /// Change a setting of this migration.
    Set(Setting),
}

/// An answer: one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How the run stands.
    Status(Box<Status>),
    /// What was done.
    Done(String),
    /// Why it was not.
    Refused(String),
    /// What is wrong with the request; the connection ends.
    Misunderstood(String),
}

/// Longest request, its end of line included, bytes.
pub const LINE_MAX: usize = 4096;
