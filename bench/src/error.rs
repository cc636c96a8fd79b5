//! Errors as users see them.

pub use lmbench_harness::error::chain;
