//! `list`, `history`, `export` and `import` over runs that are sound, damaged, or not there.

use std::fs;
use std::path::Path;

use super::store::begun;
use super::support::{Place, SOUND};

pub(crate) const REPORT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/guestperf.json");

/// Two imported runs and one whose record is cut off.
fn furnished() -> (Place, String) {
    let place = Place::new();
    let report = fs::read_to_string(REPORT).expect("the fixture is there");
    place.file("slower.json", report.replace("412", "618"));
    // By one command they would be repeats of one run.
    let ids = [REPORT, "slower.json"].map(|file| {
        let said = place.run(["import", "guestperf", file]);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
        said.stdout.trim_end().to_owned()
    });
    assert_ne!(ids[0], ids[1]);
    let broken = place.path().join("results/20260301-130000-broken-0000");
    fs::create_dir(&broken).expect("the folder is ours");
    fs::write(broken.join("record.json"), "{\"format\": 1,").expect("the folder is ours");
    (place, ids[0].clone())
}

#[test]
fn a_damaged_record_costs_no_list_and_no_history() {
    let (place, _) = furnished();
    for _ in ["with the index made", "and used"] {
        let said = place.run([
            "list",
            "--carrier",
            "native-tcp",
            "--policy",
            "auto-converge",
        ]);
        assert_eq!(said.code, 0);
        assert_eq!(
            said.stdout.matches("20260301-120020-guestperf").count(),
            2,
            "{}",
            said.stdout
        );
        assert!(
            said.stderr
                .contains("20260301-130000-broken-0000/record.json"),
            "{}",
            said.stderr
        );
        let said = place.run(["history", "downtime_ms", "--cell", "carrier=native-tcp"]);
        assert_eq!(said.code, 0);
        assert!(
            said.stderr
                .contains("20260301-130000-broken-0000/record.json"),
            "{}",
            said.stderr
        );
        assert!(said.stdout.contains("2 runs"), "{}", said.stdout);
        assert!(
            said.stdout.lines().all(|line| line.chars().count() <= 100),
            "{}",
            said.stdout
        );
    }
    let said = place.run(["list", "--scenario", "nothing", "--status", "completed"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "no runs\n"));
    // A damaged index is told once, and mended.
    place.file("results/index.sqlite", "x".repeat(5000));
    let said = place.run(["list"]);
    assert!(
        said.stderr.contains("is damaged") && said.stderr.contains("made anew"),
        "{}",
        said.stderr
    );
    let said = place.run(["history", "downtime_ms"]);
    assert!(!said.stderr.contains("made anew"), "{}", said.stderr);
}

#[test]
fn a_history_is_one_document_or_table() {
    let (place, _) = furnished();
    let json = place.run(["history", "downtime_ms", "--format", "json"]);
    let history: serde_json::Value = serde_json::from_str(&json.stdout).expect("one JSON document");
    assert_eq!(
        history["cells"][0]["series"][0]["points"][1]["median"],
        618.0
    );
    assert_eq!(
        (&history["unit"], &history["better"]),
        (&"ms".into(), &"lower".into())
    );
    let csv = place.run(["history", "downtime_ms", "--format", "csv"]);
    assert_eq!(csv.stdout.lines().count(), 3);
    // What nobody measured is told, and is no error.
    let said = place.run(["history", "blackout_ms"]);
    assert_eq!(said.code, 0);
    assert!(
        said.stderr.contains("note: no run below"),
        "{}",
        said.stderr
    );
}

#[test]
fn wrong_words_are_answered() {
    let (place, id) = furnished();
    place.file("no-report.json", "{}");
    place.file("empty", "");
    let id = id.as_str();
    let mut texts = Vec::new();
    for (arguments, code) in [
        (&["history", "downtime"][..], 2),
        (&["history", "\u{1b}[31m"], 2),
        (&["history", "downtime_ms", "--since", "yesterday"], 2),
        (&["history", "downtime_ms", "--out", "empty"], 3),
        (&["export", "nope", "--format", "csv", "-o", "x.csv"], 2),
        (
            &[
                "export",
                "20260301-130000",
                "--format",
                "csv",
                "-o",
                "x.csv",
            ],
            2,
        ),
        (
            &[
                "export",
                id,
                "--format",
                "openmetrics",
                "--samples",
                "-o",
                "x.prom",
            ],
            2,
        ),
        (
            &["export", id, "--format", "csv", "--samples", "-o", "-"],
            2,
        ),
        (&["export", id, "--format", "csv", "-o", "missing/x.csv"], 3),
        (&["export", id, "--format", "parquet", "-o", "/dev/full"], 3),
        (&["import", "guestperf", "missing.json"], 2),
        (&["import", "guestperf", "no-report.json"], 2),
        (&["import", "guestperf", REPORT], 2),
        (&["import", "guestperf", "slower.json", "--out", "empty"], 3),
    ] {
        let shown: Vec<String> = arguments
            .iter()
            .map(|word| {
                word.replace(env!("CARGO_MANIFEST_DIR"), "bench")
                    .escape_debug()
                    .to_string()
            })
            .collect();
        texts.push(format!(
            "$ {}\n{}",
            shown.join(" "),
            place
                .run(arguments)
                .refused(code)
                .replace(env!("CARGO_MANIFEST_DIR"), "bench")
        ));
        assert!(
            !place.path().join("x.csv").exists(),
            "an error leaves no file"
        );
    }
    insta::assert_snapshot!(texts.concat());
}

#[test]
fn exports_are_files_of_their_kind() {
    let (place, id) = furnished();
    begun(&place, "20260302-120000-luck-full", "luck", SOUND, 2)
        .finish()
        .expect("the lock is ours");
    let export = |format: &str, file: &str, more: &[&str]| {
        let arguments = [
            &[
                "export",
                &id,
                "20260302-120000-luck-full",
                "--format",
                format,
                "-o",
                file,
            ],
            more,
        ]
        .concat();
        let said = place.run(&arguments);
        assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
        fs::read(place.path().join(file)).expect("it was written")
    };
    let csv = String::from_utf8(export("csv", "all.csv", &["--samples"])).expect("CSV is UTF-8");
    assert!(
        csv.starts_with("run,scenario,") && csv.contains(",downtime_ms,ms,lower,412\n"),
        "{csv}"
    );
    let samples = fs::read_to_string(place.path().join("all-samples.csv")).expect("it was written");
    assert!(
        samples.contains(",migration.ram.dirty-pages-rate,70000,\n"),
        "{samples}"
    );
    assert!(export("parquet", "all.parquet", &[]).starts_with(b"PAR1"));
    let text = String::from_utf8(export("openmetrics", "lmbench.prom", &[]))
        .expect("OpenMetrics is UTF-8");
    assert!(
        text.contains("lmbench_downtime_seconds{") && text.ends_with("# EOF\n"),
        "{text}"
    );
    let piped = place.run(["export", &id, "--format", "csv", "-o", "-"]);
    assert!(
        piped.stdout.starts_with("run,") && piped.stderr.is_empty(),
        "{piped:?}"
    );
    let temporary = fs::read_dir(place.path()).expect("the folder is ours");
    let left = temporary.flatten().filter(|entry| {
        Path::new(&entry.file_name())
            .extension()
            .is_some_and(|end| end == "new")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn an_imported_run_is_shown_like_any_other() {
    let (place, id) = furnished();
    let said = place.run(["show", &id, "--events"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert!(
        said.stdout.contains("auto-converge") && said.stdout.contains("412 ms"),
        "{}",
        said.stdout
    );
    // One bad file costs no other, and the exit code tells.
    let report = fs::read_to_string(REPORT).expect("the fixture is there");
    place.file("third.json", report.replace("412", "500"));
    place.file("fourth.json", report.replace("412", "510"));
    place.file("cut.json", &report[..500]);
    let said = place.run([
        "import",
        "guestperf",
        "cut.json",
        "third.json",
        "fourth.json",
    ]);
    assert_eq!((said.code, said.stdout.lines().count()), (2, 1), "{said:?}");
    // The two that are sound are repeats of one run, which is imported once.
    let both = said.stdout.trim_end();
    let said = place.run(["show", both]);
    assert!(
        said.stdout.contains("2 of 2: 2 completed"),
        "{}",
        said.stdout
    );
    let said = place.run(["import", "guestperf", "fourth.json", "third.json"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("all 2 reports of"), "{}", said.stderr);
}
