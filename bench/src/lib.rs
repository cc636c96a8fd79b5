//! The program: scenario, plan, run, record, judge, report.
//!
//! Scenarios, records and reports are packages of their own, below this folder; their modules are passed on here.

pub mod calibrate;
pub mod cli;
pub mod commands;
pub mod control;
pub mod docs;
pub mod doctor;
pub mod event;
pub mod interleave;
pub mod plan;
pub mod replay;
pub mod run;
pub mod selftest;
pub mod terminal;

pub use lmbench_os::{files, output};
pub use lmbench_record::{
    cells, compare, conditions, convergence, error, export, gate, history, import, judge, junit,
    metric, nearest, programs, record, scenario_text, statistics, store, text, tree, units,
};
pub use lmbench_report::report;
pub use lmbench_scenario::{carrier, scenario};
