//! What a person sees: progress while a run goes on, tables of what it measured.
//!
//! The texts are pure functions of records and lists, and of the [`Page`] they are made for; commands print them. Every string that comes from a
//! file passes [`crate::text::clean`] first, so that no scenario's name can reach the terminal's control codes.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts of a screen, made once; `write!` would add errors that can not happen"
)]

pub(crate) mod calibration;
pub mod cell;
mod compare;
mod gate;
mod history;
mod list;
pub mod page;
mod progress;
mod replay;
mod scenarios;
mod show;
mod status;
pub mod summary;
pub mod table;
#[cfg(test)]
mod tests;
pub mod time;
mod watch;

pub use crate::text;
pub use calibration::calibration_text;
pub use compare::compare_text;
pub use gate::gate_text;
pub use history::history_text;
pub use list::{list_problems, list_text};
pub use page::{Page, painted};
pub use progress::ProgressDisplay;
pub use replay::replay_text;
pub use scenarios::scenarios_text;
pub use show::{events_text, show_text};
pub use status::status_text;
pub(crate) use summary::{UNFINISHED, troubles};
pub use summary::{outcomes, summary_text, words};
pub use table::{table, wrapped};
pub use watch::{Board as WatchBoard, NoDashboard};
