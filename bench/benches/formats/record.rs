//! A record as a long run has it, in memory and on the disk.

use std::collections::BTreeMap;
use std::path::Path;

use criterion::{Criterion, Throughput};
use indexmap::IndexMap;
use lmbench::record::{Environment, Event, Integrity, Record, Repeat, ScenarioText};
use lmbench::store::{Sample, Store};
use serde_json::json;

pub(crate) fn bench(criterion: &mut Criterion) {
    let record = example();
    let json = record.to_json();
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("write to memory", |bencher| {
        bencher.iter(|| record.to_json());
    });
    group.bench_function("read from memory", |bencher| {
        let path = Path::new("memory");
        bencher.iter(|| Record::from_json(json.as_bytes(), path).expect("a record"));
    });
    let folder = tempfile::tempdir().expect("a folder");
    let writer = Store::open(folder.path()).create_run(&record);
    let writer = writer.expect("a run");
    let reference = folder.path().join("reference");
    group.sample_size(10);
    group.bench_function("write and sync a file", |bencher| {
        bencher.iter(|| {
            std::fs::write(&reference, &json)?;
            std::fs::File::open(&reference)?.sync_all()
        });
    });
    group.bench_function("save", |bencher| {
        bencher.iter(|| writer.save(&record).expect("saved"));
    });
    let samples = samples();
    group.throughput(Throughput::Elements(samples.len() as u64));
    group.bench_function("append samples", |bencher| {
        bencher.iter(|| writer.append_samples(&samples).expect("appended"));
    });
    let mut grown = record.clone();
    group.throughput(Throughput::Elements(1));
    group.bench_function("after a repeat", |bencher| {
        bencher.iter(|| {
            grown.push(0, repeat(REPEATS));
            writer.append_samples(&samples).expect("appended");
            writer.save(&grown).expect("saved");
        });
    });
    writer.finish().expect("finished");
}

/// One cell with [`REPEATS`] repeats.
fn example() -> Record {
    let environment = Environment {
        lmbench: "0.1.0".to_owned(),
        qemu: "10.0.2".to_owned(),
        kernel: "6.12.0".to_owned(),
        accelerator: "kvm".to_owned(),
        accelerator_reason: None,
        cpu: "a processor".to_owned(),
        cores: 2,
        hosts: BTreeMap::new(),
        details: BTreeMap::new(),
    };
    let parameters = IndexMap::from([("carrier".to_owned(), json!("tcp"))]);
    let cells = [("carrier=tcp".to_owned(), parameters)];
    let scenario = ScenarioText::new("bench", "name = \"bench\"\n");
    let mut record = Record::new(scenario, environment, 1, REPEATS, cells);
    for number in 1..=REPEATS {
        record.push(0, repeat(number));
    }
    record
}

/// With as many metrics and events as a real one.
fn repeat(number: u32) -> Repeat {
    let metrics = (0..32).map(|index| {
        let value = f64::from(number * 31 + index) * 1.37;
        (format!("metric_{index}_of_some_length_ms"), value)
    });
    let events = (0..12).map(|index| Event {
        at_ms: f64::from(index) * 100.125,
        host: "source".to_owned(),
        name: "MIGRATION_PASS".to_owned(),
        data: json!({ "pass": index }),
    });
    Repeat {
        integrity: Some(Integrity {
            memory_intact: Some(true),
            running_on: "destination".to_owned(),
            pages_checked: 114_688,
            signs_of_life: None,
        }),
        events: events.collect(),
        op_latency_ns: (0..200).map(|index| (index * 1_000, 7)).collect(),
        ..Repeat::completed(number, f64::from(number) * 60_000.0, metrics.collect())
    }
}

/// Of one repeat of some ten seconds.
fn samples() -> Vec<Sample> {
    let sample = |index: u32| Sample {
        cell: "carrier=tcp".to_owned(),
        repeat: 1,
        at_ms: f64::from(index) * 50.0,
        host: "source".to_owned(),
        kind: "progress".to_owned(),
        data: json!({ "transferred": u64::from(index) * 1_048_576, "remaining": 7, "mbps": 9_401.25 }),
    };
    (0..400).map(sample).collect()
}

const REPEATS: u32 = 100;
