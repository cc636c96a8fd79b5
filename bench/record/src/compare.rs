//! Two runs, or two cells of runs, side by side: what differs, which way, how surely.
//!
//! A pure function of records. It compares and does not judge: whether a regression is too much is for the gate to say.
//!
//! Cells are compared one with one. The questions asked of a pair of cells, one for each metric that has a better and a worse, are counted:
//! chances are adjusted by Holm's method within the pair, so that of a hundred pairs of equal cells one shows any difference.

mod environment;
#[cfg(any(test, feature = "example"))]
pub mod example;
mod metrics;
mod outcomes;
mod programs;
mod select;
#[cfg(test)]
mod tests;

pub use environment::EnvironmentDifference;
pub use metrics::{Kind, MetricComparison, Values};
pub use outcomes::OutcomeComparison;
pub use select::{Choice, SelectError};

use serde::Serialize;

use crate::conditions;
use crate::convergence;
pub use crate::judge::Verdict;
use crate::judge::{NoiseFloor, NoiseSource, RULE, Rule, day};
use crate::record::{CellRecord, Record};
use crate::statistics::Pairing;

/// One side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The run.
    pub record: &'a Record,
    /// Which of its cells.
    pub choice: &'a Choice,
}

/// What to compare, and how.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Only these metrics, which keeps the number of questions small; empty for all that have a better and a worse.
    pub metrics: &'a [String],
    /// Other runs of the base, to learn from how much two runs of the same differ.
    pub noise: &'a [Record],
}

/// What two sides have to do with each other. Everything that a report or a program needs to tell it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The side compared with.
    pub base: Label,
    /// The side in question.
    pub candidate: Label,
    /// What was asked of a difference.
    pub rule: Rule,
    /// Where noise floors come from.
    pub noise_floor: NoiseSource,
    /// In what both were measured differently.
    pub environment: Vec<EnvironmentDifference>,
    /// Cells that only the base has.
    pub only_base: Vec<String>,
    /// Cells that only the candidate has.
    pub only_candidate: Vec<String>,
    /// The cells that both have, in the base's order.
    pub cells: Vec<CellComparison>,
}

/// Which run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Its id.
    pub run_id: String,
    /// Its scenario.
    pub scenario: String,
    /// When it started.
    pub started: String,
    /// Which of its cells were chosen, if not all.
    pub cells: Option<String>,
    /// The QEMU or the lmbench of these cells, where that is what the run compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<String>,
}

/// Two cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellComparison {
    /// The base's cell.
    pub base: String,
    /// The candidate's cell.
    pub candidate: String,
    /// How the migrations ended: the first thing to know.
    pub outcomes: OutcomeComparison,
    /// Whether repeats of the same number were compared with each other.
    pub pairing: Pairing,
    /// Whether the repeats of both took turns. What changed between the one and the other's is else a part of the difference.
    pub interleaved: bool,
    /// Why migrations did not converge, what they did not get of what was asked; why they are not paired, though both are of one run; what is assumed where they did not take turns; what these few repeats can't tell.
    pub notes: Vec<String>,
    /// Metrics that have a better and a worse, counted for the adjustment of chances.
    pub questions: usize,
    /// The metrics that both have: first what repeats itself exactly, then times, then what explains.
    pub metrics: Vec<MetricComparison>,
    /// Metrics that only the base has.
    pub only_base: Vec<String>,
    /// Metrics that only the candidate has.
    pub only_candidate: Vec<String>,
}

/// Compares two sides.
pub fn compare(
    base: Side<'_>,
    candidate: Side<'_>,
    options: &Options<'_>,
) -> Result<Comparison, SelectError> {
    let matched = select::matched(base, candidate)?;
    let rule = RULE;
    let noise = match options.noise {
        [] => NoiseFloor::of_repeats(),
        others => {
            let runs: Vec<&Record> = std::iter::once(base.record).chain(others).collect();
            NoiseFloor::of_runs(&runs)
        }
    };
    let other_run = (base.record.run_id != candidate.record.run_id).then(|| metrics::OtherRun {
        day: day(&candidate.record.started),
    });
    let cells = matched
        .both
        .iter()
        .map(|(one, other)| cell(one, other, other_run, &noise, &rule, options))
        .collect();
    let label = |side: Side<'_>| Label {
        run_id: side.record.run_id.clone(),
        scenario: side.record.scenario.name.clone(),
        started: side.record.started.clone(),
        cells: side.choice.text().map(str::to_owned),
        programs: programs::programs(side),
    };
    Ok(Comparison {
        base: label(base),
        candidate: label(candidate),
        rule,
        noise_floor: match options.noise {
            [] => NoiseSource::Halves,
            others => NoiseSource::Runs(others.iter().map(|run| run.run_id.clone()).collect()),
        },
        environment: environment::differences(base.record, candidate.record),
        only_base: matched.only_base,
        only_candidate: matched.only_candidate,
        cells,
    })
}

fn cell(
    base: &CellRecord,
    candidate: &CellRecord,
    other_run: Option<metrics::OtherRun>,
    noise: &NoiseFloor,
    rule: &Rule,
    options: &Options<'_>,
) -> CellComparison {
    let both = [(base, candidate)];
    let asked = metrics::asked(&both, options.metrics);
    let questions = asked.questions();
    let (pairing, mut notes) = pairing(base, candidate, other_run.is_none());
    notes.extend(assumed(options.noise, other_run.is_some()));
    notes.extend(not_converged([base, candidate]));
    notes.extend(not_as_asked([base, candidate]));
    notes.extend(too_few_pairs(base, candidate, questions, pairing, rule));
    let method = metrics::Method {
        pairing,
        noise,
        other_run,
    };
    let metrics = metrics::compared(&both, &asked.both, &method);
    notes.extend(too_few(base, candidate, questions, rule));
    CellComparison {
        base: base.id.clone(),
        candidate: candidate.id.clone(),
        outcomes: outcomes::compared(base, candidate, rule),
        pairing,
        interleaved: pairing == Pairing::Pairs,
        notes,
        questions,
        metrics,
        only_base: asked.only_base,
        only_candidate: asked.only_candidate,
    }
}

/// All metrics of cells of one run, side by side, as [`compare`] tells them of two; those of several are taken together, repeat by repeat.
pub fn of_one_run(cells: &[(&CellRecord, &CellRecord)]) -> Vec<MetricComparison> {
    let pairing = match cells {
        [(base, candidate)] => pairing(base, candidate, true).0,
        _ => Pairing::Pairs,
    };
    let method = metrics::Method {
        pairing,
        noise: &NoiseFloor::of_repeats(),
        other_run: None,
    };
    metrics::compared(cells, &metrics::asked(cells, &[]).both, &method)
}

/// What a comparison of two runs takes for granted.
fn assumed(noise: &[Record], other_run: bool) -> Option<String> {
    let known = match noise.len() {
        _ if !other_run => return None,
        0 => ASSUMED,
        1 => {
            "how much runs of the same differ is known from two only, which hardly any difference exceeds: five of the base tell (--noise-floor)"
        }
        _ => return None,
    };
    Some(format!("not interleaved; {known}"))
}

/// What either did not get of what its scenario asked for.
fn not_as_asked(cells: [&CellRecord; 2]) -> Vec<String> {
    let mut told = Vec::new();
    for (whose, cell) in ["base", "candidate"].into_iter().zip(cells) {
        let unproven = cell.repeats.iter().filter(|repeat| repeat.is_unproven());
        let unproven = unproven.count();
        if unproven > 0 {
            told.push(format!(
                "{unproven} of the {whose}: {}",
                conditions::UNPROVEN
            ));
        }
        let missed = conditions::missed(cell).into_iter();
        told.extend(
            missed.map(|missed| format!("the {whose} not as asked, {}", missed.deviation.words())),
        );
    }
    if !conditions::are_same(cells[0], cells[1]) {
        told.push("they did not get the same conditions: nothing is said to be better".to_owned());
    }
    told
}

/// Why migrations of either did not converge.
fn not_converged(cells: [&CellRecord; 2]) -> Vec<String> {
    let told = |(whose, cell): (&str, &CellRecord)| {
        let (why, repeats) = convergence::of_cell(cell)?;
        let (stalled, done) = (repeats.len(), cell.repeats.len());
        Some(format!(
            "{stalled} of {done} of the {whose} did not converge{}",
            why.after(": ")
        ))
    };
    let named = ["base", "candidate"].into_iter().zip(cells);
    named.filter_map(told).collect()
}

/// Of runs that nothing is known of beside themselves.
pub const ASSUMED: &str = "that nothing but chance tells two runs of the same apart is assumed, not measured: --noise-floor with other runs of the base measures it, --interleave does without";

/// Repeats of the same number stood side by side if each round of both was over before the next began, and they are of one run.
fn pairing(base: &CellRecord, candidate: &CellRecord, same_run: bool) -> (Pairing, Vec<String>) {
    if !same_run || base.id == candidate.id {
        return (Pairing::Independent, Vec::new());
    }
    if !took_turns(base, candidate) {
        let note = "not paired: the repeats of both cells did not take turns".to_owned();
        return (Pairing::Independent, vec![note]);
    }
    (Pairing::Pairs, Vec::new())
}

/// That the chances are not those of the pairs' ranks.
fn too_few_pairs(
    base: &CellRecord,
    candidate: &CellRecord,
    questions: usize,
    pairing: Pairing,
    rule: &Rule,
) -> Option<String> {
    let pairs = metrics::pairs(base, candidate);
    (pairing == Pairing::Pairs && rule.are_too_few_pairs(pairs, questions)).then(|| {
        format!("the ranks of {pairs} pairs are too coarse for so many metrics: p is Student's, or that of the repeats without their partners where these share no noise")
    })
}

fn took_turns(base: &CellRecord, candidate: &CellRecord) -> bool {
    let mut starts: Vec<(f64, u32)> = base
        .repeats
        .iter()
        .chain(&candidate.repeats)
        .map(|repeat| (repeat.started_ms, repeat.repeat))
        .collect();
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    starts.len() > 2 && starts.windows(2).all(|two| two[0].1 <= two[1].1)
}

/// What to do when no data of this size could convince.
fn too_few(
    base: &CellRecord,
    candidate: &CellRecord,
    questions: usize,
    rule: &Rule,
) -> Option<String> {
    let (a, b) = (base.completed().count(), candidate.completed().count());
    if questions == 0 || rule.can_tell(a, b, questions) {
        return None;
    }
    let needed = rule.repeats_needed(questions);
    let few = a.min(b);
    Some(format!(
        "{few} completed {} can't tell a difference in any of {questions} {}, however great it is: {needed} of each cell can{}",
        if few == 1 { "repeat" } else { "repeats" },
        if questions == 1 { "metric" } else { "metrics" },
        if questions == 1 {
            ""
        } else {
            ", and fewer metrics (--metric) take fewer"
        },
    ))
}
