//! What a person sees of the program: progress while a run goes on, runs and scenarios in a list. What was measured is shown by the report,
//! whose texts are passed on.
//!
//! Every string that comes from a file passes [`text::clean`] first, so that no scenario's name can reach the terminal's control codes.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts of a screen, made once; `write!` would add errors that can not happen"
)]

mod list;
mod progress;
mod replay;
mod scenarios;
mod status;
mod watch;

pub use list::{list_problems, list_text};
pub use lmbench_report::terminal::{
    Page, calibration_text, cell, compare_text, events_text, gate_text, history_text, outcomes,
    page, painted, show_text, summary, summary_text, table, text, time, words, wrapped,
};
pub use progress::ProgressDisplay;
pub use replay::replay_text;
pub use scenarios::scenarios_text;
pub use status::status_text;
pub use watch::{Board as WatchBoard, NoDashboard};
