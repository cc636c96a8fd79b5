//! How long OpenSSH may take.

use std::time::Duration;

/// How long `sshd` lets a client take to log in, and `ssh` may take to be ready.
pub(super) const LOGIN_DEADLINE: Duration = Duration::from_secs(10);
/// How long a process that was told to end may take before it is killed.
pub(super) const END_DEADLINE: Duration = Duration::from_secs(2);
/// How long the control connection gets to explain why OpenSSH ended.
pub(super) const EXPLANATION_DEADLINE: Duration = Duration::from_millis(500);
