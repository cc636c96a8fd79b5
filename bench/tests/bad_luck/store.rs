//! `list`, `show` and `--resume` where there is nothing, or not what was meant.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use lmbench::record::{Environment, Record, Repeat, ScenarioText};
use lmbench::store::{RunWriter, Store};

use super::support::{Place, SOUND};

fn environment() -> Environment {
    Environment {
        lmbench: "0".to_owned(),
        qemu: "10.0.2".to_owned(),
        kernel: "6".to_owned(),
        accelerator: "tcg".to_owned(),
        accelerator_reason: None,
        cpu: "cpu".to_owned(),
        cores: 2,
        hosts: BTreeMap::new(),
        details: BTreeMap::new(),
    }
}

/// A run of [`SOUND`] under a known id, with so many repeats done.
pub(crate) fn begun(place: &Place, id: &str, name: &str, text: &str, done: u32) -> RunWriter {
    let cells = [("base".to_owned(), IndexMap::new())];
    let mut record = Record::new(ScenarioText::new(name, text), environment(), 1, 2, cells);
    id.clone_into(&mut record.run_id);
    let writer = Store::open(place.path().join("results"))
        .create_run(&record)
        .expect("the folder is ours");
    for repeat in 1..=done {
        record.push(0, Repeat::completed(repeat, 0.0, BTreeMap::new()));
    }
    writer.save(&record).expect("the folder is ours");
    writer
}

#[test]
fn runs_that_are_not_there() {
    let place = Place::new();
    place.file("file", "");
    place.file("luck.toml", SOUND);
    std::fs::create_dir(place.path().join("empty")).expect("the folder is ours");
    for id in ["20260301-120000-luck-aaaa", "20260301-120000-luck-bbbb"] {
        begun(&place, id, "luck", SOUND, 1)
            .finish()
            .expect("the lock is ours");
    }
    let mut texts = Vec::new();
    for (arguments, code) in [
        (&["show", "x", "--out", "missing"][..], 2),
        (&["show", "x", "--out", "empty"], 2),
        (&["show", "", "--out", "results"], 2),
        (&["show", "20260301-120000"], 2),
        (&["show", "20260301-120000-luck-aaab"], 2),
        (&["list", "--out", "file"], 3),
        (&["list", "--status", "done"], 2),
        (&["list", "--since", "yesterday"], 2),
        (&["run", "luck.toml", "--resume", "nope"], 2),
        (&["run", "luck.toml", "--resume", "20260301"], 2),
    ] {
        texts.push(format!(
            "$ {}\n{}",
            arguments.join(" "),
            place.run(arguments).refused(code)
        ));
    }
    insta::assert_snapshot!(texts.concat());
}

/// No results yet is no error; a folder that is not there may be a typing error, so it is named.
#[test]
fn an_empty_store_lists_nothing() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("empty")).expect("the folder is ours");
    let said = place.run(["list", "--out", "empty"]);
    assert_eq!(
        (said.code, said.stdout.as_str(), said.stderr.as_str()),
        (0, "no runs\n", "")
    );
    let said = place.run(["list", "--out", "rseults"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "no runs\n"));
    assert!(
        said.stderr
            .starts_with("note: there is no folder rseults yet"),
        "{}",
        said.stderr
    );
    let said = place.run(["list", "--out", "rseults", "--format", "json"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "[]\n"));
}

#[test]
fn runs_that_can_not_go_on() {
    let place = Place::new();
    place.file("luck.toml", SOUND);
    place.file("other.toml", SOUND.replace("luck", "other"));
    place.file("changed.toml", format!("{SOUND}# changed\n"));
    let finish = |writer: RunWriter| writer.finish().expect("the lock is ours");
    finish(begun(&place, "20260301-120000-luck-part", "luck", SOUND, 1));
    let _running = begun(&place, "20260301-120000-luck-runs", "luck", SOUND, 1);
    let mut texts = Vec::new();
    for (file, run) in [
        ("other.toml", "part"),
        ("changed.toml", "part"),
        ("luck.toml", "runs"),
    ] {
        let run = format!("20260301-120000-luck-{run}");
        texts.push(place.run(["run", file, "--resume", &run]).refused(2));
    }
    insta::assert_snapshot!(texts.join("----\n"));
    // Refusing, and only planning, must not make a run that was ended in order look as if its process had died.
    let mut plan = place.command([
        "run",
        "luck.toml",
        "--dry-run",
        "--resume",
        "20260301-120000-luck-part",
    ]);
    plan.env("LMBENCH_QEMU", "/nowhere/qemu");
    let plan = place.said(plan);
    assert_eq!(plan.code, 3, "without a QEMU: {plan:?}");
    assert!(plan.stdout.contains("order (repeat: cells)"), "{plan:?}");
    let list = place.run(["list", "--status", "partial"]).stdout;
    assert!(list.contains("luck-part"), "{list}");
}

/// A complete run is shown again; no lab is made, so this works without QEMU.
#[test]
fn a_complete_run_has_nothing_left_to_do() {
    let place = Place::new();
    place.file("luck.toml", SOUND);
    begun(&place, "20260301-120000-luck-full", "luck", SOUND, 2)
        .finish()
        .expect("the lock is ours");
    let run = [
        "run",
        "luck.toml",
        "--resume",
        "20260301-120000-luck-full",
        "--format",
        "json",
    ];
    let said = place.run(run);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        said.stderr,
        "note: run 20260301-120000-luck-full is complete: nothing is left to do\n"
    );
    let record: serde_json::Value = serde_json::from_str(&said.stdout).expect("one JSON document");
    assert_eq!(record["complete"], true);
}
