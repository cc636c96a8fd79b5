//! The program: scenario, plan, run, record, judge, report.

pub mod calibrate;
pub mod carrier;
pub mod cells;
pub mod cli;
pub mod commands;
pub mod compare;
pub mod conditions;
pub mod control;
pub mod convergence;
pub mod doctor;
pub mod error;
pub mod event;
pub mod export;
pub mod gate;
pub mod history;
pub mod import;
pub mod interleave;
pub mod judge;
pub mod junit;
pub mod metric;
pub mod nearest;
pub mod output;
pub mod plan;
pub mod programs;
pub mod record;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scenario_text;
pub mod selftest;
pub mod statistics;
pub mod store;
pub mod terminal;
pub mod text;
pub mod tree;
pub mod units;

// Of the harness the one part that modules without guests and sockets use too.
pub(crate) use lmbench_harness::files;
