//! Every benchmark once per round, so that a machine that changes its speed hits all alike.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::rc::Rc;

use super::hosts::Hosts;
use super::pump::{self, Transfer};
use super::settings::{Mode, Settings};
use super::stream::Stream;
use super::variant::Variant;
use super::{capture, halves, iperf};

/// One benchmark.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) mtu: u32,
    pub(crate) variant: Variant,
    /// Of one that replays: any, until [`load`] gives it the right one.
    pub(crate) stream: Rc<Stream>,
}

/// What was measured, by the benchmark's name, in the order of the rounds.
#[derive(Default)]
pub(crate) struct Results(HashMap<String, Vec<Transfer>>);

impl Case {
    /// criterion's name of the group that it belongs to.
    pub(crate) fn group(&self) -> String {
        format!("{}-{}", self.kind, self.mtu)
    }

    /// criterion's name of it.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.group(), self.variant)
    }

    fn transfer(&self, hosts: &Hosts) -> Result<Transfer, String> {
        match &self.variant {
            Variant::RawUnix => pump::raw_unix(&self.stream),
            Variant::RawTcp => pump::raw_tcp(hosts, &self.stream),
            Variant::Iperf3 => iperf::transfer(hosts, self.stream.len()),
            Variant::Carrier { scheme, set } => halves::carried(hosts, *scheme, set, &self.stream),
        }
    }
}

impl Results {
    pub(crate) fn of(&self, case: &Case) -> &[Transfer] {
        self.0.get(&case.name()).map_or(&[], Vec::as_slice)
    }
}

/// Everything that can be measured here with these settings.
pub(crate) fn cases(settings: &Settings) -> Vec<Case> {
    let variants = settings.variants.clone().unwrap_or_else(Variant::all);
    let stream = Rc::new(Stream::synthetic(settings.bytes));
    let mut cases = Vec::new();
    for (index, mtu) in settings.mtus.iter().enumerate() {
        let of_mtu = variants
            .iter()
            .filter(|variant| index == 0 || variant.has_network());
        cases.extend(of_mtu.map(|variant| Case {
            kind: "synthetic",
            mtu: *mtu,
            variant: variant.clone(),
            stream: Rc::clone(&stream),
        }));
    }
    if let Some(mtu) = settings.mtus.first().filter(|_| can_replay(settings)) {
        // iperf3 sends what it likes.
        let replaying = variants
            .iter()
            .filter(|variant| **variant != Variant::Iperf3);
        cases.extend(replaying.map(|variant| Case {
            kind: REPLAYED,
            mtu: *mtu,
            variant: variant.clone(),
            stream: Rc::clone(&stream),
        }));
    }
    let mut names = HashSet::new();
    cases.retain(|case| names.insert(case.name()));
    cases.retain(|case| {
        let missing = case.variant.missing();
        if let Some(program) = missing.filter(|_| settings.mode != Mode::Names) {
            eprintln!("{} is left out: no {program} here", case.name());
        }
        missing.is_none()
    });
    cases
}

/// A stream that has to be recorded first is more than a test wants.
fn can_replay(settings: &Settings) -> bool {
    settings.capture.is_some() || (settings.mode != Mode::Test && capture::is_possible())
}

/// Gives the cases that replay a stream the one that they replay.
pub(crate) fn load(settings: &Settings, cases: &mut [Case]) -> Result<(), String> {
    if cases.iter().all(|case| case.kind != REPLAYED) {
        return Ok(());
    }
    let stream = if let Some(path) = &settings.capture {
        Stream::replayed(path)?
    } else {
        eprintln!("recording the stream of a small guest");
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("capture");
        capture::record(&path)?;
        Stream::replayed(&path)?
    };
    eprintln!("{} MiB to replay", stream.len() >> 20);
    let stream = Rc::new(stream);
    for case in cases.iter_mut().filter(|case| case.kind == REPLAYED) {
        case.stream = Rc::clone(&stream);
    }
    Ok(())
}

/// Measures all of the cases.
pub(crate) fn measure(settings: &Settings, cases: &[Case]) -> Result<Results, String> {
    let mut json = settings.json.as_ref().map(open).transpose()?;
    let mut hosts = BTreeMap::new();
    for case in cases {
        if let Entry::Vacant(place) = hosts.entry(case.mtu) {
            place.insert(Hosts::make(case.mtu)?);
        }
    }
    let mut results = Results::default();
    for round in 1..=settings.rounds {
        for case in cases {
            progress(settings, round, case);
            let transfer = case.transfer(&hosts[&case.mtu]).map_err(|error| {
                format!(
                    "{}, round {round}: {error}\nhint: LMBENCH_CARRIERS chooses what is measured",
                    case.name()
                )
            })?;
            if let Some(file) = &mut json {
                writeln!(file, "{}", line(case, round, &transfer))
                    .map_err(|error| format!("can't write LMBENCH_JSON: {error}"))?;
            }
            results.0.entry(case.name()).or_default().push(transfer);
        }
    }
    hosts.into_values().try_for_each(Hosts::close)?;
    Ok(results)
}

fn open(path: &std::path::PathBuf) -> Result<File, String> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| {
            format!(
                "can't write LMBENCH_JSON {}: {error}\nhint: its folder must exist and be writable",
                path.display()
            )
        })
}

fn line(case: &Case, round: usize, transfer: &Transfer) -> serde_json::Value {
    serde_json::json!({
        "benchmark": case.name(),
        "round": round,
        "bytes": case.stream.len(),
        "seconds": transfer.took.as_secs_f64(),
        "cpu_source_s": transfer.source_s,
        "cpu_sink_s": transfer.sink_s,
        "statistics": transfer.statistics,
    })
}

/// One line that is written again and again, where somebody sees it.
fn progress(settings: &Settings, round: usize, case: &Case) {
    if settings.mode == Mode::Measure && std::io::stderr().is_terminal() {
        eprint!(
            "\r\x1b[Kround {round} of {}: {}",
            settings.rounds,
            case.name()
        );
    }
}

const REPLAYED: &str = "replayed";
