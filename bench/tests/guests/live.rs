//! Runs a scenario with the real program and reads the record that it prints.

use std::path::{Path, PathBuf};
use std::process::Command;

use lmbench_testing::{Need, Turn};
use serde_json::Value;

/// What a run printed.
#[derive(Debug)]
pub(crate) struct Run(Value);

/// One migration of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration<'a>(&'a Value);

/// Runs `scenario`, which must end with exit code 0; `None` when live tests are to be skipped.
pub(crate) fn run(scenario: &str) -> Option<Run> {
    run_to(scenario, 0)
}

/// Runs `scenario`, in which a migration must fail.
pub(crate) fn run_and_fail(scenario: &str) -> Option<Run> {
    run_to(scenario, 4)
}

/// What a scenario needs of the machine.
fn needs(scenario: &str) -> Vec<Need> {
    let mut needs = vec![Need::Namespaces];
    needs.extend(scenario.contains("post-copy").then_some(Need::Userfaultfd));
    let has = |words: &[&str]| words.iter().any(|word| scenario.contains(word));
    let impaired = has(&["loss", "rtt", "jitter"]);
    if impaired && has(&["method = \"kernel\""]) {
        needs.push(Need::Netem);
    } else if impaired || has(&["user-space"]) {
        needs.push(Need::Tap);
    }
    needs
}

fn run_to(scenario: &str, exit_code: i32) -> Option<Run> {
    let place = Place::new(scenario)?;
    let (code, record, said) = place.lmbench(&RUN);
    assert_eq!(code, exit_code, "{said}");
    Some(Run(record))
}

/// Runs `scenario`, whose guests insist on KVM; `None` where KVM boots none, which is said. The records are kept in the folder that
/// `LMBENCH_TEST_RECORDS` names.
pub(crate) fn run_on_kvm(scenario: &str) -> Option<Run> {
    let place = Place::on(scenario, &[Need::Kvm])?;
    let kept = std::env::var("LMBENCH_TEST_RECORDS");
    let mut arguments = RUN;
    if let Ok(kept) = &kept {
        arguments[5] = kept;
    }
    let (code, record, said) = place.said(&arguments);
    if code == 3 && said.contains("KVM boots no guest here") {
        let why = said.lines().next().unwrap_or_default();
        lmbench_testing::skip(&format!("no kvm: {why}"));
        return None;
    }
    assert_eq!(code, 0, "{said}");
    Some(Run(record))
}

/// Runs the scenario of a [`Place`].
pub(crate) const RUN: [&str; 6] = [
    "run",
    "scenario.toml",
    "--format",
    "json",
    "--out",
    "results",
];

/// A folder with a scenario.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    _turn: Turn,
}

impl Place {
    /// `None` when live tests are to be skipped.
    pub(crate) fn new(scenario: &str) -> Option<Place> {
        Place::on(scenario, &[])
    }

    /// On a machine that has more than the scenario shows that it needs.
    fn on(scenario: &str, more: &[Need]) -> Option<Place> {
        let needs = [needs(scenario), more.to_vec()].concat();
        let place = Place {
            _turn: lmbench_testing::live(&needs)?,
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(place.path("scenario.toml"), scenario).unwrap();
        Some(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the real program in the folder. Its exit code, the JSON document that it printed (null if it printed nothing), and what it
    /// said.
    pub(crate) fn lmbench(&self, arguments: &[&str]) -> (i32, Value, String) {
        let (code, document, said) = self.said(arguments);
        assert!(
            code != 3 || said.contains("can't work for this lmbench"),
            "something is missing on this machine: harness/setup.sh installs what live tests need\n{said}"
        );
        (code, document, said)
    }

    fn said(&self, arguments: &[&str]) -> (i32, Value, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_lmbench"))
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let document = if output.stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| panic!("no JSON document on stdout: {error}\n{said}"))
        };
        let code = output.status.code().expect("no signal ended it");
        (code, document, said)
    }
}

impl Run {
    /// The only migration of the run's only cell.
    pub(crate) fn only(&self) -> Migration<'_> {
        let [cell] = &self.cells()[..] else {
            panic!("{} cells", self.cells().len())
        };
        Migration(&cell["repeats"][0])
    }

    /// The first migration of each cell.
    pub(crate) fn all(&self) -> impl Iterator<Item = Migration<'_>> {
        self.cells()
            .iter()
            .map(|cell| Migration(&cell["repeats"][0]))
    }

    /// The first migration of the cell with this id.
    pub(crate) fn cell(&self, id: &str) -> Migration<'_> {
        let cell = self.cells().iter().find(|cell| cell["id"] == id);
        Migration(&cell.unwrap_or_else(|| panic!("no cell {id} in {}", self.0))["repeats"][0])
    }

    /// What the run ran on.
    pub(crate) fn environment(&self) -> &Value {
        &self.0["environment"]
    }

    fn cells(&self) -> &Vec<Value> {
        self.0["cells"].as_array().unwrap()
    }
}

impl Migration<'_> {
    /// Fails unless it completed, the guest runs on the destination only, and what could be checked of its memory is right.
    pub(crate) fn assert_arrived(self) {
        assert_eq!(self.0["outcome"], "completed", "{}", self.0);
        assert_eq!(self.running_on(), "destination", "{}", self.0);
    }

    /// Like [`assert_arrived`](Self::assert_arrived), and every page of the workload's memory is what was written to it.
    pub(crate) fn assert_arrived_intact(self) {
        self.assert_arrived();
        self.assert_intact();
    }

    /// Fails unless it timed out and the guest goes on where it was, unharmed.
    pub(crate) fn assert_stayed_intact(self) {
        assert_eq!(self.0["outcome"], "did-not-converge", "{}", self.0);
        assert_eq!(self.running_on(), "source", "{}", self.0);
        self.assert_intact();
    }

    /// Fails unless it failed and the guest goes on where it was; returns the reason.
    pub(crate) fn assert_failed_in_place(self) -> String {
        assert_eq!(self.0["outcome"], "failed", "{}", self.0);
        assert_eq!(self.running_on(), "source", "{}", self.0);
        self.assert_intact();
        self.0["reason"].as_str().unwrap().to_owned()
    }

    /// Fails unless it was not tried; returns the reason.
    pub(crate) fn assert_skipped(self) -> String {
        assert_eq!(self.0["outcome"], "skipped", "{}", self.0);
        self.0["reason"].as_str().unwrap().to_owned()
    }

    fn assert_intact(self) {
        let integrity = &self.0["integrity"];
        assert_eq!(integrity["memory_intact"], true, "{}", self.0);
        assert!(integrity["pages_checked"].as_u64() > Some(0), "{}", self.0);
    }

    /// Where the guest runs.
    pub(crate) fn running_on(self) -> String {
        self.0["integrity"]["running_on"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Why it did not complete.
    pub(crate) fn reason(self) -> String {
        self.0["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// A metric that must be there.
    pub(crate) fn metric(self, id: &str) -> f64 {
        self.maybe(id)
            .unwrap_or_else(|| panic!("no {id} in {}", self.0))
    }

    /// A metric, if it is there.
    pub(crate) fn maybe(self, id: &str) -> Option<f64> {
        self.0["metrics"][id].as_f64()
    }

    /// Whether the record says that the guest's memory was compared.
    pub(crate) fn memory_was_compared(self) -> bool {
        !self.0["integrity"]["memory_intact"].is_null()
    }

    /// How much shows that a guest without lmbench's code ran.
    pub(crate) fn signs_of_life(self) -> usize {
        let signs = self.0["integrity"]["signs_of_life"].as_array();
        signs.map_or(0, Vec::len)
    }

    /// When the only event of this name happened, ms from `migrate`.
    pub(crate) fn event(self, name: &str) -> f64 {
        assert_eq!(self.events(name), 1, "{name} in {}", self.0);
        let mut events = self.0["events"].as_array().unwrap().iter();
        let event = events.find(|event| event["name"] == name);
        event.and_then(|event| event["at_ms"].as_f64()).unwrap()
    }

    /// When the first event of this name from a moment on happened, both in ms from `migrate`.
    pub(crate) fn next(self, name: &str, from_ms: f64) -> f64 {
        let mut events = self.0["events"].as_array().unwrap().iter();
        let at = events.find_map(|event| {
            let at = event["at_ms"].as_f64()?;
            (event["name"] == name && at >= from_ms).then_some(at)
        });
        at.unwrap_or_else(|| panic!("no {name} after {from_ms} ms in {}", self.0))
    }

    /// What the migration network's user-space link counted in a direction.
    pub(crate) fn link(self, toward: &str, counter: &str) -> u64 {
        let mut events = self.0["events"].as_array().unwrap().iter();
        let links = events.find(|event| event["name"] == "links").unwrap();
        links["data"]["migration"]["toward"][toward][counter]
            .as_u64()
            .unwrap_or_else(|| panic!("no {counter} in {links}"))
    }

    /// How often an event of this name is in the record.
    pub(crate) fn events(self, name: &str) -> usize {
        let events = self.0["events"].as_array().unwrap();
        events.iter().filter(|event| event["name"] == name).count()
    }
}

/// Writes `content` to a file of this name that lives as long as the folder.
pub(crate) fn file(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
