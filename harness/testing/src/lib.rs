//! What lmbench's tests share: what a test needs of the machine, whose turn it is, and what is told of it at the end.
//!
//! Most tests need nothing and run side by side. A live test, one with namespaces, guests or traffic, begins with [`live`] or, if it
//! would disturb or be disturbed, with [`alone`]. It is skipped where the machine lacks what it needs, loudly: on standard error, past the
//! capture of the test harness, and in the journal that `harness/test.sh` counts at the end.

mod journal;
mod need;

use std::cell::Cell;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

pub use journal::JOURNAL_VARIABLE;
pub use need::{Need, browser};

/// Skips every live test when it is 1.
pub const SKIP_VARIABLE: &str = "LMBENCH_SKIP_LIVE";
/// Makes a lack fail the test, when it is 1: for machines that are meant to have everything but what nobody can give them.
pub const STRICT_VARIABLE: &str = "LMBENCH_TEST_STRICT";

/// A live test's time on the machine; its end is written to the journal.
#[derive(Debug)]
pub struct Turn {
    started: Instant,
    machine: Machine,
}

/// How much of the machine a test has.
#[derive(Debug)]
enum Machine {
    Shared {
        _turn: RwLockReadGuard<'static, ()>,
    },
    Whole {
        _turn: RwLockWriteGuard<'static, ()>,
    },
    /// This thread has it already.
    Held,
}

/// Begins a live test that may run beside others, as many as the test harness has threads. `None` if it is to be skipped.
pub fn live(needs: &[Need]) -> Option<Turn> {
    available(needs).then(|| {
        Turn::begin(|| Machine::Shared {
            _turn: MACHINE.read().unwrap_or_else(PoisonError::into_inner),
        })
    })
}

/// Begins a live test that has the machine for itself, because it measures or needs all cores. `None` if it is to be skipped.
pub fn alone(needs: &[Need]) -> Option<Turn> {
    available(needs).then(|| {
        Turn::begin(|| Machine::Whole {
            _turn: MACHINE.write().unwrap_or_else(PoisonError::into_inner),
        })
    })
}

/// Whether a live test, or a part of one, can run here. What is skipped is said.
pub fn available(needs: &[Need]) -> bool {
    let on = |variable| std::env::var_os(variable).is_some_and(|value| value == "1");
    let lack = if on(SKIP_VARIABLE) {
        Some(format!("{SKIP_VARIABLE}=1"))
    } else {
        let lacking = needs.iter().find(|need| !need.is_met());
        assert!(
            lacking.is_none() || !on(STRICT_VARIABLE) || lacking.is_some_and(|need| need.is_rare()),
            "this machine lacks {lacking:?}, and {STRICT_VARIABLE}=1"
        );
        lacking.map(|need| format!("no {}: {}", need.name(), need.advice()))
    };
    if let Some(lack) = &lack {
        journal::skipped(lack);
    }
    lack.is_none()
}

/// Says that a test that has begun can't go on here, and why.
pub fn skip(why: &str) {
    journal::skipped(why);
}

/// Says of a test that goes on what it can not show here, because this machine is too busy or too slow.
pub fn not_proven(what: &str) {
    journal::not_proven(what);
}

impl Turn {
    /// A test that begins twice has one turn.
    fn begin(wait: impl FnOnce() -> Machine) -> Turn {
        let machine = if HELD.replace(true) {
            Machine::Held
        } else {
            wait()
        };
        Turn {
            machine,
            started: Instant::now(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !matches!(self.machine, Machine::Held) {
            HELD.set(false);
            journal::ran(self.started.elapsed());
        }
    }
}

static MACHINE: RwLock<()> = RwLock::new(());
thread_local! {
    static HELD: Cell<bool> = const { Cell::new(false) };
}
