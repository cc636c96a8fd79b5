//! The part of lmbench that runs on each host: `lmbench agent --stdio`.
//!
//! `protocol` is what controller and agent say to each other, `serve` is the agent (`starting` its part before a migration,
//! `repeat` what it runs, `life` what ends it), `client` the controller's end.
//! When its standard input closes, the agent ends everything it started.

mod client;
mod failures;
mod frames;
mod life;
mod metering;
mod migrating;
pub mod protocol;
mod readings;
mod repeat;
mod serve;
mod starting;
mod traffic;
mod watching;

pub use client::{AgentClient, AgentError};
pub use serve::serve;
