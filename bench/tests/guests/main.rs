//! Guests, policies and settings on real QEMUs, each migrated by the real program in a lab of its own.
//!
//! `LMBENCH_SKIP_LIVE=1` skips all of it. Tests run side by side; those that measure have the machine for themselves.

mod calibrate;
mod capture;
mod carriers;
mod crowd;
mod cuts;
mod judging;
mod knobs;
mod kvm;
mod live;
mod metering;
mod own;
mod patterns;
mod policies;
mod recovery;
mod truth;
