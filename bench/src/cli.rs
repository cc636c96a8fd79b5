//! The command line. One file per command below `commands/` does what is asked here.

mod gate;
mod history;
mod report;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::plan::Only;
pub use report::{ReportArguments, ReportFormat};

pub use gate::{BaselineArguments, GateArguments, GateFormat, InconclusiveIs};
pub use history::{ExportArguments, ExportFormat, HistoryArguments, HistoryFormat, ImportFormat};

/// Benchmarks of QEMU live migration: real guests, real carriers, figures you can trust.
#[derive(Debug, Parser)]
#[command(name = "lmbench", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: migrate real guests, measure, record.
    Run(RunArguments),
    /// List the runs that were recorded.
    List(ListArguments),
    /// Show everything one run measured.
    Show(ShowArguments),
    /// Compare two runs, or cells of them: what differs, which way, how surely.
    Compare(CompareArguments),
    /// Tell how a metric went from run to run, and where it changed for good.
    History(HistoryArguments),
    /// Write runs as tables (CSV, Parquet) or for monitoring (`OpenMetrics`).
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
        /// Directory that runs will be recorded in.
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
    /// Print the manual page.
    Man,
}

/// `lmbench run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The scenario file.
    pub scenario: PathBuf,
    /// Directory that the run's folder is made in.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// Run only cells whose parameter has this value; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub only: Vec<Only>,
    /// Repeats per cell instead of the scenario's.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub repeats: Option<u32>,
    /// Seed of order and workloads instead of the scenario's.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seed: Option<u64>,
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
    /// Print the plan and end.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with a run that was begun: an id below --out, or a path.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["seed", "repeats"])]
    pub resume: Option<String>,
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
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `lmbench show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// An id below --out, or the path of a run's folder or record.
    pub run: String,
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

/// `lmbench compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_HELP)]
pub struct CompareArguments {
    /// What to compare with: RUN or RUN:CELL, where RUN is an id below --out or the path of a run's folder or record.
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
    /// With --interleave: only cells whose parameter has this value; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", requires = "interleave")]
    pub only: Vec<Only>,
    /// With --interleave: repeats per cell instead of the base's.
    #[arg(long, value_name = "N", requires = "interleave")]
    pub repeats: Option<u32>,
    /// With --interleave: seed of order and workloads instead of the base's.
    #[arg(long, value_name = "S", requires = "interleave")]
    pub seed: Option<u64>,
    /// With --interleave: print the plan and end.
    #[arg(long, requires = "interleave")]
    pub dry_run: bool,
    /// With --interleave: go on with such a run that was begun.
    #[arg(long, value_name = "RUN", requires = "interleave", conflicts_with_all = ["seed", "repeats"])]
    pub resume: Option<String>,
    /// Only this metric; may be given several times. Fewer questions take fewer repeats.
    #[arg(long, value_name = "ID")]
    pub metric: Vec<String>,
    /// Another run of the base, which tells how much two runs of the same differ; without it, halves of the base's repeats do. May be given
    /// several times.
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

/// `lmbench replay`.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_LIMIT)]
pub struct ReplayArguments {
    /// An id below --out, or the path of a run's folder or record.
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
    /// Only this cell, by its id.
    #[arg(long, value_name = "ID")]
    pub cell: Option<String>,
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

/// `lmbench ctl`.
#[derive(Debug, Args)]
pub struct CtlArguments {
    /// An id below --out, or the path of a run's folder.
    pub run: String,
    /// Directory with the runs.
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "results",
        global = true
    )]
    pub out: PathBuf,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human, global = true)]
    pub format: Format,
    /// What is wanted.
    #[command(subcommand)]
    pub order: Order,
}

/// What `lmbench ctl` can ask of a run. All but `status` are about the migration that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Order {
    /// Where the run is, and how its migration stands.
    Status,
    /// Give the migration up; the guest stays on the source.
    Cancel,
    /// End the migration now: by post-copy if it was switched on for it, else by stopping the guest until it arrives.
    ForceComplete,
    /// Stop the guest.
    Pause,
    /// Let the guest run again.
    Resume,
    /// Make links whole that were cut, and go on with a post-copy that lost them.
    ResumeNetwork,
    /// Go on with a post-copy that lost its network.
    Recover,
    /// Change settings: downtime-limit="500 ms", max-bandwidth, max-postcopy-bandwidth, avail-switchover-bandwidth="1 Gbit/s".
    Set {
        /// The settings, one after the other.
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
}

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
    /// Also write the XML of `JUnit` to this file.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write all that was seen, every event of every migration, to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Form of a self-test's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SelftestFormat {
    /// Test Anything Protocol, version 14, line by line.
    Tap,
    /// The XML of `JUnit`, at the end.
    Junit,
    /// JSON with every event, at the end.
    Json,
}

/// `lmbench capture`.
#[derive(Debug, Args)]
pub struct CaptureArguments {
    /// Where the source's QEMU migrates to: unix:PATH.
    #[arg(long, value_name = "LOCAL")]
    pub listen: String,
    /// Who gets the stream: unix:PATH of the destination's QEMU, or of a carrier's source half.
    #[arg(long, value_name = "LOCAL")]
    pub to: String,
    /// The file to make. It will hold the guest's memory, secrets included: only its owner can read it, so keep it so.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long)]
    pub force: bool,
    /// End by a signal only, and not one second after the migration's last channel: for a post-copy that will be recovered.
    #[arg(long)]
    pub stay: bool,
    /// Form of the status lines on stdout.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// The ends of `lmbench carry`.
#[derive(Debug, Subcommand)]
pub enum CarryEnd {
    /// The destination's end: accepts the carrier and passes channels to a local QEMU.
    Sink {
        /// Where to listen, such as `tcp://[::]:7000`; port 0 lets the kernel choose.
        #[arg(long, value_name = "URL")]
        listen: String,
        /// Where the local QEMU takes the stream: unix:PATH, or fd:PATH to hand connected sockets over. Without a QEMU: discard:
        /// throws the stream away, verify:FILE compares it with a capture and answers as the capture does.
        #[arg(long, value_name = "LOCAL")]
        to: String,
        /// What both ends take.
        #[command(flatten)]
        common: CarryArguments,
    },
    /// The source's end: takes the stream from a local QEMU and dials the sink.
    Source {
        /// Where the local QEMU gives the stream: unix:PATH, or fd:PATH to hand connected sockets over.
        #[arg(
            long,
            value_name = "LOCAL",
            required_unless_present = "replay",
            conflicts_with = "replay"
        )]
        from: Option<String>,
        /// Play this capture instead of a local QEMU's stream, and end. It is loaded into memory first.
        #[arg(long, value_name = "FILE")]
        replay: Option<PathBuf>,
        /// How fast to play it.
        #[arg(long, value_enum, default_value_t = Pace::Full, requires = "replay")]
        pace: Pace,
        /// The sink, such as `tcp://192.0.2.7:7000`.
        #[arg(long, value_name = "URL")]
        dial: String,
        /// File with the token that the sink printed; without it the environment variable `LMBENCH_TOKEN` is read.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// Name that the sink's certificate must bear; without it the host in --dial.
        #[arg(long, value_name = "NAME", requires = "ca")]
        peer_name: Option<String>,
        /// What both ends take.
        #[command(flatten)]
        common: CarryArguments,
    },
}

/// What both ends of `lmbench carry` take.
#[derive(Debug, Args)]
pub struct CarryArguments {
    /// Form of the status lines on stdout.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// A setting of the carrier, as under [carrier.NAME] of a scenario, such as cipher=aes256-gcm. Both ends need the same.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The authority that signed the other end's certificate (PEM). Without it both ends trust whoever holds the token.
    #[arg(long, value_name = "FILE", requires_all = ["certificate", "key"])]
    pub ca: Option<PathBuf>,
    /// This end's certificate, and those between it and its authority (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["ca", "key"])]
    pub certificate: Option<PathBuf>,
    /// The key of this end's certificate (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["ca", "certificate"])]
    pub key: Option<PathBuf>,
    /// All settings, as JSON.
    #[arg(long, hide = true, conflicts_with = "set")]
    pub settings: Option<String>,
    /// End when standard input closes, because the owner is at its other end.
    #[arg(long, hide = true)]
    pub owner_on_stdin: bool,
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For programs: JSON, and nothing else on stdout.
    Json,
}

/// How fast a capture is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// As fast as the carrier takes it.
    Full,
    /// As it was captured: nothing before its time.
    Original,
}

/// Formats with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files.
    Scenario,
    /// `record.json`.
    Record,
}

const COMPARE_HELP: &str = "\
CELL is a cell's id, or KEY=VALUE[,KEY=VALUE…] that its parameters must have: `compare RUN:carrier=tls RUN:carrier=quic` compares the \
cells that differ in nothing but the carrier.\n\n\
It tells and does not judge: whatever differs, the exit code is 0.";

const REPLAY_LIMIT: &str = "\
A replay shows a policy the readings of a migration that it had no part in. It can't know what a lever would have done to the guest \
and to the stream: everything after a policy's first one is hypothetical, and marked so.";

const EXIT_CODES: &str = "\
Exit codes: 0 success · 1 internal error · 2 usage or scenario error · 3 environment (something is missing) \
· 4 a migration failed, or `ctl` was refused · 5 regression · 6 inconclusive · 130 interrupted";
