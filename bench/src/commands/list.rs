//! `lmbench list`.

use std::io::Write as _;

use jiff::Timestamp;

use super::{Exit, Failed, print, print_json};
use crate::cli::{Format, ListArguments};
use crate::store::{Filter, Status, Store, parse_since};
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
    };
    let runs = Store::open(&arguments.out)
        .list(&filter)
        .map_err(|error| Failed::from_error(Exit::Environment, &error))?;
    let mut notes = list_problems(&runs);
    if !arguments.out.exists() {
        notes += "note: there is no folder ";
        notes += &clean(&arguments.out.to_string_lossy());
        notes += " yet; `lmbench run` makes it, `--out` names another\n";
    }
    // Standard error may be closed; the list itself goes elsewhere.
    let _ = anstream::stderr().write_all(notes.as_bytes());
    match arguments.format {
        Format::Human => print(|output| output.write_all(list_text(&runs).as_bytes())),
        Format::Json => print_json(&runs),
    }
}
