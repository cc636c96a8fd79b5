//! How the migrations of two cells ended. A figure is worth little where one of them never came to an end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Verdict;
use crate::judge::{Completions, Rule};
use crate::record::{CellRecord, Outcome};

/// The endings of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutcomeComparison {
    /// The base's.
    pub base: BTreeMap<Outcome, usize>,
    /// The candidate's.
    pub candidate: BTreeMap<Outcome, usize>,
    /// Migrations of the base after which the memory was not what the workload wrote, or the guest ran nowhere or twice.
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
    let (completions, p) = rule.completions(base.tried(), candidate.tried());
    let verdict = match completions {
        Completions::AsOften => Verdict::Same,
        Completions::PerhapsOftener | Completions::PerhapsRarer => Verdict::CantTell,
        Completions::Oftener => Verdict::Better,
        Completions::Rarer => Verdict::Worse,
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

/// How often the guest, its memory or its only copy was lost.
fn damaged(cell: &CellRecord) -> usize {
    let repeats = cell.repeats.iter();
    repeats.filter(|repeat| repeat.loss().is_some()).count()
}
