//! The gate: does a run keep to its limits, and to a baseline that was kept of an earlier one?
//!
//! `rule` is what may be asked of a metric and of a cell's outcomes (`[gate]` of a scenario, `--tolerance`), `rules` which of it holds where.
//! `baseline` is the file that is kept, `fit` whether run and baseline can be compared at all. `judge` makes checks with verdicts of them, `report` holds these, `show` writes them down for people and programs.
//! All of it is a pure function of records: it starts nothing and measures nothing.

pub mod baseline;
mod fit;
mod judge;
mod report;
mod rule;
mod rules;
pub mod show;

pub use baseline::{Baseline, BaselineError};
pub use fit::{experiment_differences, machine_differences, version_differences};
pub use judge::{Ask, judge};
pub use report::{Change, Check, Report, Sample, Subject, Verdict};
pub use rule::{Comparison, Limit, OutcomeRule, Rule, RuleError, Statistic};
pub use rules::{Asked, RuleSet, Rules};
