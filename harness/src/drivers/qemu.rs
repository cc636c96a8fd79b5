//! Real QEMU guests: started by us, driven over QMP.
//!
//! `command_line` says how QEMU is started, `launch` starts it, `keeper` holds its process, `driver` is the [`Guest`](crate::hypervisor::Guest) of it,
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
mod pinning;
mod ports;
pub mod preflight;
mod recovery;
mod settings;

pub use checkpoints::checkpoints;
pub use command_line::program;
pub use console::{Console, console};
pub use credentials::{CredentialKind, Credentials};
pub use driver::QemuGuest;
pub use keeper::{End, Keeper};
pub use launch::{LaunchError, Launched, launch, launch_kept};
pub use ports::{GuestPorts, Heartbeat, PortError, TimedReport};
pub use recovery::Look;
pub use settings::{Settings, settings};
