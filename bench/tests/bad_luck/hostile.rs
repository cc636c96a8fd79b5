//! Records that are damaged, of tomorrow, or made to harm whoever reads them: each command names the file, and nothing else is lost.

#[path = "../../fuzz/read/page.rs"]
mod page;

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Place, Said};

const QUICK: &str = include_str!("../fixtures/quick/record.json");
const SOUND_ID: &str = "20260302-120000-quick-0000";

/// A sound run, beside which the others are put.
fn furnished() -> Place {
    let place = Place::new();
    record(&place, SOUND_ID, QUICK);
    place
}

fn record(place: &Place, id: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let folder = place.path().join("results").join(id);
    fs::create_dir_all(&folder).expect("the folder is ours");
    let path = folder.join("record.json");
    fs::write(&path, text).expect("the folder is ours");
    path
}

/// The fixture with something changed.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut record: Value = serde_json::from_str(QUICK).expect("the fixture is a record");
    change(&mut record);
    record.to_string()
}

/// Runs it with so much address space: what is refused must not first fill the memory.
fn within_a_gibibyte(place: &Place, arguments: &[&str]) -> Said {
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "ulimit -v 1048576; exec \"$0\" \"$@\""])
        .arg(assert_cmd::cargo::cargo_bin!("lmbench"))
        .args(arguments)
        .current_dir(place.path());
    place.said(shell)
}

/// Every command that reads a record, with the bad one as `bad`.
fn readers(bad: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["show", bad],
        vec!["show", bad, "--format", "json"],
        vec!["compare", bad, SOUND_ID],
        vec!["compare", SOUND_ID, bad],
        vec!["compare", SOUND_ID, SOUND_ID, "--noise-floor", bad],
        vec!["gate", bad],
        vec!["baseline", bad, "-o", "baseline.json"],
        vec!["report", bad],
        vec!["report", SOUND_ID, bad, "-o", "report.html"],
        vec!["export", SOUND_ID, bad, "--format", "csv", "-o", "out.csv"],
        vec!["replay", bad, "--policy", "all"],
    ]
}

#[test]
fn no_damage_stops_more_than_its_own_record() {
    let place = furnished();
    let nested = |levels: usize| "[".repeat(levels);
    let damages: [(&str, Vec<u8>, &str); 9] = [
        (
            "future",
            QUICK.replacen("\"format\": 1", "\"format\": 2", 1).into(),
            "has format 2",
        ),
        ("empty", Vec::new(), "damaged at line 1"),
        (
            "cut",
            QUICK.as_bytes()[..QUICK.len() / 2].into(),
            "damaged at line",
        ),
        (
            "nan",
            QUICK
                .replacen("\"median\": ", "\"median\": NaN, \"x\": ", 1)
                .into(),
            "damaged at line",
        ),
        (
            "infinite",
            QUICK
                .replacen("\"median\": ", "\"median\": 1e999, \"x\": ", 1)
                .into(),
            "damaged at line",
        ),
        (
            "deep",
            format!("{{\"format\": 1, \"seed\": {}", nested(100_000)).into(),
            "damaged at line 1",
        ),
        (
            "deeper",
            QUICK
                .replacen(
                    "\"info\": {",
                    &format!("\"info\": {}{{", nested(100_000)),
                    1,
                )
                .into(),
            "damaged at line",
        ),
        (
            "long",
            [
                b"{\"format\": 1, \"run_id\": \"".as_slice(),
                "x".repeat(17 << 20).as_bytes(),
            ]
            .concat(),
            "a text of more than 16 MiB",
        ),
        (
            "zeros",
            [&QUICK.as_bytes()[..200], &[0; 4096]].concat(),
            "damaged at line",
        ),
    ];
    for (name, bytes, part) in &damages {
        record(&place, &format!("20260301-120000-{name}"), bytes);
        for arguments in readers(&format!("20260301-120000-{name}")) {
            let text = place.run(&arguments).refused(2);
            let file = format!("20260301-120000-{name}/record.json");
            assert!(
                text.contains(&file) && text.contains(part),
                "{arguments:?}: {text}"
            );
            assert!(text.len() < 1000, "{arguments:?}: {text}");
        }
    }
    for file in ["baseline.json", "report.html", "out.csv"] {
        assert!(!place.path().join(file).exists(), "{file}");
    }
    lists_all(&place, damages.len());
}

/// The sound run is listed and in its history, and the others with their reasons, whether the index is made or used.
fn lists_all(place: &Place, damaged: usize) {
    for _ in 0..2 {
        for arguments in [&["list"][..], &["history", "total_time_ms"]] {
            let said = place.run(arguments);
            assert_eq!(said.code, 0, "{said:?}");
            assert_eq!(
                said.stderr.matches("/record.json").count(),
                damaged,
                "{said:?}"
            );
            assert!(said.stdout.contains("quick"), "{said:?}");
        }
    }
}

/// Files of a gigabyte that hold nothing cost no disk; they must not cost a gigabyte of memory either, nor the time to read one.
#[test]
fn a_sparse_file_is_refused_at_once() {
    let place = furnished();
    // What as many commands take when there is nothing to read.
    let small = "20260301-120000-small";
    record(&place, small, "");
    let started = Instant::now();
    for arguments in readers(small) {
        within_a_gibibyte(&place, &arguments).refused(2);
    }
    let limit = started.elapsed() * 10 + Duration::from_secs(20);
    fs::remove_dir_all(place.path().join("results").join(small)).expect("it is ours");
    for (name, length, part) in [
        ("huge", (1 << 30) + 1, "larger than 1024 MiB"),
        ("hole", 1 << 30, "damaged at line 1"),
    ] {
        let id = format!("20260301-120000-{name}");
        let path = record(&place, &id, "");
        let file = File::options()
            .write(true)
            .open(path)
            .expect("it was just made");
        file.set_len(length)
            .expect("the file system has sparse files");
        let started = Instant::now();
        for arguments in readers(&id) {
            let text = within_a_gibibyte(&place, &arguments).refused(2);
            assert!(
                text.contains(&format!("{id}/record.json")) && text.contains(part),
                "{text}"
            );
        }
        let took = started.elapsed();
        assert!(took < limit, "{took:?}, and {limit:?} is ample");
    }
    // Samples are read line by line, and nothing here is a line.
    let samples = place
        .path()
        .join("results")
        .join(SOUND_ID)
        .join("samples.jsonl");
    let file = File::create(&samples).expect("the folder is ours");
    file.set_len(2 << 30)
        .expect("the file system has sparse files");
    let said = within_a_gibibyte(&place, &["replay", SOUND_ID, "--policy", "all"]);
    assert!(said.refused(2).contains("samples.jsonl"));
    let said = within_a_gibibyte(&place, &["report", SOUND_ID]);
    assert_eq!(said.code, 0, "{said:?}");
    fs::remove_file(samples).expect("it is ours");
    lists_all(&place, 2);
}

/// Of a record that can be read, no text does anything, however it is shown.
#[test]
fn texts_stay_texts() {
    let place = furnished();
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u{1b}]0;x\u{7}\u{202e}|`=cmd";
    // A hundred and more tables around a value take a kilobyte in TOML, and thousands some more.
    let level = format!("{{{}a = ", "a.".repeat(70));
    let nested = ["x = ", &level.repeat(70), "1", &"}".repeat(70)].concat();
    let id = "20260301-120000-evil";
    let text = changed(|record| {
        record["run_id"] = json!(id);
        record["scenario"]["name"] = json!(evil);
        record["scenario"]["text"] = json!(nested);
        record["environment"]["cpu"] = json!(evil);
        record["environment"]["details"][evil] = json!([evil]);
        record["cells"][0]["id"] = json!(evil);
        record["cells"][0]["parameters"] = json!({ "carrier": evil, evil: evil });
        record["cells"][0]["repeats"][0]["metrics"][evil] = json!(1.7e308);
        record["cells"][0]["repeats"][0]["metrics"]["total_time_ms"] = json!(1.7e308);
        record["cells"][0]["repeats"][0]["events"][0]["name"] = json!(evil);
        record["cells"][0]["repeats"][0]["events"][0]["host"] = json!(evil);
    });
    record(&place, id, text);
    for (arguments, code) in [
        (&["show", id, "--all", "--events"][..], 0),
        (&["list"], 0),
        (&["history", "total_time_ms"], 0),
        (&["compare", id, id], 0),
        (&["gate", id], 2),
        (&["baseline", id, "-o", "baseline.json"], 0),
        (&["report", id], 0),
        (&["report", id, SOUND_ID, "-o", "both.html"], 0),
        (&["report", id, "-o", "one.html"], 0),
        (
            &[
                "export",
                id,
                "--format",
                "csv",
                "-o",
                "out.csv",
                "--samples",
            ],
            0,
        ),
        (
            &["export", id, "--format", "openmetrics", "-o", "out.prom"],
            0,
        ),
        (&["replay", id, "--policy", "all"], 2),
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        let shown = said.stdout + &said.stderr;
        let controls = |character: char| character.is_control() && character != '\n';
        assert!(
            !shown.contains(controls) && !shown.contains('\u{202e}'),
            "{arguments:?}: {shown}"
        );
    }
    for file in ["one.html", "both.html"] {
        let page = fs::read_to_string(place.path().join(file)).expect("it was written");
        page::runs_one_script(&page);
        assert!(
            !page.contains("<img") && page.contains("&lt;/script&gt;"),
            "{file}"
        );
    }
}
