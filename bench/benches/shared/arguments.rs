//! What benchmarks that run a scenario take.

use std::path::{Path, PathBuf};

use clap::Parser;
use lmbench::record::Record;

use crate::program;

/// Runs a scenario of this benchmark and judges what it measured; see the head of its main.rs.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Migrations per cell, if not as many as the benchmark's head says.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) repeats: Option<u32>,
    /// Where the run's folder goes.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../results"))]
    pub(crate) out: PathBuf,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

impl Arguments {
    /// Runs a file of `scenarios/` with so many repeats, if not others are wanted.
    pub(crate) fn run(&self, scenario: &str, repeats: u32) -> Result<Record, String> {
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../scenarios")
            .join(scenario);
        let repeats = self.repeats.unwrap_or(repeats).to_string();
        program::run(&scenario, &self.out, &["--repeats".to_owned(), repeats])
    }
}
