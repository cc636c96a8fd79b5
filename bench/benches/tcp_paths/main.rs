//! What does lmbench's TCP carrier cost against QEMU's own connection? Runs `scenarios/tcp-paths.toml` and judges its ratios.
//!
//! `cargo bench -p lmbench --bench tcp_paths -- [--repeats N] [--out DIRECTORY]`
//!
//! The scenario interleaves its cells, so a machine that changes its speed hits all alike; still, other work on it distorts the ratio: a
//! relay brings two processes more to compete with whatever else runs, and so looks better than it is. CPU-s/GiB suffer least.
//! It ends with 1 if it can't measure; missing a bar is a result.

#[path = "../shared/arguments.rs"]
mod arguments;
#[path = "../shared/bars.rs"]
mod bars;
#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/lmbench.rs"]
mod program;

use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser as _;
use lmbench::record::{CellRecord, Record};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::measure_if(arguments.bench, || measure(&arguments))
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    let load_before = figures::load();
    let record = arguments.run("tcp-paths.toml", REPEATS)?;
    let native = throughput(cell(&record, NATIVE)?)?;
    println!(
        "cell                               Gbit/s  ratio   95 % interval   bar     CPU-s/GiB QEMU s+d    carrier s+d"
    );
    for (name, bar) in [
        (NATIVE, None),
        (FD, Some(FD_MIN)),
        (SPLICE, Some(SPLICE_MIN)),
    ] {
        let cell = cell(&record, name)?;
        let speed = throughput(cell)?;
        let (ratio, [low, high]) = figures::ratio_of_medians(&speed, &native);
        let verdict = match bar {
            None => String::new(),
            Some(bar) => format!(
                ">= {bar:.2} {}",
                bars::judge([low, high], bar..=f64::INFINITY)
            ),
        };
        println!(
            "{name:34} {:6.2}  {ratio:.3}   {low:.3}–{high:.3}   {verdict:14} {} {}",
            figures::median(&speed) / 1e9,
            costs(cell, "qemu"),
            costs(cell, "carrier")
        );
    }
    conclude(&record, arguments, &load_before)
}

fn conclude(record: &Record, arguments: &Arguments, load_before: &str) -> Result<(), String> {
    let overhead = series_of_all(record, "overhead_s")?;
    println!(
        "\noverhead_s: {:.2} median, {:.2} largest",
        figures::median(&overhead),
        overhead.iter().copied().fold(0.0, f64::max)
    );
    println!("run:     {} in {}", record.run_id, arguments.out.display());
    println!("machine: {}", program::environment(record));
    println!("load:    {load_before} before, {} after", figures::load());
    println!(
        "command: cargo bench -p lmbench --bench tcp_paths -- {}",
        figures::command()
    );
    Ok(())
}

fn cell<'a>(record: &'a Record, id: &str) -> Result<&'a CellRecord, String> {
    record
        .cells
        .iter()
        .find(|cell| cell.id == id)
        .ok_or_else(|| format!("the record has no cell {id}"))
}

fn throughput(cell: &CellRecord) -> Result<Vec<f64>, String> {
    series(cell, "throughput_bps")
}

fn series(cell: &CellRecord, metric: &str) -> Result<Vec<f64>, String> {
    cell.repeats
        .iter()
        .map(|repeat| {
            program::metric(repeat, metric).map_err(|reason| format!("{}: {reason}", cell.id))
        })
        .collect()
}

fn series_of_all(record: &Record, metric: &str) -> Result<Vec<f64>, String> {
    let cells: Result<Vec<_>, String> = record
        .cells
        .iter()
        .map(|cell| series(cell, metric))
        .collect();
    Ok(cells?.concat())
}

/// Medians of source and destination; a carrier that does not exist costs nothing and says nothing.
fn costs(cell: &CellRecord, of: &str) -> String {
    let side = |role: &str| series(cell, &format!("cpu_{of}_{role}_s_per_gib"));
    match (side("source"), side("destination")) {
        (Ok(source), Ok(destination)) => format!(
            "{:9.3} + {:.3}",
            figures::median(&source),
            figures::median(&destination)
        ),
        _ => format!("{:>9} + {:<5}", "-", "-"),
    }
}

const NATIVE: &str = "carrier=native-tcp";
const FD: &str = "carrier=tcp,carrier.tcp.path=fd";
const SPLICE: &str = "carrier=tcp,carrier.tcp.path=splice";
const FD_MIN: f64 = 0.97;
const SPLICE_MIN: f64 = 0.85;
const REPEATS: u32 = 8;
