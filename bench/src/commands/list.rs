//! `lmbench list`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Exit, Failed, print, print_json, runtime};
use crate::cli::{Format, ListArguments};
use crate::control::{self, Answer, Command, ask};
use crate::store::{Catalogue, Filter, RunSummary, Status, Store, parse_since};
use crate::terminal::text::clean;
use crate::terminal::{list_problems, list_text};

pub(super) fn main(arguments: &ListArguments) -> Result<Exit, Failed> {
    let usage = |error: String| Failed::new(Exit::Usage, error);
    let status = arguments
        .status
        .as_deref()
        .map(str::parse::<Status>)
        .transpose()
        .map_err(usage)?;
    let since = arguments
        .since
        .as_deref()
        .map(|since| parse_since(since, Timestamp::now()))
        .transpose();
    let since = since.map_err(|error| Failed::from_error(Exit::Usage, &error))?;
    let filter = Filter {
        status,
        host: arguments.host.clone(),
        since,
        scenario: arguments.scenario.clone(),
        carrier: arguments.carrier.clone(),
        policy: arguments.policy.clone(),
    };
    let catalogue = Store::open(&arguments.out)
        .catalogue()
        .map_err(|error| Failed::from_error(Exit::Environment, &error))?;
    tell_notes(&catalogue);
    let runs = catalogue.runs(&filter);
    let mut notes = list_problems(&runs);
    if !arguments.out.exists() {
        notes += "note: there is no folder ";
        notes += &clean(&arguments.out.to_string_lossy());
        notes += " yet; `lmbench run` makes it, `--out` names another\n";
    }
    // Standard error may be closed; the list itself goes elsewhere.
    let _ = anstream::stderr().write_all(notes.as_bytes());
    let limit = match (arguments.limit, arguments.format) {
        (None, Format::Human) => LIMIT,
        (None | Some(0), _) => usize::MAX,
        (Some(limit), _) => limit,
    };
    let (runs, older) = runs.split_at(limit.min(runs.len()));
    let standing = standing(&Store::open(&arguments.out), runs)?;
    match arguments.format {
        Format::Human => {
            let text = list_text(runs, older.len(), &standing);
            print(|output| output.write_all(text.as_bytes()))
        }
        Format::Json => {
            let listed = |run| Listed {
                run,
                standing: standing.get(&run.run_id),
            };
            print_json(&runs.iter().map(listed).collect::<Vec<_>>())
        }
    }
}

/// Says on standard error what there is to know about the index.
pub(super) fn tell_notes(catalogue: &Catalogue) {
    for note in catalogue.notes() {
        let _ = writeln!(anstream::stderr(), "note: {}", clean(note));
    }
}

/// How those runs stand that go on, by their ids; one that does not say so at once is left out.
fn standing(
    store: &Store,
    runs: &[RunSummary],
) -> Result<BTreeMap<String, control::Status>, Failed> {
    let running = runs.iter().filter(|run| run.status == Status::Running);
    let found: Vec<_> = running
        .filter_map(|run| Some((run.run_id.clone(), store.find(&run.run_id).ok()?)))
        .collect();
    if found.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(runtime()?.block_on(async {
        let mut asked = tokio::task::JoinSet::new();
        for (id, found) in found {
            asked.spawn(async move { (id, ask(&found, Command::Status, WITHIN).await) });
        }
        let mut standing = BTreeMap::new();
        while let Some(answer) = asked.join_next().await {
            if let Ok((id, Ok(Answer::Status(status)))) = answer {
                standing.insert(id, *status);
            }
        }
        standing
    }))
}

/// A run in the list.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    run: &'a RunSummary,
    /// How it stands, if it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<&'a control::Status>,
}

/// Runs in a table: who looks for an older one has a filter, or a pager and `--limit`.
const LIMIT: usize = 100;
/// Longest wait for the runs that go on, all together: a list is looked at, not waited for.
const WITHIN: Duration = Duration::from_millis(500);
