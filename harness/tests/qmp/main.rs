//! The QMP client against a fake QEMU whose every byte the test decides. `qmp_live.rs` does the same with a real one.

mod connecting;
mod descriptors;
mod ending;
mod events;
mod fake;
mod replies;
