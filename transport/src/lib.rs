//! Carriers of the migration stream: bytes between two ends, and nothing about guests.
//!
//! | module | what it holds |
//! |---|---|
//! | [`endpoint`] | where a carrier listens or dials: `tcp://198.18.1.2:7000` |
//! | [`token`] | the one-time secret that both ends of a session hold |
//! | [`identity`] | who a host is to its peer, for the carriers that encrypt |
//! | [`carrier`] | the object-safe traits: carrier, listener, pending peer, session |
//! | [`channel`] | one connection of the stream, with its number |
//! | [`tcp`] | the carrier with one plain TCP connection per channel |
//! | [`quic`] | the carrier over UDP that encrypts, with a stream or a connection per channel |
//! | [`tls`] | the carrier with one TLS 1.3 connection per channel |
//! | [`ssh`] | the carrier that tunnels through OpenSSH, as a pair of halves of its own |
//! | [`relay`] | joins a local stream and a channel, in both directions |
//! | [`handover`] | passes a channel's descriptor to another process instead |
//! | [`secret`] | files that hold secrets, and memory that does |
//! | [`carry`] | the two halves that `lmbench carry sink` and `lmbench carry source` run |
//! | [`capture`] | real streams in files: writing them down, and reading them back |
//!
//! Further carriers implement [`carrier::Carrier`] and pass `tests/contract.rs`; nothing else has to know them.
//! Deliberately absent: guests, statistics, terminals, and any notion of what the bytes mean.

#[doc(hidden)]
pub mod benched;
pub mod capture;
pub mod carrier;
mod carriers;
pub mod carry;
pub mod folder;
pub mod handover;
pub mod relay;
pub mod secret;
pub mod tee;

pub use carrier::channel::{self, Channel};
pub use carrier::endpoint::{self, Endpoint, Scheme};
pub use carrier::identity;
pub use carrier::token::{self, Token};
pub use carrier::{Arrival, Carrier, Listener, Pending, Session};
pub use carriers::{quic, ssh, tcp, tls};
