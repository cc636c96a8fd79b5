//! Hosts, guests, the lab, workloads and policies of a live-migration benchmark, and the agent that runs on each host.
//!
//! Knows nothing of carriers' bytes (the `transport` package), of statistics or of terminals (the `bench` package).

pub mod background;
pub mod clock;
pub mod image;
pub mod lab;
pub mod qmp;
pub mod role;
pub mod spec;
