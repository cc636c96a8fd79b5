//! What stands at a report's top and end: the question and the picture, and what to set.

use super::Quantity;

/// What stands at the top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// What the scenarios ask; empty if they do not say.
    pub question: String,
    /// When, with which hosts, guest and links.
    pub facts: Vec<(&'static str, String)>,
    /// The runs.
    pub runs: Vec<Named>,
}

/// A run with the name that it has in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// A, B, … where there are several.
    pub letter: Option<char>,
    /// Its id.
    pub run_id: String,
    /// Its scenario's name.
    pub scenario: String,
}

/// A bar for each cell and metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The metrics, one column each.
    pub quantities: Vec<Quantity>,
    /// The cells.
    pub rows: Vec<PictureRow>,
    /// Cells that have no row.
    pub left_out: usize,
}

/// A cell of a [`Picture`].
#[derive(Debug, Clone, PartialEq)]
pub struct PictureRow {
    /// Position in [`Report::cells`](super::Report::cells).
    pub cell: usize,
    /// For each of [`Picture::quantities`].
    pub marks: Vec<Option<Mark>>,
    /// How it ended, if nothing of it completed.
    pub without: Option<String>,
}

/// A median with the values around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// The median.
    pub median: f64,
    /// The smallest value.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

/// What to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// A line of a scenario; `None` where more than one thing could be set.
    pub setting: Option<String>,
    /// What of the figures says so.
    pub why: String,
}
