//! `lmbench baseline` and `lmbench gate` as an operator's CI uses them: the real binary, on records made of a real run's.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with records; commands run in it.
struct Place(TempDir);

/// Downtimes of a quiet machine, in parts of the real run's.
const STEADY: [f64; 6] = [0.99, 1.01, 1.0, 0.98, 1.02, 1.005];

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A run of the fixture's cell in which every metric is `factor` of the real one's, with some scatter.
    fn run(&self, name: &str, factor: f64, change: impl FnOnce(&mut Value)) {
        let mut record = fixture();
        record["run_id"] = json!(format!("20261121-000000-{name}-0000"));
        record["planned_repeats"] = json!(STEADY.len());
        record["complete"] = json!(true);
        let repeat = record["cells"][0]["repeats"][0].clone();
        let repeats = STEADY.iter().enumerate().map(|(index, scatter)| {
            let mut repeat = repeat.clone();
            repeat["repeat"] = json!(index + 1);
            let metrics = repeat["metrics"].as_object_mut().expect("metrics");
            for value in metrics.values_mut() {
                *value = json!(value.as_f64().expect("a number") * factor * scatter);
            }
            repeat
        });
        record["cells"][0]["repeats"] = json!(repeats.collect::<Vec<_>>());
        change(&mut record);
        fs::write(self.path(name), record.to_string()).expect("the folder is ours");
    }

    fn lmbench<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Said {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("lmbench"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("LMBENCH_LOG")
            .env_remove("CLICOLOR_FORCE")
            // Nothing here needs one, and none may be here.
            .env("LMBENCH_QEMU", "/nowhere/qemu")
            .output()
            .expect("the binary starts");
        Said::of(&output)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("the file was written")
    }
}

#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        Said {
            code: output.status.code().expect("no signal ended it"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// An error with this exit code that says what to do, and nothing on stdout.
    #[track_caller]
    fn refused(self, code: i32, words: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        let error = self.stderr;
        assert!(
            error.contains("error: ") && error.contains("hint: "),
            "{error}"
        );
        assert!(error.contains(words), "{words:?} is not in {error}");
        assert!(
            !error.contains("panicked") && !error.contains('\u{1b}'),
            "{error}"
        );
    }
}

fn fixture() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quick/record.json");
    let text = fs::read_to_string(path).expect("the fixture stands beside this test");
    serde_json::from_str(&text).expect("JSON")
}

fn with_baseline() -> Place {
    let place = Place::new();
    place.run("kept.json", 1.0, |_| ());
    let said = place.lmbench(["baseline", "kept.json", "-o", "base.json"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    assert!(said.stderr.contains("1 cell"), "{said:?}");
    place
}

#[test]
fn the_same_again_passes_and_slower_does_not() {
    let place = with_baseline();
    place.run("same.json", 1.01, |_| ());
    place.run("slow.json", 1.4, |_| ());
    place.run("fast.json", 0.5, |_| ());
    for (run, code, verdict) in [
        ("same.json", 0, "pass"),
        ("slow.json", 5, "regressed"),
        ("fast.json", 0, "improved"),
    ] {
        let said = place.lmbench(["gate", run, "--baseline", "base.json", "--format", "line"]);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.stdout.starts_with(verdict), "{said:?}");
        assert_eq!(said.stdout.lines().count(), 1);
        let said = place.lmbench(["gate", run, "--baseline", "base.json", "--format", "json"]);
        let json: Value = serde_json::from_str(&said.stdout).expect("one JSON document");
        assert_eq!(
            (&json["verdict"], &json["exit_code"]),
            (&json!(verdict), &json!(code))
        );
    }
    // The rules of the scenario hold, and those of the command line before them.
    place.run("ruled.json", 1.4, |record| {
        let text = record["scenario"]["text"].as_str().expect("text").to_owned();
        let text = text + "\n[gate]\ndowntime_ms = \"+60 %\"\n[gate.cells.\"carrier=tcp\"]\ndowntime_ms = \"+80 %\"\n";
        record["scenario"]["text"] = json!(text);
        record["scenario"]["sha256"] = json!("0");
    });
    let gate = ["gate", "ruled.json", "--baseline", "base.json"];
    assert_eq!(place.lmbench(gate).code, 0);
    let asked = gate.iter().chain(&["--tolerance", "downtime_ms=+5 %"]);
    assert_eq!(place.lmbench(asked).code, 5);
}

#[test]
fn too_few_repeats_are_inconclusive_as_told() {
    let place = with_baseline();
    place.run("few.json", 1.4, |record| {
        let repeats = record["cells"][0]["repeats"]
            .as_array_mut()
            .expect("repeats");
        repeats.truncate(2);
        record["planned_repeats"] = json!(2);
    });
    let gate = ["gate", "few.json", "--baseline", "base.json"];
    for (is, code) in [("inconclusive", 6), ("pass", 0), ("fail", 5)] {
        let said = place.lmbench(gate.iter().chain(&["--inconclusive-is", is]));
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.stdout.starts_with("inconclusive"), "{said:?}");
    }
    // A limit needs no baseline.
    let limit = |rule: &str| {
        place
            .lmbench(["gate", "few.json", "--tolerance", rule])
            .code
    };
    assert_eq!(limit("total_time_ms=<= 1 h"), 0);
    assert_eq!(limit("total_time_ms=<= 1 ms"), 5);
}

#[test]
fn files_for_ci_are_written_beside_the_answer() {
    let place = with_baseline();
    place.run("slow.json", 1.4, |record| {
        record["cells"][0]["repeats"][0]["outcome"] = json!("failed");
        record["cells"][0]["repeats"][0]["metrics"] = json!({});
        record["cells"][0]["repeats"][0]["reason"] =
            json!("]]><script>alert(1)</script> | `x` \u{1b}[2J");
    });
    fs::write(place.path("summary.md"), "what another step wrote\n").expect("the folder is ours");
    let files = ["--junit", "gate.xml", "--markdown", "summary.md"];
    let gate = ["gate", "slow.json", "--baseline", "base.json"];
    let said = place.lmbench(gate.iter().chain(&files));
    assert_eq!(said.code, 5, "{said:?}");
    let (xml, markdown) = (place.read("gate.xml"), place.read("summary.md"));
    assert!(
        xml.starts_with("<?xml") && xml.contains("<failure message=\"regressed: "),
        "{xml}"
    );
    assert!(
        markdown.starts_with("what another step wrote\n### "),
        "{markdown}"
    );
    for text in [&said.stdout, &xml, &markdown] {
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    assert!(!xml.contains("<script") && !markdown.contains("<script"));
    for line in said.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn another_machine_is_refused_unless_it_is_wanted() {
    let place = with_baseline();
    place.run("kvm.json", 1.0, |record| {
        record["environment"]["accelerator"] = json!("kvm");
        record["environment"]["cores"] = json!(64);
    });
    let gate = ["gate", "kvm.json", "--baseline", "base.json"];
    place.lmbench(gate).refused(
        3,
        "the accelerator is kvm, the baseline's tcg; the number of CPUs is 64",
    );
    let said = place.lmbench(gate.iter().chain(&["--any-machine"]));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stdout.contains("note: the accelerator is kvm"),
        "{said:?}"
    );

    // A new QEMU may be what is tested.
    place.run("qemu.json", 1.0, |record| {
        record["environment"]["qemu"] = json!("11.0.0");
    });
    let said = place.lmbench(["gate", "qemu.json", "--baseline", "base.json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("note: QEMU is 11.0.0"), "{said:?}");

    place.run("other.json", 1.0, |record| {
        let text = record["scenario"]["text"]
            .as_str()
            .expect("text")
            .replace("256 MiB", "512 MiB");
        record["scenario"]["text"] = json!(text);
        record["scenario"]["sha256"] = json!("0");
    });
    let gate = ["gate", "other.json", "--baseline", "base.json"];
    place
        .lmbench(gate)
        .refused(2, "`guest.memory` is 512 MiB, the baseline's 256 MiB");
    assert_eq!(
        place.lmbench(gate.iter().chain(&["--any-scenario"])).code,
        0
    );
}

#[test]
fn noise_is_measured_by_runs_of_the_same() {
    let place = Place::new();
    place.run("kept.json", 1.0, |_| ());
    place.run("again.json", 1.3, |_| ());
    place.run("odd.json", 1.0, |record| {
        record["environment"]["cpu"] = json!("another");
    });
    let baseline = |noise: &[&str]| {
        let make = ["baseline", "kept.json", "-o", "base.json", "--noise-floor"];
        place.lmbench(make.iter().chain(noise))
    };
    assert_eq!(baseline(&["again.json"]).code, 0);
    let file: Value = serde_json::from_str(&place.read("base.json")).expect("JSON");
    let floor = file["noise"]["floor"]["downtime_ms"]
        .as_f64()
        .expect("a floor");
    assert!((floor - 0.3).abs() < 1e-6, "{floor}");
    // So a run that is a quarter slower says nothing.
    place.run("slow.json", 1.25, |_| ());
    let gate = ["gate", "slow.json", "--baseline", "base.json"];
    let said = place.lmbench(gate);
    assert_eq!(said.code, 6, "{said:?}");
    assert!(said.stdout.contains("known from 2 only"), "{said:?}");
    // Five that hardly differ let it be seen.
    let several = ["1", "2", "3", "4", "5"].map(|name| format!("run{name}.json"));
    for (name, factor) in several.iter().zip([1.0, 1.001, 0.999, 1.002, 0.998]) {
        place.run(name, factor, |_| ());
    }
    let mut make = vec!["baseline", "-o", "base.json"];
    make.extend(several.iter().map(String::as_str));
    let said = place.lmbench(&make);
    assert!(
        said.code == 0 && said.stderr.contains("4 others of the same"),
        "{said:?}"
    );
    let file: Value = serde_json::from_str(&place.read("base.json")).expect("JSON");
    assert_eq!(file["noise"]["started"].as_array().map(Vec::len), Some(5));
    assert_eq!(place.lmbench(gate).code, 5);

    baseline(&["kept.json"]).refused(2, "has no noise against itself");
    baseline(&["odd.json"]).refused(2, "the CPU is another");
}

#[test]
fn wrong_words_and_wrong_files_are_answered() {
    let place = with_baseline();
    place.run("lost.json", 1.0, |record| {
        record["cells"][0]["repeats"][2]["integrity"]["memory_intact"] = json!(false);
    });
    place.run("ruled.json", 1.0, |record| {
        record["scenario"]["text"] = json!("name = \"quick\"\n[gate]\ndowntime = \"+10 %\"\n");
    });
    fs::write(
        place.path("torn.json"),
        "{\"kind\": \"lmbench-baseline\", \"format\": 1, ",
    )
    .expect("ours");
    let base = |run: &str, file: &str| place.lmbench(["gate", run, "--baseline", file]);
    base("kept.json", "nowhere.json").refused(2, "can't read the baseline");
    base("kept.json", "kept.json").refused(2, "it is the record of a run");
    base("kept.json", "torn.json").refused(2, "is damaged at line 1");
    base("nothing", "base.json").refused(2, "nothing");
    base("ruled.json", "base.json").refused(2, "did you mean `downtime_ms`?");
    let make = |arguments: &[&str]| place.lmbench(["baseline"].iter().chain(arguments));
    make(&["lost.json", "-o", "lost-base.json"]).refused(2, "memory was lost in repeat 3");
    make(&["kept.json", "-o", "no/such/folder"]).refused(2, "can't write");
    let gate = |arguments: &[&str]| place.lmbench(["gate", "kept.json"].iter().chain(arguments));
    gate(&["--cell", "carrier=quic"]).refused(2, "its values are tcp");
    gate(&["--junit", "no/such/folder"]).refused(2, "can't write");
    // clap's own: the words after the flag are named, with what was meant.
    let said = gate(&["--tolerance", "downtime_ms=+10 ms"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("percent"), "{said:?}");

    // What was lost regresses, with or without a baseline, though no figure changed.
    assert_eq!(base("lost.json", "base.json").code, 5);
    assert_eq!(place.lmbench(["gate", "lost.json"]).code, 5);
}

// Without a guest: what is wrong about a baseline is said before the run.
#[test]
fn a_run_that_could_not_be_judged_is_not_begun() {
    let place = Place::new();
    let here = lmbench_harness::host::HostInfo::examine();
    let text = fixture()["scenario"]["text"]
        .as_str()
        .expect("text")
        .to_owned();
    fs::write(place.path("scenario.toml"), &text).expect("the folder is ours");
    place.run("kept.json", 1.0, |record| {
        record["environment"]["cpu"] = json!(here.cpu);
        record["environment"]["cores"] = json!(here.cores);
    });
    place.run("elsewhere.json", 1.0, |record| {
        record["environment"]["cpu"] = json!(here.cpu);
        record["environment"]["cores"] = json!(here.cores + 1);
    });
    place.run("other.json", 1.0, |record| {
        record["scenario"]["text"] = json!(text.replace("256 MiB", "512 MiB"));
        record["scenario"]["sha256"] = json!("0");
    });
    for run in ["kept", "elsewhere", "other"] {
        let (record, file) = (format!("{run}.json"), format!("{run}-base.json"));
        let said = place.lmbench(["baseline", &record, "-o", &file]);
        assert_eq!(said.code, 0, "{said:?}");
    }
    let run = |file: &str| place.lmbench(["run", "scenario.toml", "--dry-run", "--baseline", file]);
    run("nowhere.json").refused(2, "can't read the baseline");
    run("kept.json").refused(2, "it is the record of a run");
    run("other-base.json").refused(
        2,
        "this run and the baseline are not of the same experiment",
    );
    run("elsewhere-base.json").refused(3, "the number of CPUs");
    // It would begin, and end for want of a QEMU.
    let said = run("kept-base.json");
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.stdout.contains("order (repeat: cells)"), "{said:?}");
}
