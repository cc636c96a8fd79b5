//! Captures: their format against luck and malice, and the tee that makes them.

#[path = "capture/format.rs"]
mod format;
#[path = "shared/nobody.rs"]
mod nobody;
#[path = "capture/tee.rs"]
mod tee;
