//! The policies by name, with their settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who decides during a migration, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySpec {
    /// Nobody: QEMU with the settings of the scenario.
    Static,
    /// QEMU's own throttle.
    AutoConverge {
        /// `cpu-throttle-initial`, percent.
        initial: u32,
        /// `cpu-throttle-increment`, percent.
        increment: u32,
        /// `max-cpu-throttle`, percent.
        max: u32,
    },
    /// Switch to post-copy at whichever comes first.
    PostCopy {
        /// After this many whole passes over memory.
        after_passes: Option<u32>,
        /// After this time.
        after: Option<Duration>,
    },
}
