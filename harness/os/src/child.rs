//! Child processes that do not outlive us.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The kernel kills what `command` starts when the thread that started it ends, so that nothing is left of an owner who was killed.
#[expect(
    unsafe_code,
    reason = "pre_exec is the only way to ask for a parent-death signal before exec"
)]
pub fn die_with_parent(command: &mut Command) {
    let parent = Pid::from_raw(std::process::id().cast_signed());
    // SAFETY: between fork and exec only prctl(2) and getppid(2) are called, which are async-signal-safe and allocate nothing.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // A parent that died before the request sends no signal any more.
            if getppid() == parent {
                Ok(())
            } else {
                Err(Errno::SRCH.into())
            }
        });
    }
}
