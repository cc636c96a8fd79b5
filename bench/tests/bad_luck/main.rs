//! Bad input and bad luck, on the real binary: what the operator reads, with which exit code, and that stdout stays clean.
//!
//! What needs namespaces and QEMU is skipped, loudly, by `LMBENCH_SKIP_LIVE=1`.

mod capture;
mod carry;
mod control;
mod doctor;
mod fake_qemu;
mod first;
mod history;
mod hostile;
mod live;
mod preflight;
mod scenario;
mod store;
mod streams;
mod support;
mod usage;
mod watch;
