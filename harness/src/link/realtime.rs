//! Real-time priority and exact timers for the threads that deliver, where they may have them.
//!
//! The kernel's own links deliver in interrupts, before any process; a process that does the same work needs the same right, or a machine
//! full of guests makes every delivery late. Outside of root's reach (an ordinary user, a user namespace) it stays ordinary.
#![expect(unsafe_code, reason = "rustix has no sched_setscheduler")]

use std::num::NonZeroU64;

/// For the calling thread. Whether it has the priority now; exact timers need no right.
pub(super) fn enter() -> bool {
    // Ordinary threads' timers are up to 50 us late on purpose.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let parameters = libc::sched_param { sched_priority: 1 };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the call reads the parameters it is given a pointer to, which live until it returns.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) == 0 }
}
