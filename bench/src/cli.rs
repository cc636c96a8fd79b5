//! The command line. One file per command below `commands/` does what is asked here.

mod carry;
mod compare;
mod ctl;
pub(crate) mod examples;
mod first;
mod gate;
mod history;
mod report;
mod selftest;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cells::Selector;
use crate::commands::Exit;

pub use carry::{CaptureArguments, CarryArguments, CarryEnd, Pace};
pub use compare::CompareArguments;
pub use ctl::{CtlArguments, Order};
pub use first::{InitArguments, ManArguments, ScenariosArguments};
pub use gate::{BaselineArguments, GateArguments, GateFormat, InconclusiveIs};
pub use history::{ExportArguments, ExportFormat, HistoryArguments, HistoryFormat, ImportFormat};
pub use report::{ReportArguments, ReportFormat};
pub use selftest::{SelftestArguments, SelftestFormat};

/// Benchmarks of QEMU live migration: real guests, real carriers, figures you can trust.
#[derive(Debug, Parser)]
#[command(name = "lmbench", version = VERSION, propagate_version = true, after_help = after_help())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colours: `auto` is for terminals, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Colours::Auto)]
    pub color: Colours,
}

/// What `--version` says: which sources it is built of, and whether it is slow.
pub const VERSION: &str = if cfg!(debug_assertions) {
    concat!(
        env!("CARGO_PKG_VERSION"),
        " (commit ",
        env!("LMBENCH_COMMIT"),
        ", debug build)"
    )
} else {
    concat!(
        env!("CARGO_PKG_VERSION"),
        " (commit ",
        env!("LMBENCH_COMMIT"),
        ")"
    )
};

/// Reads the command line; what is wrong with it, and `--help`, end the process.
pub fn parse() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

/// All commands, as clap knows them, with their examples.
pub fn command() -> clap::Command {
    examples::written(Cli::command(), "")
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: migrate real guests, measure, record.
    Run(RunArguments),
    /// List the scenarios that are built in: what each asks, and how long it takes.
    Scenarios(ScenariosArguments),
    /// Make a scenario of your own, with its common keys explained.
    Init(InitArguments),
    /// List the runs that were recorded.
    List(ListArguments),
    /// Show everything one run measured.
    Show(ShowArguments),
    /// Compare two runs, or cells of them: what differs, which way, how surely.
    Compare(CompareArguments),
    /// Tell how a metric went from run to run, and where it changed for good.
    History(HistoryArguments),
    /// Write runs as tables (CSV, Parquet) or for monitoring (OpenMetrics).
    Export(ExportArguments),
    /// Make runs of other tools' results.
    Import {
        /// Whose.
        #[command(subcommand)]
        format: ImportFormat,
    },
    /// Tell what policies would have decided on a recorded run.
    Replay(ReplayArguments),
    /// Keep what a run measured, for `lmbench gate` to compare later ones with.
    Baseline(BaselineArguments),
    /// Judge a run by the limits of its scenario and by a baseline: exit code 5 if it got worse, 6 if the figures don't tell.
    Gate(GateArguments),
    /// Report what runs measured: one HTML file with charts, Markdown, or text.
    Report(ReportArguments),
    /// Tell a run that goes on what to do, or ask how it stands.
    Ctl(CtlArguments),
    /// Tell what this host can do, what is missing, and the command that mends it.
    Doctor {
        /// Instead, measure what lmbench's instruments cost and how finely they tell, on this machine and a guest that is booted for
        /// it, in about 15 s. Kept below --out: runs on this machine put it into their records, and reports print it.
        #[arg(long)]
        calibrate: bool,
        /// Directory with the runs.
        #[arg(long, value_name = "DIRECTORY", default_value = "results")]
        out: PathBuf,
        /// Form of the answer on stdout.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Try every carrier with every failure on real guests: none may be lost, doubled or corrupted.
    Selftest(SelftestArguments),
    /// Carry a migration stream between two hosts, by hand.
    Carry {
        /// Which end.
        #[command(subcommand)]
        end: CarryEnd,
    },
    /// Write down a real migration stream, to be played by `lmbench carry source --replay`.
    Capture(CaptureArguments),
    /// Serve a controller over standard input and output; lmbench starts this by itself.
    Agent {
        /// The only way so far.
        #[arg(long, required = true)]
        stdio: bool,
    },
    /// Move packets between two TAP devices, as told on standard input; lmbench starts this by itself.
    #[command(hide = true)]
    Link,
    /// Print the JSON schema of a format.
    Schema {
        /// Which.
        #[arg(value_enum)]
        of: SchemaOf,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page of a command.
    Man(ManArguments),
}

/// `lmbench run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// A scenario: its file, or the name of one that is built in, which `lmbench scenarios` lists.
    pub scenario: PathBuf,
    /// Directory with the runs; this one's is made in it.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// Repeats per cell instead of the scenario's.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub repeats: Option<u32>,
    /// Seed of order and workloads instead of the scenario's.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// The QEMU that migrates the guests, on both hosts: a path, or a name on PATH. The record keeps its version and SHA-256. Without it the
    /// variable `LMBENCH_QEMU` names one, else it is qemu-system-x86_64 on PATH.
    #[arg(long, value_name = "PROGRAM")]
    pub qemu: Option<PathBuf>,
    /// Judge the run at once by this baseline, as `lmbench gate` does, with its exit codes: 5 regressed, 6 inconclusive. A migration that
    /// failed stays 4.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Show a dashboard on stderr while it runs: the migration's curves and decisions, and the cells done so far.
    #[arg(long)]
    pub watch: bool,
    /// Form of the result on stdout; progress goes to stderr.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Print the plan and what both hosts would say to it before the first guest, which is not booted; the exit code is that of the run.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with a run that was begun, with its cells, repeats and seed: `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["seed", "repeats"])]
    pub resume: Option<String>,
}

/// Which cells, as every command that takes cells is told.
#[derive(Debug, Clone, Args)]
pub struct CellArguments {
    /// Only cells that have this value of an axis, such as carrier=tls; carrier=tls,policy=static is both. May be given several times: values of
    /// one axis are alternatives.
    #[arg(long, value_name = "KEY=VALUE", visible_alias = "only")]
    pub cell: Vec<Selector>,
}

/// `lmbench list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// Only runs with this status: running, completed, partial, interrupted, failed or unreadable.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Only runs on this host.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Only runs since then: RFC 3339, a date, or an age such as 2h or 3d.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only runs of the scenario with this name.
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Only runs with a cell over this carrier.
    #[arg(long, value_name = "NAME")]
    pub carrier: Option<String>,
    /// Only runs with a cell under this policy.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Only so many, the newest, 0 for all; without it 100 in the table for people, and all in JSON.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `lmbench show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    pub run: String,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// Also print the metrics that are details of others.
    #[arg(long)]
    pub all: bool,
    /// Also print every event of every repeat.
    #[arg(long)]
    pub events: bool,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `lmbench replay`.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_LIMIT)]
pub struct ReplayArguments {
    /// `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    pub run: String,
    /// Which policies: names as in scenarios, or `all`; may be given several times.
    #[arg(
        long,
        value_name = "NAME[,NAME…]",
        required = true,
        value_delimiter = ','
    )]
    pub policy: Vec<String>,
    /// A setting of a policy, as under [policy.NAME] of a scenario, such as nova.time-scale=0.01; `all.KEY=VALUE` for every policy
    /// that has the key.
    #[arg(long = "set", value_name = "NAME.KEY=VALUE")]
    pub set: Vec<String>,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// Only this repeat of each cell.
    #[arg(long, value_name = "N")]
    pub repeat: Option<u32>,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// When texts have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colours {
    /// Where somebody sees them, as `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` say.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl Colours {
    pub(crate) fn choice(self) -> anstream::ColorChoice {
        match self {
            Colours::Auto => anstream::ColorChoice::Auto,
            Colours::Always => anstream::ColorChoice::Always,
            Colours::Never => anstream::ColorChoice::Never,
        }
    }
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For programs: JSON, and nothing else on stdout.
    Json,
}

/// Formats with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files.
    Scenario,
    /// `record.json`.
    Record,
}

const REPLAY_LIMIT: &str = "\
A replay shows a policy the readings of a migration that it had no part in. It can't know what a lever would have done to the guest \
and to the stream: everything after a policy's first one is hypothetical, and marked so.";

/// The exit codes and the environment of all commands.
fn after_help() -> String {
    let codes = Exit::ALL.map(|exit| format!("{} {}", exit as u8, exit.name()));
    format!("Exit codes: {}\n\n{ENVIRONMENT}", codes.join(" · "))
}

const ENVIRONMENT: &str = "\
Environment:
  LMBENCH_QEMU           the QEMU of all commands: a path, or a name on PATH (`run --qemu` comes first)
  LMBENCH_GUEST_KERNEL   the kernel that lmbench's own guest boots; LMBENCH_GUEST_MODULES: the folder of its modules
  LMBENCH_TOKEN          the token of `carry source`
  LMBENCH_LOG            what is said on stderr of the program's own doings: error, warn (the default), info, debug, trace, or a filter \
such as lmbench_harness=debug";
