//! What every driver of guests offers: the traits that the rest of lmbench knows guests by, and the types that they speak.
//!
//! `status` and `stats` say where a migration stands, `event` what happened to a guest, `guest` what can be asked of one.

mod event;
mod guest;
mod named;
mod stats;
mod status;

pub use event::{EventKind, GuestEvent, GuestEvents};
pub use guest::{Guest, GuestError, Stream};
pub use stats::{MigrationStats, RamStats, Reading, XbzrleStats};
pub use status::{MigrationStatus, RunState};
