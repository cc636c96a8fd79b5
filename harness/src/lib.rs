//! Hosts, guests, the lab, workloads and policies of a live-migration benchmark, and the agent that runs on each host.
//!
//! Knows nothing of carriers' bytes (the `transport` package), of statistics or of terminals (the `bench` package).

pub mod agent;
pub mod background;
pub mod cpu;
pub mod drivers;
pub mod handover;
pub mod host;
pub mod hypervisor;
pub mod image;
pub mod lab;
mod lines;
pub mod link;
pub mod migration;
pub mod policy;
pub mod process;
pub mod progress;
pub mod qmp;
pub mod role;
pub mod sockets;
pub mod spec;
pub mod switches;
pub mod syscalls;
pub mod tenant;
pub mod vcpus;

pub use lmbench_os::{clock, error, files};
