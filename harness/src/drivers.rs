//! What starts and steers guests, one folder for each driver. To add one: its folder, a variant of [`Driver`] and its line in [`hypervisor`].
//!
//! [`simulated`] has no variant yet: tests use it, and no scenario can ask for it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::hypervisor::Hypervisor;

pub mod qemu;
pub mod simulated;

/// Which driver a host's guests are run by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// QEMU processes of our own, over QMP.
    #[default]
    Qemu,
}

/// A host's guests by this driver, with its files in `directory`, which is its own.
pub fn hypervisor(driver: Driver, directory: &Path) -> Box<dyn Hypervisor> {
    match driver {
        Driver::Qemu => Box::new(qemu::QemuHypervisor::new(directory)),
    }
}
