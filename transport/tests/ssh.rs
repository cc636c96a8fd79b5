//! The carrier `ssh` with the real OpenSSH on loopback, and this test in the place of both QEMUs.
//!
//! Without OpenSSH these tests are skipped, loudly.

#[path = "shared/delay.rs"]
#[allow(dead_code, reason = "this carrier has no datagrams")]
mod delay;
#[path = "ssh/ends.rs"]
mod ends;
#[path = "shared/flood.rs"]
#[allow(dead_code, reason = "this carrier has no datagrams")]
mod flood;
#[path = "shared/half.rs"]
mod half;
#[path = "ssh/reach.rs"]
mod reach;
#[path = "ssh/rig.rs"]
mod rig;
#[path = "shared/rows.rs"]
mod rows;
#[path = "ssh/strangers.rs"]
mod strangers;
#[path = "ssh/streams.rs"]
mod streams;
