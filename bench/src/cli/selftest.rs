//! `lmbench selftest`'s arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `lmbench selftest`.
#[derive(Debug, Args)]
pub struct SelftestArguments {
    /// Only cases whose name contains this, or fits it with `*` and `?`; `quick` is the subset for CI. May be given several times.
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Print the cases, what must come of each, and what is left out and why.
    #[arg(long)]
    pub list: bool,
    /// Instead of the matrix, this many faults at random, on the guest of scenarios/jvm-heavy.toml.
    #[arg(long, value_name = "N")]
    pub random: Option<u32>,
    /// Seed of the first of them; each next one has the next.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Labs side by side; without it, one for every two processors.
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub jobs: Option<usize>,
    /// Form of the result on stdout.
    #[arg(long, value_enum, default_value_t = SelftestFormat::Tap)]
    pub format: SelftestFormat,
    /// Also write the XML of JUnit to this file.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write all that was seen, every event of every migration, to this file, as JSON.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Form of a self-test's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SelftestFormat {
    /// Test Anything Protocol, version 14, line by line.
    Tap,
    /// The XML of JUnit, at the end.
    Junit,
    /// JSON with every event, at the end.
    Json,
}
