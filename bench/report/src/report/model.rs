//! What a report says, ready to be drawn: answers, tables and charts as plain values.
//!
//! It knows nothing of records (those are read in the modules beside it) and nothing of HTML, Markdown or terminals (those
//! only draw it). Every text in it is cleaned already: no control characters, none that change the direction of writing.

mod opening;

use lmbench_record::judge::Verdict;
use lmbench_record::metric::{Direction, Unit};

pub use opening::{Advice, Head, Mark, Named, Picture, PictureRow};

/// Everything a report shows, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The scenarios' names.
    pub title: String,
    /// What was measured, in a line.
    pub subtitle: String,
    /// The question, and on what it was asked.
    pub head: Head,
    /// What answers it at a glance.
    pub picture: Option<Picture>,
    /// What it comes down to, the most important first.
    pub answers: Vec<Answer>,
    /// The cells in the order of all charts.
    pub cells: Vec<Cell>,
    /// Cells by metrics.
    pub overview: Option<Overview>,
    /// For a matrix of two axes or more: axis by axis, one for each metric.
    pub grids: Vec<Grid>,
    /// Differences with their intervals: of two runs, or of an axis's values.
    pub comparisons: Vec<Comparison>,
    /// What follows from them.
    pub advice: Vec<Advice>,
    /// Every repeat's value of the metrics that matter most.
    pub distributions: Vec<Distribution>,
    /// What the blackout was made of.
    pub blackout: Option<Bars>,
    /// CPU time per GiB.
    pub processor: Option<Bars>,
    /// Single migrations from beginning to end.
    pub timelines: Vec<Timeline>,
    /// What did not end well, a line each.
    pub troubles: Vec<String>,
    /// What it ran on, and what was asked.
    pub runs: Vec<RunFacts>,
    /// What the instruments cost and tell, one for each calibration.
    pub instruments: Vec<Instruments>,
    /// What the figures mean.
    pub definitions: Vec<Definition>,
    /// Every repeat.
    pub repeats: Data,
    /// What the report leaves out.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether the matrix holds figures of migrations that did not complete.
    pub fn has_unfinished(&self) -> bool {
        let rows = self.overview.iter().flat_map(|overview| &overview.rows);
        rows.flatten().flatten().any(|shade| shade.unfinished)
    }
}

/// How much an answer weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A guest or its memory was lost.
    Alarm,
    /// Something did not end as it should.
    Warning,
    /// A difference that is real, or a fact that decides.
    Finding,
    /// What the figures can't say, and other things to know.
    Note,
}

/// A sentence that answers a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How much it weighs.
    pub weight: Weight,
    /// The sentence.
    pub text: String,
    /// More of it, a line each; the text ends with a colon then.
    pub points: Vec<String>,
    /// Where the figures behind it stand.
    pub see: Section,
}

/// The parts of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// [`Report::overview`] and [`Report::grids`].
    Matrix,
    /// [`Report::comparisons`].
    Comparison,
    /// [`Report::distributions`].
    Distributions,
    /// [`Report::blackout`].
    Blackout,
    /// [`Report::processor`].
    Processor,
    /// [`Report::timelines`].
    Timelines,
    /// [`Report::advice`].
    Advice,
    /// [`Report::troubles`].
    Troubles,
    /// [`Report::runs`].
    Runs,
    /// [`Report::instruments`].
    Instruments,
    /// [`Report::repeats`] and [`Report::notes`].
    Data,
    /// [`Report::definitions`].
    Definitions,
}

/// A cell of one of the runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What tells it from the others, short.
    pub label: String,
    /// The run's letter and the cell's whole id.
    pub full: String,
    /// `7 completed, 1 failed`.
    pub outcomes: String,
    /// Whether all of its repeats completed with intact memory.
    pub well: bool,
}

/// A number that many figures are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// The metric's id.
    pub id: String,
    /// Its id in words.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
}

/// A median with its place between the best and the worst of its column.
#[derive(Debug, Clone, PartialEq)]
pub struct Shade {
    /// The median.
    pub value: f64,
    /// Range or interval, for who looks closer.
    pub more: String,
    /// 0 (best, or smallest) to 8 (worst, or greatest); `None` where a colour would say nothing.
    pub level: Option<u8>,
    /// Whether it is the best of its column.
    pub best: bool,
    /// Whether it is of migrations that did not complete, as the cell has no others.
    pub unfinished: bool,
}

/// One row for each cell, one column for each metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The columns.
    pub columns: Vec<Quantity>,
    /// A row for each of [`Report::cells`], or for the first of them if there are very many.
    pub rows: Vec<Vec<Option<Shade>>>,
}

/// A metric over two axes of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// The run's letter, if there are several; colours are those of one run.
    pub run: Option<char>,
    /// What is shown.
    pub quantity: Quantity,
    /// Names of the axes: down and across.
    pub axes: [String; 2],
    /// Values down.
    pub rows: Vec<String>,
    /// Values across.
    pub columns: Vec<String>,
    /// By row, then by column.
    pub values: Vec<Vec<Option<Shade>>>,
}

/// From low to high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The values of one metric, a row for each cell that has any.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// What is shown.
    pub quantity: Quantity,
    /// Its definition.
    pub definition: String,
    /// From the smallest value to the greatest.
    pub range: Range,
    /// The rows.
    pub rows: Vec<Spread>,
    /// Cells that have values and no row.
    pub left_out: usize,
}

/// The values of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Position in [`Report::cells`].
    pub cell: usize,
    /// Completed repeats' values, in the order of the repeats.
    pub values: Vec<f64>,
    /// For each value: far from the others (modified z-score above 3.5).
    pub outliers: Vec<bool>,
    /// Their median.
    pub median: f64,
    /// 95 % interval of the median, if there are enough values.
    pub interval: Option<Range>,
}

/// Bars that are made of parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// Unit of all values.
    pub unit: Unit,
    /// What the parts are, in their order in every bar.
    pub parts: Vec<Part>,
    /// The bars.
    pub rows: Vec<Bar>,
    /// Cells that have values and no bar.
    pub left_out: usize,
}

/// What a colour of [`Bars`] means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// A word or two.
    pub name: &'static str,
    /// From when to when, or of what.
    pub meaning: &'static str,
}

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Position in [`Report::cells`].
    pub cell: usize,
    /// What it is of that cell: a side, or a repeat.
    pub of: String,
    /// The parts' values; `None` if not known.
    pub values: Vec<Option<f64>>,
    /// All together.
    pub total: f64,
}

/// What one thing is against another.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The run's letter, if there are several.
    pub run: Option<char>,
    /// The key whose values are compared; empty where runs are.
    pub axis: String,
    /// What is compared with what.
    pub title: String,
    /// How, in a sentence.
    pub method: String,
    /// Metric by metric.
    pub rows: Vec<Difference>,
    /// Who is best at what.
    pub best: Vec<Best>,
    /// Of what not all completed: its name, how many did, and how many did not.
    pub partly: Vec<(String, [usize; 2])>,
}

/// Which values of an axis are best at something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Best {
    /// At what.
    pub quantity: Quantity,
    /// The best, and those that can't be told from it.
    pub winners: Vec<String>,
}

/// One thing's value over another's.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Of what.
    pub quantity: Quantity,
    /// The thing.
    pub candidate: String,
    /// What it is compared with.
    pub base: String,
    /// Candidate over base.
    pub ratio: f64,
    /// 95 % interval of the ratio.
    pub interval: Range,
    /// Pairs of repeats, or the smaller number of values.
    pub pairs: usize,
    /// How many it takes, if so few can't tell a difference in all metrics at once, however great it is.
    pub needed: Option<usize>,
    /// The chance of such values for no reason, as `compare` counts it: all metrics of these two in mind.
    pub p: f64,
    /// What `compare` says of these two.
    pub verdict: Verdict,
    /// Whether chance shows a difference as clear anywhere among all that is asked of its run in no more than 1 of 100 runs.
    pub stands_out: bool,
}

impl Difference {
    /// The verdict in words.
    pub fn words(&self) -> String {
        if self.verdict.is_difference() && !self.stands_out {
            return format!("{}, if asked alone", self.verdict.name());
        }
        self.verdict.name().to_owned()
    }
}

/// A migration from beginning to end.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Position in [`Report::cells`].
    pub cell: usize,
    /// The repeat.
    pub repeat: u32,
    /// Why this one.
    pub why: String,
    /// How it ended.
    pub outcome: String,
    /// What is shown, ms from `migrate`.
    pub range: Range,
    /// When the guest executed nothing, ms.
    pub blackout: Option<Range>,
    /// When it was slower than 90 % of its rate before, ms.
    pub brownout: Vec<Range>,
    /// The curves, by panels.
    pub panels: Vec<Panel>,
    /// What happened.
    pub events: Vec<Moment>,
    /// Events that have no place.
    pub events_left_out: usize,
}

/// Curves on one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What is shown.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Upper end of the scale.
    pub top: f64,
    /// Its lower end, from which it is logarithmic; without one the scale is linear from 0.
    pub bottom: Option<f64>,
    /// The curves.
    pub curves: Vec<Curve>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// Whether a value holds until the next one; else points are joined.
    pub steps: bool,
    /// ms and value, in the order of time.
    pub points: Vec<(f64, f64)>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// ms from `migrate`.
    pub at_ms: f64,
    /// What it is.
    pub kind: MomentKind,
    /// `STOP on the source`.
    pub text: String,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MomentKind {
    /// A status of the migration, or STOP and RESUME.
    Status,
    /// A pass over memory begins.
    Pass,
    /// Somebody decided.
    Decision,
    /// Something broke, or was broken.
    Fault,
}

/// One run: what it ran on, what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// A, B, … where there are several.
    pub letter: Option<char>,
    /// Its id.
    pub run_id: String,
    /// Name and value.
    pub facts: Vec<(String, String)>,
    /// The scenario's text, line by line.
    pub scenario: Vec<String>,
}

/// What the instruments of some runs cost and tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruments {
    /// `Runs A, B`; empty where there is one run.
    pub runs: String,
    /// Where and when it was measured; `None` if it was not, see [`NOT_CALIBRATED`].
    pub origin: Option<String>,
    /// The instruments.
    pub rows: Vec<InstrumentRow>,
}

/// An instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstrumentRow {
    /// Its name.
    pub name: String,
    /// What it reads.
    pub reads: String,
    /// Ids of the metrics that rest on it.
    pub tells: Vec<String>,
    /// What it costs and tells, below the columns of a calibration.
    pub cells: [String; 6],
    /// What else is to know.
    pub note: Option<String>,
    /// Why it was not measured, and which values lie below what it tells.
    pub limits: Vec<String>,
}

/// What is said of runs without a calibration.
pub const NOT_CALIBRATED: &str = "not calibrated: `lmbench doctor --calibrate`";

/// What a metric is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What it is about.
    pub topic: &'static str,
    /// Its id.
    pub id: &'static str,
    /// Unit of the stored values.
    pub unit: &'static str,
    /// Which way is better, in words.
    pub direction: &'static str,
    /// What is counted or timed.
    pub text: &'static str,
}

/// A table of values as they are in the record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data {
    /// The columns' names, with units.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Datum>>,
}

/// A value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// There is none.
    Absent,
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}
