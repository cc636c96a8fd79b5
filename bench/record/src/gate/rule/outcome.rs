//! What can be asked of how a cell's migrations end: `completed = "all"`, `did-not-converge = "<= 10 %"`, `failed = "none"`.

use super::{Comparison, RuleError, percent, split_comparison};
use crate::record::Outcome;

/// A bound for the share of a cell's migrations that end in a certain way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeRule {
    /// Which side is allowed.
    pub comparison: Comparison,
    /// From 0 to 1.
    pub share: f64,
}

impl OutcomeRule {
    /// Reads what is asked of `outcome`.
    pub fn parse(outcome: Outcome, text: &str) -> Result<OutcomeRule, RuleError> {
        let text = text.trim();
        let rule = |comparison, share| Ok(OutcomeRule { comparison, share });
        match text {
            "all" => return rule(Comparison::AtLeast, 1.0),
            "none" => return rule(Comparison::AtMost, 0.0),
            _ => {}
        }
        let wrong = |label: String| {
            RuleError::new(
                format!("`{}` is not a rule", outcome.name()),
                label,
                "write \"all\", \"none\", or a bound for the share of a cell's migrations: \">= 90 %\" or \"<= 10 %\"",
            )
        };
        let Some((comparison, share)) = split_comparison(text) else {
            return Err(wrong(format!("`{text}` is no bound")));
        };
        let share = percent(share).map_err(|problem| wrong(format!("`{share}` {problem}")))?;
        if share > 1.0 {
            return Err(wrong("there are never more than 100 %".to_owned()));
        }
        rule(comparison, share)
    }

    /// The rule as a person reads it.
    pub fn text(&self) -> String {
        match (self.comparison, self.share) {
            (Comparison::AtLeast, share) if share >= 1.0 => "all".to_owned(),
            (Comparison::AtMost, share) if share <= 0.0 => "none".to_owned(),
            (comparison, share) => {
                // Percents with up to three decimals, not what a product of doubles leaves.
                format!("{comparison} {} %", (share * 1e5).round() / 1e3)
            }
        }
    }

    /// Whether so many of all are allowed.
    pub fn allows(&self, count: usize, of: usize) -> bool {
        of > 0 && self.comparison.allows(count as f64 / of as f64, self.share)
    }
}
