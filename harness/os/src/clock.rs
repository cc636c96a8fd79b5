//! The one clock that stamps everything a host observes: `CLOCK_MONOTONIC`, shared by all processes of a machine.
//!
//! A thread that runs in virtual time (a paused tokio runtime, which has only one) has its stamps from there: [`read_from`].

use std::cell::RefCell;
use std::marker::PhantomData;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of this host's `CLOCK_MONOTONIC`, or of this thread's virtual time. Comparable between processes and namespaces of one
/// boot, not between hosts.
pub fn monotonic_ns() -> u64 {
    let virtual_ns = VIRTUAL.try_with(|read| read.borrow().as_ref().map(|read| read()));
    if let Ok(Some(ns)) = virtual_ns {
        return ns;
    }
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Has [`monotonic_ns`] on this thread answer what `read` does, until the guard is dropped. `read` must not ask it itself.
#[must_use]
pub fn read_from(read: impl Fn() -> u64 + 'static) -> Virtual {
    let before = VIRTUAL.replace(Some(Box::new(read)));
    Virtual {
        before,
        of_this_thread: PhantomData,
    }
}

/// This thread's [`monotonic_ns`] is virtual.
pub struct Virtual {
    before: Option<Read>,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Virtual {
    fn drop(&mut self) {
        VIRTUAL.set(self.before.take());
    }
}

type Read = Box<dyn Fn() -> u64>;

thread_local! {
    static VIRTUAL: RefCell<Option<Read>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_is_one_threads_and_ends_with_its_guard() {
        let before = monotonic_ns();
        let guard = read_from(|| 7);
        assert_eq!(monotonic_ns(), 7);
        let elsewhere = std::thread::spawn(monotonic_ns).join().unwrap();
        assert!(elsewhere >= before);
        drop(guard);
        assert!(monotonic_ns() >= elsewhere);
    }
}
