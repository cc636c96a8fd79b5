//! One migration from beginning to end: curves out of its samples, moments out of its events.

mod curves;
mod moments;
mod thin;

use lmbench_record::metric::Unit;
use lmbench_record::record::{Event, Record, Repeat};
use lmbench_record::store::Sample;

use super::choose::Chosen;
use super::model::{Curve, Moment, Panel, Range, Timeline};
use crate::terminal::words;

/// The time line of a chosen migration; `None` if there is nothing to draw. `first_cell` is the position of the record's first cell in the report.
pub(super) fn timeline(
    record: &Record,
    first_cell: usize,
    chosen: &Chosen,
    samples: &[Sample],
) -> Option<Timeline> {
    let cell = &record.cells[chosen.cell];
    let repeat = cell.repeats.iter().find(|r| r.repeat == chosen.repeat)?;
    let end_ms = end(repeat, samples)?;
    let range = Range {
        low: -(end_ms * MARGIN).min(LONGEST_MARGIN_MS),
        high: end_ms + (end_ms * MARGIN).min(LONGEST_MARGIN_MS),
    };
    let blackout = blackout(&repeat.events);
    let guest = curves::guest(samples);
    let within = Range {
        low: 0.0,
        high: end_ms,
    };
    let brownout = curves::brownout(&guest, within, blackout);
    let panels = panels(samples, &guest, blackout)
        .into_iter()
        .filter_map(|panel| finished(panel, range))
        .collect::<Vec<_>>();
    let (events, events_left_out) = moments::moments(&repeat.events, range);
    if panels.is_empty() && events.is_empty() {
        return None;
    }
    Some(Timeline {
        cell: first_cell + chosen.cell,
        repeat: repeat.repeat,
        why: chosen.why.to_owned(),
        outcome: words(repeat.outcome).to_owned(),
        range,
        blackout,
        brownout,
        panels,
        events,
        events_left_out,
    })
}

/// When QEMU was last asked, or the last event of the migration.
fn end(repeat: &Repeat, samples: &[Sample]) -> Option<f64> {
    let asked = samples
        .iter()
        .filter(|s| s.kind == "migration")
        .map(|s| s.at_ms);
    let happened = repeat.events.iter();
    let happened =
        happened.filter(|event| matches!(event.name.as_str(), "RESUME" | "STOP" | "MIGRATION"));
    let total = repeat.metrics.get("total_time_ms").copied();
    asked
        .chain(happened.map(|event| event.at_ms))
        .chain(total)
        .filter(|at_ms| at_ms.is_finite() && (0.0..LONGEST_MS).contains(at_ms))
        .max_by(f64::total_cmp)
        .filter(|end| *end > 0.0)
}

/// From the last STOP on the source before a RESUME to that RESUME.
fn blackout(events: &[Event]) -> Option<Range> {
    let resume = events
        .iter()
        .position(|e| e.name == "RESUME" && e.host == "destination" && e.at_ms > 0.0);
    let resume = resume.or_else(|| {
        events
            .iter()
            .position(|e| e.name == "RESUME" && e.at_ms > 0.0)
    })?;
    let stop = events[..resume]
        .iter()
        .rev()
        .find(|e| e.name == "STOP" && e.host == "source")?;
    let range = Range {
        low: stop.at_ms,
        high: events[resume].at_ms,
    };
    (range.high > range.low).then_some(range)
}

fn panel(name: &'static str, unit: Unit, curves: Vec<Curve>) -> Panel {
    Panel {
        name,
        unit,
        top: 0.0,
        bottom: None,
        curves,
    }
}

fn panels(samples: &[Sample], guest: &[curves::Report], blackout: Option<Range>) -> Vec<Panel> {
    let qemu = curves::Migration::of(samples);
    vec![
        panel(
            "throughput",
            Unit::BitPerSecond,
            vec![
                Curve::steps("RAM, by QEMU", qemu.sent_bits_per_second()),
                Curve::steps("acknowledged on TCP", curves::acknowledged(samples)),
            ],
        ),
        panel(
            "remaining",
            Unit::Byte,
            vec![Curve::line("RAM left", qemu.each("/ram/remaining"))],
        ),
        panel(
            "dirty rate",
            Unit::BytePerSecond,
            vec![
                Curve::steps("by QEMU", qemu.dirty_bytes_per_second()),
                Curve::steps("pages the guest wrote", curves::dirtied(guest, blackout)),
            ],
        ),
        panel(
            "throttle",
            Unit::Percent,
            vec![Curve::steps("auto-converge", qemu.throttle())],
        ),
        panel(
            "passes over memory",
            Unit::Count,
            vec![Curve::steps(
                "dirty syncs",
                qemu.each("/ram/dirty-sync-count"),
            )],
        ),
        panel(
            "guest operations per second",
            Unit::Count,
            vec![Curve::steps(
                "operations",
                curves::operations(guest, blackout),
            )],
        ),
        panel(LATENCY, Unit::Microsecond, curves::latencies(samples)),
        panel("CPUs busy", Unit::Count, curves::processors(samples)),
        panel(
            "round-trip time",
            Unit::Microsecond,
            vec![Curve::line("by the kernel", curves::round_trips(samples))],
        ),
    ]
}

/// Cut to the range, thinned, with its scale; `None` if nothing is left, or all of it is zero.
fn finished(mut panel: Panel, range: Range) -> Option<Panel> {
    for curve in &mut panel.curves {
        curve
            .points
            .retain(|(at, value)| at.is_finite() && value.is_finite());
        curve.points = thin::thin(
            &thin::cut(&curve.points, range, curve.steps),
            range,
            COLUMNS,
        );
    }
    panel.curves.retain(|curve| curve.points.len() > 1);
    let values = panel
        .curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|point| point.1));
    panel.top = values.max_by(f64::total_cmp).filter(|top| *top > 0.0)?;
    if panel.name == LATENCY {
        // From a page in the cache to a page that post-copy fetches are five decades.
        let values = panel
            .curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|point| point.1));
        let least = values.filter(|value| *value > 0.0).min_by(f64::total_cmp);
        panel.bottom = least.filter(|least| panel.top > 4.0 * least);
    }
    Some(panel)
}

impl Curve {
    fn steps(name: &str, points: Vec<(f64, f64)>) -> Curve {
        Curve {
            name: name.to_owned(),
            steps: true,
            points,
        }
    }

    fn line(name: &str, points: Vec<(f64, f64)>) -> Curve {
        Curve {
            steps: false,
            ..Curve::steps(name, points)
        }
    }
}

impl Timeline {
    /// Decisions and faults: what a reader wants to know without looking at the curves.
    pub(super) fn told(&self) -> impl Iterator<Item = &Moment> {
        use super::model::MomentKind::{Decision, Fault};
        let told = |moment: &&Moment| matches!(moment.kind, Decision | Fault);
        self.events.iter().filter(told)
    }
}

const LATENCY: &str = "guest operation latency";
/// Columns that a curve is thinned to: four points each at most.
pub(super) const COLUMNS: usize = 600;
/// Shown before and behind a migration, as a share of it.
const MARGIN: f64 = 0.08;
const LONGEST_MARGIN_MS: f64 = 2_000.0;
/// A year: beyond it a time is damage.
const LONGEST_MS: f64 = 3.2e10;

#[cfg(test)]
mod tests;
