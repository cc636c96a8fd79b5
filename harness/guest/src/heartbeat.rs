//! The heartbeat: fixed records at a fixed interval, from a thread that nothing in the guest outranks.
//!
//! The host sees in the arrival times how long the guest stood still. The thread allocates nothing and shares nothing.

use std::time::Duration;

use lmbench_guest::clock::monotonic_ns;
use lmbench_guest::wire::HEARTBEAT_BYTES;
use rustix::thread::{ClockId, Timespec, clock_nanosleep_absolute};

use crate::port::Port;
use crate::realtime;

/// Sends for ever.
pub(crate) fn run(port: &Port, interval: Duration) -> ! {
    if let Err(error) = realtime::schedule(realtime::HEARTBEAT) {
        eprintln!("lmbench-guest: the heartbeat has no real-time priority: {error}");
    }
    let interval_ns = interval.as_nanos() as u64;
    let mut due_ns = monotonic_ns();
    for sequence in 1_u64.. {
        due_ns = sleep_until(next(due_ns, monotonic_ns(), interval_ns));
        let mut record = [0; HEARTBEAT_BYTES];
        record[..8].copy_from_slice(&sequence.to_le_bytes());
        record[8..].copy_from_slice(&monotonic_ns().to_le_bytes());
        if let Err(error) = port.send(&record) {
            eprintln!("lmbench-guest: heartbeat {sequence} was not sent: {error}");
        }
    }
    unreachable!("2^64 heartbeats")
}

/// The next time of the schedule; missed ones are left out, not sent in a burst.
fn next(due_ns: u64, now_ns: u64, interval_ns: u64) -> u64 {
    let planned_ns = due_ns + interval_ns;
    if planned_ns > now_ns {
        planned_ns
    } else {
        planned_ns + (now_ns - planned_ns) / interval_ns * interval_ns
    }
}

/// Waits until the clock shows `due_ns`, which it returns.
pub(crate) fn sleep_until(due_ns: u64) -> u64 {
    let request = Timespec {
        tv_sec: (due_ns / 1_000_000_000).cast_signed(),
        tv_nsec: (due_ns % 1_000_000_000).cast_signed(),
    };
    // Only a signal interrupts it, and PID 1 handles none.
    while clock_nanosleep_absolute(ClockId::Monotonic, &request).is_err() {}
    due_ns
}

#[cfg(test)]
mod tests {
    use super::next;

    // On time, a little late (sent at once, schedule kept), and after a stall of 35 intervals (one record, schedule kept).
    #[test]
    fn missed_heartbeats_are_left_out() {
        assert_eq!(next(100, 101, 10), 110);
        assert_eq!(next(100, 112, 10), 110);
        assert_eq!(next(100, 452, 10), 450);
    }
}
