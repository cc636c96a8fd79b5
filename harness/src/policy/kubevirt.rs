//! `kubevirt-…`: `KubeVirt`'s two proposals for migrations that do not converge (kubevirt/enhancements, `veps/sig-compute`).

mod limits;
mod ramp;
mod stall;

use std::time::Duration;

pub(super) use ramp::Ramp;
pub(super) use stall::Stall;

use super::Subject;

/// virt-launcher's loop.
const INTERVAL: Duration = Duration::from_millis(400);

/// The time that a guest of this size gets; none when it is off.
fn completion_timeout(per_gib: Duration, subject: Subject) -> Option<Duration> {
    let gib = subject.memory_bytes as f64 / f64::from(1 << 30);
    let timeout = Duration::try_from_secs_f64(per_gib.as_secs_f64() * gib);
    let timeout = timeout.unwrap_or(Duration::MAX);
    (!timeout.is_zero()).then_some(timeout)
}
