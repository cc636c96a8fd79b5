//! The plan for a person, as `--dry-run` prints it.

use std::fmt;
use std::time::Duration;

use super::{Plan, Step};
use crate::scenario::memory_needed_bytes;
use crate::scenario::units::{Size, Time};

/// Steps shown at most; a long run's order is of no use on a screen.
const STEPS_SHOWN_MAX: usize = 60;

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: usize, noun: &str| {
            format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
        };
        writeln!(
            formatter,
            "{}: {}, {}{}, seed {}",
            self.scenario,
            count(self.cells.len(), "cell"),
            if self.until.is_some() { "at most " } else { "" },
            count(self.steps.len(), "migration"),
            self.seed
        )?;
        if let Some(until) = &self.until {
            writeln!(formatter, "each cell {until}")?;
        }
        writeln!(formatter, "\ncells")?;
        for (index, cell) in self.cells.iter().enumerate() {
            writeln!(formatter, "  {:>3}  {}", index + 1, cell.id)?;
        }
        writeln!(formatter, "\norder (repeat: cells)")?;
        for (repeat, cells) in rounds(&self.steps[..self.steps.len().min(STEPS_SHOWN_MAX)]) {
            let label = if repeat == 0 {
                "warm-up".to_owned()
            } else {
                repeat.to_string()
            };
            writeln!(formatter, "  {label:>7}: {}", cells.join(" "))?;
        }
        if self.steps.len() > STEPS_SHOWN_MAX {
            writeln!(
                formatter,
                "  … and {} more",
                self.steps.len() - STEPS_SHOWN_MAX
            )?;
        }
        let estimate = self.estimate();
        let memory = self
            .cells
            .iter()
            .map(|cell| memory_needed_bytes(&cell.setup))
            .max()
            .unwrap_or(0);
        writeln!(
            formatter,
            "\ntime: at most {} if guests boot in 6 s and every migration takes its whole timeout; {} if every limit is reached",
            rounded(estimate.usual_max),
            rounded(estimate.longest)
        )?;
        write!(
            formatter,
            "memory: {} for both guests of the largest cell",
            mebibytes(memory)
        )
    }
}

/// Successive steps of the same repeat, as one line each.
fn rounds(steps: &[Step]) -> Vec<(u32, Vec<String>)> {
    let mut rounds: Vec<(u32, Vec<String>)> = Vec::new();
    for step in steps {
        let cell = (step.cell + 1).to_string();
        match rounds.last_mut() {
            Some((repeat, cells)) if *repeat == step.repeat => cells.push(cell),
            _ => rounds.push((step.repeat, vec![cell])),
        }
    }
    rounds
}

/// To the second below two minutes, to the minute above.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let (count, nanos) = if seconds < 120 {
        (seconds, 1_000_000_000)
    } else {
        (seconds.div_ceil(60), 60_000_000_000)
    };
    Time::from_nanos(count.saturating_mul(nanos)).to_string()
}

fn mebibytes(bytes: u64) -> Size {
    Size::from_bytes(bytes.div_ceil(1 << 20).saturating_mul(1 << 20))
}
