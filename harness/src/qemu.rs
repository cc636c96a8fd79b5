//! Real QEMU guests: started by us, driven over QMP.
//!
//! `command_line` says how QEMU is started, `launch` starts it, `keeper` holds its process, `driver` is the [`Guest`](crate::guest::Guest) of it,
//! `ports` hears what the guest's own code says.

pub mod accelerator;
mod command_line;
mod credentials;
mod driver;
mod keeper;
mod launch;
mod ports;
pub mod preflight;
mod settings;

pub use command_line::program;
pub use credentials::{CredentialKind, Credentials};
pub use driver::QemuGuest;
pub use keeper::{End, Keeper};
pub use launch::{LaunchError, Launched, launch, launch_kept};
pub use ports::{GuestPorts, Heartbeat, PortError, TimedReport};
pub use settings::{Settings, settings};
