//! What a person sees: progress while a run goes on, tables of what it measured.
//!
//! The texts are pure functions of records and lists; printing is a thin layer over them. Every string that comes from a
//! file passes [`text::clean`] first, so that no scenario's name can reach the terminal's control codes.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts of a screen, made once; `write!` would add errors that can not happen"
)]

mod list;
mod progress;
mod show;
mod summary;
mod table;
pub mod text;
pub mod time;

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::record::Record;
use crate::store::{RECORD_FILE, RunSummary};

pub use list::{list_problems, list_text};
pub use progress::ProgressDisplay;
pub use show::{events_text, show_text};
pub use summary::summary_text;

/// How results are written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Tables.
    #[default]
    Human,
    /// Exactly one JSON document.
    Json,
}

/// Prints what a run measured, and where its record lies.
pub fn print_summary(record: &Record, directory: &Path, format: Format) -> io::Result<()> {
    let place = text::clean(&directory.join(RECORD_FILE).to_string_lossy());
    print(&match format {
        Format::Human => format!("{}\nrecord: {place}\n", summary_text(record)),
        Format::Json => record.to_json(),
    })
}

/// Prints a list of runs; why records are unreadable goes to standard error.
pub fn print_list(runs: &[RunSummary], format: Format) -> io::Result<()> {
    // Nothing is lost when standard error is closed: the JSON and the table both say `unreadable`.
    let _ = io::stderr().write_all(list_problems(runs).as_bytes());
    print(&match format {
        Format::Human => list_text(runs),
        Format::Json => serde_json::to_string_pretty(runs)? + "\n",
    })
}

/// Prints a record; `events` adds what happened in each repeat. JSON is always the whole record.
pub fn print_show(record: &Record, events: bool, format: Format) -> io::Result<()> {
    print(&match format {
        Format::Human if events => format!("{}\n{}", show_text(record), events_text(record)),
        Format::Human => show_text(record),
        Format::Json => record.to_json(),
    })
}

/// To standard output; a reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
