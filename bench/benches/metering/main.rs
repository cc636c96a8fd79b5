//! What does lmbench's metering cost a migration? Runs `scenarios/metering.toml`, metered and not in turns, and judges the ratio.
//!
//! `cargo bench -p lmbench --bench metering -- [--repeats N] [--out DIRECTORY]`
//!
//! Unlike `harness_overhead` it compares lmbench with itself: the agents, the lab and the guest are there on both sides, and
//! only the sampling differs; the guest's heartbeats and reports stay on both sides, as `harness_overhead` has them on one. It ends with 1 if it can't measure; missing the bar is a result.

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
    let record = arguments.run("metering.toml", REPEATS)?;
    let (on, off) = (cell(&record, true)?, cell(&record, false)?);
    println!(
        "quantity                             metered    not metered  ratio   95 % interval   bar"
    );
    for (name, bar) in COMPARED {
        let (with, without) = (series(on, name)?, series(off, name)?);
        let (ratio, [low, high]) = figures::ratio_of_medians(&with, &without);
        let verdict = match bar {
            None => String::new(),
            Some(bar) => format!("<= {bar:.2} {}", bars::judge([low, high], 0.0..=*bar)),
        };
        println!(
            "{name:36} {:9.3}  {:9.3}    {ratio:.3}   {low:.3}–{high:.3}     {verdict}",
            figures::median(&with),
            figures::median(&without)
        );
    }
    println!("\nwhile metered (medians):");
    for name in INSTRUMENTS {
        println!("  {name:34} {:9.4}", figures::median(&series(on, name)?));
    }
    println!(
        "\nrun:     {} in {}",
        record.run_id,
        arguments.out.display()
    );
    println!("machine: {}", program::environment(&record));
    println!("load:    {load_before} before, {} after", figures::load());
    println!(
        "command: cargo bench -p lmbench --bench metering -- {}",
        figures::command()
    );
    Ok(())
}

fn cell(record: &Record, metering: bool) -> Result<&CellRecord, String> {
    let mut cells = record.cells.iter();
    cells
        .find(|cell| cell.parameters.get("migration.metering") == Some(&metering.into()))
        .ok_or_else(|| format!("the record has no cell with metering = {metering}"))
}

fn series(cell: &CellRecord, metric: &str) -> Result<Vec<f64>, String> {
    cell.repeats
        .iter()
        .map(|repeat| {
            program::metric(repeat, metric).map_err(|reason| format!("{}: {reason}", cell.id))
        })
        .collect()
}

/// What both sides know, with the greatest ratio that is good enough.
const COMPARED: &[(&str, Option<f64>)] = &[
    ("total_time_ms", Some(1.01)),
    ("downtime_ms", None),
    ("cpu_qemu_source_s_per_gib", None),
    ("cpu_qemu_destination_s_per_gib", None),
    ("cpu_agent_source_s_per_gib", None),
    ("cpu_agent_destination_s_per_gib", None),
];
const INSTRUMENTS: &[&str] = &[
    "agent_cpu_share",
    "sample_answer_us_p50",
    "sample_read_us_p50",
    "meter_read_us_p50",
    "sample_gap_ms_max",
];
/// Migrations per cell.
const REPEATS: u32 = 12;
