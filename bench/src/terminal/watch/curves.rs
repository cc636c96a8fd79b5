//! The readings of one migration over time, in bounded memory: when there are too many, two become one.

use crate::event::Progress;

/// What is known of one moment, or the average of several that lie side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Of the last reading in it, since `migrate`, seconds.
    pub(super) at_s: f64,
    /// Payload, bytes per second.
    pub(super) sends: f64,
    /// What the guest dirties, bytes per second.
    pub(super) dirties: Option<f64>,
    /// Still to send, bytes; the last reading's.
    pub(super) remaining: f64,
    /// CPU throttle in percent; the highest.
    pub(super) throttle: Option<f64>,
    /// Readings in it.
    readings: u32,
}

/// The curves of one migration.
#[derive(Debug, Clone, Default)]
pub(super) struct Curves {
    points: Vec<Point>,
    /// Merges so far: every point but the last is made of 2 to the power of so many readings.
    merges: u32,
}

impl Curves {
    /// Adds a reading; one that makes no sense, or comes before another, is left out.
    pub(super) fn push(&mut self, progress: &Progress) {
        let at_s = progress.elapsed.as_secs_f64();
        let sends = progress.throughput_bps / 8.0;
        if !sends.is_finite() || self.points.last().is_some_and(|last| at_s < last.at_s) {
            return;
        }
        let reading = Point {
            at_s,
            sends,
            dirties: progress.dirty_rate_bps.filter(|rate| rate.is_finite()),
            remaining: progress.remaining_bytes as f64,
            throttle: progress.throttle_percent.map(f64::from),
            readings: 1,
        };
        match self.points.last_mut() {
            Some(last) if last.readings < 1 << self.merges => *last = last.with(reading),
            _ => self.points.push(reading),
        }
        if self.points.len() == POINTS_MAX {
            self.points = self
                .points
                .chunks(2)
                .map(|pair| pair.iter().copied().reduce(Point::with).unwrap_or(pair[0]))
                .collect();
            self.merges += 1;
        }
    }

    /// The time axis' end in seconds: a power of two times [`SPAN_MIN_S`], so that it seldom jumps and the curves fill at least half.
    pub(super) fn span_s(&self) -> f64 {
        let last = self.points.last().map_or(0.0, |last| last.at_s);
        let doublings = (last / SPAN_MIN_S).max(1.0).log2().ceil();
        SPAN_MIN_S * doublings.exp2()
    }

    /// The greatest value of a curve.
    pub(super) fn top(&self, curve: fn(&Point) -> Option<f64>) -> f64 {
        self.points.iter().filter_map(curve).fold(0.0, f64::max)
    }

    /// A curve in so many columns over the whole span: each the average of the points in it, the value before it where none is, and
    /// nothing where nothing was known, or where the future begins.
    pub(super) fn columns(
        &self,
        width: usize,
        curve: fn(&Point) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let span = self.span_s();
        let column = |at_s: f64| ((at_s / span * width as f64) as usize).min(width - 1);
        let Some(last) = self.points.last().filter(|_| width > 0) else {
            return Vec::new();
        };
        let mut sums = vec![(0.0, 0_u32); column(last.at_s) + 1];
        for point in &self.points {
            if let Some(value) = curve(point) {
                let (sum, count) = &mut sums[column(point.at_s)];
                *sum += value;
                *count += 1;
            }
        }
        let mut before = None;
        let value = |(sum, count)| {
            if count > 0 {
                before = Some(sum / f64::from(count));
            }
            before
        };
        sums.into_iter().map(value).collect()
    }

    #[cfg(test)]
    fn points(&self) -> &[Point] {
        &self.points
    }
}

impl Point {
    /// This one and a later one as one.
    fn with(self, later: Point) -> Point {
        let (mine, its) = (f64::from(self.readings), f64::from(later.readings));
        let mean = |mine_is: f64, its_is: f64| (mine_is * mine + its_is * its) / (mine + its);
        Point {
            at_s: later.at_s,
            sends: mean(self.sends, later.sends),
            dirties: match (self.dirties, later.dirties) {
                (Some(mine_is), Some(its_is)) => Some(mean(mine_is, its_is)),
                (mine_is, its_is) => mine_is.or(its_is),
            },
            remaining: later.remaining,
            throttle: match (self.throttle, later.throttle) {
                (Some(mine_is), Some(its_is)) => Some(mine_is.max(its_is)),
                (mine_is, its_is) => mine_is.or(its_is),
            },
            readings: self.readings + later.readings,
        }
    }
}

/// More than any terminal has columns, and a minute of readings ten times a second.
const POINTS_MAX: usize = 1024;
/// Short migrations are short curves.
const SPAN_MIN_S: f64 = 5.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn reading(milliseconds: u64, throughput_bps: f64) -> Progress {
        Progress {
            elapsed: Duration::from_millis(milliseconds),
            status: "active".into(),
            pass: 1,
            throughput_bps,
            dirty_rate_bps: (milliseconds > 1000).then_some(5e6),
            remaining_bytes: milliseconds,
            throttle_percent: Some((milliseconds / 1000 % 99) as u32),
            expected_downtime_ms: None,
            least_left_bytes: None,
            downtime_limit_ms: None,
        }
    }

    #[test]
    fn a_day_of_readings_takes_no_more_room_than_a_minute() {
        let mut curves = Curves::default();
        let readings = 10 * 86_400;
        for number in 0..readings {
            curves.push(&reading(number * 100, 8e8 * (number % 2) as f64));
        }
        assert!((POINTS_MAX / 2 - 1..POINTS_MAX).contains(&curves.points().len()));
        let counted: u32 = curves.points().iter().map(|point| point.readings).sum();
        assert_eq!(u64::from(counted), readings);
        // Half of the readings sent 100 MB/s and half nothing: every average of an even number of neighbours is the same.
        let whole = &curves.points()[..curves.points().len() - 1];
        assert!(whole.iter().all(|point| (point.sends - 5e7).abs() < 1.0));
        assert!(curves.points().is_sorted_by(|a, b| a.at_s < b.at_s));
        assert!(curves.top(|point| point.throttle) > 97.0);
    }

    #[test]
    fn columns_hold_what_is_not_read_anew_and_end_with_the_last_reading() {
        let mut curves = Curves::default();
        assert!(curves.columns(10, |point| Some(point.sends)).is_empty());
        for (at, bps) in [(0, 8.0), (400, 24.0), (2000, 80.0)] {
            curves.push(&reading(at, bps));
        }
        // Of 5 s in 10 columns the first holds 0 and 0.4 s, the fifth 2 s.
        let sends = curves.columns(10, |point| Some(point.sends));
        assert_eq!(sends, [2.0, 2.0, 2.0, 2.0, 10.0].map(Some));
        let dirties = curves.columns(10, |point| point.dirties);
        assert_eq!(dirties, [None, None, None, None, Some(5e6)]);
        assert!(curves.columns(0, |point| Some(point.sends)).is_empty());
    }

    proptest! {
        #[test]
        fn any_readings_are_taken(readings in prop::collection::vec((any::<u32>(), any::<f64>()), 0..50), width in 0_usize..200) {
            let mut curves = Curves::default();
            for (at, bps) in readings {
                curves.push(&reading(u64::from(at), bps));
            }
            let columns = curves.columns(width, |point| Some(point.sends));
            prop_assert!(columns.len() <= width);
            prop_assert!(curves.span_s() >= SPAN_MIN_S);
        }
    }
}
