//! The carrier `ssh` with the real OpenSSH on loopback, and this test in the place of both QEMUs.
//!
//! Without OpenSSH these tests are skipped, loudly.

#[path = "ssh/ends.rs"]
mod ends;
#[path = "shared/half.rs"]
mod half;
#[path = "ssh/reach.rs"]
mod reach;
#[path = "ssh/rig.rs"]
mod rig;
#[path = "ssh/strangers.rs"]
mod strangers;
#[path = "ssh/streams.rs"]
mod streams;
