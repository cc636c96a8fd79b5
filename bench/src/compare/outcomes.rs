//! How the migrations of two cells ended. A figure is worth little where one of them never came to an end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Verdict;
use crate::record::{CellRecord, Outcome, Repeat};
use crate::statistics::{Rule, unpaired_p};

/// The endings of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutcomeComparison {
    /// The base's.
    pub base: BTreeMap<Outcome, usize>,
    /// The candidate's.
    pub candidate: BTreeMap<Outcome, usize>,
    /// Migrations of the base after which the memory was not what the workload wrote.
    pub base_damaged: usize,
    /// The same of the candidate. One is enough to be worse than none: that is no noise.
    pub candidate_damaged: usize,
    /// The chance of completions as unequal, if nothing but chance told both apart.
    pub p: f64,
    /// Whether more or fewer migrations complete; `can't tell` if they do, but chance might.
    pub verdict: Verdict,
}

impl OutcomeComparison {
    /// Whether all migrations of both completed, and nothing was damaged.
    pub fn all_completed(&self) -> bool {
        let only = |endings: &BTreeMap<Outcome, usize>| {
            !endings.is_empty() && endings.keys().all(|outcome| *outcome == Outcome::Completed)
        };
        self.base_damaged + self.candidate_damaged == 0 && only(&self.base) && only(&self.candidate)
    }
}

pub(super) fn compared(
    base: &CellRecord,
    candidate: &CellRecord,
    rule: &Rule,
) -> OutcomeComparison {
    let (one, other) = (tried(base), tried(candidate));
    // Ranks of noughts and ones: Fisher's exact test.
    let p = unpaired_p(&one, &other);
    let share = |tries: &[f64]| tries.iter().sum::<f64>() / tries.len() as f64;
    let (before, after) = (share(&one), share(&other));
    let verdict = if one.is_empty() && other.is_empty() || before.total_cmp(&after).is_eq() {
        Verdict::Same
    } else if p > rule.alpha || one.is_empty() || other.is_empty() {
        Verdict::CantTell
    } else if after > before {
        Verdict::Better
    } else {
        Verdict::Worse
    };
    let (base_damaged, candidate_damaged) = (damaged(base), damaged(candidate));
    let verdict = match (base_damaged, candidate_damaged) {
        (0, 0) => verdict,
        (_, 0) => Verdict::Better,
        (0, _) => Verdict::Worse,
        _ => Verdict::CantTell,
    };
    OutcomeComparison {
        base: base.outcomes(),
        candidate: candidate.outcomes(),
        base_damaged,
        candidate_damaged,
        p,
        verdict,
    }
}

fn damaged(cell: &CellRecord) -> usize {
    let is_damaged = |repeat: &&Repeat| {
        let intact = repeat
            .integrity
            .as_ref()
            .and_then(|found| found.memory_intact);
        intact == Some(false)
    };
    cell.repeats.iter().filter(is_damaged).count()
}

/// 1 for each migration that completed, 0 for one that did not. What was not tried, or was given up by hand, says nothing.
fn tried(cell: &CellRecord) -> Vec<f64> {
    cell.repeats
        .iter()
        .filter_map(|repeat| match repeat.outcome {
            Outcome::Completed => Some(1.0),
            Outcome::DidNotConverge | Outcome::Failed => Some(0.0),
            Outcome::Cancelled | Outcome::Skipped => None,
        })
        .collect()
}
