//! PID 1 of the benchmark guest: prepares the machine, takes its address, finds its two ports, then does what the host says.
//!
//! It never exits: a PID 1 that exits is a kernel panic. What it can't do it says on the control port, or, before there is one, on the console.

mod control;
mod heartbeat;
mod machine;
mod network;
mod port;
mod realtime;

use std::sync::Arc;

use lmbench_guest::wire::{CONTROL_PORT, HEARTBEAT_PORT};

fn main() {
    for problem in machine::prepare() {
        eprintln!("lmbench-guest: {problem}");
    }
    if let Err(problem) = network::configure() {
        eprintln!("lmbench-guest: the tenant network: {problem}");
    }
    let control = Arc::new(port::find(CONTROL_PORT));
    let heartbeat = port::find(HEARTBEAT_PORT);
    if let Err(error) = realtime::lock_memory() {
        eprintln!("lmbench-guest: locking memory failed: {error}");
    }
    control::serve(&control, heartbeat)
}
