//! Captures played over every carrier, discarded and verified.

#[path = "replay/carriers.rs"]
mod carriers;
#[path = "replay/cuts.rs"]
mod cuts;
#[path = "replay/ends.rs"]
mod ends;
#[path = "shared/half.rs"]
mod half;
#[path = "replay/rig.rs"]
mod rig;
