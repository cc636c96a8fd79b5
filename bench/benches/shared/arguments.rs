//! What benchmarks that run a scenario take.

use std::path::PathBuf;

use clap::Parser;

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
