//! What every carrier must do, written against `dyn Carrier`. A new carrier joins by adding itself to `rig::all`.
//! `ssh`, whose channels never come out of a session, is here for what sessions do; the rest of it is in `ssh.rs`.
//! Loopback only. No sleeps, but to see that nothing more happens: each test awaits the event that it is about.

#[path = "contract/crowded.rs"]
mod crowded;
#[path = "shared/delay.rs"]
mod delay;
#[path = "shared/flood.rs"]
mod flood;
#[path = "contract/quic_crowd.rs"]
mod quic_crowd;
#[path = "contract/rig.rs"]
mod rig;
#[path = "shared/rows.rs"]
mod rows;
#[path = "contract/sessions.rs"]
mod sessions;
#[path = "contract/strangers.rs"]
mod strangers;
#[path = "contract/strangers_udp.rs"]
mod strangers_udp;
#[path = "contract/streams.rs"]
mod streams;
#[path = "contract/unread.rs"]
mod unread;
