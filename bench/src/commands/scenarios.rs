//! `lmbench scenarios [NAME]`.

use std::path::Path;

use serde::Serialize;

use super::{Exit, Failed, print, print_json};
use crate::cli::{Format, ScenariosArguments};
use crate::plan::Plan;
use crate::scenario::{self, BUILTINS, Builtin, builtin, nearest};
use crate::terminal::scenarios_text;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &ScenariosArguments) -> Result<Exit, Failed> {
    let Some(name) = &arguments.name else {
        return match arguments.format {
            Format::Human => print(|output| output.write_all(scenarios_text(BUILTINS).as_bytes())),
            Format::Json => {
                print_json(&BUILTINS.iter().map(listed).collect::<Result<Vec<_>, _>>()?)
            }
        };
    };
    let Some(found) = builtin(name) else {
        let near = nearest(name, BUILTINS.iter().map(|builtin| builtin.name));
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let message = format!("no scenario {:?} is built in", clean(name));
        return Err(Failed::new(Exit::Usage, message)
            .hint(format!("{near}`lmbench scenarios` lists those that are")));
    };
    match arguments.format {
        Format::Human => print(|output| output.write_all(found.text.as_bytes())),
        Format::Json => print_json(&Printed {
            listed: listed(found)?,
            text: found.text,
        }),
    }
}

/// What programs get of each.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    about: String,
    question: String,
    time: String,
    cells: usize,
    migrations: usize,
    /// If guests boot as usual and every migration takes its whole timeout.
    at_most_s: u64,
}

#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    listed: Listed,
    text: &'static str,
}

fn listed(builtin: &Builtin) -> Result<Listed, Failed> {
    let scenario = scenario::parse(Path::new(builtin.name), builtin.text)
        .map_err(|error| Failed::from_scenario(&error))?;
    let plan = Plan::new(&scenario, &[], None, None)
        .map_err(|error| Failed::from_error(Exit::Internal, &error))?;
    Ok(Listed {
        name: builtin.name,
        question: builtin.question(),
        time: builtin.time(),
        cells: plan.cells.len(),
        migrations: plan.steps.len(),
        at_most_s: plan.estimate().usual_max.as_secs(),
        about: scenario.about,
    })
}
