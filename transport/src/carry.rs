//! The two halves that `lmbench carry sink` and `lmbench carry source` run: one process per host, between QEMU and a carrier.
//!
//! ```text
//! source QEMU -> unix socket -> Source ==== carrier ==== Sink -> unix socket -> destination QEMU
//! ```
//!
//! # The end
//! Neither half ever concludes from closed channels that the migration is over: multifd and post-copy open and close channels
//! when they like. A half ends when
//! 1. its owner stops it (the cancellation token: a signal, a closed standard input), or
//! 2. the peer has ended the session and every channel has ended: the result is `Ok` after the peer's goodbye, and
//!    [`CarryError::PeerLost`] when the peer went away without one.
//!
//! A channel that broke, at either end, makes the result of both halves [`CarryError::Broke`], however orderly the session's end: the
//! QEMU behind it sees only an end of file, and has no way to tell that from the end of the stream.
//!
//! In both cases no new channel is begun. Channels still open get [`Options::drain_deadline`] to end by themselves after a stop
//! (the last bytes of a completed migration may still be on their way), then they are cut. After the peer's goodbye or crash
//! they have all the time they need, because the peer's kernel closes them; if the peer's host does not answer any more, they
//! are cut at once. Finally a goodbye goes to the peer, so stopping one half ends the other.

mod channels;
pub(crate) mod error;
mod event;
pub(crate) mod local;
mod options;
mod replay;
mod sink;
mod source;

pub use error::CarryError;
pub use event::Event;
pub use options::{Listener, Local, Options};
pub use replay::{Pace, Place, Replay, ReplayError, Replayed};
pub use sink::Sink;
pub use source::Source;
