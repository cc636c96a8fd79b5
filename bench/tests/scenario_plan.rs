//! The plan: order, filters, resuming.

use std::collections::BTreeMap;
use std::path::Path;

use lmbench::cells::Selector;
use lmbench::plan::{Plan, Step};
use lmbench::record::{CellRecord, Environment, FORMAT, Outcome, Record, Repeat, ScenarioText};
use lmbench::scenario::{self, Scenario};
use proptest::prelude::*;

const TEXT: &str = r#"
name = "plan"
[workload.uniform]
memory = "64 MiB"
rate = "10 MiB/s"
[matrix]
carrier = ["native-tcp", "tcp"]
"network.migration.rate" = ["1 Gbit/s", "10 Gbit/s"]
[run]
repeats = 3
warmup = 1
seed = 7
"#;

fn scenario() -> Scenario {
    scenario::parse(Path::new("plan.toml"), TEXT).unwrap_or_else(|error| panic!("{error}"))
}

fn scenario_of(cells: usize, order: &str) -> Scenario {
    let limits: Vec<String> = (1..=cells).map(|ms| format!("\"{ms} ms\"")).collect();
    let text = format!(
        "name = \"n\"\n[workload.idle]\n[matrix]\n\"migration.downtime-limit\" = [{}]\n[run]\norder = \"{order}\"\n",
        limits.join(", ")
    );
    scenario::parse(Path::new("n.toml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(only: &[&str]) -> Result<Plan, String> {
    let only: Vec<Selector> = only
        .iter()
        .map(|text| text.parse().expect("KEY=VALUE"))
        .collect();
    Plan::new(&scenario(), &only, None, None).map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn every_round_holds_every_cell_once(cells in 1_usize..40, repeats in 1_u32..6, seed: u64) {
        let scenario = scenario_of(cells, "interleaved");
        let plan = Plan::new(&scenario, &[], Some(repeats), Some(seed)).expect("a plan");
        prop_assert_eq!(plan.steps.len(), cells * repeats as usize);
        for (index, round) in plan.steps.chunks(cells).enumerate() {
            let mut found: Vec<usize> = round.iter().map(|step| step.cell).collect();
            found.sort_unstable();
            prop_assert_eq!(found, (0..cells).collect::<Vec<_>>());
            prop_assert!(round.iter().all(|step| step.repeat as usize == index + 1));
        }
        let again = Plan::new(&scenario, &[], Some(repeats), Some(seed)).expect("a plan");
        prop_assert_eq!(plan, again);
    }
}

/// An old record can only be resumed if the order never changes: these steps are fixed for all platforms and versions.
#[test]
fn the_order_of_a_seed_is_fixed_for_ever() {
    let steps: Vec<(usize, u32)> = plan(&[])
        .expect("a plan")
        .steps
        .iter()
        .map(|step| (step.cell, step.repeat))
        .collect();
    insta::assert_snapshot!("order_of_seed_7", format!("{steps:?}"));
}

#[test]
fn warm_ups_come_first_and_rounds_differ() {
    let plan = plan(&[]).expect("a plan");
    assert!(plan.steps[..4].iter().all(|step| step.repeat == 0));
    assert!(plan.steps[4..].iter().all(|step| step.repeat > 0));
    let many = Plan::new(&scenario_of(20, "interleaved"), &[], Some(2), None).expect("a plan");
    let round = |steps: &[Step]| steps.iter().map(|step| step.cell).collect::<Vec<_>>();
    // Two of 20! orders are the same with a probability of 10^-18.
    assert_ne!(round(&many.steps[..20]), round(&many.steps[20..]));
}

#[test]
fn sequential_goes_cell_by_cell() {
    let plan = Plan::new(&scenario_of(2, "sequential"), &[], Some(2), None).expect("a plan");
    let steps: Vec<(usize, u32)> = plan
        .steps
        .iter()
        .map(|step| (step.cell, step.repeat))
        .collect();
    assert_eq!(steps, [(0, 1), (0, 2), (1, 1), (1, 2)]);
}

#[test]
fn filters_keep_cells_with_or_without_the_spaces_of_the_file() {
    for value in [
        "network.migration.rate=1 Gbit/s",
        "network.migration.rate=1Gbit/s",
    ] {
        let plan = plan(&[value, "carrier=tcp"]).expect("a plan");
        let ids: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        assert_eq!(ids, ["carrier=tcp,network.migration.rate=1Gbit/s"]);
    }
    assert_eq!(
        plan(&["carrier=tcp", "carrier=native-tcp"])
            .expect("alternatives")
            .cells
            .len(),
        4
    );
}

#[test]
fn wrong_filters_list_what_exists() {
    insta::assert_snapshot!(
        "only_unknown_axis",
        plan(&["transport=tcp"]).expect_err("no such axis")
    );
    insta::assert_snapshot!(
        "only_unknown_value",
        plan(&["carrier=quic"]).expect_err("no such value")
    );
}

#[test]
fn the_seed_of_the_command_line_reaches_order_and_workloads() {
    let plan = Plan::new(&scenario(), &[], Some(1), Some(42)).expect("a plan");
    assert_eq!(plan.seed, 42);
    assert!(plan.cells.iter().all(|cell| {
        cell.setup
            .workload
            .as_ref()
            .is_some_and(|workload| workload.seed == 42)
    }));
    assert!(Plan::new(&scenario(), &[], Some(0), None).is_err());
}

#[test]
fn resuming_does_what_is_not_yet_a_result() {
    let plan = plan(&[]).expect("a plan");
    let record = record(
        &plan,
        &[
            (0, 1, Outcome::Completed),
            (0, 2, Outcome::DidNotConverge),
            (0, 3, Outcome::Completed),
            (1, 1, Outcome::Failed),
            (1, 2, Outcome::Skipped),
            (1, 3, Outcome::Cancelled),
            (2, 2, Outcome::Completed),
        ],
    );
    let remaining = plan.remaining(&record);
    let of = |cell: usize| {
        let mut repeats: Vec<u32> = remaining
            .iter()
            .filter(|step| step.cell == cell)
            .map(|step| step.repeat)
            .collect();
        repeats.sort_unstable();
        repeats
    };
    assert_eq!(
        of(0),
        Vec::<u32>::new(),
        "a finished cell needs no warm-up either"
    );
    assert_eq!(of(1), [0, 1, 2, 3]);
    assert_eq!(of(2), [0, 1, 3]);
    assert_eq!(of(3), [0, 1, 2, 3]);
    // The order is the plan's.
    let positions: Vec<usize> = remaining
        .iter()
        .filter_map(|step| plan.steps.iter().position(|other| other == step))
        .collect();
    assert!(positions.is_sorted() && positions.len() == remaining.len());
}

fn record(plan: &Plan, repeats: &[(usize, u32, Outcome)]) -> Record {
    let cell = |index: usize| CellRecord {
        id: plan.cells[index].id.clone(),
        parameters: plan.cells[index].parameters.clone(),
        repeats: repeats
            .iter()
            .filter(|(cell, _, _)| *cell == index)
            .map(|(_, repeat, outcome)| Repeat {
                repeat: *repeat,
                outcome: *outcome,
                reason: None,
                started_ms: 0.0,
                metrics: BTreeMap::new(),
                integrity: None,
                events: Vec::new(),
                deviations: Vec::new(),
                op_latency_ns: Vec::new(),
            })
            .collect(),
        settled: false,
        summary: BTreeMap::new(),
    };
    Record {
        format: FORMAT,
        run_id: "r".to_owned(),
        started: String::new(),
        finished: None,
        complete: false,
        scenario: ScenarioText {
            name: plan.scenario.clone(),
            sha256: String::new(),
            text: String::new(),
        },
        environment: Environment {
            lmbench: String::new(),
            qemu: String::new(),
            kernel: String::new(),
            accelerator: "tcg".to_owned(),
            accelerator_reason: None,
            cpu: String::new(),
            cores: 2,
            hosts: BTreeMap::new(),
            details: BTreeMap::new(),
        },
        seed: plan.seed,
        planned_repeats: None,
        calibration: None,
        cells: (0..plan.cells.len()).map(cell).collect(),
    }
}
