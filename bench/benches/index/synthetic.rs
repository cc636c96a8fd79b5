//! Records as runs leave them, without guests: deterministic, each a little different from the one before.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use lmbench::metric;
use lmbench::record::{Environment, Event, Integrity, Outcome, Record, Repeat, ScenarioText};
use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;
use serde_json::json;

/// Cells of each run.
pub(crate) const CELLS: usize = 3;
const REPEATS: u32 = 3;
/// Metrics of each repeat, of those that every migration over lmbench's carriers has.
const METRICS: usize = 45;
const EVENTS: usize = 20;

/// Makes so many runs below `out`; their size in bytes.
pub(crate) fn make(out: &Path, runs: usize) -> io::Result<u64> {
    let mut noise = Pcg64Mcg::new(7);
    let mut bytes = 0;
    for run in 0..runs {
        let record = record(run, &mut noise);
        let folder = out.join(&record.run_id);
        fs::create_dir_all(&folder)?;
        let json = record.to_json();
        bytes += json.len() as u64;
        fs::write(folder.join("record.json"), json)?;
    }
    Ok(bytes)
}

/// Replaces the first run's record by that of another.
pub(crate) fn replace_one(out: &Path) -> io::Result<()> {
    let first = record(0, &mut Pcg64Mcg::new(7));
    let other = record(0, &mut Pcg64Mcg::new(8));
    let folder = out.join(&first.run_id);
    fs::write(folder.join("record.json.new"), other.to_json())?;
    fs::rename(folder.join("record.json.new"), folder.join("record.json"))
}

fn record(run: usize, noise: &mut Pcg64Mcg) -> Record {
    let carriers = ["native-tcp", "tls", "quic"];
    let cells = carriers.map(|carrier| {
        let parameters = IndexMap::from([
            ("carrier".to_owned(), json!(carrier)),
            ("policy".to_owned(), json!("static")),
        ]);
        (format!("carrier={carrier},policy=static"), parameters)
    });
    let name = ["jvm-heavy", "database", "split-network", "wan"][run % 4];
    let text = format!(
        "name = \"{name}\"\n[workload.jvm]\n{}",
        "# a line of the scenario\n".repeat(30)
    );
    let mut record = Record::new(
        ScenarioText::new(name, text),
        environment(run),
        1,
        REPEATS,
        cells,
    );
    let started = Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::from_mins(
            29_000_000 + 7 * run.cast_signed() as i64,
        ))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    record.run_id = format!(
        "{}-{name}-{:04x}",
        started.strftime("%Y%m%d-%H%M%S"),
        run & 0xffff
    );
    record.started = format!("{started:.3}");
    for number in 1..=REPEATS {
        for cell in 0..CELLS {
            record.push(cell, repeat(run, number, noise));
        }
    }
    record
}

fn repeat(run: usize, number: u32, noise: &mut Pcg64Mcg) -> Repeat {
    // A tenth slower from the middle of every thousand runs on, for histories to find.
    let level = if run % 1000 < 500 { 300.0 } else { 330.0 };
    let mut about =
        |value: f64| value * (0.95 + 0.1 * f64::from(noise.next_u32()) / f64::from(u32::MAX));
    let mut metrics: BTreeMap<String, f64> = metric::ALL
        .iter()
        .take(METRICS)
        .map(|metric| (metric.id.to_owned(), about(1234.5)))
        .collect();
    metrics.insert("blackout_ms".to_owned(), about(level));
    let event = |index: usize| Event {
        at_ms: index as f64 * 251.375,
        host: ["source", "destination"][index % 2].to_owned(),
        name: "MIGRATION_PASS".to_owned(),
        data: json!({ "pass": index, "remaining_bytes": 188_743_680, "why": "the policy waits for the next pass" }),
    };
    Repeat {
        outcome: Outcome::Completed,
        integrity: Some(Integrity {
            memory_intact: Some(true),
            running_on: "destination".to_owned(),
            pages_checked: 114_688,
            signs_of_life: None,
        }),
        events: (0..EVENTS).map(event).collect(),
        op_latency_ns: (0..25).map(|bucket| (1000 + bucket * 33, 100)).collect(),
        ..Repeat::completed(number, f64::from(number) * 12_000.0, metrics)
    }
}

fn environment(run: usize) -> Environment {
    let host = |name: &str| json!({ "name": name, "info": { "memory_bytes": 25_769_803_776_u64 } });
    Environment {
        lmbench: format!("0.{}.0", run / 2500),
        qemu: if run < 5000 { "10.0.2" } else { "10.1.0" }.to_owned(),
        kernel: "6.12.0".to_owned(),
        accelerator: "kvm".to_owned(),
        accelerator_reason: None,
        cpu: "Intel(R) Xeon(R) Platinum 8481C".to_owned(),
        cores: 2,
        hosts: BTreeMap::from([
            ("source".to_owned(), host("rack1-node07")),
            ("destination".to_owned(), host("rack1-node08")),
        ]),
        details: BTreeMap::new(),
    }
}
