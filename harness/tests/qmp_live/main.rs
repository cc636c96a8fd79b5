//! The QMP client against the real QEMU. `LMBENCH_SKIP_LIVE=1` skips these tests, loudly.

mod commands;
mod descriptors;
mod machine;
mod migration;
mod settings;
