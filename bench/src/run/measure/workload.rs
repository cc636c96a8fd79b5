//! The workload during the migration against the same workload before it.
//!
//! Rates are per guest time: the guest's clock stands still in a blackout and knows nothing of a report that arrives late.
//! A report whose interval lies in the migration only in part counts by that part, its operations taken as evenly spread
//! over the time in which the guest ran.
//!
//! A workload with a period has no rate but that of whole periods: half of one holds a checkpoint too many or too few.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use lmbench_guest::spec::{PAGE_BYTES, Pattern, Rate};

use super::Values;
use super::time_line::{TimeLine, TimedReport, Window};
use crate::metric::Unit;
use crate::record::Repeat;
use crate::scenario;

/// Values of the workload, and the histogram of its operation latency during the migration. Comes after `transfer`, which puts
/// `postcopy_requests`.
pub(super) fn measure(
    values: &mut Values,
    line: &TimeLine<'_>,
    pattern: Option<&Pattern>,
) -> Vec<(u64, u64)> {
    let spans = spans(line);
    let migration = line.migration();
    let settled = settled(&spans, pattern);
    if let Some(settled) = &settled {
        values.put("settle_rate_bps", settled.rate * 1e3 * PAGE_BYTES as f64);
    }
    let during: Vec<Part<'_>> = spans
        .iter()
        .filter_map(|span| span.part_in(migration))
        .collect();
    let latency = latency(&during);
    in_post_copy(values, line, &spans);
    // Reports that end before the migration does say nothing of the rest of it.
    let covered: f64 = during.iter().map(|part| part.wall_ms).sum();
    if covered < migration.length_ms() - ROUNDING_MS {
        return latency.into_iter().collect();
    }
    values.put("guest_dirty_rate_bps", dirty_rate(&during));
    for (metric, share) in [
        ("op_latency_us_p50", 0.5),
        ("op_latency_us_p99", 0.99),
        ("op_latency_us_max", 1.0),
    ] {
        values.put(metric, percentile_us(&latency, share));
    }
    if let Some(settled) = settled.filter(|settled| settled.rate > 0.0) {
        // A part of a period has more or fewer operations than its share, migrated or not.
        if settled.period_ms <= migration.length_ms() {
            let done: f64 = during.iter().map(|part| part.operations).sum();
            let expected = settled.rate * migration.length_ms();
            values.put("workload_slowdown", 1.0 - done / expected);
            values.put(
                "workload_lost_ms",
                migration.length_ms() - done / settled.rate,
            );
        }
        let slow = during.iter().filter(|part| part.span.is_slow(settled.rate));
        values.put("brownout_ms", slow.map(|part| part.lit_ms).sum::<f64>());
        values.put("settle_brownout_share", settled.slow_share);
    }
    latency.into_iter().collect()
}

/// Operation latency while pages may be missing: from the guest's first moment on the destination until the source is done. Nothing unless
/// the reports cover it.
fn in_post_copy(values: &mut Values, line: &TimeLine<'_>, spans: &[Span<'_>]) {
    let Some(window) = line.post_copy() else {
        return;
    };
    let during: Vec<Part<'_>> = spans
        .iter()
        .filter_map(|span| span.part_in(window))
        .collect();
    let covered: f64 = during.iter().map(|part| part.wall_ms).sum();
    if covered < window.length_ms() - ROUNDING_MS {
        return;
    }
    let latency = latency(&during);
    for (metric, share) in [
        ("postcopy_op_latency_us_p50", 0.5),
        ("postcopy_op_latency_us_p99", 0.99),
        ("postcopy_op_latency_us_max", 1.0),
    ] {
        values.put(metric, percentile_us(&latency, share));
    }
    let requests = values.0.get("postcopy_requests").copied();
    let stalls = slowest(&latency, requests.unwrap_or(0.0) as u64);
    for (metric, share) in [
        ("postcopy_stall_us_p50", 0.5),
        ("postcopy_stall_us_p99", 0.99),
    ] {
        values.put(metric, percentile_us(&stalls, share));
    }
}

/// A workload that did not reach its rate even before the migration: then the host was too busy for it, and it may well have run faster
/// during the migration than before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shortfall {
    /// Its table in the scenario.
    pub(super) pattern: &'static str,
    pub(super) asked_bps: f64,
    pub(super) reached_bps: f64,
}

impl Shortfall {
    pub(super) fn of(metrics: &BTreeMap<String, f64>, pattern: &Pattern) -> Option<Self> {
        let (pattern, rate) = match pattern {
            Pattern::Uniform { rate } => ("uniform", rate),
            Pattern::HotSet { rate, .. } => ("hot-set", rate),
            Pattern::Zipf { rate, .. } => ("zipf", rate),
            Pattern::Sweep { rate } => ("sweep", rate),
            Pattern::Database { rate, .. } => ("database", rate),
            Pattern::Idle | Pattern::Jvm { .. } | Pattern::Phases(_) => return None,
        };
        let Rate::BytesPerSecond(asked) = *rate else {
            return None;
        };
        let short = Shortfall {
            pattern,
            asked_bps: asked as f64,
            reached_bps: *metrics.get("settle_rate_bps")?,
        };
        (short.reached_bps < BROWNOUT_SHARE * short.asked_bps).then_some(short)
    }
}

/// What to say of it.
pub(in crate::run) fn shortfall(repeat: &Repeat, pattern: &Pattern) -> Option<String> {
    let short = Shortfall::of(&repeat.metrics, pattern)?;
    Some(format!(
        "the workload reached {} of the {} asked for before the migration: the host is too busy for it, so slowdown and \
         brownout say little",
        Unit::BytePerSecond.format(short.reached_bps),
        Unit::BytePerSecond.format(short.asked_bps)
    ))
}

/// What happened between two reports.
#[derive(Debug)]
struct Span<'a> {
    wall: Window,
    /// Times in which the guest stood still.
    dark: Vec<Window>,
    /// The guest's own time between the two.
    guest_ms: f64,
    operations: u64,
    report: TimedReport<'a>,
}

/// The part of a span that lies in a window.
#[derive(Debug)]
struct Part<'a> {
    span: &'a Span<'a>,
    wall_ms: f64,
    /// Without the time in which the guest stood still.
    lit_ms: f64,
    /// Of the span, 0 to 1.
    share: f64,
    operations: f64,
}

/// The workload before the migration.
#[derive(Debug)]
struct Settled {
    /// Operations per millisecond.
    rate: f64,
    /// Of that time, the share that would count as brownout.
    slow_share: f64,
    /// After which it does the same again; zero of a steady one.
    period_ms: f64,
}

/// Neighbours among the reports, by what was counted since the start: a report that was lost leaves no hole.
fn spans<'a>(line: &TimeLine<'a>) -> Vec<Span<'a>> {
    let dark = line.dark();
    let spans = line.reports.windows(2).filter_map(|pair| {
        let (before, after) = (pair[0], pair[1]);
        let wall = Window {
            from_ms: before.at_ms,
            to_ms: after.at_ms,
        };
        let operations = after.report.operations_total;
        let span = Span {
            wall,
            dark: dark.iter().filter_map(|dark| dark.within(wall)).collect(),
            guest_ms: after.report.guest_ns.checked_sub(before.report.guest_ns)? as f64 / 1e6,
            operations: operations.checked_sub(before.report.operations_total)?,
            report: after,
        };
        (wall.length_ms() > 0.0 && span.guest_ms > 0.0).then_some(span)
    });
    spans.collect()
}

impl Span<'_> {
    fn part_in(&self, window: Window) -> Option<Part<'_>> {
        let part = self.wall.within(window)?;
        let lit_in = |window: Window| {
            let dark: f64 = self.dark.iter().map(|dark| dark.overlap_ms(window)).sum();
            (window.length_ms() - dark).max(0.0)
        };
        let (lit_ms, all_lit_ms) = (lit_in(part), lit_in(self.wall));
        let share = if all_lit_ms > 0.0 {
            lit_ms / all_lit_ms
        } else {
            part.length_ms() / self.wall.length_ms()
        };
        Some(Part {
            span: self,
            wall_ms: part.length_ms(),
            lit_ms,
            share,
            operations: self.operations as f64 * share,
        })
    }

    fn is_slow(&self, settled_rate: f64) -> bool {
        (self.operations as f64) < BROWNOUT_SHARE * settled_rate * self.guest_ms
    }
}

/// `None` if the workload was observed too shortly before the migration to know its rate.
fn settled(spans: &[Span<'_>], pattern: Option<&Pattern>) -> Option<Settled> {
    let started_ms = spans.first()?.wall.from_ms;
    let warm = |span: &&Span<'_>| span.wall.from_ms >= started_ms + WARM_UP_MS;
    let before: Vec<&Span<'_>> = spans
        .iter()
        .filter(|span| span.wall.to_ms <= 0.0)
        .filter(warm)
        .collect();
    let rate = rate(&before)?;
    let period_ms = pattern.map_or(0.0, |pattern| scenario::period_ms(pattern, rate));
    let periods = whole_periods(&before, period_ms)?;
    let rate = self::rate(periods)?;
    let guest_ms: f64 = periods.iter().map(|span| span.guest_ms).sum();
    let slow = periods.iter().filter(|span| span.is_slow(rate));
    Some(Settled {
        rate,
        slow_share: slow.map(|span| span.guest_ms).sum::<f64>() / guest_ms,
        period_ms,
    })
}

/// Operations per millisecond of the guest's time; `None` of too short a time.
fn rate(spans: &[&Span<'_>]) -> Option<f64> {
    let guest_ms: f64 = spans.iter().map(|span| span.guest_ms).sum();
    let operations: u64 = spans.iter().map(|span| span.operations).sum();
    (guest_ms >= SETTLED_MS).then(|| operations as f64 / guest_ms)
}

/// The last spans that make up as many whole periods as there are, to within a report; `None` of less than one.
fn whole_periods<'a, 'b>(spans: &'b [&'a Span<'a>], period_ms: f64) -> Option<&'b [&'a Span<'a>]> {
    let all_ms: f64 = spans.iter().map(|span| span.guest_ms).sum();
    if period_ms <= 0.0 {
        return Some(spans);
    }
    let wanted_ms = (all_ms / period_ms).floor() * period_ms;
    if wanted_ms <= 0.0 {
        return None;
    }
    let mut taken_ms = 0.0;
    let mut first = spans.len();
    while first > 0 && taken_ms + spans[first - 1].guest_ms / 2.0 < wanted_ms {
        first -= 1;
        taken_ms += spans[first].guest_ms;
    }
    Some(&spans[first..])
}

/// What to say where a workload's period is longer than what was seen of it: then its slowdown is left out.
pub(in crate::run) fn unseen_period(repeat: &Repeat, pattern: &Pattern) -> Option<String> {
    let known = |id: &str| repeat.metrics.contains_key(id);
    // Without an operation's latency the guest told nothing, for whatever reason.
    if !scenario::has_period(pattern) || known("workload_slowdown") || !known("op_latency_us_p50") {
        return None;
    }
    let which = if known("settle_rate_bps") {
        "the migration"
    } else {
        "`migration.settle`"
    };
    Some(format!(
        "{which} was shorter than the workload's period (checkpoints, collections, phases): its slowdown is left out, as it would say which part of a \
         period was seen"
    ))
}

/// Pages that the reports say were dirtied, over the guest's own time.
fn dirty_rate(during: &[Part<'_>]) -> f64 {
    let (mut pages, mut guest_ms) = (0.0, 0.0);
    for part in during {
        let report = part.span.report.report;
        pages += report.pages_dirtied as f64 * part.share;
        guest_ms += report.interval_ns as f64 / 1e6 * part.share;
    }
    pages * PAGE_BYTES as f64 / (guest_ms / 1e3)
}

/// Operation latency in guest nanoseconds. A report that straddles an end counts whole, so that no slow operation is missed.
fn latency(during: &[Part<'_>]) -> BTreeMap<u64, u64> {
    let mut histogram = BTreeMap::new();
    for part in during {
        for (latency_ns, count) in &part.span.report.report.latency_ns {
            *histogram.entry(*latency_ns).or_insert(0) += count;
        }
    }
    histogram
}

/// So many of the slowest operations: an operation that waits for a page is slower than any that does not.
fn slowest(histogram: &BTreeMap<u64, u64>, operations: u64) -> BTreeMap<u64, u64> {
    let mut left = operations;
    let slowest = histogram.iter().rev().map_while(|(latency_ns, count)| {
        let taken = left.min(*count);
        left -= taken;
        (taken > 0).then_some((*latency_ns, taken))
    });
    slowest.collect()
}

/// `None` where nothing was counted.
fn percentile_us(latency: &BTreeMap<u64, u64>, share: f64) -> Option<f64> {
    let mut histogram = Histogram::<u64>::new(DIGITS).ok()?;
    histogram.auto(true);
    for (latency_ns, count) in latency {
        histogram.record_n(*latency_ns, *count).ok()?;
    }
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(share) as f64 / 1e3)
}

/// Significant digits of a percentile; the guest's own buckets are 3 % wide.
const DIGITS: u8 = 4;
/// Below this share of its undisturbed rate, a workload is in brownout.
const BROWNOUT_SHARE: f64 = 0.9;
/// The workload's first moments, in which TCG translates its code and caches fill: 10 to 30 % slower than later.
const WARM_UP_MS: f64 = 250.0;
/// Guest time after that and before the migration without which its rate is not known: three reports.
const SETTLED_MS: f64 = 250.0;
/// Sums of window lengths differ from the whole by less.
const ROUNDING_MS: f64 = 1e-3;

#[cfg(test)]
mod tests;
