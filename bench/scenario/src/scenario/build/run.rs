//! What holds for the whole file: `name`, `about`, `[run]`, `[gate]`.

use lmbench_record::gate::Rules;

use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::Repeats;
use crate::scenario::{Order, RunSettings};

/// Longest name: it becomes part of folder names.
const NAME_MAX: usize = 64;

/// What holds for the whole file.
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) run: RunSettings,
    pub(crate) gate: Rules,
}

/// Reads it.
pub(crate) fn head(root: &Section<'_>, problems: &mut Problems) -> Head {
    let name = root.required::<String>("name", "\"my-question\"", problems);
    if let (Some(text), Some(span)) = (&name.value, &name.span) {
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty()
            || text.len() > NAME_MAX
            || !text.chars().all(sound)
            || text.starts_with('-')
        {
            problems.push(
                Problem::at(span, "`name` cannot name a folder")
                    .label("becomes part of the run's folder")
                    .hint(format!("use 1 to {NAME_MAX} lower-case letters, digits and hyphens, for example \"jvm-heavy\"")),
            );
        }
    }
    let run = root.section("run");
    let usual = Repeats {
        most: 3,
        until: None,
    };
    let repeats = run.get("repeats").or(usual).value.unwrap_or(usual);
    Head {
        name: name.value.unwrap_or_default(),
        about: root.get::<String>("about").value.unwrap_or_default(),
        run: RunSettings {
            repeats: repeats.most,
            until: repeats.until,
            warmup: run.get("warmup").or(0).value.unwrap_or(0),
            order: match run.get::<String>("order").value.as_deref() {
                Some("sequential") => Order::Sequential,
                _ => Order::Interleaved,
            },
            seed: run.get("seed").or(1_u64).value.unwrap_or(1),
        },
        gate: super::gate(root.entry("gate"), problems),
    }
}
