//! From a run, its rules and a baseline to checks with verdicts.
//!
//! | what | verdict |
//! |---|---|
//! | memory that did not arrive, a guest that runs on both hosts or on none | regressed, whatever the figures |
//! | a failed migration | regressed, unless allowed; where the baseline has some, by Fisher's exact test |
//! | a cell that stopped converging | regressed |
//! | a cell that converges less often | regressed by Fisher's exact test, else inconclusive, whatever the baseline had |
//! | a metric that fewer of the completed migrations have than of the baseline's, or a limit of one that some lack | inconclusive |
//! | a cell or metric of the baseline that is not in the run, cancelled or skipped migrations, a run cut short | inconclusive |
//! | a limit | by the 95 % interval of the median |
//! | a change | by the 95 % interval of the ratio, see `change`; how much runs of the same differ is in it, if the baseline is of several |

mod change;
mod health;
mod limit;

use std::collections::{BTreeMap, BTreeSet};

use super::baseline::{Baseline, BaselineCell};
use super::report::{Check, Report, Sample, Subject, Verdict};
use super::rule::Rule;
use super::rules::{RuleSet, Rules};
use crate::cells::{Parameters, Selector, taken};
use crate::judge::{self, NoiseFloor, RULE, day};
use crate::metric::{Direction, Metric, metric};
use crate::record::{CellRecord, Outcome, Record};
use crate::statistics::{Pairing, median};
use crate::text::counted;

/// What is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The run.
    pub record: &'a Record,
    /// What is asked of it.
    pub rules: &'a Rules,
    /// What it is compared with.
    pub baseline: Option<&'a Baseline>,
    /// The cells that are chosen, as [`taken`] has it.
    pub only: &'a [Selector],
}

/// Judges a run. That run and baseline can be compared is the caller's to see.
pub fn judge(ask: &Ask<'_>) -> Report {
    let Ask {
        record, baseline, ..
    } = *ask;
    let mut notes = Vec::new();
    let mut rules = ask.rules.clone();
    if !rules.asks_metrics() {
        if let Some(baseline) = baseline {
            let standard = standard(record, baseline);
            let names: Vec<&str> = standard.metrics.keys().copied().collect();
            notes.push(format!(
                "no rules for metrics were given: {} may get worse by {} % each",
                names.join(", "),
                STANDARD_TOLERANCE * 100.0
            ));
            rules.push_first(standard);
        } else {
            notes.push("neither rules for metrics nor a baseline were given: only outcomes and memory are judged".to_owned());
        }
    }
    if let Some(baseline) = baseline {
        notes.extend(assumed(baseline));
    }
    let mut checks = Vec::new();
    checks.extend(cut_short(record));
    let cells: Vec<&CellRecord> = record
        .cells
        .iter()
        .filter(|cell| ask.takes(&cell.id, &cell.parameters))
        .collect();
    // A metric that this run has anywhere is not misspelt or switched off: a cell without it has nothing to measure.
    let known: BTreeSet<String> = cells
        .iter()
        .flat_map(|cell| cell.values_by_metric().into_keys().map(str::to_owned))
        .collect();
    let mut unknown_cells = 0_usize;
    for cell in &cells {
        let kept = baseline.and_then(|baseline| baseline.cells.get(&cell.id));
        if baseline.is_some() && kept.is_none() {
            unknown_cells += 1;
        }
        let rules = rules.of(&cell.id, &cell.parameters);
        checks.extend(of_cell(cell, kept, &rules, ask, &known));
    }
    if unknown_cells > 0 {
        notes.push(format!(
            "{} of this run {} not in the baseline: nothing to compare with",
            counted(unknown_cells, "cell"),
            if unknown_cells == 1 { "is" } else { "are" }
        ));
    }
    let ids: BTreeSet<&str> = record.cells.iter().map(|cell| cell.id.as_str()).collect();
    let vanished = baseline
        .iter()
        .flat_map(|baseline| &baseline.cells)
        .filter(|(id, cell)| !ids.contains(id.as_str()) && ask.takes(id, &cell.parameters));
    for (id, _) in vanished {
        let reason = "it is in the baseline and not in this run: run it, leave it out by --cell, or make the baseline again";
        checks.push(Check::new(id, Subject::Cell, Verdict::Inconclusive, reason));
    }
    if cells.is_empty() {
        let reason = "it has no such cell";
        checks.push(Check::new("", Subject::Run, Verdict::Inconclusive, reason));
    }
    Report {
        run_id: record.run_id.clone(),
        scenario: record.scenario.name.clone(),
        baseline: baseline.map(|baseline| baseline.run_id.clone()),
        notes,
        checks,
    }
}

impl Ask<'_> {
    fn takes(&self, id: &str, parameters: &Parameters) -> bool {
        taken(self.only, id, parameters)
    }
}

/// What is taken for granted where the baseline's runs are too few to know how much runs of the same differ.
fn assumed(baseline: &Baseline) -> Option<String> {
    match baseline.noise.runs.len() + 1 {
        1 => Some("run and baseline were not interleaved, and the baseline is of one run: that nothing but chance tells two runs of the same apart is assumed, not measured; `lmbench baseline` with five runs measures it".to_owned()),
        few if few < RUNS_WANTED => Some(format!("how much runs of the same differ is known from {few} only, which few changes exceed: `lmbench baseline` with five tells")),
        _ => None,
    }
}

/// A run that was not done to its end tells less than was asked.
fn cut_short(record: &Record) -> Option<Check> {
    let planned = record.planned()?;
    let left = planned
        .checked_sub(record.done())
        .filter(|left| *left > 0)?;
    let reason = format!("{left} of {} were not done", counted(planned, "migration"));
    Some(Check::new("", Subject::Run, Verdict::Inconclusive, reason))
}

fn of_cell(
    cell: &CellRecord,
    kept: Option<&BaselineCell>,
    rules: &RuleSet,
    ask: &Ask<'_>,
    known: &BTreeSet<String>,
) -> Vec<Check> {
    if cell.repeats.is_empty() {
        let reason = "none of its migrations was done";
        return vec![Check::new(
            &cell.id,
            Subject::Cell,
            Verdict::Inconclusive,
            reason,
        )];
    }
    let mut checks: Vec<Check> = health::memory(cell).into_iter().collect();
    checks.extend(health::outcomes(cell, kept, rules));
    if !cell.outcomes().contains_key(&Outcome::Completed) {
        // Its outcomes say all that there is to say.
        if health::is_expected(cell, kept, rules) || rules.metrics.is_empty() {
            return checks;
        }
        if !checks.iter().any(|check| check.verdict > Verdict::Improved) {
            let reason = "no migration of it completed, hence no metric can be judged";
            checks.push(Check::new(
                &cell.id,
                Subject::Cell,
                Verdict::Inconclusive,
                reason,
            ));
        }
        return checks;
    }
    let values = cell.values_by_metric();
    let noise = ask.baseline.map(|baseline| &baseline.noise.floor);
    let noise = noise.map_or_else(NoiseFloor::of_repeats, NoiseFloor::known);
    let days = ask.baseline.map(|baseline| baseline.noise.days());
    let days = days.unwrap_or_default();
    let lost = kept.and_then(|kept| lost(kept, &values));
    let mut changes = Vec::new();
    for (id, rule) in &rules.metrics {
        let Some(metric) = metric(id) else { continue };
        let kept_values = kept.and_then(|kept| kept.metrics.get(*id));
        let Some(values) = values.get(id) else {
            checks.extend(missing(cell, metric, kept_values.is_some(), known));
            continue;
        };
        checks.extend(limits(cell, metric, rule, values));
        checks.extend(lacking(cell, kept, metric, rule, values.len()));
        if let (Some(tolerance), Some(kept)) = (rule.tolerance, kept) {
            let Some(kept) = kept_values.filter(|kept| !kept.values.is_empty()) else {
                let reason = if kept.outcomes.contains_key(&Outcome::Completed) {
                    "the baseline has no values of it: make the baseline again"
                } else {
                    // What did not complete then has nothing to be compared with now.
                    continue;
                };
                checks.push(Check::new(
                    &cell.id,
                    Subject::Missing(metric.id),
                    Verdict::Inconclusive,
                    reason,
                ));
                continue;
            };
            changes.push(change::Question {
                metric,
                tolerance,
                base: &kept.values,
                run: values,
                floor: noise.of(metric.id, &kept.values, values, Pairing::Independent),
                between: kept.levels(&days).apart(day(&ask.record.started), false),
                lost: lost.filter(|_| judge::is_of_operations(metric.id)),
            });
        }
    }
    checks.extend(change::judge(&cell.id, &changes));
    checks
}

/// The shares of its work that the guest lost in the baseline and in the run.
fn lost(kept: &BaselineCell, values: &BTreeMap<&str, Vec<f64>>) -> Option<[f64; 2]> {
    let kept = kept.metrics.get(judge::WORK_LOST)?;
    Some([
        median(&kept.values)?,
        median(values.get(judge::WORK_LOST)?)?,
    ])
}

fn limits<'a>(
    cell: &'a CellRecord,
    metric: &'static Metric,
    rule: &'a Rule,
    values: &'a [f64],
) -> impl Iterator<Item = Check> + 'a {
    let of = move |limit| limit::judge(&cell.id, metric, limit, values);
    rule.limits.iter().map(of)
}

/// A metric that was asked for, of a cell that completed without it.
fn missing(
    cell: &CellRecord,
    metric: &'static Metric,
    was_there: bool,
    known: &BTreeSet<String>,
) -> Option<Check> {
    let reason = if was_there {
        "it is in the baseline and not in this run"
    } else if known.contains(metric.id) {
        return None;
    } else {
        "no migration of this run has it: see `lmbench show RUN --all` for those it has"
    };
    Some(Check::new(
        &cell.id,
        Subject::Missing(metric.id),
        Verdict::Inconclusive,
        reason,
    ))
}

/// A metric that some of the completed migrations lack: those that have it do not speak for all.
fn lacking(
    cell: &CellRecord,
    kept: Option<&BaselineCell>,
    metric: &'static Metric,
    rule: &Rule,
    n: usize,
) -> Option<Check> {
    let completed = cell.completed().count();
    let here = [n, completed.saturating_sub(n)];
    let there = kept.and_then(|kept| {
        let n = kept.metrics.get(metric.id)?.values.len();
        let completed = kept.outcomes.get(&Outcome::Completed).copied()?;
        Some([n, completed.saturating_sub(n)])
    });
    let fewer = match there {
        Some(there) => RULE.completions(there, here).0.are_fewer(),
        // What only some migrations can have, such as the stalls of post-copy, is known by a baseline alone.
        None => here[1] > 0 && !rule.limits.is_empty() && !metric.id.starts_with("postcopy_"),
    };
    let reason = format!("{} of {} completed have no value", here[1], completed);
    fewer.then(|| {
        let subject = Subject::Missing(metric.id);
        Check::new(&cell.id, subject, Verdict::Inconclusive, reason)
    })
}

fn sample(values: &[f64]) -> Option<Sample> {
    Some(Sample {
        n: values.len(),
        median: median(values)?,
    })
}

/// What a scenario without rules for metrics is judged by: what either of the two has. An imported run may lack some.
fn standard(record: &Record, baseline: &Baseline) -> RuleSet {
    let measured = |id: &str| {
        let mut cells = record.cells.iter();
        let mut kept = baseline.cells.values();
        cells.any(|cell| !cell.values(id).is_empty())
            || kept.any(|cell| cell.metrics.contains_key(id))
    };
    let mut rules = RuleSet::default();
    for id in STANDARD {
        if let Some(metric) = metric(id).filter(|metric| measured(metric.id)) {
            debug_assert!(metric.direction != Direction::Informational);
            let tolerance = Some(STANDARD_TOLERANCE);
            let limits = Vec::new();
            rules.metrics.insert(metric.id, Rule { tolerance, limits });
        }
    }
    rules
}

const STANDARD: [&str; 3] = ["total_time_ms", "downtime_ms", "blackout_ms"];
const STANDARD_TOLERANCE: f64 = 0.1;
/// With three runs Student's t is 9.9 at 1 %, with four 5.8.
const RUNS_WANTED: usize = 4;

#[cfg(test)]
mod tests;
