//! `lmbench compare`'s arguments.

use std::path::PathBuf;

use clap::Args;

use super::{CellArguments, Format};

/// `lmbench compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_HELP)]
pub struct CompareArguments {
    /// What to compare with: RUN or RUN:CELL, where RUN is `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    pub base: String,
    /// What is in question; not with --qemu or --binary.
    #[arg(required_unless_present_any = ["qemu", "binary"], conflicts_with_all = ["qemu", "binary"])]
    pub candidate: Option<String>,
    /// Both are scenario files: run them in turns, then compare. The run is kept; its cells have the axis `variant`.
    #[arg(long)]
    pub interleave: bool,
    /// With --interleave and one scenario: run it with two QEMUs in turns. Given twice, the base's first, then the candidate's: a path, or
    /// a name on PATH.
    #[arg(
        long,
        value_name = "PROGRAM",
        requires = "interleave",
        conflicts_with = "binary"
    )]
    pub qemu: Vec<PathBuf>,
    /// With --interleave and one scenario: run it with the agents and carriers of two lmbenches in turns. Given twice, the base's first, then
    /// the candidate's. This lmbench stays the controller, and must speak the same protocol.
    #[arg(long, value_name = "PROGRAM", requires = "interleave")]
    pub binary: Vec<PathBuf>,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// With --interleave: repeats per cell instead of the base's.
    #[arg(long, value_name = "N", requires = "interleave")]
    pub repeats: Option<u32>,
    /// With --interleave: seed of order and workloads instead of the base's.
    #[arg(long, value_name = "S", requires = "interleave")]
    pub seed: Option<u64>,
    /// With --interleave: print the plan, and what both hosts would say to it before the first guest.
    #[arg(long, requires = "interleave")]
    pub dry_run: bool,
    /// With --interleave: go on with such a run that was begun: `latest`, an id below --out, its beginning or end, or a path.
    #[arg(long, value_name = "RUN", requires = "interleave", conflicts_with_all = ["seed", "repeats"])]
    pub resume: Option<String>,
    /// Only this metric; may be given several times. Fewer questions take fewer repeats.
    #[arg(long, value_name = "ID")]
    pub metric: Vec<String>,
    /// Another run of the base, which tells how much two runs of the same differ: what is assumed to be nothing without it. May be given several
    /// times; four tell.
    #[arg(long, value_name = "RUN")]
    pub noise_floor: Vec<String>,
    /// Also print the metrics that only explain others.
    #[arg(long)]
    pub all: bool,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

const COMPARE_HELP: &str = "\
CELL is a cell's id, or KEY=VALUE[,KEY=VALUE…] that its parameters must have: `compare RUN:carrier=tls RUN:carrier=quic` compares the \
cells that differ in nothing but the carrier.\n\n\
It tells and does not judge: whatever differs, the exit code is 0.";
