//! What the packages ask of the operating system alike: one clock, children that die with us, files where others may write, outputs that
//! appear whole or not at all, and errors as users see them.
//!
//! Starts nothing and touches no network.

pub mod child;
pub mod clock;
pub mod error;
pub mod files;
pub mod output;
