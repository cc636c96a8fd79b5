//! What the benchmark guest and its host agree on: the workload's specification and the lines on the control port.
//!
//! The binary of this package is the guest's PID 1; the harness uses this library to speak with it.

pub mod spec;
pub mod wire;
