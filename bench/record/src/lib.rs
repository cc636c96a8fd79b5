//! What a run measured, and what follows from it: the record with its figures and statistics, comparisons, verdicts, the store, exports.
//!
//! - [`record`], [`metric`]: what is written down, and what each figure means
//! - [`store`], [`history`]: runs on disk, and a figure over many of them
//! - [`statistics`], [`judge`], [`compare`], [`gate`]: whether a difference is one, and whether it is too much
//! - [`conditions`], [`convergence`]: why migrations can't be ranked, or did not end
//! - [`export`], [`import`], [`junit`]: other people's formats
//! - [`cells`], [`nearest`], [`programs`], [`scenario_text`], [`text`], [`tree`], [`units`]: what records and scenarios have in common
//!
//! It touches no guest and no socket, and knows no scenario but its text: a machine that has neither can judge what another measured.

pub mod cells;
pub mod compare;
pub mod conditions;
pub mod convergence;
pub mod error;
pub mod export;
pub mod gate;
pub mod history;
pub mod import;
pub mod judge;
pub mod junit;
pub mod metric;
pub mod nearest;
pub mod programs;
pub mod record;
pub mod scenario_text;
pub mod statistics;
pub mod store;
pub mod text;
pub mod tree;
pub mod units;

use lmbench_os::{files, output};
