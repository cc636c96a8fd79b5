//! How the migrations of two cells ended. A figure is worth little where one of them never came to an end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Verdict;
use crate::judge::{Rule, completions_p};
use crate::record::{CellRecord, Outcome, Repeat};

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
    let p = completions_p(one, other);
    let all = |[good, bad]: [usize; 2]| good + bad;
    let share = |tries: [usize; 2]| tries[0] as f64 / all(tries) as f64;
    let (before, after) = (share(one), share(other));
    let verdict = if all(one) + all(other) == 0 || before.total_cmp(&after).is_eq() {
        Verdict::Same
    } else if p > rule.alpha || all(one) == 0 || all(other) == 0 {
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

/// How many migrations completed and how many did not. What was not tried, or was given up by hand, says nothing.
fn tried(cell: &CellRecord) -> [usize; 2] {
    let ended = |outcomes: &[Outcome]| {
        let repeats = cell.repeats.iter();
        repeats
            .filter(|repeat| outcomes.contains(&repeat.outcome))
            .count()
    };
    [
        ended(&[Outcome::Completed]),
        ended(&[Outcome::DidNotConverge, Outcome::Failed]),
    ]
}
