//! The carrier that tunnels the stream through OpenSSH: its own `ssh` and `sshd`, between two unix sockets.
//!
//! ```text
//! source QEMU -> unix socket -> ssh ==== TCP ==== sshd -> unix socket -> destination QEMU
//! ```
//! It exists to measure what OpenSSH costs, so no byte of the stream passes through this process
//! (except with [`Connections::PerChannel`]): `ssh` listens on the socket that the source's QEMU connects to, which the session shows as
//! its listening socket, and `sshd` connects to the destination's, which the carrier is told before it listens. So the listening side's
//! session gives no channel out, and with one `ssh` for all neither their number nor their bytes can be told.
//!
//! # What is ours and what is OpenSSH's
//! The session is that of [`crate::carriers::tcp`]: a control connection, by which each end learns how the other one ends, and one more TCP
//! connection per `ssh`, each begun with the proof of the token. Only then is the connection given to `ssh -o ProxyCommand=-` and
//! `sshd -i`. So a stranger never reaches OpenSSH and costs no process, a replayed token is refused, and the sink can tell the
//! source, under the token, which user and which socket to ask for. Encryption and trust in it are OpenSSH's alone: the server's
//! and the client's key derive from the token (`keys.rs`), each end accepts no other one.
//!
//! Whoever holds the token can do what the stream needs and nothing more: `PermitOpen` limits forwards, of TCP and to unix sockets alike,
//! to the destination's socket, and there is no shell.
//!
//! # What the end tells
//! With [`Connections::PerChannel`] the source sees each channel, so a break is an error of both halves as with every carrier. With one
//! `ssh` for all no half sees a byte, but `ssh` tells (from OpenSSH 8.5 on) when a channel was closed with something on its way, and `sshd`
//! when the destination's QEMU left something unread. That, a lost
//! connection, a channel that could not be opened, and one that had to be cut at the end are errors of both halves.
//!
//! # What the figures mean
//! `handshake_ms` of the source runs from dialling to the socket that QEMU may use, as for every carrier; the share of `ssh` itself
//! stands in the details. A channel's window in OpenSSH is 2 MiB, so one channel gets at most 2 MiB per round trip, and
//! chacha20-poly1305 renews its keys every GiB; both are OpenSSH as it is. Unlike the other sinks this one connects to the destination's QEMU as soon as
//! the source's QEMU opens a channel, and tries once: the destination has to listen by then.

mod accepted;
mod beneath;
mod carrier;
mod channel;
mod child;
mod client;
mod deadlines;
mod dialled;
mod error;
mod introduction;
mod keys;
mod lingering;
mod listener;
mod log;
mod program;
mod server;
mod settings;
mod sockets;
mod target;
mod tunnel;

pub use carrier::Ssh;
pub use error::SshError;
pub use settings::{Cipher, Connections, Settings};
