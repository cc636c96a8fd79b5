//! Simulated guests: no hypervisor, no memory, no network. What happens is lmbench-model's arithmetic; this gives it hosts, events and time.
//!
//! `world` joins the hosts of one process and lets time pass, `host` is the [`Hypervisor`](crate::hypervisor::Hypervisor) of one, `guest` the
//! [`Guest`](crate::hypervisor::Guest); `flight` is one guest between two hosts, `code` what lmbench's own code in it says, `settings` turns a
//! scenario's words into the model's, `reading` the model's counters into `query-migrate`'s.
//!
//! # Time
//! All of it is tokio's. On a paused runtime (`start_paused`, [`tokio::time`]) nobody waits: the clock jumps to the next timer, a minute
//! takes milliseconds, and the seed decides everything. On one that isn't, the same guests run in real time. Events bear the model's own
//! moments, exact to the nanosecond, on the scale of [`monotonic_ns`](crate::clock::monotonic_ns): the stamp of the moment in which the world
//! began, and the time since. Where virtual time runs ahead of the machine's, the run's other stamps have to come from the same clock:
//! [`World::keep_time`] does that for the runtime's thread. Timers are whole milliseconds, so whoever waits for an event may hear of it up to
//! one later than its stamp.
//!
//! # What it does not do
//! Nothing can be secured or handed over, there is no process and no console. A boot takes no time. Every migration has the path to itself.
//! Memory is never wrong: a guest that lost some does not answer. What the model lacks, a probe tells of and `prepare` refuses:
//! XBZRLE, dirty-limit, free QMP settings, and so on.

mod code;
mod flight;
mod guest;
mod host;
mod reading;
mod settings;
mod world;

pub use host::Simulated;
pub use settings::path;
pub use world::World;
