//! The arguments of `lmbench report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CellArguments;

/// `lmbench report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// `latest`, an id below --out, its beginning or end, or the path of a run's folder or record. Others are compared with the first.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Which cells.
    #[command(flatten)]
    pub cells: CellArguments,
    /// Directory with the runs.
    #[arg(long, value_name = "DIRECTORY", default_value = "results")]
    pub out: PathBuf,
    /// File to write; its ending (.html, .md, .txt) says the form. Without it the report goes to stdout.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Form of the report, whatever the file is called.
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One HTML file with everything in it.
    Html,
    /// GitHub's Markdown.
    Markdown,
    /// For a terminal.
    Text,
}
