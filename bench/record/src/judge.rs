//! When a difference is called one: the same for `compare`, `gate` and `report`.
//!
//! [`RULE`] is what is asked of a difference, whoever asks: one α, one noise floor, one margin. [`answers`] holds the metrics of two sides against
//! it. [`NoiseFloor`] knows how much two measurements of the same thing differ, from runs of the same or from the repeats of one run. `compare`
//! tells the answer in the metric's own direction, `report` repeats what `compare` says and names of it what stands out of the whole run
//! ([`Family`]), and `gate` holds it against a tolerance besides.
//!
//! `cargo bench -p lmbench --bench judging` measures on real runs how often the rule is wrong, and what it finds.

mod family;
mod noise;
mod outcomes;
mod question;
mod rule;

pub use family::{ByArm, Family};
pub use noise::{NoiseFloor, NoiseSource, day};
pub use outcomes::Completions;
pub use question::{Answer, Measured, Question, Verdict, WORK_LOST, answers, is_of_operations};
pub use rule::{Difference, RULE, Rule};
