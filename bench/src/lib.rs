//! The program: scenario, plan, run, record, judge, report.

pub mod carrier;
pub mod doctor;
pub mod event;
pub mod metric;
pub mod plan;
pub mod record;
pub mod scenario;
pub mod store;
pub mod terminal;
