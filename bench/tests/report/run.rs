//! A made-up run with samples, as a folder that the program reads: two carriers under two policies, eight repeats each.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// Writes `record.json` and `samples.jsonl` of a run with `repeats` repeats per cell.
pub(crate) fn write(directory: &Path, name: &str, repeats: u32) {
    fs::create_dir_all(directory).unwrap();
    let mut samples = String::new();
    let mut cells = Vec::new();
    for (index, (carrier, policy)) in [
        ("tls", "static"),
        ("tls", "post-copy"),
        ("quic", "static"),
        ("quic", "post-copy"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("carrier={carrier},policy={policy}");
        let slower = if carrier == "quic" { 1.4 } else { 1.0 };
        let repeats: Vec<Value> = (1..=repeats)
            .map(|number| {
                let noise = 1.0 + f64::from(number * 37 % 11) / 400.0;
                if number <= 2 {
                    sample_lines(&mut samples, &id, number, slower);
                }
                let stuck = policy == "static" && number % 4 == 0;
                repeat(number, slower * noise, stuck, (number * 4) as usize + index)
            })
            .collect();
        cells.push(json!({ "id": id, "parameters": { "carrier": carrier, "policy": policy }, "repeats": repeats, "summary": {} }));
    }
    let record = json!({
        "format": 1, "run_id": "20260301-120000-made-up-1f3c", "started": "2026-03-01T12:00:00Z", "complete": true,
        "scenario": { "name": name, "sha256": "00", "text": "name = \"made-up\"\n" },
        "environment": { "lmbench": "0.1.0", "qemu": "10.0.2", "kernel": "6.12", "accelerator": "tcg", "cpu": "a CPU", "cores": 2,
            "hosts": { "source": { "name": "a" }, "destination": { "name": "b" } }, "details": { "lab": ["ip link add", "ip link set"] } },
        "seed": 1, "planned_repeats": repeats, "cells": cells,
    });
    fs::write(directory.join("record.json"), record.to_string()).unwrap();
    fs::write(directory.join("samples.jsonl"), samples).unwrap();
}

fn repeat(number: u32, factor: f64, stuck: bool, order: usize) -> Value {
    let at = |ms: f64, host: &str, name: &str, data: Value| json!({ "at_ms": ms, "host": host, "name": name, "data": data });
    let mut events = vec![
        at(0.5, "source", "MIGRATION", json!({ "status": "active" })),
        at(1.0, "source", "MIGRATION_PASS", json!({ "pass": 1 })),
        at(
            2500.0,
            "source",
            "policy",
            json!({ "action": "post-copy", "reason": "two passes <b>done</b>" }),
        ),
    ];
    if stuck {
        return json!({ "repeat": number, "outcome": "did-not-converge", "reason": "not converged after 20 s", "started_ms": order * 1000, "metrics": { "iterations": 9.0 }, "events": events });
    }
    events.push(at(4000.0, "source", "STOP", Value::Null));
    events.push(at(4300.0, "destination", "RESUME", Value::Null));
    events.push(at(
        5000.0,
        "source",
        "MIGRATION",
        json!({ "status": "completed" }),
    ));
    json!({
        "repeat": number, "outcome": "completed", "reason": null, "started_ms": order * 1000,
        "metrics": {
            "total_time_ms": 5000.0 * factor, "blackout_ms": 300.0 * factor, "blackout_stop_ms": 1.0, "blackout_sync_ms": 60.0 * factor,
            "blackout_transfer_ms": 239.0 * factor, "throughput_bps": 9e8 / factor, "workload_slowdown": 0.2 * factor,
            "cpu_qemu_without_vcpus_source_s_per_gib": 0.8 * factor, "cpu_qemu_without_vcpus_destination_s_per_gib": 0.7 * factor,
            "cpu_carrier_source_s_per_gib": 0.5 * factor * factor, "cpu_carrier_destination_s_per_gib": 0.6 * factor * factor,
        },
        "integrity": { "memory_intact": true, "running_on": "destination", "pages_checked": 1000 },
        "events": events,
    })
}

fn sample_lines(text: &mut String, cell: &str, repeat: u32, slower: f64) {
    let mut line = |at_ms: f64, kind: &str, data: Value| {
        let sample = json!({ "cell": cell, "repeat": repeat, "at_ms": at_ms, "host": "source", "kind": kind, "data": data });
        let _ = writeln!(text, "{sample}");
    };
    for step in -10..50_i32 {
        let at_ms = f64::from(step) * 100.0;
        let operations = if at_ms > 2500.0 { 40 } else { 100 };
        line(
            at_ms,
            "workload",
            json!({ "interval-ns": 1e8, "operations": operations, "pages-dirtied": operations, "longest-stall-ns": 500_000, "latency-ns": [[3000, 99], [9000, 1]] }),
        );
        if step >= 0 {
            let sent = f64::from(step) * 1e7 / slower;
            line(
                at_ms,
                "migration",
                json!({
                    "trigger": "interval", "qemu": { "total_ns": step * 40_000_000 },
                    "threads": [{ "name": "CPU 0/TCG", "cpu_ns": step * 30_000_000 }],
                    "carrier": { "total_ns": f64::from(step) * 1e7 * slower },
                    "migration": { "status": "active", "ram": { "transferred": sent, "remaining": (5e8 - sent).max(0.0), "dirty-sync-count": 1 + step / 20, "dirty-pages-rate": 2000 } },
                }),
            );
        }
    }
}
