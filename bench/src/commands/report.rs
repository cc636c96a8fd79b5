//! `lmbench report RUN…`.

use std::io::Write as _;
use std::path::Path;

use super::{Exit, Failed, chosen, print};
use crate::cli::{ReportArguments, ReportFormat};
use crate::output;
use crate::report::{Source, html::html, markdown::markdown, report, terminal::terminal};
use crate::scenario::longest_blackouts;
use crate::store::Store;
use crate::terminal::Page;
use crate::terminal::text::clean;

pub(super) fn main(arguments: &ReportArguments) -> Result<Exit, Failed> {
    let format = format(arguments)?;
    let store = Store::open(&arguments.out);
    let mut sources = Vec::new();
    for (index, run) in arguments.runs.iter().enumerate() {
        let found = chosen::find(&store, run)?;
        let cells = &arguments.cells.cell;
        if !cells.is_empty() {
            chosen::check_cells(&chosen::figures_of(&found)?, cells)?;
        }
        let source = Source::read(&found, cells, index, arguments.runs.len())
            .map_err(|error| chosen::unreadable(&error))?;
        sources.push(source.with_limits(longest_blackouts));
    }
    // What goes into a file is the same whatever terminal it was asked for at.
    let for_file = || {
        let report = report(&sources);
        let text = match format {
            ReportFormat::Html => Some(html(&report)),
            ReportFormat::Markdown => Some(markdown(&report)),
            ReportFormat::Text if arguments.output.is_some() => Some(terminal(&report)),
            ReportFormat::Text => None,
        };
        (report, text)
    };
    let (report, text) = Page::PLAIN.hold(for_file);
    let text = text.unwrap_or_else(|| terminal(&report));
    let Some(file) = &arguments.output else {
        return print(|output| output.write_all(text.as_bytes()));
    };
    output::write(file, &text).map_err(|error| {
        Failed::new(
            Exit::Environment,
            format!("can't write the report {}: {error}", named(file)),
        )
        .hint("choose another file with `-o`")
    })?;
    let _ = writeln!(anstream::stderr(), "wrote {}", named(file));
    Ok(Exit::Success)
}

/// What was asked for, else what the file's name says, else what a terminal can show.
fn format(arguments: &ReportArguments) -> Result<ReportFormat, Failed> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    let Some(file) = &arguments.output else {
        return Ok(ReportFormat::Text);
    };
    let extension = file.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("html" | "htm") => Ok(ReportFormat::Html),
        Some("md" | "markdown") => Ok(ReportFormat::Markdown),
        Some("txt") => Ok(ReportFormat::Text),
        _ => Err(Failed::new(
            Exit::Usage,
            format!(
                "{} does not say which form the report shall have",
                named(file)
            ),
        )
        .hint("end its name with .html, .md or .txt, or say it with `--format`")),
    }
}

/// A path without anything that moves a cursor.
fn named(file: &Path) -> String {
    clean(&file.to_string_lossy())
}
