//! `kubevirt-…`: `KubeVirt`'s two ways to end what does not converge, as its code has them (kubevirt, 1.9.0 and d923fdb815,
//! `pkg/virt-launcher/virtwrap/live-migration-source.go` and `stall-detector.go`) and as their proposals do (kubevirt/enhancements,
//! `veps/sig-compute`).

mod bandwidth;
mod detector;
mod limits;
mod ramp;
mod stall;

use std::time::Duration;

pub(super) use detector::Detector;
pub(super) use ramp::Ramp;
pub(super) use stall::Stall;

use super::{Needs, Setting, Subject, Throttle};
use crate::spec::KubevirtStallSpec;

/// virt-launcher's loop.
const INTERVAL: Duration = Duration::from_millis(400);

/// QEMU's own downtime limit, ms, which `KubeVirt` leaves unless its maximum is below it.
const DOWNTIME_DEFAULT_MS: u64 = 300;

/// The time that a guest of this size gets; none when it is off.
pub(super) fn completion_timeout(per_gib: Duration, subject: Subject) -> Option<Duration> {
    let gib = subject.memory_bytes as f64 / f64::from(1 << 30);
    let timeout = Duration::try_from_secs_f64(per_gib.as_secs_f64() * gib);
    let timeout = timeout.unwrap_or(Duration::MAX);
    (!timeout.is_zero()).then_some(timeout)
}

/// What both rules of `kubevirt-stall` begin with.
fn stall_needs(spec: &KubevirtStallSpec) -> Needs {
    Needs {
        post_copy: spec.limits.allow_post_copy,
        throttle: spec.limits.allow_auto_converge.then_some(Throttle::DEFAULT),
        settings: vec![Setting::DowntimeLimit {
            ms: spec.max_downtime_ms.min(DOWNTIME_DEFAULT_MS),
        }],
        ..Needs::default()
    }
}

/// When either of them can act first: no pass is before the window any sooner.
fn stall_first_action_at(spec: &KubevirtStallSpec, completion: Option<Duration>) -> Duration {
    let window = spec.limits.progress_timeout;
    completion.map_or(window, |timeout| timeout.min(window))
}
