//! Curves out of samples: differences of counters over time, and what the guest reported of itself.

use lmbench_record::store::Sample;
use serde_json::Value;

use crate::report::model::{Curve, Range};

/// QEMU's answers, in the order of time.
pub(super) struct Migration<'a>(Vec<(f64, &'a Value)>);

impl<'a> Migration<'a> {
    pub(super) fn of(samples: &'a [Sample]) -> Self {
        let answers = samples
            .iter()
            .filter(|sample| sample.kind == "migration" && sample.host == "source");
        let mut answers: Vec<_> = answers
            .filter_map(|sample| Some((sample.at_ms, sample.data.get("migration")?)))
            .collect();
        answers.sort_by(|a, b| a.0.total_cmp(&b.0));
        Migration(answers)
    }

    /// The number at a place of each answer that has it.
    pub(super) fn of_each(&self, pointer: &str) -> impl Iterator<Item = (f64, f64)> {
        let number = move |value: &Value| value.pointer(pointer)?.as_f64();
        self.0
            .iter()
            .filter_map(move |(at, value)| Some((*at, number(value)?)))
    }

    pub(super) fn each(&self, pointer: &str) -> Vec<(f64, f64)> {
        self.of_each(pointer).collect()
    }

    pub(super) fn sent_bits_per_second(&self) -> Vec<(f64, f64)> {
        scaled(
            rate(&apart(self.each("/ram/transferred"), BETWEEN_ANSWERS_MS)),
            8.0,
        )
    }

    pub(super) fn dirty_bytes_per_second(&self) -> Vec<(f64, f64)> {
        scaled(self.each("/ram/dirty-pages-rate"), PAGE_BYTES)
    }

    /// QEMU names the throttle only while it acts: elsewhere it is none.
    pub(super) fn throttle(&self) -> Vec<(f64, f64)> {
        let percent = |value: &Value| value.get("cpu-throttle-percentage").and_then(Value::as_f64);
        self.0
            .iter()
            .map(|(at, value)| (*at, percent(value).unwrap_or(0.0)))
            .collect()
    }
}

/// What the guest did between two of its reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Report {
    from_ms: f64,
    to_ms: f64,
    operations_per_second: f64,
    dirtied_bytes_per_second: f64,
}

/// The guest's reports, from whichever host, in the order of time.
pub(super) fn guest(samples: &[Sample]) -> Vec<Report> {
    let report = |sample: &Sample| {
        let number = |key: &str| sample.data.get(key).and_then(Value::as_f64);
        let interval_ms = number("interval-ns").filter(|ns| *ns > 0.0)? / 1e6;
        Some(Report {
            from_ms: sample.at_ms - interval_ms,
            to_ms: sample.at_ms,
            operations_per_second: number("operations")? / interval_ms * 1e3,
            dirtied_bytes_per_second: number("pages-dirtied")? * PAGE_BYTES / interval_ms * 1e3,
        })
    };
    let mut reports: Vec<Report> = of_kind(samples, "workload").filter_map(report).collect();
    reports.sort_by(|a, b| a.to_ms.total_cmp(&b.to_ms));
    reports
}

pub(super) fn operations(guest: &[Report], blackout: Option<Range>) -> Vec<(f64, f64)> {
    over_time(guest, blackout, |report| report.operations_per_second)
}

pub(super) fn dirtied(guest: &[Report], blackout: Option<Range>) -> Vec<(f64, f64)> {
    over_time(guest, blackout, |report| report.dirtied_bytes_per_second)
}

/// A report holds from its beginning; between reports there is nothing. The one that the blackout cut in two holds before and behind it,
/// for the guest's clock, which measures it, stood still in between.
fn over_time(
    guest: &[Report],
    blackout: Option<Range>,
    value: impl Fn(&Report) -> f64,
) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut until = f64::NEG_INFINITY;
    for report in guest {
        let gap = until.is_finite() && report.from_ms > until + GAP_MS;
        let cut = blackout.filter(|black| {
            until.is_finite() && black.low < report.to_ms && black.low > until - GAP_MS
        });
        match cut {
            Some(black) if black.high < report.to_ms => {
                points.push((until, value(report)));
                points.push((black.low.max(until), 0.0));
                points.push((black.high.max(until), value(report)));
            }
            _ => {
                if gap {
                    points.push((until, 0.0));
                }
                points.push((report.from_ms.max(until), value(report)));
            }
        }
        until = report.to_ms;
    }
    if let Some(last) = guest.last() {
        points.push((last.to_ms, value(last)));
    }
    points
}

/// When the guest was below 90 % of its own rate before the migration, blackout excepted.
pub(super) fn brownout(guest: &[Report], within: Range, blackout: Option<Range>) -> Vec<Range> {
    let before = guest.iter().filter(|report| report.to_ms <= 0.0);
    let mut rates: Vec<f64> = before.map(|report| report.operations_per_second).collect();
    if rates.is_empty() {
        return Vec::new();
    }
    rates.sort_by(f64::total_cmp);
    let usual = rates[rates.len() / 2];
    let mut slow: Vec<Range> = Vec::new();
    let is_slow = |report: &&Report| report.operations_per_second < SLOW * usual;
    for report in guest.iter().filter(is_slow) {
        let mut part = Range {
            low: report.from_ms.max(within.low),
            high: report.to_ms.min(within.high),
        };
        if let Some(black) = blackout {
            // What a report straddles of the blackout is shaded as that.
            if part.low < black.high && part.high > black.low {
                if part.low >= black.low {
                    part.low = black.high;
                } else {
                    part.high = black.low;
                }
            }
        }
        if part.high <= part.low {
            continue;
        }
        match slow.last_mut() {
            Some(last) if part.low <= last.high + GAP_MS => last.high = part.high.max(last.high),
            _ => slow.push(part),
        }
    }
    slow
}

/// Median, 99th percentile and the longest of each report.
pub(super) fn latencies(samples: &[Sample]) -> Vec<Curve> {
    let mut curves = [(0.5, "median"), (0.99, "p99"), (1.0, "longest")]
        .map(|(share, name)| (share, Curve::steps(name, Vec::new())));
    let mut reports: Vec<&Sample> = of_kind(samples, "workload").collect();
    reports.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    for report in reports {
        let Some(buckets) = report.data.get("latency-ns").and_then(Value::as_array) else {
            continue;
        };
        let buckets: Vec<(f64, f64)> = buckets
            .iter()
            .filter_map(|bucket| Some((bucket.get(0)?.as_f64()?, bucket.get(1)?.as_f64()?)))
            .collect();
        let stall = report.data.get("longest-stall-ns").and_then(Value::as_f64);
        for (share, curve) in &mut curves {
            let ns = quantile(&buckets, *share);
            // The histogram's last bucket is coarser than the stall.
            let ns = if *share < 1.0 { ns } else { stall.or(ns) };
            if let Some(ns) = ns {
                curve.points.push((report.at_ms, ns / 1e3));
            }
        }
    }
    curves.map(|(_, curve)| curve).to_vec()
}

/// Of pairs of value and count in the order of values; `None` without any.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let all: f64 = buckets.iter().map(|bucket| bucket.1).sum();
    let mut seen = 0.0;
    let found = buckets.iter().find(|(_, count)| {
        seen += count;
        seen >= share * all
    });
    found.or(buckets.last()).map(|bucket| bucket.0)
}

/// CPUs that each process kept busy, those of QEMU on the source without and with the guest.
pub(super) fn processors(samples: &[Sample]) -> Vec<Curve> {
    let total = |data: &Value| data.pointer("/qemu/total_ns")?.as_f64();
    let carrier = |data: &Value| data.pointer("/carrier/total_ns")?.as_f64();
    let guest = |data: &Value| {
        let threads = data.get("threads")?.as_array()?.iter();
        let vcpus = threads.filter(|thread| {
            thread["name"]
                .as_str()
                .is_some_and(|n| n.starts_with("CPU "))
        });
        vcpus
            .map(|thread| thread["cpu_ns"].as_f64())
            .sum::<Option<f64>>()
    };
    let rest = |data: &Value| Some(total(data)? - guest(data)?);
    let busy = |name: &str, host: &str, value: &dyn Fn(&Value) -> Option<f64>| {
        let of_host = samples
            .iter()
            .filter(|sample| sample.host == host && sample.data.get("qemu").is_some());
        let mut points: Vec<(f64, f64)> = of_host
            .filter_map(|sample| Some((sample.at_ms, value(&sample.data)?)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // CPU nanoseconds per second.
        Curve::steps(name, scaled(rate(&apart(points, LEAST_MS)), 1e-9))
    };
    vec![
        busy("guest, source", "source", &guest),
        busy("QEMU without guest, source", "source", &rest),
        busy("carrier, source", "source", &carrier),
        busy("QEMU with guest, destination", "destination", &total),
        busy("carrier, destination", "destination", &carrier),
    ]
}

/// Bits per second that the destination's kernel acknowledged.
pub(super) fn acknowledged(samples: &[Sample]) -> Vec<(f64, f64)> {
    scaled(rate(&apart(connections(samples, 1), LEAST_MS)), 8.0)
}

pub(super) fn round_trips(samples: &[Sample]) -> Vec<(f64, f64)> {
    connections(samples, 4)
}

/// A column of the source's readings of its connections.
fn connections(samples: &[Sample], column: usize) -> Vec<(f64, f64)> {
    let of_source = of_kind(samples, "connections").filter(|sample| sample.host == "source");
    let rows = of_source.filter_map(|sample| {
        sample
            .data
            .get("at_ms_acked_received_retransmits_rtt_us")?
            .as_array()
    });
    let mut points: Vec<(f64, f64)> = rows
        .flatten()
        .filter_map(|row| Some((row.get(0)?.as_f64()?, row.get(column)?.as_f64()?)))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

fn of_kind<'a>(samples: &'a [Sample], kind: &'a str) -> impl Iterator<Item = &'a Sample> {
    samples.iter().filter(move |sample| sample.kind == kind)
}

/// Only points that lie at least so far behind the one before: short differences are all noise.
fn apart(points: Vec<(f64, f64)>, least_ms: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if kept.last().is_none_or(|last| point.0 - last.0 >= least_ms) {
            kept.push(point);
        }
    }
    kept
}

/// What a counter grew by per second, from each point to the next; a counter that begins anew has no rate there.
fn rate(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut rates: Vec<(f64, f64)> = Vec::new();
    for pair in points.windows(2) {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        if to > from && after >= before {
            rates.push((from, (after - before) / (to - from) * 1e3));
        }
    }
    if let (Some(last), Some(end)) = (rates.last().copied(), points.last()) {
        rates.push((end.0, last.1));
    }
    rates
}

fn scaled(mut points: Vec<(f64, f64)>, factor: f64) -> Vec<(f64, f64)> {
    for point in &mut points {
        point.1 *= factor;
    }
    points
}

/// Guests here have pages of 4 KiB, as the metrics of the record count them.
const PAGE_BYTES: f64 = 4096.0;
/// The bound of `brownout_ms`.
const SLOW: f64 = 0.9;
/// Reports come every 100 ms; a longer pause is one.
const GAP_MS: f64 = 30.0;
const LEAST_MS: f64 = 100.0;
/// QEMU is asked every 90 ms, and at each pass besides.
const BETWEEN_ANSWERS_MS: f64 = 80.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_a_counter_grew_by() {
        let points = [
            (0.0, 0.0),
            (100.0, 50.0),
            (100.0, 60.0),
            (200.0, 60.0),
            (300.0, 10.0),
        ];
        assert_eq!(rate(&points), [(0.0, 500.0), (100.0, 0.0), (300.0, 0.0)]);
        assert!(rate(&[(1.0, 1.0)]).is_empty());
    }

    #[test]
    fn quantiles_of_a_histogram() {
        let buckets = [(1.0, 90.0), (5.0, 9.0), (100.0, 1.0)];
        for (share, value) in [(0.5, 1.0), (0.99, 5.0), (1.0, 100.0)] {
            assert_eq!(quantile(&buckets, share), Some(value));
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_blackout_cuts_a_report_in_two() {
        let report = |from_ms: f64, to_ms: f64| Report {
            from_ms,
            to_ms,
            operations_per_second: 100.0,
            dirtied_bytes_per_second: 0.0,
        };
        // Three hundred milliseconds of blackout, of which the guest's clock knows nothing.
        let guest = [report(0.0, 100.0), report(400.0, 500.0)];
        let blackout = Some(Range {
            low: 150.0,
            high: 450.0,
        });
        let expected = [
            (0.0, 100.0),
            (100.0, 100.0),
            (150.0, 0.0),
            (450.0, 100.0),
            (500.0, 100.0),
        ];
        assert_eq!(operations(&guest, blackout), expected);
        assert_eq!(operations(&guest, None)[1], (100.0, 0.0));
    }

    #[test]
    fn brownout_is_below_nine_tenths_and_not_in_the_blackout() {
        let report = |from_ms: f64, operations_per_second: f64| Report {
            from_ms,
            to_ms: from_ms + 100.0,
            operations_per_second,
            dirtied_bytes_per_second: 0.0,
        };
        let guest = [
            report(-200.0, 100.0),
            report(-100.0, 100.0),
            report(0.0, 80.0),
            report(100.0, 80.0),
            report(200.0, 95.0),
            report(300.0, 10.0),
        ];
        let within = Range {
            low: 0.0,
            high: 1000.0,
        };
        let blackout = Some(Range {
            low: 350.0,
            high: 390.0,
        });
        let expected = [
            Range {
                low: 0.0,
                high: 200.0,
            },
            Range {
                low: 300.0,
                high: 350.0,
            },
        ];
        assert_eq!(brownout(&guest, within, blackout), expected);
        assert!(
            brownout(&guest[2..], within, None).is_empty(),
            "nothing to compare with"
        );
    }
}
