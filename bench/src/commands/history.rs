//! `lmbench history METRIC`.

use std::io::Write as _;

use jiff::Timestamp;

use super::{Exit, Failed, print, print_json};
use crate::cli::{HistoryArguments, HistoryFormat};
use crate::history::{History, Wanted, to_csv};
use crate::metric::metric;
use crate::store::{Catalogue, Filter, Status, Store, parse_since};
use crate::terminal::text::clean;
use crate::terminal::{history_text, list_problems};

pub(super) fn main(arguments: &HistoryArguments) -> Result<Exit, Failed> {
    let since = arguments
        .since
        .as_deref()
        .map(|since| parse_since(since, Timestamp::now()))
        .transpose()
        .map_err(|error| Failed::from_error(Exit::Usage, &error))?;
    let wanted = Wanted {
        cells: arguments.cells.cell.clone(),
        scenario: arguments.scenario.clone(),
        since,
    };
    let environment = |error| Failed::from_error(Exit::Environment, &error);
    let catalogue = Store::open(&arguments.out)
        .catalogue()
        .map_err(environment)?;
    super::list::tell_notes(&catalogue);
    let unreadable = catalogue.runs(&Filter {
        status: Some(Status::Unreadable),
        ..Filter::default()
    });
    let _ = anstream::stderr().write_all(list_problems(&unreadable).as_bytes());
    let mut points = catalogue.history(&arguments.metric).map_err(environment)?;
    if points.is_empty() {
        check_metric(&catalogue, &arguments.metric)?;
    }
    let all = points.len();
    points.retain(|point| wanted.admits(point));
    if points.iter().all(|point| point.n == 0) {
        let why = match all {
            0 => format!("no run below {} has this metric", clean(&arguments.out.to_string_lossy())),
            _ => "no run fits --cell, --scenario and --since; `lmbench show RUN` tells the ids of a run's cells".to_owned(),
        };
        let _ = writeln!(anstream::stderr(), "note: {why}");
    }
    let history = History::new(&arguments.metric, points);
    match arguments.format {
        HistoryFormat::Human => print(|output| output.write_all(history_text(&history).as_bytes())),
        HistoryFormat::Json => print_json(&history),
        HistoryFormat::Csv => {
            let text =
                to_csv(&history).map_err(|error| Failed::from_error(Exit::Internal, &error))?;
            print(|output| output.write_all(&text))
        }
    }
}

/// A metric that neither a run nor the registry has is a typing error.
fn check_metric(catalogue: &Catalogue, id: &str) -> Result<(), Failed> {
    if metric(id).is_some() {
        return Ok(());
    }
    let measured = catalogue
        .metrics()
        .map_err(|error| Failed::from_error(Exit::Environment, &error))?;
    let known = crate::metric::ALL.iter().map(|metric| metric.id);
    let closest = known
        .chain(measured.iter().map(String::as_str))
        .map(|name| {
            (
                strsim::damerau_levenshtein(&id.chars().take(100).collect::<String>(), name),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .min();
    let hint = closest.map_or(
        "`lmbench show RUN` lists the metrics of a run".to_owned(),
        |(_, closest)| {
            format!(
                "did you mean {:?}? `lmbench show RUN --all` lists those of a run",
                clean(closest)
            )
        },
    );
    Err(Failed::new(Exit::Usage, format!("there is no metric {id:?}")).hint(hint))
}
