//! Tables: the matrix in colours, comparisons, definitions, what it ran on.

use std::fmt::Write as _;

use lmbench_record::judge::Verdict;
use lmbench_record::metric::Unit;

use super::axis::Axis;
use super::charts::ticks;
use super::put;
use super::text::{Coded, Escaped};
use crate::report::model::{
    Comparison, Definition, Difference, Grid, Overview, Quantity, Range, Report, RunFacts, Shade,
};
use crate::terminal::UNFINISHED;

/// Cells by metrics.
pub(super) fn overview(page: &mut String, report: &Report, overview: &Overview) {
    put!(
        page,
        "<p class=\"how\">Medians of completed repeats. Blue is better, orange is worse, ★ is better than all others of its run, by the rule of the comparison below; columns without such a difference have no colour.{}</p>",
        if report.has_unfinished() {
            " † is of migrations that did not complete."
        } else {
            ""
        }
    );
    let parts = overview.columns.len().div_ceil(MOST_COLUMNS).max(1);
    let wide = overview.columns.len().div_ceil(parts).max(1);
    for (part, columns) in overview.columns.chunks(wide).enumerate() {
        matrix(page, report, overview, part * wide, columns);
    }
}

/// Some columns of the matrix, as many as a page is wide.
fn matrix(
    page: &mut String,
    report: &Report,
    overview: &Overview,
    first: usize,
    columns: &[Quantity],
) {
    let number = match first {
        0 => String::new(),
        first => format!("-{first}"),
    };
    put!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Cells by metrics\"><table class=\"heat dl\" data-name=\"matrix{number}\"><thead><tr><th scope=\"col\">cell</th><th scope=\"col\" class=\"words\">outcome</th>"
    );
    for column in columns {
        put!(
            page,
            "<th scope=\"col\" title=\"{}\">{}</th>",
            Escaped(&column.id),
            Escaped(&column.name)
        );
    }
    page.push_str("</tr></thead><tbody>\n");
    for (cell, row) in report.cells.iter().zip(&overview.rows) {
        put!(
            page,
            "<tr><th scope=\"row\" title=\"{}\">{}</th><td class=\"{}\">{}</td>",
            Escaped(&cell.full),
            Escaped(&cell.label),
            if cell.well { "words" } else { "words bad" },
            Escaped(&cell.outcomes)
        );
        for (quantity, value) in columns.iter().zip(&row[first..]) {
            shade(page, quantity, value.as_ref());
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn shade(page: &mut String, quantity: &Quantity, shade: Option<&Shade>) {
    let Some(shade) = shade else {
        page.push_str("<td class=\"none\">–</td>");
        return;
    };
    let level = shade
        .level
        .map_or(String::new(), |level| format!(" l{level}"));
    put!(
        page,
        "<td class=\"n{level}\" data-v=\"{}\" title=\"{}\">{}{}</td>",
        shade.value,
        Escaped(&shade.more),
        Escaped(&quantity.unit.format(shade.value)),
        match (shade.best, shade.unfinished) {
            (true, _) => "<span class=\"best\" title=\"best\">★</span>",
            (_, true) => UNFINISHED,
            (false, false) => "",
        }
    );
}

/// A metric over two axes.
pub(super) fn grid(page: &mut String, grid: &Grid) {
    let (of, run) = match grid.run {
        Some(run) => (format!("-{run}"), format!("{run} · ")),
        None => Default::default(),
    };
    put!(
        page,
        "<div><div class=\"scroll\"><table class=\"heat dl small\" data-name=\"{}{of}\"><caption>{run}{}</caption><thead><tr><th scope=\"col\"><span class=\"axes\">{} ↓ · {} →</span></th>",
        Escaped(&grid.quantity.id),
        Escaped(&grid.quantity.name),
        Escaped(&grid.axes[0]),
        Escaped(&grid.axes[1])
    );
    for column in &grid.columns {
        put!(page, "<th scope=\"col\">{}</th>", Escaped(column));
    }
    page.push_str("</tr></thead><tbody>");
    for (name, row) in grid.rows.iter().zip(&grid.values) {
        put!(page, "<tr><th scope=\"row\">{}</th>", Escaped(name));
        for value in row {
            shade(page, &grid.quantity, value.as_ref());
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div></div>\n");
}

/// Ratios with their intervals.
pub(super) fn comparison(page: &mut String, number: usize, comparison: &Comparison) {
    put!(
        page,
        "<h3>{}</h3><p class=\"how\">{}</p>",
        Escaped(&comparison.title),
        Escaped(&comparison.method)
    );
    let Some(first) = comparison.rows.first() else {
        return;
    };
    let all = Range {
        low: first.interval.low,
        high: first.interval.high,
    };
    let all = comparison.rows.iter().fold(all, |all, row| Range {
        low: all.low.min(row.interval.low),
        high: all.high.max(row.interval.high),
    });
    let axis = Axis::of_ratios(all);
    put!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table class=\"diff dl\" data-name=\"comparison-{number}\"><thead><tr><th scope=\"col\">metric</th><th scope=\"col\" class=\"words\">what</th><th scope=\"col\">ratio</th><th scope=\"col\">95 % interval</th><th scope=\"col\" class=\"plotcol\">",
        Escaped(&comparison.title)
    );
    ticks(page, &axis, "ticks");
    page.push_str("</th><th scope=\"col\" class=\"words\">verdict</th><th scope=\"col\">p</th><th scope=\"col\">pairs</th></tr></thead><tbody>\n");
    let mut metric = None;
    for row in &comparison.rows {
        difference(
            page,
            row,
            &axis,
            metric.replace(&row.quantity.id) == Some(&row.quantity.id),
        );
    }
    page.push_str("</tbody></table></div>\n");
}

fn difference(page: &mut String, row: &Difference, axis: &Axis, again: bool) {
    let class = match row.verdict {
        Verdict::Better if row.stands_out => "better",
        Verdict::Worse if row.stands_out => "worse",
        Verdict::Better | Verdict::Worse | Verdict::Same | Verdict::CantTell => "unclear",
    };
    let [low, middle, high] =
        [row.interval.low, row.ratio, row.interval.high].map(|v| axis.place(v) * 100.0);
    let one = axis.place(1.0) * 100.0;
    put!(
        page,
        "<tr class=\"{class}\"><th scope=\"row\">{}</th><td class=\"words\" title=\"against {}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\">{}</td>",
        if again {
            format!(
                "<span class=\"again\">{}</span>",
                Escaped(&row.quantity.name)
            )
        } else {
            Escaped(&row.quantity.name).to_string()
        },
        Escaped(&row.base),
        Escaped(&row.candidate),
        row.ratio,
        Unit::Ratio.format(row.ratio),
        Escaped(&Unit::Ratio.format_range_beside(row.ratio, row.interval.low, row.interval.high)),
    );
    put!(
        page,
        "<td class=\"plotcol\"><svg width=\"100%\" height=\"18\" aria-hidden=\"true\"><line class=\"one\" x1=\"{one:.2}%\" x2=\"{one:.2}%\" y1=\"0\" y2=\"18\"/><line class=\"whisker\" x1=\"{low:.2}%\" x2=\"{high:.2}%\" y1=\"9\" y2=\"9\"/><circle cx=\"{middle:.2}%\" cy=\"9\" r=\"4.5\"/></svg></td><td class=\"words verdict\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        Escaped(&row.words()),
        p_words(row.p),
        row.pairs
    );
}

fn p_words(p: f64) -> String {
    if p < 0.001 {
        "&lt;0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

/// What a run ran on, and its scenario.
pub(super) fn run(page: &mut String, run: &RunFacts) {
    let letter = run
        .letter
        .map_or(String::new(), |letter| format!("Run {letter}: "));
    put!(
        page,
        "<h3>{letter}<code>{}</code></h3><dl class=\"facts\">",
        Escaped(&run.run_id)
    );
    for (name, value) in &run.facts {
        let long = value.contains('\n');
        if long {
            put!(
                page,
                "<div><dt>{}</dt><dd><details><summary>{} lines</summary><pre>{}</pre></details></dd></div>",
                Escaped(name),
                value.lines().count(),
                Escaped(value)
            );
        } else {
            put!(
                page,
                "<div><dt>{}</dt><dd>{}</dd></div>",
                Escaped(name),
                Escaped(value)
            );
        }
    }
    put!(
        page,
        "</dl><details class=\"scenario\"><summary>The scenario</summary><pre tabindex=\"0\">{}</pre></details>\n",
        Escaped(&run.scenario.join("\n"))
    );
}

/// Of the matrix: more don't fit beside the cells' names.
const MOST_COLUMNS: usize = 10;

/// What every metric is.
pub(super) fn definitions(page: &mut String, definitions: &[Definition]) {
    page.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Definitions\"><table class=\"defs\"><thead><tr><th scope=\"col\">metric</th><th scope=\"col\" class=\"words\">unit</th><th scope=\"col\" class=\"words\">what it is</th><th scope=\"col\" class=\"words\">which way</th></tr></thead><tbody>\n");
    let mut topic = None;
    for definition in definitions {
        if topic.replace(definition.topic) != Some(definition.topic) {
            put!(
                page,
                "<tr><th class=\"topic\" scope=\"rowgroup\" colspan=\"4\">{}</th></tr>",
                Escaped(definition.topic)
            );
        }
        put!(
            page,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td class=\"words\">{}</td><td class=\"words\">{}</td></tr>\n",
            Escaped(definition.id),
            Escaped(definition.unit),
            Coded(definition.text),
            Escaped(definition.direction)
        );
    }
    page.push_str("</tbody></table></div>\n");
}
