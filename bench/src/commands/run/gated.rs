//! `lmbench run SCENARIO --baseline FILE`: what was run is judged at once, as `lmbench gate` would.
//!
//! What can be known before the first migration is checked then: an hour's run against the wrong file helps nobody.

use std::path::Path;

use lmbench_harness::host::HostInfo;
use serde::Serialize;
use serde_json::Value;

use super::super::gate::{Subject, Terms, exit, fit, judged, kept};
use super::super::{Exit, Failed};
use crate::cli::InconclusiveIs;
use crate::gate::baseline::{Experiment, Machine};
use crate::gate::{Baseline, Report, show};
use crate::record::Record;
use crate::scenario::Scenario;

/// A baseline that fits the run that is about to begin, as far as that is known.
pub(super) fn baseline(path: &Path, scenario: &Scenario) -> Result<Baseline, Failed> {
    let baseline = kept(path)?;
    let host = HostInfo::examine();
    let subject = Subject {
        experiment: Experiment::asked(&scenario.name, &scenario.sha256, &scenario.text),
        machine: Machine {
            cpu: host.cpu,
            cores: host.cores,
            // The accelerator shows when both hosts have tried it, versions are compared when all is done.
            ..baseline.environment.clone()
        },
        run: None,
    };
    fit(&baseline, &subject, &Terms::default())?;
    Ok(baseline)
}

/// What the gate says of a run. Cells that were not asked for, now or when it was begun, are not missed.
pub(super) fn judge(
    record: &Record,
    baseline: &Baseline,
    scenario: &Scenario,
) -> Result<(Report, Exit), Failed> {
    let mut baseline = baseline.clone();
    if record.cells.len() < scenario.cells.len() {
        let has = |id: &String, _: &mut _| record.cell_index(id).is_some();
        baseline.cells.retain(has);
    }
    let report = judged(record, Some(&baseline), &Terms::default())?;
    let exit = exit(report.verdict(), InconclusiveIs::Inconclusive);
    Ok((report, exit))
}

/// A record, and what the gate says of it: still a record to whoever reads one.
#[derive(Serialize)]
pub(super) struct Gated<'a> {
    #[serde(flatten)]
    record: &'a Record,
    gate: Value,
}

impl<'a> Gated<'a> {
    pub(super) fn new(record: &'a Record, report: &Report, exit: Exit) -> Self {
        Gated {
            record,
            gate: show::json(report, exit as u8),
        }
    }
}
