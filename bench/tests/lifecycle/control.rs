//! Orders to a run that goes on, with the real program on both ends of the socket.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use lmbench::record::{Outcome, Repeat};
use rustix::process::Signal;
use serde_json::Value;

use super::RUN_LIMIT;
use super::rig::{MIGRATING, Rig, Running};

/// 200 Mbit/s carry 25 MB/s; the guest rewrites 48 MiB as fast as it can, and the downtime limit has room for 2.5 MB of them.
fn unmovable(rest: &str, repeats: u32) -> String {
    format!(
        r#"name = "unmovable"
[guest]
memory = "192 MiB"
accelerator = "tcg"
[workload.uniform]
memory = "48 MiB"
rate = "unbounded"
[network.migration]
rate = "200 Mbit/s"
{rest}
[run]
repeats = {repeats}
"#
    )
}

const MIGRATION: &str =
    "[migration]\ndowntime-limit = \"100 ms\"\ntimeout = \"60 s\"\nsettle = \"500 ms\"\n";

struct Operator<'a> {
    rig: &'a Rig,
    run: String,
}

impl Operator<'_> {
    fn ctl(&self, order: &[&str]) -> (i32, String, String) {
        let arguments = [&["ctl", &self.run, "--out", "out"], order].concat();
        let Output {
            status,
            stdout,
            stderr,
        } = self.rig.command(&arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Gives an order that must be carried out; what was said of it. A phase's line comes a moment before its migration.
    fn orders(&self, order: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, said, refused) = self.ctl(order);
            if code == 0 {
                return said;
            }
            assert_eq!(code, 4, "{order:?}: {refused}");
            let soon = ["about to begin", "no migration goes on", "no link was cut"];
            let soon = soon.iter().any(|words| refused.contains(words));
            assert!(soon && Instant::now() < deadline, "{order:?}: {refused}");
        }
    }

    /// How the migration stands, once something is known of it that `wanted` holds for.
    fn migration(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, said, error) = self.ctl(&["status", "--format", "json"]);
            assert_eq!(code, 0, "{error}");
            let answer: Value = serde_json::from_str(&said).unwrap();
            let migration = &answer["status"]["now"]["migration"];
            if migration.is_object() && wanted(migration) {
                return migration.clone();
            }
            assert!(Instant::now() < deadline, "{said}");
        }
    }
}

fn started<'a>(rig: &'a Rig, run: &mut Running) -> Operator<'a> {
    let line = run.line("record in");
    let (_, id) = line.split_once(" run ").unwrap();
    let (id, _) = id.split_once(' ').unwrap();
    let run = id.to_owned();
    Operator { rig, run }
}

/// `list` waits half a second for a run's word, which a busy machine may not be able to keep: then it is asked again.
fn lists_what_runs(rig: &Rig, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut list = rig.command(&["list", "--out", "out", "--status", "running"]);
        let list = String::from_utf8(list.output().unwrap().stdout).unwrap();
        if list.contains(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{list}");
    }
}

fn outcomes(operators: &Repeat) -> Vec<String> {
    let given = operators.events.iter().filter(|it| it.name == "operator");
    let words = |data: &Value| {
        let order = data["order"].as_str().map_or("set", |order| order);
        format!("{order} {}", data["outcome"].as_str().unwrap())
    };
    given.map(|event| words(&event.data)).collect()
}

#[test]
fn a_run_is_watched_and_ordered_about_and_killed() {
    let Some(mut rig) = Rig::new(&unmovable(MIGRATION, 3)) else {
        return;
    };
    let mut run = rig.start(&[]);
    rig.traces.watch(run.process);
    let operator = started(&rig, &mut run);
    let (code, _, refused) = operator.ctl(&["cancel"]);
    assert_eq!(code, 4, "{refused}");
    assert!(
        refused.contains("no migration goes on: the run is"),
        "{refused}"
    );
    let (code, _, wrong) = operator.ctl(&["set", "downtime-limit=500"]);
    assert_eq!(code, 2, "{wrong}");

    // The first: everything that can be done to a migration, and in the end it is cancelled.
    run.line(MIGRATING);
    operator.orders(&["set", "max-bandwidth=1 MiB/s", "downtime-limit=50 ms"]);
    let slow = operator.migration(|migration| {
        let rate = migration["throughput_bits_per_s"].as_f64().unwrap();
        migration["state"] == "active" && rate < 30e6
    });
    assert_eq!(slow["decisions"].as_array().unwrap().len(), 2, "{slow}");
    let (code, _, refused) = operator.ctl(&["recover"]);
    assert!(
        code == 4 && refused.contains("nothing to recover"),
        "{refused}"
    );
    let (code, _, refused) = operator.ctl(&["resume"]);
    assert!(code == 4 && refused.contains("not stopped"), "{refused}");
    operator.orders(&["pause"]);
    operator.orders(&["resume"]);
    lists_what_runs(&rig, "[1/3] repeat 1/3, migrating for");
    let (_, status, _) = operator.ctl(&["status"]);
    assert!(
        status.contains("operator: resume done: the guest runs"),
        "{status}"
    );
    operator.orders(&["cancel"]);

    // The second: without post-copy it is completed by a stop.
    run.line(MIGRATING);
    let done = operator.orders(&["force-complete"]);
    assert!(done.contains("stopped until it arrives"), "{done}");

    // The third loses its controller.
    run.line(MIGRATING);
    operator.migration(|_| true);
    run.signal(Signal::KILL);
    let (_, _, said) = run.end(RUN_LIMIT);
    let (code, _, error) = operator.ctl(&["status"]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("is not running any more"), "{error}\n{said}");
    assert_eq!(rig.status(), "interrupted");

    let record = rig.record();
    let repeats = &record.cells[0].repeats;
    assert_eq!(repeats.len(), 2);
    let ordered = [
        "set done",
        "set done",
        "recover refused",
        "resume refused",
        "pause done",
        "resume done",
        "cancel done",
    ];
    assert_eq!(outcomes(&repeats[0]), ordered);
    assert_eq!(repeats[0].outcome, Outcome::Cancelled, "{:?}", repeats[0]);
    assert_eq!(outcomes(&repeats[1]), ["force-complete done"]);
    assert_eq!(repeats[1].outcome, Outcome::Completed, "{:?}", repeats[1]);
    for repeat in repeats {
        let integrity = repeat.integrity.as_ref().unwrap();
        assert_eq!(integrity.memory_intact, Some(true), "{repeat:?}");
    }
}

#[test]
fn a_cut_link_is_made_whole_and_post_copy_ends_it() {
    let cut = "cut-at = \"1 s\"\n";
    let post_copy = "timeout-action = \"post-copy\"\n";
    let Some(mut rig) = Rig::new(&unmovable(&format!("{cut}{MIGRATION}{post_copy}"), 1)) else {
        return;
    };
    let mut run = rig.start(&[]);
    rig.traces.watch(run.process);
    let operator = started(&rig, &mut run);
    run.line(MIGRATING);
    let done = operator.orders(&["resume-network"]);
    assert_eq!(done, "one link is whole again\n");
    let done = operator.orders(&["force-complete"]);
    assert_eq!(done, "switching to post-copy\n");
    let (status, _, said) = run.end(RUN_LIMIT);
    assert_eq!(status.code(), Some(0), "{said}");
    let (code, _, error) = operator.ctl(&["pause"]);
    assert!(code == 3 && error.contains("it has ended"), "{error}");
    let record = rig.record();
    let repeat = &record.cells[0].repeats[0];
    assert_eq!(repeat.outcome, Outcome::Completed, "{repeat:?}");
    assert!(repeat.metrics.contains_key("postcopy_bytes"));
    rig.expect_clean("after a run that was ordered about");
}

/// The run of another user, in a user namespace of that user: its owner is heard, even root is not.
pub(crate) fn only_the_owner_is_heard(rig: &Rig) {
    let record = &rig.records()[0];
    let folder = record.parent().unwrap();
    let operator = Operator {
        rig,
        run: folder.file_name().unwrap().to_str().unwrap().to_owned(),
    };
    let (code, said, error) = operator.ctl(&["status"]);
    assert_eq!(code, 0, "{error}");
    assert!(said.contains("policy static"), "{said}");
    let root = Command::new(env!("CARGO_BIN_EXE_lmbench"))
        .arg("ctl")
        .arg(folder)
        .arg("cancel")
        .output()
        .unwrap();
    let error = String::from_utf8(root.stderr).unwrap();
    assert_eq!(root.status.code(), Some(3), "{error}");
    assert!(error.contains("only its owner can control"), "{error}");
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
