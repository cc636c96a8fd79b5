//! Whether runs can be compared at all.

use lmbench_record::gate::baseline::Machine;
use lmbench_record::gate::machine_differences;

use super::model::{Answer, Section, Weight};
use super::{Source, letter};
use crate::terminal::text::clean_short;

/// That runs are of different machines, which comes before everything that is said of them.
pub(super) fn machines(sources: &[Source]) -> Option<Answer> {
    let [first, others @ ..] = sources else {
        return None;
    };
    let machine = |source: &Source| Machine::of(&source.record.environment);
    let of_first = machine(first);
    let points: Vec<String> = (1..)
        .zip(others)
        .filter_map(|(index, other)| {
            let differences = machine_differences(&of_first, &machine(other));
            let text = clean_short(&differences.join("; "), 400);
            (!differences.is_empty())
                .then(|| format!("run {} against run A: {text}", letter(index)))
        })
        .collect();
    (!points.is_empty()).then(|| Answer {
        weight: Weight::Warning,
        text: "These runs are of different machines, so no difference between them is known to come from anything else:".to_owned(),
        points,
        see: Section::Runs,
    })
}
