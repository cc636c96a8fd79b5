//! What a person sees of what was measured: tables of runs, of comparisons and of verdicts.
//!
//! The texts are pure functions of records and lists, and of the [`Page`] they are made for; commands print them. Every string that comes from a
//! file passes [`text::clean`] first, so that no scenario's name can reach the terminal's control codes.

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
pub mod page;
mod show;
pub mod summary;
pub mod table;
#[cfg(test)]
mod tests;
pub mod time;

pub use calibration::calibration_text;
pub use compare::compare_text;
pub use gate::gate_text;
pub use history::history_text;
pub use lmbench_record::text;
pub use page::{Page, painted};
pub use show::{events_text, show_text};
pub(crate) use summary::{UNFINISHED, troubles};
pub use summary::{outcomes, summary_text, words};
pub use table::{table, wrapped};
