//! What every driver of guests offers: the traits that the rest of lmbench knows hosts and guests by, and the types that they speak.
//!
//! `driver` is a host and what holds a guest on it, `guest` what can be asked of one; `status` and `stats` say where a migration stands,
//! `event` what happened to a guest, `heard` and `console` what it says itself, `probe` what a host lacks. A driver is a folder below
//! `drivers` that passes the contract suite (`tests/driver_contract/`).

mod console;
mod credentials;
mod driver;
mod error;
mod event;
mod guest;
mod heard;
mod named;
mod probe;
mod stats;
mod status;

pub use console::Console;
pub use credentials::{CredentialKind, Credentials};
pub use driver::{Exit, GuestId, Hold, Hypervisor, Launch, MigrationId, Start};
pub use error::{GuestError, LaunchError};
pub use event::{EventKind, GuestEvent, GuestEvents};
pub use guest::{Guest, Look, NO_CODE, Preparation, Stream, Workload};
pub use heard::{Filled, Heard, Heartbeat, TimedReport};
pub use probe::{Case, Needed, ProbeReport, Problem, Resolved};
pub use stats::{MigrationStats, RamStats, Reading, XbzrleStats};
pub use status::{MigrationStatus, RunState};
