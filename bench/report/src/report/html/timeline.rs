//! A migration from beginning to end: panels one above the other on one axis of time, which the script zooms by their `viewBox`.

use std::fmt::Write as _;

use lmbench_record::metric::Unit;
use serde_json::{Value, json};

use super::axis::Axis;
use super::charts::ticks;
use super::put;
use super::text::{Escaped, json as script_json};
use crate::report::model::{Curve, Moment, MomentKind, Panel, Range, Report, Timeline};

/// One migration; only the first stands open.
pub(super) fn timeline(page: &mut String, report: &Report, number: usize, timeline: &Timeline) {
    let cell = &report.cells[timeline.cell];
    let length = Unit::Millisecond.format(timeline.range.high - timeline.range.low);
    put!(
        page,
        "<details class=\"tl\" id=\"tl-{number}\"{}><summary><b>{} #{}</b> <span class=\"how\">{}, {}</span></summary>\n",
        if number == 0 { " open" } else { "" },
        Escaped(&cell.label),
        timeline.repeat,
        Escaped(&timeline.outcome),
        Escaped(&timeline.why)
    );
    put!(
        page,
        "<figure data-data=\"tl-data-{number}\" data-low=\"{}\" data-high=\"{}\"{} tabindex=\"0\" role=\"group\" aria-label=\"Time line of {} repeat {}, {length}\"><div class=\"bar\" hidden></div><p class=\"read\"></p>\n",
        timeline.range.low,
        timeline.range.high,
        timeline.blackout.map_or(String::new(), |b| format!(
            " data-black=\"{} {}\"",
            b.low, b.high
        )),
        Escaped(&cell.full),
        timeline.repeat
    );
    shading_legend(page, timeline);
    for shown in &timeline.panels {
        panel(page, timeline, shown);
    }
    lanes(page, timeline);
    let axis = Axis::of_points_exactly(timeline.range);
    page.push_str("<div class=\"beside\"><span></span>");
    ticks(page, &axis, "ticks time");
    page.push_str("</div>\n");
    happenings(page, timeline);
    put!(
        page,
        "</figure><script type=\"application/json\" id=\"tl-data-{number}\">{}</script></details>\n",
        script_json(&data(report, timeline))
    );
}

fn shading_legend(page: &mut String, timeline: &Timeline) {
    if timeline.blackout.is_none() && timeline.brownout.is_empty() {
        return;
    }
    page.push_str("<ul class=\"legend\">");
    if let Some(black) = timeline.blackout {
        put!(
            page,
            "<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"black\" width=\"12\" height=\"12\"/></svg> <b>blackout</b> {}</li>",
            Escaped(&Unit::Millisecond.format(black.high - black.low))
        );
    }
    if !timeline.brownout.is_empty() {
        let brown: f64 = timeline
            .brownout
            .iter()
            .map(|part| part.high - part.low)
            .sum();
        put!(
            page,
            "<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"brown\" width=\"12\" height=\"12\"/></svg> <b>brownout</b> below 90 % of the rate before, about {}</li>",
            Escaped(&Unit::Millisecond.format(brown))
        );
    }
    page.push_str("</ul>\n");
}

fn panel(page: &mut String, timeline: &Timeline, panel: &Panel) {
    put!(
        page,
        "<div class=\"panel\"><div class=\"head\"><b>{}</b>",
        Escaped(panel.name)
    );
    if panel.bottom.is_some() {
        page.push_str("<span class=\"scale\">logarithmic</span>");
    }
    for (index, curve) in panel.curves.iter().enumerate() {
        // What the cursor reads stands behind the curve's name.
        put!(
            page,
            "<span class=\"key\"><svg width=\"18\" height=\"8\" aria-hidden=\"true\"><line class=\"c{index}\" x1=\"0\" x2=\"18\" y1=\"4\" y2=\"4\"/></svg> {} <b class=\"now\"></b></span>",
            Escaped(&curve.name)
        );
    }
    let axis = Axis::short(panel.top, panel.bottom, panel.unit);
    let words: Vec<String> = panel
        .curves
        .iter()
        .map(|curve| {
            let top = curve.points.iter().map(|point| point.1).fold(0.0, f64::max);
            format!("{} up to {}", curve.name, panel.unit.format(top))
        })
        .collect();
    put!(
        page,
        "</div><div class=\"beside\">{}<svg class=\"plot\" width=\"100%\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}: {}\">",
        heights(&axis),
        Escaped(panel.name),
        Escaped(&words.join(", "))
    );
    put!(
        page,
        "<svg class=\"z\" viewBox=\"0 0 100000 1000\" preserveAspectRatio=\"none\" width=\"100%\" height=\"{HEIGHT}\">"
    );
    shading(page, timeline);
    page.push_str("<path class=\"grid\" d=\"");
    for (place, _) in axis.ticks() {
        put!(page, "M0 {:.0}H100000", height(place));
    }
    page.push_str("\"/>");
    for (index, curve) in panel.curves.iter().enumerate() {
        put!(
            page,
            "<path class=\"curve c{index}\" d=\"{}\"/>",
            path(curve, timeline.range, &axis)
        );
    }
    page.push_str("</svg></svg></div></div>\n");
}

fn shading(page: &mut String, timeline: &Timeline) {
    let x = |at: f64| place(at, timeline.range);
    let mut area = |class: &str, part: Range| {
        let (from, to) = (x(part.low), x(part.high));
        put!(
            page,
            "<rect class=\"{class}\" x=\"{from}\" y=\"0\" width=\"{}\" height=\"1000\"/>",
            (to - from).max(1)
        );
    };
    for part in &timeline.brownout {
        area("brown", *part);
    }
    if let Some(black) = timeline.blackout {
        area("black", black);
    }
}

/// In units of the panels' `viewBox`.
fn place(at: f64, range: Range) -> i64 {
    let share = (at - range.low) / (range.high - range.low);
    (share.clamp(0.0, 1.0) * WIDTH).round() as i64
}

/// The numbers beside a panel.
fn heights(axis: &Axis) -> String {
    let mut text = format!(
        "<svg class=\"ticks heights\" width=\"100%\" height=\"{HEIGHT}\" aria-hidden=\"true\">"
    );
    for (place, tick) in axis.ticks() {
        let y = height(place) / 1000.0 * f64::from(HEIGHT) + HALF_A_DIGIT;
        put!(
            text,
            "<text class=\"end\" x=\"100%\" y=\"{y:.1}\">{}</text>",
            Escaped(&tick)
        );
    }
    text + "</svg>"
}

/// From the share of an axis to units of the panels' `viewBox`, in which the first is below; the outermost lines stay within.
fn height(share: f64) -> f64 {
    995.0 - share * 985.0
}

fn path(curve: &Curve, range: Range, axis: &Axis) -> String {
    let mut path = String::new();
    let y = |value: f64| height(axis.place(value)).round() as i64;
    for (index, (at, value)) in curve.points.iter().enumerate() {
        let (x, y) = (place(*at, range), y(*value));
        let _ = match (index, curve.steps) {
            (0, _) => write!(path, "M{x} {y}"),
            (_, true) => write!(path, "H{x}V{y}"),
            (_, false) => write!(path, "L{x} {y}"),
        };
    }
    path
}

/// Events in lanes by their kinds.
fn lanes(page: &mut String, timeline: &Timeline) {
    if timeline.events.is_empty() {
        return;
    }
    page.push_str("<div class=\"panel\"><div class=\"head\"><b>events</b>");
    for (kind, class, name) in KINDS {
        if timeline.events.iter().any(|moment| moment.kind == *kind) {
            put!(
                page,
                "<span class=\"key\"><svg width=\"8\" height=\"12\" aria-hidden=\"true\"><line class=\"m {class}\" x1=\"4\" x2=\"4\" y1=\"0\" y2=\"12\"/></svg> {name}</span>"
            );
        }
    }
    put!(
        page,
        "</div><div class=\"beside\"><span></span><svg class=\"plot events\" width=\"100%\" height=\"44\" role=\"img\" aria-label=\"{} events\"><svg class=\"z\" viewBox=\"0 0 100000 1000\" preserveAspectRatio=\"none\" width=\"100%\" height=\"44\">",
        timeline.events.len()
    );
    shading(page, timeline);
    for moment in &timeline.events {
        let lane = KINDS
            .iter()
            .position(|(kind, ..)| *kind == moment.kind)
            .unwrap_or(0);
        put!(
            page,
            "<path class=\"m {}\" d=\"M{} {}v220\"><title>{}</title></path>",
            KINDS[lane].1,
            place(moment.at_ms, timeline.range),
            15 + lane * 250,
            Escaped(&said(moment))
        );
    }
    page.push_str("</svg></svg></div></div>\n");
}

fn said(moment: &Moment) -> String {
    format!("{} {}", at(moment.at_ms), moment.text)
}

/// Three significant digits would hide what follows what.
fn at(ms: f64) -> String {
    format!("{:.3} s", ms / 1e3)
}

/// Decisions and faults in words, everything else on request.
fn happenings(page: &mut String, timeline: &Timeline) {
    let told: Vec<&Moment> = timeline.told().take(TOLD).collect();
    if !told.is_empty() {
        page.push_str("<ol class=\"told\">");
        for moment in told {
            put!(
                page,
                "<li><span class=\"at\">{}</span> {}</li>",
                at(moment.at_ms),
                Escaped(&moment.text)
            );
        }
        page.push_str("</ol>");
    }
    if timeline.events.is_empty() {
        return;
    }
    put!(
        page,
        "<details class=\"all\"><summary>{} events{}</summary><table><thead><tr><th scope=\"col\">at</th><th scope=\"col\">event</th></tr></thead><tbody>",
        timeline.events.len(),
        match timeline.events_left_out {
            0 => String::new(),
            number => format!(", {number} left out"),
        }
    );
    for moment in &timeline.events {
        put!(
            page,
            "<tr><td class=\"n\">{}</td><td class=\"words\">{}</td></tr>",
            at(moment.at_ms),
            Escaped(&moment.text)
        );
    }
    page.push_str("</tbody></table></details>\n");
}

/// The curves for the script: what the cursor reads, the table and the download.
fn data(report: &Report, timeline: &Timeline) -> Value {
    let curve = |panel: &Panel, curve: &Curve| {
        let point = |(at, value): &(f64, f64)| json!([round(*at, 7), round(*value, 5)]);
        json!({
            "panel": panel.name,
            "curve": curve.name,
            "unit": panel.unit.name(),
            "steps": curve.steps,
            "points": curve.points.iter().map(point).collect::<Vec<_>>(),
        })
    };
    let curves = timeline
        .panels
        .iter()
        .flat_map(|panel| panel.curves.iter().map(move |shown| curve(panel, shown)));
    let events = timeline
        .events
        .iter()
        .map(|moment| json!([round(moment.at_ms, 8), moment.text]));
    json!({
        "cell": report.cells[timeline.cell].full,
        "repeat": timeline.repeat,
        "curves": curves.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
    })
}

/// To so many significant digits; whole numbers without a point.
fn round(value: f64, digits: i32) -> Value {
    if value == 0.0 || !value.is_finite() {
        return json!(0);
    }
    let power = digits - 1 - value.abs().log10().floor() as i32;
    let rounded = if power >= 0 {
        let factor = 10f64.powi(power);
        (value * factor).round() / factor
    } else {
        let factor = 10f64.powi(-power);
        (value / factor).round() * factor
    };
    if rounded.fract() == 0.0 && rounded.abs() < 9e15 {
        json!(rounded as i64)
    } else {
        json!(rounded)
    }
}

const WIDTH: f64 = 100_000.0;
/// Of a panel, in pixels.
const HEIGHT: u32 = 84;
/// From a digit's middle down to its foot, in pixels.
const HALF_A_DIGIT: f64 = 4.0;
const TOLD: usize = 40;
const KINDS: &[(MomentKind, &str, &str)] = &[
    (MomentKind::Status, "status", "status"),
    (MomentKind::Pass, "pass", "pass"),
    (MomentKind::Decision, "decision", "decision"),
    (MomentKind::Fault, "fault", "fault"),
];
