//! Captures played over every carrier, discarded and verified.

#[path = "replay/carriers.rs"]
mod carriers;
#[path = "replay/ends.rs"]
mod ends;
#[path = "replay/rig.rs"]
mod rig;
