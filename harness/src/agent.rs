//! The part of lmbench that runs on each host: `lmbench agent --stdio`.
//!
//! `calls` is what the controller can ask, each with the type of its reply, `protocol` how it travels, `serve` is the agent (`starting` its part before a migration,
//! `repeat` what it runs, `life` what ends it, `probes` what it sees of the guest from outside, `recovery` its part when a migration is in trouble), `client` the controller's end.
//! When its standard input closes, the agent ends everything it started.

pub mod calls;
mod client;
mod failures;
mod frames;
mod life;
mod metering;
mod migrating;
mod ongoing;
mod ordering;
mod probes;
pub mod protocol;
mod readings;
mod recovery;
mod repeat;
mod serve;
mod starting;
mod striking;
mod traffic;
mod watching;

pub use calls::{Call, Request};
pub use client::{AgentClient, AgentError};
pub use metering::{EVERY as METER_INTERVAL, LOOK_AROUND as METER_LOOK_AROUND};
pub use probes::LOOK_INTERVAL as VCPU_LOOK_INTERVAL;
pub use serve::serve;
