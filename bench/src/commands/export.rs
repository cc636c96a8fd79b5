//! `lmbench export RUN…`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Exit, Failed, chosen, say};
use crate::cells::Selector;
use crate::cli::{ExportArguments, ExportFormat};
use crate::export::{
    ExportError, Run, TableFormat, openmetrics, samples_bytes, write_metrics, write_samples,
};
use crate::metric::Unit;
use crate::output::Output;
use crate::store::Store;
use crate::terminal::text::{clean, counted};

pub(super) fn main(arguments: &ExportArguments) -> Result<Exit, Failed> {
    let table = match arguments.format {
        ExportFormat::Csv => Some(TableFormat::Csv),
        ExportFormat::Parquet => Some(TableFormat::Parquet),
        ExportFormat::Openmetrics => None,
    };
    let to_stdout = arguments.output == Path::new("-");
    if arguments.samples && (table.is_none() || to_stdout) {
        let why = if to_stdout {
            "samples go to a second file beside the first, so that one must have a name"
        } else {
            "OpenMetrics text holds no samples: it has one value for each series"
        };
        return Err(
            Failed::new(Exit::Usage, why).hint("write --format csv or parquet, and -o FILE")
        );
    }
    // Every record before the first byte: a run that is not there leaves no half-made file.
    let store = Store::open(&arguments.out);
    let runs = arguments
        .runs
        .iter()
        .map(|run| read(&store, run, &arguments.cells.cell))
        .collect::<Result<Vec<Run>, Failed>>()?;
    let path = &arguments.output;
    let mut output = create(path)?;
    let Some(format) = table else {
        let text = openmetrics::text(&runs);
        output
            .write_all(text.as_bytes())
            .map_err(|error| failed(ExportError::write(path, error)))?;
        return finish(output, path);
    };
    write_metrics(&runs, format, &mut output).map_err(|error| at(path, error))?;
    finish(output, path)?;
    if arguments.samples {
        samples(&runs, format, &beside(path))?;
    }
    Ok(Exit::Success)
}

fn read(store: &Store, run: &str, cells: &[Selector]) -> Result<Run, Failed> {
    let found = chosen::find(store, run)?;
    let mut record = chosen::figures_of(&found)?;
    chosen::keep_cells(&mut record, cells)?;
    Ok(Run {
        record,
        samples: found.samples(),
    })
}

fn samples(runs: &[Run], format: TableFormat, path: &Path) -> Result<(), Failed> {
    let mut output = create(path)?;
    if let Some(warning) = large(runs, format, path) {
        say(&warning);
    }
    let troubles = write_samples(runs, format, &mut output).map_err(|error| at(path, error))?;
    finish(output, path)?;
    let mut error = anstream::stderr();
    let _ = writeln!(error, "samples: {}", clean(&path.to_string_lossy()));
    for trouble in troubles {
        let lines = counted(trouble.lines, "line");
        let _ = writeln!(error, "warning: {lines} left out: {}", trouble.first);
    }
    Ok(())
}

/// What to say before a file is written that may not be what its user expects. What can't be read is told when it is written.
fn large(runs: &[Run], format: TableFormat, path: &Path) -> Option<String> {
    let bytes = |format| samples_bytes(runs, format).ok();
    let size = |bytes: u64| Unit::Byte.format(bytes as f64);
    let asked = bytes(format).filter(|bytes| *bytes >= LARGE_BYTES)?;
    let other = match format {
        TableFormat::Csv => bytes(TableFormat::Parquet),
        TableFormat::Parquet => None,
    };
    let hint = other.map_or_else(String::new, |other| {
        format!("\nhint: --format parquet takes about {}", size(other))
    });
    Some(format!(
        "warning: about {} of samples go to {}{hint}",
        size(asked),
        clean(&path.to_string_lossy())
    ))
}

fn create(path: &Path) -> Result<Output, Failed> {
    Output::create(path).map_err(|error| failed(ExportError::write(path, error)))
}

fn finish(output: Output, path: &Path) -> Result<Exit, Failed> {
    let finished = output.finish();
    finished.map_err(|error| failed(ExportError::write(path, error)))?;
    Ok(Exit::Success)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn failed(error: ExportError) -> Failed {
    Failed::from_error(Exit::Environment, &error)
        .hint("check the folder and its free space, or name another file with `-o`")
}

/// A table does not know its file.
fn at(path: &Path, error: ExportError) -> Failed {
    failed(match error {
        ExportError::Table(problem) => {
            ExportError::Table(format!("{:?}: {problem}", path.to_string_lossy()))
        }
        other => other,
    })
}

/// More than most spreadsheets and mails take.
const LARGE_BYTES: u64 = 100_000_000;

/// `results.csv` to `results-samples.csv`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-samples");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_go_beside() {
        for (path, samples) in [
            ("a.csv", "a-samples.csv"),
            ("folder.d/a", "folder.d/a-samples"),
            ("/x/a.b.parquet", "/x/a.b-samples.parquet"),
        ] {
            assert_eq!(beside(Path::new(path)), Path::new(samples));
        }
    }
}
