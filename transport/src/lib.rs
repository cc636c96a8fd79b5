//! Carriers of the migration stream: bytes between two ends, and nothing about guests.
//!
//! | module | what it holds |
//! |---|---|
//! | [`carrier`] | what all carriers share: the object-safe traits (carrier, listener, pending peer, session), their errors, channels, endpoints, the one-time token, who a host is to its peer, the common handshake |
//! | [`tcp`] | the carrier with one plain TCP connection per channel |
//! | [`tls`] | the carrier with one TLS 1.3 connection per channel |
//! | [`quic`] | the carrier over UDP that encrypts, with a stream or a connection per channel |
//! | [`ssh`] | the carrier that tunnels through OpenSSH |
//! | [`relay`] | joins a local stream and a channel, in both directions |
//! | [`handover`] | passes a channel's descriptor to another process instead |
//! | [`carry`] | the two halves that `lmbench carry sink` and `lmbench carry source` run |
//! | [`capture`] | real streams in files: their format, writing and reading |
//! | [`tee`] | writes a stream down on its way |
//! | [`secret`] | files that hold secrets, and memory that does |
//!
//! `carrier/` knows no carrier, `carriers/` no relay, `relay/` no carrier, and `carry/` only the traits. A further carrier is a folder
//! in `carriers/`, a line in `carriers.rs`, its scheme in `carrier/endpoint.rs` and a line in `tests/contract/rig.rs`.
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
pub use carrier::{Admitted, Carrier, Listener, Pending, Session};
pub use carriers::*;
