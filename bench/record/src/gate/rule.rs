//! What can be asked of a metric: `"+10 %"`, `"<= 300 ms"`, `"every <= 300 ms"`, or several of these with commas between them.
//!
//! A tolerance is relative to the baseline, a limit is absolute. What can't be meant (a sign that allows the good direction, a unit of
//! another quantity) is refused with the mend.

mod outcome;
mod quantity;

use std::fmt;

pub use outcome::OutcomeRule;
pub(super) use quantity::percent;

use crate::metric::{Direction, Metric};

/// What is asked of one metric; what is `None` or empty is not asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rule {
    /// How much worse than the baseline it may get, as a part of the baseline: 0.1 is 10 %.
    pub tolerance: Option<f64>,
    /// Bounds that hold without a baseline.
    pub limits: Vec<Limit>,
}

/// An absolute bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Of what.
    pub statistic: Statistic,
    /// Which side is allowed.
    pub comparison: Comparison,
    /// In the metric's unit.
    pub bound: f64,
}

/// What of a cell's repeats a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Their median.
    Median,
    /// Each of them.
    Every,
}

/// Which side of a bound is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
}

/// What is wrong with a rule's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{title}: {label}\nhint: {hint}")]
pub struct RuleError {
    /// What is wrong.
    pub title: String,
    /// With what exactly.
    pub label: String,
    /// What to write.
    pub hint: String,
}

impl RuleError {
    pub(super) fn new(
        title: impl Into<String>,
        label: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        RuleError {
            title: title.into(),
            label: label.into(),
            hint: hint.into(),
        }
    }
}

impl Rule {
    /// Reads what is asked of `metric`.
    pub fn parse(metric: &Metric, text: &str) -> Result<Rule, RuleError> {
        let mut rule = Rule::default();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                return Err(RuleError::new(
                    format!("`{}` is not a rule", metric.id),
                    if text.trim().is_empty() {
                        "nothing is asked"
                    } else {
                        "nothing stands beside a comma"
                    },
                    usage(metric),
                ));
            }
            if let Some((statistic, comparison, bound)) = split_limit(part) {
                let bound = quantity::bound(metric, bound)?;
                rule.limits.push(Limit {
                    statistic,
                    comparison,
                    bound,
                });
            } else if rule.tolerance.is_some() {
                return Err(RuleError::new(
                    format!("`{}` has two tolerances", metric.id),
                    format!("`{part}` is the second"),
                    "keep one of them",
                ));
            } else {
                rule.tolerance = Some(tolerance(metric, part)?);
            }
        }
        Ok(rule)
    }

    /// This rule where `later` says nothing else.
    #[must_use]
    pub fn overridden_by(&self, later: &Rule) -> Rule {
        Rule {
            tolerance: later.tolerance.or(self.tolerance),
            limits: if later.limits.is_empty() {
                self.limits.clone()
            } else {
                later.limits.clone()
            },
        }
    }
}

impl Limit {
    /// The limit as a person reads it: `<= 300 ms`.
    pub fn text(&self, metric: &Metric) -> String {
        let every = match self.statistic {
            Statistic::Median => "",
            Statistic::Every => "every ",
        };
        format!(
            "{every}{} {}",
            self.comparison,
            metric.unit.format(self.bound)
        )
    }
}

impl Comparison {
    /// Whether `value` is on the allowed side; a value that is no number never is.
    pub fn allows(self, value: f64, bound: f64) -> bool {
        match self {
            Comparison::AtMost => value <= bound,
            Comparison::Below => value < bound,
            Comparison::AtLeast => value >= bound,
            Comparison::Above => value > bound,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Comparison::AtMost => "<=",
            Comparison::Below => "<",
            Comparison::AtLeast => ">=",
            Comparison::Above => ">",
        })
    }
}

/// `every <= 300 ms` in its parts; `None` if it is no limit.
fn split_limit(text: &str) -> Option<(Statistic, Comparison, &str)> {
    let word = |word: &str| {
        let rest = text.strip_prefix(word)?;
        rest.starts_with([' ', '<', '>']).then_some(rest)
    };
    let (statistic, rest) = match (word("every"), word("median")) {
        (Some(rest), _) => (Statistic::Every, rest),
        (None, Some(rest)) => (Statistic::Median, rest),
        (None, None) => (Statistic::Median, text),
    };
    let (comparison, bound) = split_comparison(rest.trim_start())?;
    Some((statistic, comparison, bound))
}

/// The sign at the beginning, and what follows it.
fn split_comparison(text: &str) -> Option<(Comparison, &str)> {
    const SIGNS: [(&str, Comparison); 6] = [
        ("<=", Comparison::AtMost),
        ("≤", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("≥", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ];
    SIGNS
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?.trim_start())))
}

/// A tolerance's part of the baseline. A sign must allow the bad direction: whoever writes the other one means something else.
fn tolerance(metric: &Metric, text: &str) -> Result<f64, RuleError> {
    let id = metric.id;
    let wanted = match metric.direction {
        Direction::LowerIsBetter => '+',
        Direction::HigherIsBetter => '-',
        Direction::Informational => {
            return Err(RuleError::new(
                format!("`{id}` can't have a tolerance"),
                "neither way of it is better",
                format!(
                    "set a limit, such as \"<= {}\", or gate on a metric that it explains",
                    quantity::example(metric)
                ),
            ));
        }
    };
    let (sign, number) = match text.chars().next() {
        Some('+') => (Some('+'), &text[1..]),
        Some('-') => (Some('-'), &text[1..]),
        Some('−') => (Some('-'), &text['−'.len_utf8()..]),
        _ => (None, text),
    };
    let part = percent(number).map_err(|problem| {
        RuleError::new(
            format!("`{id}` has no tolerance that can be read"),
            format!("`{text}` {problem}"),
            usage(metric),
        )
    })?;
    if sign.is_some_and(|sign| sign != wanted) {
        let (better, mend) = match metric.direction {
            Direction::HigherIsBetter => ("greater", "-"),
            _ => ("smaller", "+"),
        };
        return Err(RuleError::new(
            format!("the tolerance of `{id}` is on its good side"),
            format!("a {better} `{id}` is better"),
            format!(
                "write how much worse it may get: \"{mend}{}\"",
                number.trim()
            ),
        ));
    }
    if wanted == '-' && part >= 1.0 {
        return Err(RuleError::new(
            format!("the tolerance of `{id}` allows everything"),
            "nothing can fall by more than 100 %",
            "write less, for example \"-10 %\"",
        ));
    }
    Ok(part)
}

fn usage(metric: &Metric) -> String {
    let limit = quantity::example(metric);
    match metric.direction {
        Direction::LowerIsBetter => format!(
            "write how much worse than the baseline it may get (\"+10 %\"), a limit (\"<= {limit}\"), or both (\"+10 %, <= {limit}\")"
        ),
        Direction::HigherIsBetter => format!(
            "write how much worse than the baseline it may get (\"-10 %\"), a limit (\">= {limit}\"), or both (\"-10 %, >= {limit}\")"
        ),
        Direction::Informational => format!("write a limit, such as \"<= {limit}\""),
    }
}

#[cfg(test)]
mod tests;
