//! When a difference is called one: the same for `compare`, `gate` and `report`.
//!
//! [`RULE`] is what is asked of a difference, whoever asks: one α, one noise floor, one margin. [`NoiseFloor`] knows how much two
//! measurements of the same thing differ, from runs of the same or from the repeats of one run. What a difference *means* stays with those
//! who ask: `compare` tells it in the metric's own direction, `gate` holds it against a tolerance, `report` puts it into words.
//!
//! `cargo bench -p lmbench --bench judging` measures on real runs how often the rule is wrong, and what it finds.

mod family;
mod noise;
mod outcomes;
mod rule;

pub use family::{ByArm, Family};
pub use noise::{NoiseFloor, NoiseSource, day};
pub use outcomes::Completions;
pub use rule::{Difference, RULE, Rule};
