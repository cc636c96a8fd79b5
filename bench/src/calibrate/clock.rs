//! The host's clock.

use lmbench_harness::clock::monotonic_ns;

use super::timing::{smallest_step, steps, time};
use crate::record::Instrument;

/// What stamps everything that a host observes.
pub(super) fn host() -> Instrument {
    let timed = time(1000, || {
        std::hint::black_box(monotonic_ns());
    });
    let readings: Vec<u64> = (0..READINGS).map(|_| monotonic_ns()).collect();
    let tells = &["total_time_ms", "blackout_ms", "handshake_ms"];
    let clock = Instrument::new(
        "host-clock",
        "CLOCK_MONOTONIC, which stamps what a host observes",
        tells,
    )
    .costs("reading", timed.cpu_us, None)
    .tells_apart(smallest_step(&steps(readings)))
    .takes(timed.wall_us);
    if cfg!(debug_assertions) {
        return clock
            .note("this lmbench is a debug build, whose own code takes several times as long");
    }
    clock
}

const READINGS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_steps_and_costs() {
        let clock = host();
        let cost = clock.cost.unwrap().cpu_us;
        // A clock that is not in the vDSO takes a system call, a few microseconds at most; one without a TSC steps by a tick.
        assert!(cost > 0.0 && cost < 1e3, "{cost}");
        let step = clock.resolution.unwrap().value;
        assert!(step > 0.0 && step < 1e5, "{step}");
    }
}
