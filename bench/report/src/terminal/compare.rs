//! A comparison in text: first how migrations ended and what got worse or better, then the figures.

use lmbench_record::compare::{CellComparison, Comparison, Kind, Label, MetricComparison, Verdict};
use lmbench_record::judge::{NoiseSource, RULE};
use lmbench_record::metric::format_value;
use lmbench_record::record::Outcome;
use lmbench_record::statistics::{Effect, Pairing};

use super::page::painted;
use super::summary::outcomes;
use super::table::{table, wrapped};
use super::text::{clean, clean_short, counted};
use super::time;

/// The comparison; with what only explains, if `all` is wanted.
pub fn compare_text(comparison: &Comparison, all: bool) -> String {
    let mut text = answer(comparison);
    text += "\n";
    text += &circumstances(comparison);
    for cell in &comparison.cells {
        text += &format!("\n{}", cell_text(cell, all));
    }
    text
}

/// What a reader in a hurry wants.
fn answer(comparison: &Comparison) -> String {
    let mut lines = Vec::new();
    for cell in &comparison.cells {
        if !cell.outcomes.all_completed() && cell.outcomes.base != cell.outcomes.candidate
            || cell.outcomes.base_damaged != cell.outcomes.candidate_damaged
        {
            lines.push(format!("{}: {}", name(cell), endings(cell)));
        }
    }
    for verdict in [Verdict::Worse, Verdict::Better] {
        for cell in &comparison.cells {
            for metric in &cell.metrics {
                if metric.verdict == Some(verdict) {
                    let turns = if cell.interleaved {
                        ""
                    } else {
                        ", not interleaved"
                    };
                    lines.push(format!(
                        "{}{turns}: {} in {}{}",
                        painted(verdict.name()),
                        told(metric),
                        name(cell),
                        of_those(cell)
                    ));
                }
            }
        }
    }
    let unclear = count(comparison, Verdict::CantTell);
    let (same, asked) = (
        count(comparison, Verdict::Same),
        comparison
            .cells
            .iter()
            .map(|cell| cell.questions)
            .sum::<usize>(),
    );
    if lines.is_empty() {
        lines.push("no difference that these figures can tell".to_owned());
    }
    lines.push(format!(
        "of {} in {}: {same} the same, {unclear} can't be told",
        counted(asked, "figure"),
        counted(comparison.cells.len(), "cell"),
    ));
    lines.iter().map(|line| wrapped(line, 4)).collect()
}

/// Whose figures they are, where not all migrations that were tried completed.
fn of_those(cell: &CellComparison) -> String {
    let shares = [&cell.outcomes.base, &cell.outcomes.candidate].map(|endings| {
        let of = |outcome: Outcome| endings.get(&outcome).copied().unwrap_or(0);
        let completed = of(Outcome::Completed);
        let tried = completed + of(Outcome::DidNotConverge) + of(Outcome::Failed);
        (completed, tried)
    });
    if shares.iter().all(|(completed, tried)| completed == tried) {
        return String::new();
    }
    let [base, candidate] = shares.map(|(completed, tried)| format!("{completed} of {tried}"));
    format!(", of those that completed: {base}, then {candidate}")
}

fn count(comparison: &Comparison, verdict: Verdict) -> usize {
    let metrics = comparison.cells.iter().flat_map(|cell| &cell.metrics);
    metrics
        .filter(|metric| metric.verdict == Some(verdict))
        .count()
}

/// `total_time_ms 1.123 × (9.41 s, then 10.6 s)`.
fn told(metric: &MetricComparison) -> String {
    let values = format!(
        "{}, then {}",
        format_value(&metric.id, metric.base.median),
        format_value(&metric.id, metric.candidate.median)
    );
    let ratio = metric.effect.map_or(String::new(), |effect| {
        format!(" × {}", ratio(effect.ratio))
    });
    format!("{}{ratio} ({values})", clean(&metric.id))
}

fn circumstances(comparison: &Comparison) -> String {
    let mut text = wrapped(&format!("base       {}", label(&comparison.base)), 11);
    text += &wrapped(&format!("candidate  {}", label(&comparison.candidate)), 11);
    for difference in &comparison.environment {
        text += &wrapped(
            &format!(
                "differs    {}: {}, then {}",
                clean_short(&difference.what, LONGEST),
                clean_short(&difference.base, LONGEST),
                clean_short(&difference.candidate, LONGEST)
            ),
            11,
        );
    }
    for (cells, whose) in [
        (&comparison.only_base, "base"),
        (&comparison.only_candidate, "candidate"),
    ] {
        if !cells.is_empty() {
            text += &wrapped(&format!("only {whose} has {}", listed(cells)), 11);
        }
    }
    let noise = match &comparison.noise_floor {
        NoiseSource::Halves => {
            "a drift between the halves of the base's own repeats, or of the pairs' ratios"
                .to_owned()
        }
        NoiseSource::Runs(runs) => {
            let runs: Vec<String> = runs.iter().map(|run| clean(run)).collect();
            let runs = if runs.len() == 1 {
                format!("run {}", runs[0])
            } else {
                format!("runs {}", runs.join(", "))
            };
            format!("{runs}, compared with the base")
        }
    };
    let rule = &comparison.rule;
    text += &wrapped(
        &format!(
            "a difference is one if its 95 % interval leaves 1 out, its p (all questions about a cell counted, after Holm) is at most {}, \
             and it is greater than the noise floor: {:.0} %, a step of the metric's clock, or more by {noise}. The same is what stays within {:.0} %.",
            rule.alpha,
            rule.noise_floor * 100.0,
            rule.margin * 100.0
        ),
        11,
    );
    text
}

fn label(label: &Label) -> String {
    let cells = label
        .cells
        .as_ref()
        .map_or(String::new(), |cells| format!(", cells {}", clean(cells)));
    let programs = label.programs.as_ref().map_or(String::new(), |programs| {
        format!(", {}", clean_short(programs, PROGRAMS_LONGEST))
    });
    format!(
        "{} (scenario {}, started {} UTC{cells}{programs})",
        clean(&label.run_id),
        clean_short(&label.scenario, LONGEST),
        time::moment(&label.started)
    )
}

fn cell_text(cell: &CellComparison, all: bool) -> String {
    let paired = match cell.pairing {
        Pairing::Pairs => "; repeats in pairs",
        Pairing::Independent => "",
    };
    let mut text = wrapped(&format!("{}: {}{paired}", name(cell), endings(cell)), 4);
    for note in &cell.notes {
        text += &wrapped(&format!("note: {}", clean(note)), 6);
    }
    let shown = |metric: &&MetricComparison| all || metric.kind != Kind::Explains;
    let rows: Vec<Vec<String>> = cell.metrics.iter().filter(shown).map(row).collect();
    if !rows.is_empty() {
        let header = [
            "metric",
            "base",
            "candidate",
            "ratio",
            "95 %",
            "p",
            "noise",
            "verdict",
        ];
        text += &format!("\n{}", table(&header, &[0, 7], &[0], rows));
    }
    let mut remarks = Vec::new();
    let outliers: Vec<String> = cell
        .metrics
        .iter()
        .filter(shown)
        .filter_map(outliers)
        .collect();
    if !outliers.is_empty() {
        remarks.push(format!(
            "outliers, which count as all others: {}",
            outliers.join(", ")
        ));
    }
    if !all {
        let explaining: Vec<String> = cell
            .metrics
            .iter()
            .filter(|metric| metric.kind == Kind::Explains && stands_out(metric))
            .map(told)
            .collect();
        if !explaining.is_empty() {
            remarks.push(format!("what may explain it: {}", explaining.join(", ")));
        }
    }
    for (ids, whose) in [
        (&cell.only_base, "base"),
        (&cell.only_candidate, "candidate"),
    ] {
        if !ids.is_empty() {
            remarks.push(format!("only {whose} has {}", listed(ids)));
        }
    }
    text += &remarks
        .iter()
        .map(|remark| wrapped(remark, 4))
        .collect::<String>();
    text
}

fn name(cell: &CellComparison) -> String {
    if cell.base == cell.candidate {
        clean(&cell.base)
    } else {
        format!("{} against {}", clean(&cell.candidate), clean(&cell.base))
    }
}

fn endings(cell: &CellComparison) -> String {
    let damaged = |count: usize| match count {
        0 => String::new(),
        count => format!(", MEMORY DAMAGED in {count}"),
    };
    let base = outcomes(&cell.outcomes.base) + &damaged(cell.outcomes.base_damaged);
    let candidate = outcomes(&cell.outcomes.candidate) + &damaged(cell.outcomes.candidate_damaged);
    if base == candidate {
        return format!("{base}, both");
    }
    let verdict = if cell.outcomes.verdict == Verdict::Same {
        String::new()
    } else {
        format!(
            " ({}, p = {})",
            cell.outcomes.verdict.name(),
            chance(cell.outcomes.p)
        )
    };
    format!("{base}; then {candidate}{verdict}")
}

fn row(metric: &MetricComparison) -> Vec<String> {
    let effect = |text: fn(&Effect) -> String| metric.effect.as_ref().map_or("-".to_owned(), text);
    vec![
        clean(&metric.id),
        format_value(&metric.id, metric.base.median),
        format_value(&metric.id, metric.candidate.median),
        effect(|effect| ratio(effect.ratio)),
        effect(|effect| {
            let (low, high) = (ratio(effect.interval.low), ratio(effect.interval.high));
            format!("{low}–{high}")
        }),
        metric.adjusted_p.map_or("-".to_owned(), chance),
        metric.noise_floor.map_or("-".to_owned(), |floor| {
            format!("{:.1} %", (floor * 100.0).min(999.9))
        }),
        metric.verdict.map_or("", Verdict::name).to_owned(),
    ]
}

fn outliers(metric: &MetricComparison) -> Option<String> {
    let (base, candidate) = (metric.base.outliers, metric.candidate.outliers);
    (base + candidate > 0).then(|| {
        format!(
            "{} {base} of {}, then {candidate} of {}",
            clean(&metric.id),
            metric.base.n,
            metric.candidate.n
        )
    })
}

/// Of what nothing is asked the chance is not adjusted either, so it is only named.
fn stands_out(metric: &MetricComparison) -> bool {
    metric.effect.is_some_and(|effect| {
        let floor = metric.noise_floor.unwrap_or(0.0).max(EXPLAINING_MIN);
        effect.p <= RULE.alpha
            && !effect.interval.contains(1.0)
            && effect.ratio.ln().abs() > (1.0 + floor).ln()
    })
}

/// A ratio with as many digits as tell a percent.
fn ratio(ratio: f64) -> String {
    match ratio {
        ratio if !ratio.is_finite() => "-".to_owned(),
        ratio if ratio >= 1e4 => ">9999".to_owned(),
        ratio if ratio >= 100.0 => format!("{ratio:.0}"),
        ratio if ratio >= 10.0 => format!("{ratio:.1}"),
        ratio if ratio >= 0.001 => format!("{ratio:.3}"),
        0.0 => "0".to_owned(),
        _ => "<0.001".to_owned(),
    }
}

fn chance(p: f64) -> String {
    if p < 0.001 {
        "<0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

fn listed(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(LISTED_MAX)
        .map(|name| clean_short(name, LONGEST))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > LISTED_MAX {
        text += &format!(" and {} more", names.len() - LISTED_MAX);
    }
    text
}

const LONGEST: usize = 80;
const PROGRAMS_LONGEST: usize = 400;
const LISTED_MAX: usize = 12;
/// Smaller differences explain nothing.
const EXPLAINING_MIN: f64 = 0.05;

#[cfg(test)]
mod tests;
