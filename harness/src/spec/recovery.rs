//! What is done about a post-copy whose connection breaks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a post-copy that lost its connection is given a new one. The guest runs on the destination without all of its memory then, so
/// nothing else can save it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySpec {
    /// New connections to try after each loss; with 0 a post-copy that is cut off has failed.
    pub attempts: u32,
    /// Time between two attempts.
    pub pause: Duration,
    /// Time without a byte in post-copy after which the connection counts as lost: a link that drops everything tells nobody, and TCP
    /// itself waits for minutes.
    pub after: Duration,
}

impl RecoverySpec {
    /// The most that all attempts after one loss can take.
    pub fn longest(&self) -> Duration {
        let each = ATTEMPT_WITHIN.saturating_add(self.pause);
        self.after
            .saturating_add(each.saturating_mul(self.attempts))
    }
}

impl Default for RecoverySpec {
    fn default() -> Self {
        RecoverySpec {
            attempts: 3,
            pause: Duration::from_secs(2),
            after: Duration::from_secs(5),
        }
    }
}

/// Longest time of one attempt, from the end of the old connection to a stream that flows again.
pub const ATTEMPT_WITHIN: Duration = Duration::from_secs(75);
