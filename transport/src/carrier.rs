//! What all carriers share: the traits, their errors, and what a session begins with.
//!
//! Nothing here knows a carrier.

pub mod channel;
pub(crate) mod counters;
pub mod endpoint;
mod error;
pub(crate) mod handshake;
mod handshake_error;
pub mod identity;
pub(crate) mod notices;
pub(crate) mod pending_peers;
pub(crate) mod preamble;
pub(crate) mod preauth;
pub(crate) mod registry;
mod session_end;
mod statistics;
pub mod token;
mod traits;

pub(crate) use error::chain;
pub use error::{CarrierError, ChannelError};
pub use handshake_error::{CertificateFault, HandshakeError, Refusal};
pub use session_end::SessionEnd;
pub use statistics::Statistics;
pub use traits::{Admitted, Carrier, Listener, Pending, Session};
