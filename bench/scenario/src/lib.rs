//! What is to be measured: scenarios in TOML, and the checked model of them.
//!
//! - [`scenario`]: from a file to cells, or to all that is wrong with the file
//! - [`carrier`]: what moves a cell's stream, with its settings
//!
//! It starts nothing: what a guest, a link, a policy or a carrier is it takes from the packages that have them.

pub mod carrier;
pub mod scenario;
