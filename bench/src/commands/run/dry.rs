//! `lmbench run SCENARIO --dry-run`: the plan, and what this machine would say to it before the first guest.

use serde_json::{Value, json};

use super::super::signals::Signals;
use super::super::{Failed, print, print_json, runtime};
use super::failed;
use crate::cli::{Format, RunArguments};
use crate::plan::Plan;
use crate::run::{Checked, Interrupter, RunError, check};
use crate::scenario::units::Size;
use crate::scenario::{Scenario, memory_needed_bytes};
use crate::terminal::wrapped;

/// Prints the plan. What would end the run is the error, with the run's exit code; the plan is printed all the same.
pub(super) fn tell(
    plan: &Plan,
    scenario: &Scenario,
    arguments: &RunArguments,
    permitted: Result<(), Failed>,
) -> Result<(), Failed> {
    if arguments.format == Format::Human {
        print(|output| output.write_all(shown(plan).as_bytes()))?;
    }
    let checked = match permitted {
        Ok(()) => runtime()?.block_on(asked(plan)).map_err(|error| {
            (
                Some(problems(&error)),
                failed(&error, scenario, arguments, None),
            )
        }),
        Err(failed) => Err((None, failed)),
    };
    match arguments.format {
        Format::Human => {
            if let Ok(checked) = &checked {
                print(|output| output.write_all(here(plan, checked).as_bytes()))?;
            }
        }
        Format::Json => {
            let answer = match &checked {
                Ok(checked) => Ok(checked),
                Err((problems, failed)) => Err(problems.clone().unwrap_or_else(|| {
                    let text = failed.text.trim_start_matches("error: ");
                    json!([{ "text": text }])
                })),
            };
            print_json(&document(plan, answer))?;
        }
    }
    checked.map(drop).map_err(|(_, failed)| failed)
}

async fn asked(plan: &Plan) -> Result<Checked, RunError> {
    let mut signals = Signals::catch().map_err(|failed| RunError::Internal(failed.text))?;
    let (interrupter, interrupt) = Interrupter::pair();
    let listening = tokio::spawn(async move {
        loop {
            signals.next().await;
            interrupter.interrupt();
        }
    });
    let checked = check(plan, interrupt).await;
    listening.abort();
    checked
}

/// The plan, on the page.
fn shown(plan: &Plan) -> String {
    let plan = plan.to_string();
    plan.lines().map(|line| wrapped(line, 9)).collect()
}

/// What stands below the plan.
fn here(plan: &Plan, checked: &Checked) -> String {
    let available = Size::from_bytes(checked.memory_available_bytes >> 20 << 20);
    let mut text = format!("available here: {available}\n");
    if !checked.skipped.is_empty() {
        text += "\nskipped here\n";
    }
    for (index, reason) in &checked.skipped {
        let id = &plan.cells[*index].id;
        text += &wrapped(&format!("  {:>3}  {id}: {reason}", index + 1), 9);
    }
    text
}

fn problems(error: &RunError) -> Value {
    let RunError::Unfit(unfit) = error else {
        return json!([{ "text": error.to_string() }]);
    };
    let problem = |complaint: &crate::run::Complaint| {
        let keys = complaint.problem.keys.iter().map(|(key, _)| key);
        json!({
            "text": complaint.title(), "hint": complaint.hint(), "keys": keys.collect::<Vec<_>>(),
            "scenario": complaint.problem.scenario,
        })
    };
    unfit.complaints.iter().map(problem).collect()
}

fn document(plan: &Plan, checked: Result<&Checked, Value>) -> Value {
    let mut cells: Vec<Value> = plan
        .cells
        .iter()
        .map(|cell| {
            json!({
                "id": cell.id, "parameters": cell.parameters,
                "memory_needed_bytes": memory_needed_bytes(&cell.setup),
            })
        })
        .collect();
    let order: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| json!({ "cell": plan.cells[step.cell].id, "repeat": step.repeat }))
        .collect();
    let estimate = plan.estimate();
    let mut document = json!({
        "scenario": plan.scenario, "seed": plan.seed, "repeats": plan.repeats, "warmup": plan.warmup,
        "order": order,
        "time_s": { "usual_max": estimate.usual_max.as_secs_f64(), "longest": estimate.longest.as_secs_f64() },
        "ready": checked.is_ok(),
    });
    if let Some(until) = &plan.until {
        document["until"] = json!(until.to_string());
    }
    match checked {
        Ok(checked) => {
            for (index, reason) in &checked.skipped {
                cells[*index]["skipped"] = json!(reason);
            }
            document["memory_available_bytes"] = json!(checked.memory_available_bytes);
        }
        Err(problems) => document["problems"] = problems,
    }
    document["cells"] = json!(cells);
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    fn plan() -> Plan {
        let text = "name = \"x\"\nworkload.idle = {}\n[matrix]\nguest.vcpus = [1, 2]\n";
        let scenario = scenario::parse("x.toml".as_ref(), text).unwrap();
        Plan::new(&scenario, &[], Some(2), Some(1)).unwrap()
    }

    fn checked() -> Checked {
        Checked {
            skipped: vec![(1, "no such thing".to_owned())],
            memory_available_bytes: (3 << 30) + 1,
        }
    }

    #[test]
    fn what_is_left_and_what_is_skipped_stands_below_the_plan() {
        assert_eq!(
            here(&plan(), &checked()),
            "available here: 3 GiB\n\nskipped here\n    2  guest.vcpus=2: no such thing\n"
        );
    }

    #[test]
    fn the_document_holds_the_plan_and_what_was_found() {
        let document = document(&plan(), Ok(&checked()));
        assert_eq!(document["order"].as_array().map(Vec::len), Some(4));
        assert_eq!(document["cells"][1]["skipped"], "no such thing");
        assert_eq!(document["ready"], true);
        let refused = super::document(&plan(), Err(json!([{ "text": "none" }])));
        assert_eq!(refused["ready"], false);
        assert_eq!(refused["problems"][0]["text"], "none");
        assert_eq!(refused["cells"].as_array().map(Vec::len), Some(2));
    }
}
