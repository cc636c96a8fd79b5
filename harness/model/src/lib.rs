//! Arithmetic of live migration: what a guest dirties, what a path carries, what QEMU's migration loop makes of both.
//!
//! No I/O, no clock, no chance but by seed. [`Migration`] is stepped in virtual time by whoever needs it: the
//! simulated driver, a predictor, a planner. It is a fluid model: pages, bytes and writes are expected numbers that
//! flow between events.
//!
//! # Memory
//! Pages fall into classes that are written alike ([`Class`]). In a time `t` in which the guest does the work of
//! `t` seconds at full speed, a class of `n` pages dirties
//!
//! ```text
//! U(t) = n (1 - exp(-r t / n))     r writes per second at random
//! U(t) = min(n, r t)               a sweep of r pages per second: a collector's front, a log
//! U(t) = n                         if a burst falls into it: a checkpoint, a survivor space
//! ```
//!
//! and where several hold, the clean shares multiply. QEMU's bitmap takes `U` over at each dirty sync; of `w`
//! written and `d` not yet sent pages `w d / n` are the same. So saturation, hot sets, and pages that are sent
//! again needlessly come out by themselves (constant rates are the flaw that Nathan et al., `SoCC` 2015, found in
//! older models). A throttle of θ, write faults after a sync, a blackout and waits for pages slow the work down,
//! and with it the writes.
//!
//! # Path
//! [`Path::rate`] is the least of link, loss, window, threads and cores; costs of carriers come from measured runs.
//! Between QEMU's `write` and the link lie buffers: they fill at QEMU's own speed and have to drain before the
//! guest can go on, which is why QEMU's downtime is longer than what it expects.
//!
//! # QEMU's loop
//! As of 10.0. Read in `migration/migration.c` (at 0058078, 2024), `cpu-throttle.c` (575c2c5), `migration-stats.c`
//! (146f515) and the patches of 9.2 that added auto-converge's timer; the order of events is that of 10.0.2 in
//! the published runs.
//!
//! - `migration_iteration_run`: if less seems to be left than `threshold_size`, sync; if less is left indeed, or
//!   nothing, stop the guest; else send for at most `MAX_WAIT` (50 ms, looked at in whole ones) or until the
//!   window's share of `max-bandwidth` is used. A pass therefore ends when the rest fits into the downtime limit,
//!   not when memory is through.
//! - `migration_update_counters`: each window of at least 100 ms ends with `threshold_size = bytes / time *
//!   downtime-limit`, or the same by `avail-switchover-bandwidth`.
//! - `migration_bitmap_sync`: more than a second after the last look, `dirty-pages-rate` and the throttle: dirtied
//!   more than half of what was sent, twice, raises it. Auto-converge syncs every five seconds by itself where no
//!   pass did.
//! - `migration_completion`: one more sync, everything at full speed, device state, the destination's word.
//! - `postcopy_start`: last sync, package of device state, the guest goes on there; requests wait behind the
//!   stream, or with preempt behind the link's queue only.
//!
//! Not in it: XBZRLE, dirty-limit, switchover-ack, RDMA, background snapshots, block migration.
//!
//! # Where it is wrong
//! - What is sent last decides what is left for the switch-over, so the blackout of a guest that writes little depends
//!   on where its untouched memory lies. [`Memory::new`] knows Linux's habits, not the guest.
//! - The speed of a path without a limit is the machine's of one run; the same machine was 1.7 times as fast an hour
//!   later. [`Path::cores`] is what to measure first.
//! - Devices fetch pages while they load in post-copy. The model has three waits; without preempt between 3 and 52 were
//!   seen, which makes blackouts of 0.1 to 2 s.
//!
//! `cargo run -p lmbench-model --example agreement -- RECORD.json…` compares it with measured runs.

mod carrier;
mod counters;
mod dirty;
mod guest;
mod memory;
mod migration;
mod path;
mod random;
mod settings;
mod status;
mod stream;
mod throttle;
mod time;

pub use carrier::Carrier;
pub use guest::{Guest, Machine, Waits};
pub use memory::{Access, Burst, Class, Clock, Memory, Pattern, Rate, Workload};
pub use migration::{Migration, Refused};
pub use path::{Congestion, Cores, Path};
pub use settings::{Settings, ThrottleSettings};
pub use status::{Event, EventKind, RamStats, Side, Stats, Status};
pub use time::PAGE_BYTES;
