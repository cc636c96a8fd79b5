//! Does measuring slow a migration down? The same guest migrates in turns through lmbench and by hand.
//!
//! `cargo bench -p lmbench --bench harness_overhead -- [--pairs N] [--memory "2 GiB"] [--heartbeats-by-hand]`
//!
//! ```text
//! A  lmbench run, one repeat of a native-tcp cell: agents, samples, heartbeats, reports, everything on
//! B  the same two QEMU command lines in the same kind of lab, agents replaced by `cat`: migrate-incoming, migrate,
//!    wait for MIGRATION completed, one query-migrate. No sample, no heartbeat, no report
//! ```
//! The order is A B, B A, A B, …, so that a machine that changes its speed hits both alike. Two quantities are compared, each
//! taken by the same rule on both sides: QEMU's own `total-time`, and the time from the answer to `migrate` to QEMU's stamp on its
//! `completed`. It judges no carrier and no setting. It ends with 1 if it can't measure; missing the bar is a result.

#[path = "../shared/bars.rs"]
mod bars;
#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/lmbench.rs"]
mod program;

mod by_hand;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use lmbench::scenario::units::Size;
use lmbench::scenario::{self, Cell};
use lmbench::store::{self, Store};
use lmbench_harness::spec::Accelerator;

/// Compares a migration measured by lmbench with the same one driven by hand.
#[derive(Debug, Parser)]
struct Arguments {
    /// Pairs of migrations.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pairs: u32,
    /// Guest memory; three quarters of it are filled with random data.
    #[arg(long, default_value = "2 GiB")]
    memory: Size,
    /// Let the guest driven by hand send heartbeats and reports too, and listen to them: tells what they cost.
    #[arg(long)]
    heartbeats_by_hand: bool,
    /// No further pair is begun after this many seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One migration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// QEMU's `total-time`, ms.
    pub(crate) total_ms: f64,
    /// Answer to `migrate` to QEMU's stamp on `completed`, ms.
    pub(crate) wall_ms: f64,
}

#[derive(Debug, Default)]
struct Series {
    measured: Vec<Measured>,
    by_hand: Vec<Measured>,
    overhead_s: Vec<f64>,
    failures: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::measure_if(arguments.bench, || measure(&arguments))
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    lmbench_harness::lab::enter_user_namespace_if_needed().map_err(|error| error.to_string())?;
    let text = scenario_text(arguments.memory);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("harness-overhead.toml");
    std::fs::write(&file, &text).map_err(|error| error.to_string())?;
    let scenario = scenario::parse(&file, &text).map_err(|error| error.to_string())?;
    let cell = &scenario.cells[0];
    let hand = by_hand::Hand::new(arguments.heartbeats_by_hand)?;
    let (mut series, mut environment) = (Series::default(), None);
    let load_before = figures::load();
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    println!("pair  order  lmbench total/wall ms    by hand total/wall ms");
    for pair in 0..arguments.pairs {
        if Instant::now() > end {
            println!("stopped after {} s", arguments.seconds);
            break;
        }
        // The first migration is lmbench's: its record tells the accelerator.
        let lmbench_first = pair % 2 == 0;
        for turn in [lmbench_first, !lmbench_first] {
            if turn {
                let (measured, overhead_s, found) =
                    once_more(&mut series.failures, || with_lmbench(&file, folder.path()))?;
                series.measured.push(measured);
                series.overhead_s.push(overhead_s);
                environment.get_or_insert(found);
            } else {
                let kvm = environment
                    .as_ref()
                    .is_some_and(|found| found.contains(", kvm,"));
                let accelerator = if kvm {
                    Accelerator::Kvm
                } else {
                    Accelerator::Tcg
                };
                let measured = once_more(&mut series.failures, || hand.migrate(cell, accelerator))?;
                series.by_hand.push(measured);
            }
        }
        show_pair(pair, lmbench_first, &series);
    }
    conclude(
        cell,
        &series,
        &environment.unwrap_or_default(),
        &load_before,
    );
    Ok(())
}

fn scenario_text(memory: Size) -> String {
    let mebibytes = memory.bytes() >> 20;
    format!(
        "name = \"harness-overhead\"\ncarrier = \"native-tcp\"\n\
         [guest]\nmemory = \"{mebibytes} MiB\"\nprealloc = true\ntenant = false\n\
         [workload.uniform]\nmemory = \"{} MiB\"\nrate = \"1 MiB/s\"\n\
         [network.migration]\nmtu = 1500\n\
         [migration]\ntimeout = \"60 s\"\nsettle = \"1 s\"\n\
         [run]\nrepeats = 1\n",
        mebibytes * 3 / 4
    )
}

/// Tries again after a failure, which is told at the end; too many of them are no measurement.
fn once_more<T>(
    failures: &mut Vec<String>,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    loop {
        match attempt() {
            Err(message) if failures.len() < FAILURES_MAX => failures.push(message),
            other => return other,
        }
    }
}

/// One repeat through the real program: what it says, its `overhead_s`, and the environment.
fn with_lmbench(file: &Path, folder: &Path) -> Result<(Measured, f64, String), String> {
    let out = folder.join("results");
    let record = program::run(file, &out, &[])?;
    let repeat = record.cells[0].repeats.first().ok_or("no repeat")?;
    let wall_ms = program::metric(repeat, "total_time_ms")?;
    let overhead_s = program::metric(repeat, "overhead_s")?;
    let found = Store::open(&out)
        .find(&record.run_id)
        .map_err(|error| error.to_string())?;
    let samples = store::read_samples(&found.samples()).map_err(|error| error.to_string())?;
    let total_ms = samples
        .filter_map(Result::ok)
        .filter(|sample| sample.data["trigger"] == "final")
        .filter_map(|sample| sample.data.pointer("/migration/total-time")?.as_f64())
        .last()
        .ok_or("the samples hold no total-time of QEMU")?;
    Ok((
        Measured { total_ms, wall_ms },
        overhead_s,
        program::environment(&record),
    ))
}

fn show_pair(pair: u32, lmbench_first: bool, series: &Series) {
    let order = if lmbench_first { "A B" } else { "B A" };
    if let Some((a, b)) = series.measured.last().zip(series.by_hand.last()) {
        println!(
            "{:4}  {order}   {:9.0} / {:9.1}   {:9.0} / {:9.1}",
            pair + 1,
            a.total_ms,
            a.wall_ms,
            b.total_ms,
            b.wall_ms
        );
    }
}

/// What is compared of a migration.
type Quantity = fn(&Measured) -> f64;

fn conclude(cell: &Cell, series: &Series, environment: &str, load_before: &str) {
    println!("\nquantity        lmbench    by hand   ratio   95 % interval   bar");
    let quantities: [(&str, Quantity); 2] = [
        ("total-time ms", |measured| measured.total_ms),
        ("wall ms", |measured| measured.wall_ms),
    ];
    for (name, of) in quantities {
        let a: Vec<f64> = series.measured.iter().map(of).collect();
        let b: Vec<f64> = series.by_hand.iter().map(of).collect();
        let (ratio, [low, high]) = figures::ratio_of_medians(&a, &b);
        let verdict = bars::judge([low, high], 1.0 - TOLERANCE..=1.0 + TOLERANCE);
        println!(
            "{name:14} {:8.1}   {:8.1}   {ratio:.3}   {low:.3}–{high:.3}     within {:.0} %: {verdict}",
            figures::median(&a),
            figures::median(&b),
            TOLERANCE * 100.0
        );
    }
    let overhead = &series.overhead_s;
    let smallest = overhead.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = overhead.iter().copied().fold(0.0, f64::max);
    println!(
        "overhead_s       {:6.2} median, {largest:.2} largest                    at most {OVERHEAD_S_MAX} s: {}",
        figures::median(overhead),
        bars::judge([smallest, largest], 0.0..=OVERHEAD_S_MAX)
    );
    println!("\nmedians over {} pairs", series.by_hand.len());
    for failure in &series.failures {
        println!("failed and was done again: {failure}");
    }
    println!("machine: {environment}");
    println!(
        "guest:   {} MiB, native-tcp over veth, MTU 1500",
        cell.setup.guest.memory_bytes >> 20
    );
    println!(
        "load:    {load_before} before, {} after (other work on the machine makes both sides slower and the interval wider)",
        figures::load()
    );
    println!(
        "command: cargo bench -p lmbench --bench harness_overhead -- {}",
        figures::command()
    );
}

const FAILURES_MAX: usize = 2;
/// A measured migration may take this much longer or shorter than one driven by hand.
const TOLERANCE: f64 = 0.03;
/// Seconds that a repeat may cost beyond boot, fill, settling and the migration.
const OVERHEAD_S_MAX: f64 = 5.0;
