//! Reports as guestperf's versions write them, and what comes of damaged ones.

use proptest::prelude::*;

use super::*;

const REPORT: &str = include_str!("../../../../tests/fixtures/guestperf.json");

fn import(text: &str) -> Result<Imported, ImportError> {
    let read = parse(text, "reports/post-copy-iters-5.json")?;
    Ok(runs(vec![read]).pop().expect("a report makes a run"))
}

fn parse(text: &str, path: &str) -> Result<ReadReport, ImportError> {
    from_json(text.as_bytes(), Path::new(path))
}

/// The fixture with another value at a JSON pointer.
fn with(pointer: &str, value: Value) -> String {
    set(REPORT, pointer, value)
}

fn set(report: &str, pointer: &str, value: Value) -> String {
    let mut report: Value = serde_json::from_str(report).unwrap();
    *report.pointer_mut(pointer).unwrap() = value;
    report.to_string()
}

#[test]
fn a_report_becomes_a_record() {
    let Imported {
        record,
        samples,
        notes,
    } = import(REPORT).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(record.scenario.name, "guestperf-auto-converge-10");
    assert_eq!(
        record.cells[0].id,
        "carrier=native-tcp,policy=auto-converge"
    );
    assert!(record.complete);
    // By the last reading's stamp and QEMU's total time.
    assert_eq!(record.started, "2026-03-01T12:00:20.000Z");
    assert_eq!(record.finished.as_deref(), Some("2026-03-01T12:00:28.000Z"));
    let metrics = &record.cells[0].repeats[0].metrics;
    for (id, value) in [
        ("total_time_ms", 8_000.0),
        ("downtime_ms", 412.0),
        ("setup_time_ms", 10.0),
        ("iterations", 7.0),
        ("throttle_max_percent", 40.0),
        ("ram_bytes", 4_294_967_296.0),
        ("throughput_bps", 4_294_967_296.0 * 8.0 / 7.99),
        ("dirty_rate_bps", 60_000.0 * 4096.0),
        // 80 % of a CPU before and while it migrated, a tenth of that not the vCPU's.
        ("cpu_qemu_source_s_per_gib", 0.8 * 8.0 / 4.0),
        ("cpu_qemu_without_vcpus_source_s_per_gib", 0.08 * 8.0 / 4.0),
    ] {
        let found = metrics.get(id).copied().unwrap_or(f64::NAN);
        assert!(
            (found - value).abs() <= value * 1e-6,
            "{id}: {found}, not {value}"
        );
    }
    // What guestperf does not measure is not there.
    for absent in [
        "blackout_ms",
        "guest_pause_ms",
        "wire_bytes",
        "transfer_amplification",
    ] {
        assert!(!metrics.contains_key(absent), "{absent}");
    }
    assert_eq!(record.environment.qemu, "unknown");
    assert!(
        record.scenario.text.parse::<toml::Table>().is_ok(),
        "{}",
        record.scenario.text
    );
    let migration = samples.iter().filter(|sample| sample.kind == "migration");
    assert_eq!(migration.count(), 4);
    assert!(samples.is_sorted_by(|a, b| a.at_ms <= b.at_ms));
}

#[test]
fn the_same_file_is_the_same_run() {
    let id = |text: &str| import(text).unwrap().record.run_id;
    assert_eq!(id(REPORT), id(REPORT));
    assert_ne!(id(REPORT), id(&with("/sleep", json!(16))));
}

/// The fixture as if it had run so much later, and its last reading.
fn later(seconds: f64, duration_ms: u32) -> String {
    let mut report: Value = serde_json::from_str(REPORT).unwrap();
    for list in [
        "progress_history",
        "guest_timings",
        "qemu_timings",
        "vcpu_timings",
    ] {
        for reading in report[list].as_array_mut().unwrap() {
            for key in ["now", "timestamp"] {
                if let Some(at) = reading[key].as_f64() {
                    reading[key] = json!(at + seconds);
                }
            }
        }
    }
    set(
        &report.to_string(),
        "/progress_history/3/duration",
        json!(duration_ms),
    )
}

#[test]
fn reports_of_one_scenario_are_repeats_of_one_run() {
    let other = set(&later(30.0, 8_000), "/scenario/bandwidth", json!(512));
    // Not in the order of time.
    let reports = [
        (later(60.0, 9_000), "round-2/x.json"),
        (other, "other.json"),
        (REPORT.to_owned(), "round-1/x.json"),
        (REPORT.to_owned(), "again/x.json"),
    ];
    let parsed = reports.map(|(text, path)| parse(&text, path).unwrap());
    let runs = runs(parsed.into());
    assert_eq!(runs.len(), 2);
    let Imported {
        record,
        samples,
        notes,
    } = &runs[0];
    assert_eq!(
        notes.join("\n"),
        "\"again/x.json\" has the same contents as \"round-1/x.json\": it counts once"
    );
    assert!(record.complete);
    assert_eq!(record.planned(), Some(2));
    assert_eq!(record.started, "2026-03-01T12:00:20.000Z");
    assert_eq!(record.finished.as_deref(), Some("2026-03-01T12:01:28.000Z"));
    let repeats = &record.cells[0].repeats;
    let seen: Vec<_> = repeats
        .iter()
        .map(|repeat| {
            let file = repeat.events[0].data["file"].as_str().unwrap();
            let time = repeat.metrics["total_time_ms"];
            (repeat.repeat, repeat.started_ms, time, file)
        })
        .collect();
    // The later one began a second earlier than a minute after: its reading has the same stamp and QEMU says a second more.
    assert_eq!(
        seen,
        [
            (1, 0.0, 8_000.0, "round-1/x.json"),
            (2, 59_000.0, 9_000.0, "round-2/x.json")
        ]
    );
    assert_eq!(record.cells[0].summary["total_time_ms"].n, 2);
    for repeat in [1, 2] {
        let of = |sample: &&Sample| sample.repeat == repeat && sample.kind == "migration";
        assert_eq!(samples.iter().filter(of).count(), 4);
    }
    assert_eq!(runs[1].record.done(), 1);
    assert_eq!(runs[1].record.cells[0].id, record.cells[0].id);
    assert_ne!(runs[1].record.scenario.sha256, record.scenario.sha256);
}

#[test]
fn the_same_files_in_another_order_are_the_same_run() {
    let id = |reports: [&str; 2]| {
        let read = reports.map(|text| parse(text, "x").unwrap());
        runs(read.into()).remove(0).record.run_id
    };
    let (one, other) = (REPORT.to_owned(), later(60.0, 9_000));
    assert_eq!(id([&one, &other]), id([&other, &one]));
    assert_ne!(id([&one, &other]), import(REPORT).unwrap().record.run_id);
}

#[test]
fn what_the_user_should_know_is_said() {
    // As QEMU counted of a real guest that still booted.
    let booting = set(
        &later(30.0, 644),
        "/progress_history/3/ram/normal_bytes",
        json!(102_584_320),
    );
    let read = [REPORT, &booting].map(|text| parse(text, "x").unwrap());
    let booted = runs(read.into()).remove(0);
    assert!(
        booted.notes[0].starts_with("in 1 of 2 reports of "),
        "{:?}",
        booted.notes
    );
    let details = &booted.record.environment.details;
    assert_eq!(details["guests_without_workload"], "1 of 2");
    let read = [later(0.0, 8_000), later(40.0 * 86_400.0, 8_000)].map(|text| parse(&text, "x"));
    let far = runs(read.into_iter().map(Result::unwrap).collect());
    assert_eq!(far.len(), 1);
    assert!(
        far[0].notes[0].contains("up to 40 d apart"),
        "{:?}",
        far[0].notes
    );
}

// QEMU counts its downtime from its own stop on, which the guest that guestperf stopped has long had.
#[test]
fn of_a_guest_that_guestperf_stopped_no_downtime_is_known() {
    let paused = set(
        &with("/scenario/pause", json!(true)),
        "/scenario/pause_iters",
        json!(2),
    );
    let metrics = |text: &str| {
        let record = import(text).unwrap().record;
        record.cells[0].repeats[0].metrics.clone()
    };
    assert!(!metrics(&paused).contains_key("downtime_ms"));
    assert!(metrics(&paused).contains_key("total_time_ms"));
    let not_yet = set(&paused, "/scenario/pause_iters", json!(20));
    assert!(metrics(&not_yet).contains_key("downtime_ms"));
}

// QEMU forgets all about a migration that was cancelled.
#[test]
fn a_cancelled_migration_ends_by_guestperfs_clock() {
    let cancelled = set(
        &with("/progress_history/3/status", json!("cancelled")),
        "/progress_history/3/duration",
        json!(0),
    );
    let record = import(&cancelled).unwrap().record;
    assert_eq!(record.finished.as_deref(), Some("2026-03-01T12:00:28.000Z"));
    let ended_ms = record.cells[0].repeats[0].events[1].at_ms;
    assert!((ended_ms - 8_000.0).abs() < 1.0, "{ended_ms}");
}

#[test]
fn what_did_not_complete_is_no_time() {
    let outcome = |status: &str| {
        let record = import(&with("/progress_history/3/status", json!(status)))
            .unwrap()
            .record;
        record.cells[0].repeats[0].clone()
    };
    let cancelled = outcome("cancelled");
    assert_eq!(cancelled.outcome, Outcome::DidNotConverge);
    assert!(
        cancelled
            .reason
            .unwrap()
            .contains("after 7 passes (limits: 30 passes, 300 s)")
    );
    assert!(
        cancelled.metrics.contains_key("iterations")
            && !cancelled.metrics.contains_key("total_time_ms")
    );
    for status in ["failed", "active", "\u{1b}[31m"] {
        let repeat = outcome(status);
        assert_eq!(
            (repeat.outcome, repeat.metrics.len()),
            (Outcome::Failed, 0),
            "{status}"
        );
    }
}

#[test]
fn transports_and_strategies_have_our_names() {
    for (pointer, value, id) in [
        (
            "/transport",
            json!("unix"),
            "carrier=native-unix,policy=auto-converge",
        ),
        (
            "/transport",
            json!("rdma"),
            "carrier=rdma,policy=auto-converge",
        ),
        (
            "/scenario/auto_converge",
            json!(false),
            "carrier=native-tcp,policy=static",
        ),
        (
            "/scenario/post_copy",
            json!(true),
            "carrier=native-tcp,policy=post-copy+auto-converge",
        ),
        (
            "/scenario/multifd",
            json!(true),
            "carrier=native-tcp,policy=auto-converge,migration.multifd-channels=4",
        ),
    ] {
        assert_eq!(
            import(&with(pointer, value)).unwrap().record.cells[0].id,
            id
        );
    }
}

// Of a migration shorter than two readings, the CPU's share would be a guess.
#[test]
fn too_few_readings_are_no_figure() {
    let text = with("/progress_history/3/duration", json!(1500));
    let record = import(&text).unwrap().record;
    assert!(
        record.cells[0].repeats[0]
            .metrics
            .keys()
            .all(|id| !id.starts_with("cpu_"))
    );
    let text = with("/qemu_timings", json!([]));
    let record = import(&text).unwrap().record;
    assert!(
        record.cells[0].repeats[0]
            .metrics
            .keys()
            .all(|id| !id.starts_with("cpu_"))
    );
}

#[test]
fn each_kind_of_damage_has_its_message() {
    let cases = [
        ("empty", String::new()),
        ("cut off", REPORT[..REPORT.len() / 2].to_owned()),
        (
            "not a number",
            REPORT.replacen("\"sleep\": 15", "\"sleep\": NaN", 1),
        ),
        ("a record of ours", crate::record::example::jvm().to_json()),
        (
            "deeply nested",
            format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("no progress", with("/progress_history", json!([]))),
        (
            "of another kind",
            with("/progress_history/0/ram", json!("\u{1b}[31m")),
        ),
    ];
    let messages: Vec<String> = cases
        .into_iter()
        .map(|(name, text)| {
            let error = import(&text).expect_err(name).to_string();
            assert!(
                !error.contains('\u{1b}') && error.contains("hint: "),
                "{name}: {error:?}"
            );
            format!("{name}: {error}")
        })
        .collect();
    insta::assert_snapshot!(messages.join("\n"));
}

proptest! {
    #[test]
    fn mutated_reports_do_not_panic(cuts in proptest::collection::vec((any::<prop::sample::Index>(), "[0-9e.,\"a-]{1,6}"), 1..6)) {
        let mut bytes = REPORT.as_bytes().to_vec();
        for (at, new) in cuts {
            let at = at.index(bytes.len());
            let end = (at + new.len()).min(bytes.len());
            bytes.splice(at..end, new.bytes());
        }
        let read = from_json(&bytes, Path::new("x"));
        for Imported { record, .. } in runs(read.into_iter().collect()) {
            // What was imported can be read again.
            let again = Record::from_json(record.to_json().as_bytes(), Path::new("x")).unwrap();
            prop_assert_eq!(again.run_id, record.run_id);
        }
    }
}
