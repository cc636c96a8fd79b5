//! What is judged without a metric: whether guests and their memory are there, and how migrations end.

use std::collections::BTreeMap;

use super::super::baseline::BaselineCell;
use super::super::report::{Check, Subject, Verdict};
use super::super::rules::RuleSet;
use crate::judge::{Completions, RULE};
use crate::record::{CellRecord, Outcome, Repeat};
use crate::text::counted;

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
    let lacking = |counts: &Counts| [counts.without(Outcome::Failed), counts.of(Outcome::Failed)];
    // A baseline without any says that none may fail.
    let Some(before) = kept.filter(|kept| kept.of(Outcome::Failed) > 0) else {
        return Some((Outcome::Failed, Verdict::Regressed, share));
    };
    let (told, _) = RULE.completions(lacking(before), lacking(counts));
    let reason = if told.are_fewer() {
        beside(&share, before, Outcome::Failed, before.all())
    } else {
        format!("{share}, no more than in the baseline")
    };
    Some((Outcome::Failed, worsening(told), reason))
}

/// What is made of how often something ends well: a worsening that chance may have done is no pass.
fn worsening(told: Completions) -> Verdict {
    match told {
        Completions::Rarer => Verdict::Regressed,
        Completions::PerhapsRarer => Verdict::Inconclusive,
        Completions::AsOften | Completions::PerhapsOftener => Verdict::Pass,
        Completions::Oftener => Verdict::Improved,
    }
}

fn beside(share: &str, kept: &Counts, outcome: Outcome, of: usize) -> String {
    format!("{share}, in the baseline {} of {of}", kept.of(outcome))
}

/// A cell that converges less often than it did, or more often.
fn converged(counts: &Counts, kept: &Counts) -> Option<Trouble> {
    let outcome = Outcome::DidNotConverge;
    let tried = |counts: &Counts| [counts.of(Outcome::Completed), counts.of(outcome)];
    let ([completed, stalled], [kept_completed, kept_stalled]) = (tried(counts), tried(kept));
    if stalled == 0 && (kept_stalled == 0 || completed == 0) {
        return None;
    }
    let all = counted(stalled.saturating_add(completed), "migration");
    let share = beside(
        &format!("{stalled} of {all}"),
        kept,
        outcome,
        kept_stalled.saturating_add(kept_completed),
    );
    if completed == 0 && kept_completed > 0 && kept_stalled == 0 {
        let reason = format!("it stopped converging: {share}");
        return Some((outcome, Verdict::Regressed, reason));
    }
    // Of nothing that was tried then, nothing got worse.
    let (told, _) = match kept_completed.saturating_add(kept_stalled) {
        0 => (Completions::AsOften, 1.0),
        _ => RULE.completions([kept_completed, kept_stalled], [completed, stalled]),
    };
    let verdict = worsening(told);
    if stalled > 0 {
        return Some((outcome, verdict, share));
    }
    let reason = format!("every migration converges; in the baseline {kept_stalled} did not");
    (verdict == Verdict::Improved).then_some((Outcome::Completed, verdict, reason))
}

/// Migrations that tell nothing, where the baseline has fewer such.
fn new(outcome: Outcome, counts: &Counts, kept: Option<&Counts>) -> Option<Trouble> {
    let count = counts.of(outcome);
    let before = kept.map_or(0.0, |kept| kept.share(outcome));
    if count == 0 || counts.share(outcome) <= before {
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

    fn without(&self, outcome: Outcome) -> usize {
        self.all().saturating_sub(self.of(outcome))
    }

    fn text(&self) -> String {
        let shown = self.0.iter().filter(|(_, count)| **count > 0);
        let parts: Vec<String> = shown
            .map(|(outcome, count)| format!("{count} {}", outcome.name()))
            .collect();
        parts.join(", ")
    }
}
