//! How an instrument is timed, and what its readings say of its steps. Knows no instrument.

use std::time::Duration;

use lmbench_harness::clock::monotonic_ns;
use rustix::time::{ClockId, clock_gettime};

use crate::record::{Resolution, ResolutionFrom, ResolutionUnit};
use crate::statistics::median;

/// What readings took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timed {
    /// CPU time of this thread, us for each.
    pub(super) cpu_us: f64,
    /// Median of the time that each took, us.
    pub(super) wall_us: f64,
}

/// Counts what this thread does between laps.
#[derive(Debug)]
pub(super) struct Stopwatch {
    cpu_ns: u64,
    lap_ns: u64,
    laps_us: Vec<f64>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Stopwatch {
            cpu_ns: thread_cpu_ns(),
            lap_ns: monotonic_ns(),
            laps_us: Vec::new(),
        }
    }

    /// A reading has ended, and the next one begins.
    pub(super) fn lap(&mut self) {
        let now_ns = monotonic_ns();
        self.laps_us.push(us(now_ns.saturating_sub(self.lap_ns)));
        self.lap_ns = now_ns;
    }

    /// What happened since the last lap belongs to no reading.
    pub(super) fn skip(&mut self) {
        self.lap_ns = monotonic_ns();
    }

    /// `None` without a lap.
    pub(super) fn stop(self) -> Option<Timed> {
        let cpu_us = us(thread_cpu_ns().saturating_sub(self.cpu_ns));
        Some(Timed {
            cpu_us: cpu_us / self.laps_us.len() as f64,
            wall_us: median(&self.laps_us)?,
        })
    }
}

/// Times `read`, which is done `batch` times per lap: more than once where it is quicker than the clock.
pub(super) fn time(batch: u32, mut read: impl FnMut()) -> Timed {
    let mut laps_us = Vec::new();
    let start_ns = monotonic_ns();
    let begun_ns = thread_cpu_ns();
    let mut now_ns = start_ns;
    while laps_us.len() < LAPS_MIN
        || (laps_us.len() < LAPS_MAX && now_ns - start_ns < BUDGET.as_nanos() as u64)
    {
        for _ in 0..batch {
            read();
        }
        let before_ns = std::mem::replace(&mut now_ns, monotonic_ns());
        laps_us.push(us(now_ns - before_ns) / f64::from(batch));
    }
    let cpu_us = us(thread_cpu_ns().saturating_sub(begun_ns));
    Timed {
        cpu_us: cpu_us / (laps_us.len() as f64 * f64::from(batch)),
        wall_us: median(&laps_us).unwrap_or_default(),
    }
}

/// CPU time of the calling thread, ns.
pub(super) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// The distances between successive readings that differ.
pub(super) fn steps(readings: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut last = None;
    readings
        .into_iter()
        .filter_map(|now| now.checked_sub(last.replace(now)?))
        .filter(|step| *step > 0)
        .collect()
}

/// The median of steps of nanoseconds, as a resolution.
pub(super) fn usual_step(steps: &[u64]) -> Option<Resolution> {
    let steps: Vec<f64> = steps.iter().map(|ns| us(*ns)).collect();
    median(&steps).map(measured_us)
}

/// The smallest of steps of nanoseconds, as a resolution.
pub(super) fn smallest_step(steps: &[u64]) -> Option<Resolution> {
    steps.iter().min().map(|ns| measured_us(us(*ns)))
}

/// What all of these nanoseconds are multiples of, as a resolution: the unit of somebody else's stamps.
pub(super) fn common_step(steps: &[u64]) -> Option<Resolution> {
    let step = steps.iter().copied().reduce(common_divisor)?;
    (step > 0).then(|| measured_us(us(step)))
}

fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

pub(super) fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// A step that was seen.
pub(super) fn measured_us(value: f64) -> Resolution {
    Resolution {
        value,
        unit: ResolutionUnit::Us,
        from: ResolutionFrom::Measured,
    }
}

/// An interval is what an instrument can tell apart.
pub(super) fn set(interval: Duration) -> Resolution {
    Resolution {
        value: interval.as_secs_f64() * 1e6,
        unit: ResolutionUnit::Us,
        from: ResolutionFrom::Setting,
    }
}

/// An instrument that counts single things.
pub(super) fn single(unit: ResolutionUnit) -> Resolution {
    Resolution {
        value: 1.0,
        unit,
        from: ResolutionFrom::Measured,
    }
}

/// Enough for a median.
const LAPS_MIN: usize = 5;
const LAPS_MAX: usize = 500;
/// Time for one instrument that is read at will.
const BUDGET: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_are_what_readings_differ_by() {
        let cases: [(&[u64], &[u64]); 5] = [
            (&[], &[]),
            (&[7], &[]),
            (&[7, 7, 9, 9, 14], &[2, 5]),
            // A clock that goes back has not gone on.
            (&[9, 7, 8], &[1]),
            (&[0, u64::MAX, 0], &[u64::MAX]),
        ];
        for (readings, expected) in cases {
            assert_eq!(steps(readings.iter().copied()), expected, "{readings:?}");
        }
    }

    #[test]
    fn resolutions_are_the_smallest_the_usual_and_the_common_step() {
        let value = |resolution: Option<Resolution>| resolution.map(|it| it.value);
        let steps = [6_000, 4_000, 10_000];
        assert_eq!(value(smallest_step(&steps)), Some(4.0));
        assert_eq!(value(usual_step(&steps)), Some(6.0));
        assert_eq!(value(common_step(&steps)), Some(2.0));
        assert_eq!(smallest_step(&[]), None);
        assert_eq!(usual_step(&[]), None);
        assert_eq!(common_step(&[]), None);
        assert_eq!(common_step(&[0]), None);
    }

    // 50 us of work that the thread's own clock counts: neither the CPU time nor the wall time of it can be less.
    #[test]
    fn what_a_reading_takes_is_counted_per_reading() {
        let work = || {
            let until_ns = thread_cpu_ns() + 50_000;
            while thread_cpu_ns() < until_ns {}
        };
        let timed = time(2, work);
        assert!(timed.cpu_us >= 50.0 && timed.wall_us >= 50.0, "{timed:?}");
        let mut stopwatch = Stopwatch::start();
        for _ in 0..3 {
            work();
            stopwatch.lap();
        }
        stopwatch.skip();
        let timed = stopwatch.stop().unwrap();
        assert!(timed.cpu_us >= 50.0 && timed.wall_us >= 50.0, "{timed:?}");
        assert_eq!(Stopwatch::start().stop(), None);
    }

    proptest! {
        #[test]
        fn every_step_is_a_multiple_of_the_common_one(factors in proptest::collection::vec(1_u64..1_000_000, 1..20), unit in 1_u64..1_000_000) {
            let steps: Vec<u64> = factors.iter().map(|factor| factor * unit).collect();
            let common_ns = (common_step(&steps).unwrap().value * 1e3).round() as u64;
            prop_assert!(steps.iter().all(|step| step % common_ns == 0));
            prop_assert_eq!(common_ns % unit, 0);
        }
    }
}
