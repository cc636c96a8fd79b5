//! The carrier over UDP that encrypts: QUIC, with quinn.
//!
//! Both ends show a certificate (see [`crate::carrier::identity`]) and TLS 1.3 protects every byte. On top of it the first stream of each
//! connection begins with the challenge and response of `preamble.rs`, so that what holds for `tcp` holds here too: one token
//! is good for one session per listener, each channel number for one channel, and refusals say why.
//!
//! That first stream of the session's connection is its control stream: a goodbye on it before its end means that no channel
//! will follow, an end without one that the peer is gone, and silence for [`Settings::peer_deadline`] that the path or the host
//! is. Channels are further streams of the same connection, or connections of their own, see [`Connections`].
//!
//! Other than with TCP, no kernel finishes what a process has begun: what is sent and not yet acknowledged ends with the process.
//! So a channel's half-close and a session's goodbye wait until the peer has acknowledged them.
//!
//! `cargo bench -p lmbench --bench carriers -- 'quic|tls'` measures it. On a busy two-core machine, over veth, GB/s and
//! source + sink CPU-s/GiB: 0.83 and 1.0 + 1.05 at MTU 1500, 1.5 and 0.46 + 0.50 at MTU 9000, where the carrier `tls` had 2.0 and
//! 0.34 + 0.31. One core on each side is the limit: more than half of it goes into quinn's work per packet, a sixth into AES.
//! Nothing was lost, so congestion control and acknowledgements made no difference beyond the noise. What limits is spread over
//! dozens of quinn's functions per packet, each below 7 %: link-time optimisation won 2 % at the source, and nothing at the sink.
//! Datagrams beyond the MTU, cut up by IP, cost more on both sides than the packets they save.
//!
//! Not in here: migration to another address, 0-RTT and datagrams, which are all switched off.

mod bdp;
mod budget;
mod carrier;
mod config;
mod control;
mod credit;
mod dial;
mod fault;
mod listener;
mod pump;
mod session;
mod settings;
mod socket;
mod statistics;
mod stream;

pub use dial::Quic;
pub use settings::{Congestion, Connections, Settings};
