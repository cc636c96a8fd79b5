//! Records for tests, whose differences are known.

use serde_json::json;

use super::{Choice, Side};
use crate::record::{Record, Repeat, example};
use crate::statistics::simulated::Noise;

/// A record of the given cells, `repeats` of each in turns, with values that `measure` gives by cell.
pub fn record(
    name: &str,
    carriers: &[&str],
    repeats: u32,
    mut measure: impl FnMut(usize) -> Vec<(&'static str, f64)>,
) -> Record {
    let mut record = example::empty(name, repeats, carriers.len());
    record.run_id = format!("20260301-120000-{name}-1f3c");
    for (cell, carrier) in record.cells.iter_mut().zip(carriers) {
        cell.id = format!("carrier={carrier},policy=static");
        cell.parameters.insert("carrier".to_owned(), json!(carrier));
    }
    for repeat in 1..=repeats {
        for cell in 0..carriers.len() {
            let metrics = measure(cell);
            let metrics = metrics
                .into_iter()
                .map(|(id, value)| (id.to_owned(), value));
            let started_ms = f64::from(repeat) * 1e4 + cell as f64 * 1e3;
            record.push(
                cell,
                Repeat::completed(repeat, started_ms, metrics.collect()),
            );
        }
    }
    record
}

/// Total times about 9.5 s times `factor`, with what follows from them.
pub fn migrations(seed: u64, factor: f64) -> impl FnMut(usize) -> Vec<(&'static str, f64)> {
    let mut noise = Noise::new(seed);
    move |_| {
        let total = 9_500.0 * noise.skewed(0.03) * factor;
        vec![
            ("total_time_ms", total),
            ("throughput_bps", 1e13 / total),
            ("wire_bytes", 1.2e9 * noise.skewed(0.001)),
            ("iterations", 4.0),
            ("retransmits", 0.0),
        ]
    }
}

/// All cells of a record.
pub fn all(record: &Record) -> Side<'_> {
    static ALL: Choice = Choice::all();
    Side {
        record,
        choice: &ALL,
    }
}

/// A record of numbers that nobody measures.
pub fn hostile() -> Record {
    let wild = [
        f64::NAN,
        f64::INFINITY,
        -1.0,
        0.0,
        f64::MAX,
        f64::MIN_POSITIVE,
    ];
    let mut at = 0;
    let mut record = self::record("candidate", &["tcp"], 12, |_| vec![]);
    for repeat in &mut record.cells[0].repeats {
        for id in ["total_time_ms", "wire_bytes", "no_such_metric"] {
            at += 1;
            repeat
                .metrics
                .insert(id.to_owned(), wild[at * 7 % wild.len()]);
        }
        repeat.started_ms = f64::NAN;
    }
    record
}

/// A record of two sets of programs that took turns: QEMU 9.2.0 and 10.1.0.
pub fn of_programs() -> Record {
    let mut run = record("run", &["tcp", "tls"], 14, migrations(1, 1.0));
    for (cell, variant) in run.cells.iter_mut().zip(["base", "candidate"]) {
        cell.id = format!("variant={variant}");
        cell.parameters = [("variant".to_owned(), json!(variant))]
            .into_iter()
            .collect();
    }
    let qemu = |version: &str| json!({ "qemu": { "path": "/opt/qemu", "version": version, "sha256": "00ff" } });
    let variants = json!({ "base": qemu("9.2.0"), "candidate": qemu("10.1.0") });
    let details = &mut run.environment.details;
    details.insert("variants".to_owned(), variants);
    run
}
