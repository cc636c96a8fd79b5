//! Records as real runs make them, for tests. Deterministic: the same call gives the same record.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};

use super::{
    CalibratedMachine, Calibration, Cost, Environment, Event, Instrument, Integrity, Outcome,
    Record, Repeat, Resolution, ResolutionFrom, ResolutionUnit, ScenarioText,
};

/// A run of a scenario with `cells` cells that has not measured anything yet.
pub fn empty(name: &str, repeats: u32, cells: usize) -> Record {
    let carriers = ["native-tcp", "tcp", "ssh", "tls", "quic"];
    let policies = ["static", "auto-converge", "post-copy"];
    let cells = (0..cells).map(|index| {
        let (carrier, policy) = (carriers[index % 5], policies[index / 5 % 3]);
        let mut parameters = IndexMap::from([
            ("carrier".to_owned(), json!(carrier)),
            ("policy".to_owned(), json!(policy)),
        ]);
        if index >= 15 {
            parameters.insert("migration.multifd-channels".to_owned(), json!(index / 15));
        }
        let id = parameters
            .iter()
            .map(|(key, value)| format!("{key}={}", plain(value)))
            .collect::<Vec<_>>()
            .join(",");
        (id, parameters)
    });
    let mut record = Record::new(
        ScenarioText::new(name, "name = \"example\"\n"),
        environment(),
        7,
        repeats,
        cells,
    );
    "20260301-120000-example-1f3c".clone_into(&mut record.run_id);
    "2026-03-01T12:00:00.000Z".clone_into(&mut record.started);
    record
}

/// Three cells of three completed repeats.
pub fn jvm() -> Record {
    let mut record = empty("jvm-heavy", 3, 3);
    fill(&mut record, 3);
    record
}

/// Fifteen cells with the names that real matrices have, seven repeats each.
pub fn wide() -> Record {
    let mut record = empty("everything", 7, 17);
    fill(&mut record, 7);
    record
}

/// Cells that did not converge, failed and were skipped, and a repeat that the run never came to.
pub fn troubled() -> Record {
    let mut record = empty("troubled", 2, 4);
    fill(&mut record, 1);
    let stalled = BTreeMap::from([
        ("iterations".to_owned(), 31.0),
        ("throughput_bps".to_owned(), 9.4e8),
    ]);
    let not_converged = Repeat::unfinished(
        2,
        9e4,
        Outcome::DidNotConverge,
        "not converged after 20 s: 188 MiB left, dirtied at 121 MiB/s",
    );
    record.push(
        1,
        Repeat {
            metrics: stalled,
            ..not_converged
        },
    );
    record.push(
        2,
        Repeat::unfinished(
            1,
            1e5,
            Outcome::Failed,
            "QEMU on the destination exited: \u{1b}[31mload of migration failed",
        ),
    );
    record.push(
        2,
        Repeat::unfinished(
            2,
            1.1e5,
            Outcome::Failed,
            "QEMU on the destination exited: \u{1b}[31mload of migration failed",
        ),
    );
    record.push(
        3,
        Repeat::unfinished(1, 1.2e5, Outcome::Skipped, "this QEMU has no TLS"),
    );
    stamp(&mut record);
    record
}

/// One cell that completes, and one that never does.
pub fn stalled() -> Record {
    let mut record = empty("stalled", 2, 2);
    let mut noise = Pcg64Mcg::new(7);
    for number in 1..=2 {
        let started_ms = f64::from(number) * 1e4;
        record.push(0, completed(number, started_ms, 0, &mut noise));
        let share = f64::from(number) / 10.0;
        let metrics = [
            ("dirty_rate_bps", 1.28e8 + share),
            ("guest_throughput_bps", 9.4e8),
            ("guest_pause_ms", 12.0 + share),
            ("ram_bytes", 2.3e9),
            ("remaining_bytes_min", 1.9e8),
            ("downtime_limit_ms", 300.0),
            ("throttle_max_percent", 40.0),
            ("iterations", 31.0 + f64::from(number)),
        ];
        let reason = format!("not converged after 20.{number} s, in pass 3{number}");
        let stalled = Repeat {
            metrics: metrics.map(|(id, value)| (id.to_owned(), value)).into(),
            ..Repeat::unfinished(number, started_ms, Outcome::DidNotConverge, reason)
        };
        record.push(1, stalled);
    }
    stamp(&mut record);
    record
}

fn fill(record: &mut Record, repeats: u32) {
    let mut noise = Pcg64Mcg::new(7);
    for repeat in 1..=repeats {
        for cell in 0..record.cells.len() {
            let started_ms = f64::from(repeat - 1) * 60_000.0 + cell as f64 * 12_000.0;
            record.push(cell, completed(repeat, started_ms, cell, &mut noise));
        }
    }
    stamp(record);
}

fn completed(repeat: u32, started_ms: f64, cell: usize, noise: &mut Pcg64Mcg) -> Repeat {
    let mut about = |value: f64| {
        (value * (0.9 + 0.2 * f64::from(noise.next_u32()) / f64::from(u32::MAX)) * 1000.0).round()
            / 1000.0
    };
    let slower = 1.0 + cell as f64 / 4.0;
    let (total, blackout) = (about(9_500.0 * slower), about(280.0 * slower));
    let mut metrics = BTreeMap::new();
    let values = [
        ("total_time_ms", total),
        ("setup_time_ms", about(12.0)),
        ("downtime_ms", blackout * 0.94),
        ("blackout_ms", blackout),
        ("guest_pause_ms", blackout + 6.0),
        ("heartbeat_interval_ms", 10.0),
        ("brownout_ms", about(4_100.0)),
        ("workload_slowdown", about(0.31)),
        ("settle_rate_bps", about(1.25e8)),
        ("op_latency_us_p50", about(3.1)),
        ("op_latency_us_p99", about(880.0)),
        ("op_latency_us_max", blackout * 1000.0),
        ("iterations", 4.0 + f64::from(repeat % 3)),
        ("ram_bytes", about(1.19e9 * slower).round()),
        ("wire_bytes", about(1.24e9 * slower).round()),
        ("transfer_amplification", about(1.9)),
        ("throughput_bps", about(9.4e8)),
        ("cpu_qemu_source_s_per_gib", about(1.1)),
        ("cpu_qemu_destination_s_per_gib", about(0.8)),
        ("cpu_qemu_without_vcpus_source_s_per_gib", about(0.7)),
        ("cpu_qemu_without_vcpus_destination_s_per_gib", about(0.6)),
        ("dirty_rate_bps", about(1.2e8)),
    ];
    metrics.extend(values.map(|(id, value)| (id.to_owned(), value)));
    if !cell.is_multiple_of(5) {
        // QEMU's own socket has no carrier whose time could be read.
        metrics.insert(
            "cpu_carrier_source_s_per_gib".to_owned(),
            about(0.42 * slower),
        );
        metrics.insert(
            "cpu_carrier_destination_s_per_gib".to_owned(),
            about(0.47 * slower),
        );
    }
    let event = |at_ms: f64, host: &str, name: &str| Event {
        at_ms,
        host: host.to_owned(),
        name: name.to_owned(),
        data: json!({}),
    };
    Repeat {
        integrity: Some(Integrity {
            memory_intact: Some(true),
            running_on: "destination".to_owned(),
            pages_checked: 114_688,
            signs_of_life: None,
        }),
        events: vec![
            event(0.0, "controller", "migrate"),
            event(total - blackout, "source", "STOP"),
            event(total, "destination", "RESUME"),
        ],
        op_latency_ns: vec![(3_000, 120_000), (880_000, 1_200)],
        ..Repeat::completed(repeat, started_ms, metrics)
    }
}

fn environment() -> Environment {
    Environment {
        lmbench: "0.1.0".to_owned(),
        qemu: "10.0.2".to_owned(),
        kernel: "6.12.0".to_owned(),
        accelerator: "tcg".to_owned(),
        accelerator_reason: Some("/dev/kvm is not there".to_owned()),
        cpu: "Intel(R) Xeon(R) Platinum 8481C".to_owned(),
        cores: 2,
        hosts: BTreeMap::from([
            (
                "source".to_owned(),
                json!({ "name": "rack1-node07", "memory_bytes": 25_769_803_776_u64 }),
            ),
            ("destination".to_owned(), json!({ "name": "rack1-node08" })),
        ]),
        details: BTreeMap::from([("clock_offset_us".to_owned(), json!(0))]),
    }
}

/// A calibration that fits [`environment`]: one instrument that was measured, one that is a setting, one that was skipped.
pub fn calibration() -> Calibration {
    let environment = environment();
    let mut sample = Instrument::new("qmp-sample", "`query-migrate`", &["downtime_ms"]);
    sample.cost = Some(Cost {
        per: "reading".to_owned(),
        cpu_us: 251.3,
        qemu_us: Some(160.2),
        interval_ms: Some(90.0),
        cpu_share: Some(251.3 / 90_000.0),
    });
    sample.resolution = Some(Resolution {
        value: 90_000.0,
        unit: ResolutionUnit::Us,
        from: ResolutionFrom::Setting,
    });
    sample.latency_us = Some(412.0);
    let mut clock = Instrument::new("host-clock", "the host's clock", &[]);
    clock.cost = Some(Cost {
        per: "reading".to_owned(),
        cpu_us: 0.0237,
        qemu_us: None,
        interval_ms: None,
        cpu_share: None,
    });
    clock.resolution = Some(Resolution {
        value: 0.021,
        unit: ResolutionUnit::Us,
        from: ResolutionFrom::Measured,
    });
    clock.note = Some("through the vDSO".to_owned());
    let mut probe = Instrument::new("tenant-probe", "answers", &["network_blackout_ms"]);
    probe.skipped = Some("raw sockets are refused".to_owned());
    Calibration {
        measured: "2026-03-01T11:00:00.000Z".to_owned(),
        took_s: 9.5,
        machine: CalibratedMachine {
            lmbench: environment.lmbench,
            qemu: Some(environment.qemu),
            accelerator: Some(environment.accelerator),
            kernel: environment.kernel,
            cpu: environment.cpu,
            cores: environment.cores,
        },
        instruments: vec![sample, clock, probe],
    }
}

/// Replaces the wall clock's time, which no snapshot can hold.
fn stamp(record: &mut Record) {
    record.finished = Some("2026-03-01T12:04:31.250Z".to_owned());
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
