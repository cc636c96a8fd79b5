//! Policies that do one thing after a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `virsh migrate --timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VirshTimeoutSpec {
    /// `--timeout`, for which virsh has no default.
    pub timeout: Duration,
    /// Factor on it.
    pub time_scale: f64,
}

impl Default for VirshTimeoutSpec {
    fn default() -> Self {
        VirshTimeoutSpec {
            timeout: Duration::from_secs(30),
            time_scale: 1.0,
        }
    }
}

/// An operator's force-complete.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ForceCompleteSpec {
    /// When it is asked for.
    pub after: Duration,
    /// Whether post-copy may be used; else the guest is stopped.
    pub permit_post_copy: bool,
    /// Factor on the time.
    pub time_scale: f64,
}

impl Default for ForceCompleteSpec {
    fn default() -> Self {
        ForceCompleteSpec {
            after: Duration::from_secs(30),
            permit_post_copy: false,
            time_scale: 1.0,
        }
    }
}
