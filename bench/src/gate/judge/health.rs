//! What is judged without a metric: whether guests and their memory are there, and how migrations end.

use std::collections::BTreeMap;

use super::super::baseline::BaselineCell;
use super::super::report::{Check, Subject, Verdict};
use super::super::rules::RuleSet;
use crate::judge::{RULE, completions_p};
use crate::record::{CellRecord, Outcome, Repeat};
use crate::terminal::text::counted;

/// Whether everything arrived; nothing if nothing was looked at.
pub(super) fn memory(cell: &CellRecord) -> Option<Check> {
    let looked_at = cell
        .repeats
        .iter()
        .filter(|repeat| repeat.integrity.is_some())
        .count();
    if looked_at == 0 {
        return None;
    }
    let of_repeat = |repeat: &Repeat| Some((repeat.repeat, repeat.loss()?));
    let lost: Vec<(u32, &'static str)> = cell.repeats.iter().filter_map(of_repeat).collect();
    let Some((repeat, problem)) = lost.first() else {
        let reason = format!(
            "the guest is whole, on one host, after {}",
            counted(looked_at, "migration")
        );
        return Some(Check::new(&cell.id, Subject::Memory, Verdict::Pass, reason));
    };
    let more = match lost.len() {
        1 => String::new(),
        many => format!(", and {} more", counted(many - 1, "repeat")),
    };
    let reason = format!("{problem} in repeat {repeat}{more}");
    Some(Check::new(
        &cell.id,
        Subject::Memory,
        Verdict::Regressed,
        reason,
    ))
}

/// How the migrations of a cell end, beside what was asked and beside the baseline.
pub(super) fn outcomes(
    cell: &CellRecord,
    kept: Option<&BaselineCell>,
    rules: &RuleSet,
) -> Vec<Check> {
    let counts = Counts(cell.outcomes());
    let kept = kept.map(|kept| Counts(kept.outcomes.clone()));
    let mut checks = Vec::new();
    for (outcome, rule) in &rules.outcomes {
        let (count, all) = (counts.of(*outcome), counts.all());
        let verdict = if rule.allows(count, all) {
            Verdict::Pass
        } else {
            Verdict::Regressed
        };
        let reason = format!(
            "{count} of {}; asked for {}{}",
            counted(all, "migration"),
            rule.text(),
            first_reason(cell, *outcome, verdict)
        );
        let subject = Subject::Outcome(Some(*outcome));
        checks.push(Check {
            rule: Some(rule.text()),
            ..Check::new(&cell.id, subject, verdict, reason)
        });
    }
    let asked = |outcome: Outcome| rules.outcomes.contains_key(&outcome);
    let mut troubles = Vec::new();
    if !asked(Outcome::Failed) {
        troubles.extend(failed(&counts, kept.as_ref()));
    }
    if let Some(kept) = &kept
        && !asked(Outcome::Completed)
        && !asked(Outcome::DidNotConverge)
    {
        troubles.extend(converged(&counts, kept));
    }
    for outcome in [Outcome::Cancelled, Outcome::Skipped] {
        if !asked(outcome) && !asked(Outcome::Completed) {
            troubles.extend(new(outcome, &counts, kept.as_ref()));
        }
    }
    for (outcome, verdict, reason) in &troubles {
        let reason = format!("{reason}{}", first_reason(cell, *outcome, *verdict));
        checks.push(Check::new(
            &cell.id,
            Subject::Outcome(Some(*outcome)),
            *verdict,
            reason,
        ));
    }
    if checks.is_empty() {
        let subject = Subject::Outcome(None);
        checks.push(Check::new(&cell.id, subject, Verdict::Pass, counts.text()));
    }
    checks
}

/// Whether it is no news that no migration of a cell completed: it was asked for, or is so in the baseline.
pub(super) fn is_expected(cell: &CellRecord, kept: Option<&BaselineCell>, rules: &RuleSet) -> bool {
    let counts = Counts(cell.outcomes());
    let kept = kept.is_some_and(|kept| !kept.outcomes.contains_key(&Outcome::Completed));
    kept || rules.outcomes.iter().any(|(outcome, rule)| {
        *outcome != Outcome::Completed
            && counts.of(*outcome) == counts.all()
            && rule.allows(counts.all(), counts.all())
    })
}

type Trouble = (Outcome, Verdict, String);

fn failed(counts: &Counts, kept: Option<&Counts>) -> Option<Trouble> {
    let count = counts.of(Outcome::Failed);
    if count == 0 {
        return None;
    }
    let share = format!("{count} of {}", counted(counts.all(), "migration"));
    let before = kept.map_or(0.0, |kept| kept.share(Outcome::Failed));
    Some(if counts.share(Outcome::Failed) <= before {
        let reason = format!("{share}, no more than in the baseline");
        (Outcome::Failed, Verdict::Pass, reason)
    } else {
        (Outcome::Failed, Verdict::Regressed, share)
    })
}

/// A cell that converges less often than it did, or again.
fn converged(counts: &Counts, kept: &Counts) -> Option<Trouble> {
    let (stalled, completed) = (
        counts.of(Outcome::DidNotConverge),
        counts.of(Outcome::Completed),
    );
    let (kept_stalled, kept_completed) = (
        kept.of(Outcome::DidNotConverge),
        kept.of(Outcome::Completed),
    );
    if stalled == 0 {
        let reason = "every migration converges; in the baseline none did".to_owned();
        return (completed > 0 && kept_completed == 0 && kept_stalled > 0).then_some((
            Outcome::Completed,
            Verdict::Improved,
            reason,
        ));
    }
    let outcome = Outcome::DidNotConverge;
    let share = format!(
        "{stalled} of {}, in the baseline {kept_stalled} of {}",
        counted(stalled + completed, "migration"),
        kept_stalled.saturating_add(kept_completed)
    );
    if completed == 0 && kept_completed > 0 && kept_stalled == 0 {
        let reason = format!("it stopped converging: {share}");
        return Some((outcome, Verdict::Regressed, reason));
    }
    let p = completions_p([completed, stalled], [kept_completed, kept_stalled]);
    let more_stall = counts.share_of_tried() > kept.share_of_tried();
    let verdict = if more_stall && p <= RULE.alpha {
        Verdict::Regressed
    } else if kept_stalled == 0 && kept_completed > 0 {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    Some((outcome, verdict, share))
}

/// Migrations that tell nothing, where the baseline has none such.
fn new(outcome: Outcome, counts: &Counts, kept: Option<&Counts>) -> Option<Trouble> {
    let count = counts.of(outcome);
    if count == 0 || kept.is_some_and(|kept| kept.of(outcome) > 0) {
        return None;
    }
    let reason = format!("{count} of {}", counted(counts.all(), "migration"));
    Some((outcome, Verdict::Inconclusive, reason))
}

/// Why the first repeat of that outcome ended so, for whoever has only the gate's word.
fn first_reason(cell: &CellRecord, outcome: Outcome, verdict: Verdict) -> String {
    if verdict <= Verdict::Improved {
        return String::new();
    }
    let ended = |repeat: &&Repeat| repeat.outcome == outcome;
    let reason = cell.repeats.iter().find(ended);
    reason
        .and_then(|repeat| repeat.reason.as_deref())
        .filter(|reason| !reason.is_empty())
        .map_or_else(String::new, |reason| format!(": {reason}"))
}

/// How many ended how.
struct Counts(BTreeMap<Outcome, usize>);

impl Counts {
    fn of(&self, outcome: Outcome) -> usize {
        self.0.get(&outcome).copied().unwrap_or(0)
    }

    fn all(&self) -> usize {
        self.0
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn share(&self, outcome: Outcome) -> f64 {
        self.of(outcome) as f64 / self.all().max(1) as f64
    }

    /// Of the migrations that completed or did not converge, those that did not.
    fn share_of_tried(&self) -> f64 {
        let stalled = self.of(Outcome::DidNotConverge);
        let tried = stalled.saturating_add(self.of(Outcome::Completed));
        stalled as f64 / tried.max(1) as f64
    }

    fn text(&self) -> String {
        let shown = self.0.iter().filter(|(_, count)| **count > 0);
        let parts: Vec<String> = shown
            .map(|(outcome, count)| format!("{count} {}", outcome.name()))
            .collect();
        parts.join(", ")
    }
}
