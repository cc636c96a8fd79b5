//! The contract of drivers: `suite` says what holds of each, and each has a file that shows it.

mod qemu;
mod simulated;
mod suite;
