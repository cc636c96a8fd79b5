//! `lmbench show RUN`.

use super::chosen::{figures_of, find, keep_cells, whole_of};
use super::{Exit, Failed, print};
use crate::cli::{Format, ShowArguments};
use crate::store::Store;
use crate::terminal::{events_text, show_text};

pub(super) fn main(arguments: &ShowArguments) -> Result<Exit, Failed> {
    let found = find(&Store::open(&arguments.out), &arguments.run)?;
    let mut record = match arguments.format {
        Format::Human if !arguments.events => figures_of(&found)?,
        Format::Human | Format::Json => whole_of(&found)?,
    };
    keep_cells(&mut record, &arguments.cells.cell)?;
    match arguments.format {
        Format::Json => print(|output| output.write_all(record.to_json().as_bytes())),
        Format::Human => print(|output| {
            output.write_all(show_text(&record, arguments.all).as_bytes())?;
            if arguments.events {
                output.write_all(events_text(&record).as_bytes())
            } else {
                Ok(())
            }
        }),
    }
}
