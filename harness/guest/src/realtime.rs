//! Real-time scheduling, so that the workload, which takes all the CPU it gets, starves neither heartbeat nor reports.
#![expect(unsafe_code, reason = "rustix has no sched_setscheduler")]

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};

/// Priority of the heartbeat: above all else.
pub(crate) const HEARTBEAT: i32 = 20;
/// Priority of the reports.
pub(crate) const REPORTS: i32 = 10;

/// Keeps what is mapped now in memory, and later mappings as far as they are touched.
pub(crate) fn lock_memory() -> io::Result<()> {
    mlockall(MlockAllFlags::CURRENT)?;
    // Without ONFAULT the workload's mapping would be populated by one thread instead of filled by all.
    Ok(mlockall(MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?)
}

/// Puts the calling thread under `SCHED_FIFO`.
pub(crate) fn schedule(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the pointer is to a live, initialised structure of the type the call expects; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
