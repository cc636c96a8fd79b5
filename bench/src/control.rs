//! Orders to a run that goes on: a unix socket that only its owner can open, one JSON line per request, one JSON line per answer.
//!
//! ```text
//! → {"run":"20261120-234840-jvm-heavy-1f3c","command":"status"}
//! ← {"status":{"run":"20261120-234840-jvm-heavy-1f3c",…}}
//! → {"run":"20261120-234840-jvm-heavy-1f3c","command":{"set":{"downtime-limit":{"ms":500}}}}
//! ← {"done":"set"}
//! ← {"refused":"no migration goes on: the run is booting"}
//! ```
//!
//! The commands are those of [`Command`], the answers those of [`Answer`]; a connection takes one request after the other. An order is
//! answered after the hypervisor has answered it. The socket lies in a private directory of its own, because a run's folder may be
//! anywhere and a socket's path is short; the file `control` in the run's folder says where (`point`). `desk` hands orders to the
//! migration that goes on, `board` knows how the run stands, `server` and `client` are the two ends of the socket.
//! It decides nothing about a migration: what an order does is said in `lmbench_harness::migration`.

mod board;
mod client;
mod desk;
mod point;
mod protocol;
mod server;
mod setting;

pub use board::{Board, Decided, MigrationStatus, RepeatStatus, Status};
pub use client::{Connection, ControlError, ask, reach};
pub use desk::Desk;
pub(crate) use desk::{Counter, Deed, Wanted};
pub use point::{CONTROL_FILE, Point};
pub use protocol::{Answer, Command, LINE_MAX, Request};
pub use server::{OpenError, Server};
pub use setting::{SettingError, setting};
