//! The list of runs, with the columns that operators know from `migration-list`.

use std::collections::BTreeMap;

use super::status::in_short;
use super::summary::words;
use super::table::table;
use super::text::{clean, clean_short, counted};
use super::time;
use crate::control::Status;
use crate::store::{self, RunSummary};

/// The table of runs, in the order given; every run's id stands whole, so that it can be copied. So many `older` ones are left out.
/// `standing` is how those stand that go on, by their ids.
pub fn list_text(runs: &[RunSummary], older: usize, standing: &BTreeMap<String, Status>) -> String {
    if runs.is_empty() {
        return "no runs\n".to_owned();
    }
    let header = [
        "run",
        "status\ndone",
        "started\n(UTC)",
        "source\ndestination",
        "outcomes",
    ];
    let rows = runs.iter().map(|run| row(run, standing.get(&run.run_id)));
    let rows = rows.collect();
    let mut text = table(&header, &[0, 1, 2, 3, 4], &[4], rows);
    if older > 0 {
        text += &format!(
            "and {}: --limit shows more, --since, --scenario and others choose\n",
            counted(older, "older run")
        );
    }
    text
}

/// Why records are unreadable, a line each; empty when all are fine.
pub fn list_problems(runs: &[RunSummary]) -> String {
    runs.iter()
        .filter_map(|run| run.problem.as_ref())
        .map(|problem| format!("warning: {problem}\n"))
        .collect()
}

fn row(run: &RunSummary, standing: Option<&Status>) -> Vec<String> {
    let name = |text: &Option<String>, longest| {
        text.as_ref()
            .map_or("-".to_owned(), |text| clean_short(text, longest))
    };
    let id = clean(&run.run_id);
    if run.status == store::Status::Unreadable {
        let mut row = vec![id, run.status.name().to_owned()];
        row.resize(5, "-".to_owned());
        return row;
    }
    let mut about = counted(run.cells, "cell");
    if let Some(scenario) = run
        .scenario
        .as_ref()
        .filter(|scenario| !run.run_id.contains(scenario.as_str()))
    {
        // The id holds the scenario's name as far as a folder's name can; say the rest.
        about = format!("{}, {about}", clean_short(scenario, 30));
    }
    if let Some(standing) = standing {
        about += "\n  ";
        about += &in_short(standing);
    }
    let planned = run
        .planned
        .map_or("?".to_owned(), |planned| planned.to_string());
    vec![
        format!("{id}\n  {about}"),
        format!("{}\n{}/{planned}", run.status.name(), run.done),
        run.started.as_deref().map_or("-".to_owned(), |started| {
            time::moment(started).replacen(' ', "\n", 1)
        }),
        format!("{}\n{}", name(&run.source, 20), name(&run.destination, 20)),
        run.outcomes
            .iter()
            .map(|(outcome, count)| format!("{count} {}", words(*outcome)))
            .collect::<Vec<_>>()
            .join("\n"),
    ]
}

#[cfg(test)]
mod tests;
