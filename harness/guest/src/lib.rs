//! What runs inside the benchmark guest, and what it agrees on with its host.
//!
//! The binary of this package is the guest's PID 1; the harness uses [`spec`] and [`wire`] to speak with it. The other
//! modules are the workload itself. They are a library so that they are tested on the host, without a guest; nothing
//! here mounts, loads modules or opens ports, which is the binary's part.

pub mod clock;
pub mod content;
pub mod gate;
pub mod latency;
pub mod memory;
pub mod pacing;
pub mod pattern;
pub mod random;
pub mod readings;
pub mod share;
pub mod spec;
pub mod wire;
pub mod worker;
pub mod workload;
