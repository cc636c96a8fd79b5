//! Real QEMU guests: started by us, driven over QMP.
//!
//! `command_line` says how QEMU is started, `launch` starts it, `keeper` holds its process, `driver` steers it over QMP,
//! `machine` makes it a [`Guest`](crate::hypervisor::Guest) and this host's QEMUs a [`Hypervisor`](crate::hypervisor::Hypervisor),
//! `ports` hears what the guest's own code says, `checkpoints` what QEMU's trace does.

pub mod accelerator;
mod checkpoints;
mod command_line;
mod console;
mod credentials;
mod disk;
mod driver;
mod expected;
mod keeper;
mod launch;
mod machine;
mod pinning;
mod ports;
pub mod preflight;
mod recovery;
mod settings;

pub use checkpoints::checkpoints;
pub use command_line::program;
pub use console::console;
pub use driver::QemuGuest;
pub use keeper::{End, Keeper};
pub use launch::{LaunchError, Launched, launch, launch_kept};
pub use machine::QemuHypervisor;
pub use ports::{GuestPorts, PortError};
pub use settings::{Settings, settings};
