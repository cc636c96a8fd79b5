//! What the benchmark guest boots: a stock kernel, found on this machine, and an initramfs made in memory.
//!
//! The initramfs holds lmbench's PID 1 and the few modules that a kernel needs before it has virtio-serial ports. Nothing is
//! written to disk here, and no user's image passes through this module.

mod cpio;
mod kernel;
mod modules;

use std::path::{Path, PathBuf};

use crate::image::cpio::Archive;
use crate::spec::GuestSpec;
use crate::tenant;

pub use kernel::{GuestKernel, KERNEL_VARIABLE};

/// The guest's PID 1, built by `build.rs`.
const INIT: &[u8] = include_bytes!(env!("LMBENCH_GUEST_INIT_PATH"));

/// Modules that the guest needs, if the kernel doesn't have them built in.
const NEEDED: [&str; 2] = ["virtio_pci", "virtio_console"];
/// The same of a guest on the tenant network.
const NEEDED_BY_TENANT: &str = "virtio_net";

/// What the kernel of a lmbench guest is told.
///
/// - `quiet`, `console=ttyS0`: an emulated serial port costs an exit per byte, so only problems are printed.
/// - `panic=-1`: a panic restarts at once, which QEMU's `-no-reboot` turns into an exit that the host sees.
/// - `tsc=reliable`, `no_timer_check`: no watchdog that finds an emulated or migrated TSC too slow and falls back to a clock that costs
///   microseconds per reading. The clock source itself is left to the kernel: `kvm-clock` under KVM, the TSC under TCG.
/// - `rcupdate.rcu_expedited=1`, `8250.nr_uarts=1`, `random.trust_cpu=on`, `cryptomgr.notests`, `nokaslr`, `mitigations=off`,
///   `initcall_blacklist`: less to wait for at boot. The guest runs no code but ours: it traces nothing, loads no signed key, and takes
///   its random numbers from the processor.
/// - `sysctl.vm.min_free_kbytes=4096`, `swiotlb=noforce`: from 512 MiB on, the kernel keeps about 60 MiB free for huge pages to come, and
///   from 3 GiB on 64 MiB of bounce buffers that no virtio device uses. Nothing here allocates once the workload has its memory.
/// - `clearcpuid=297,580` (ERMS, FSRM): the translator executes `rep stosb` byte by byte, so the kernel must clear pages by words.
pub const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check rcupdate.rcu_expedited=1 \
     8250.nr_uarts=1 random.trust_cpu=on cryptomgr.notests nokaslr mitigations=off \
     clearcpuid=297,580 sysctl.vm.min_free_kbytes=4096 swiotlb=noforce \
     initcall_blacklist=jent_mod_init,load_system_certificate_list,trace_eval_init";

/// What a lmbench guest's kernel is told in all.
pub fn command_line(spec: &GuestSpec) -> String {
    if spec.tenant == Some(true) {
        format!("{COMMAND_LINE} {}={}", tenant::PARAMETER, tenant::GUEST)
    } else {
        COMMAND_LINE.to_owned()
    }
}

/// Why there is no guest image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// None of the places has a kernel that can be read.
    #[error("no guest kernel that can be read: looked for {}{}", list(.looked_for), kernel_hint())]
    NoKernel {
        /// What was tried, in order.
        looked_for: Vec<PathBuf>,
    },
    /// A module that the kernel needs is neither built in nor in the tree.
    #[error("the guest kernel's module {name} is not in {}\nhint: `harness/setup.sh` installs a kernel with its modules; LMBENCH_GUEST_MODULES names them for a kernel of your own", .tree.display())]
    NoModule {
        /// The module.
        name: String,
        /// Where it should be.
        tree: PathBuf,
    },
    /// A file can't be read.
    #[error("reading {} failed", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A module can't be decompressed.
    #[error("decompressing {} by `{program}` failed: {reason}", .path.display())]
    Decompress {
        /// The module.
        path: PathBuf,
        /// `xz` or `zstd`.
        program: &'static str,
        /// What it said.
        reason: String,
    },
}

/// The initramfs for this kernel: `/init`, `/dev/console`, and `/modules` with a list of what to load in order. For a guest on the
/// `tenant` network that includes the network card's driver.
pub fn initramfs(kernel: &GuestKernel, tenant: bool) -> Result<Vec<u8>, ImageError> {
    let mut needed = NEEDED.to_vec();
    needed.extend(tenant.then_some(NEEDED_BY_TENANT));
    let modules = match &kernel.modules {
        Some(tree) => match modules::closure(tree, &needed) {
            // A kernel without the driver still boots; its guest answers nobody, which the record shows.
            Err(ImageError::NoModule { name, .. }) if name == NEEDED_BY_TENANT => {
                modules::closure(tree, &NEEDED)?
            }
            found => found?,
        },
        None => Vec::new(),
    };
    let mut archive = Archive::default();
    archive
        .directory("dev")
        .character_device("dev/console", 5, 1);
    archive
        .directory("proc")
        .directory("sys")
        .directory("modules");
    archive.file("init", 0o755, INIT);
    let order: Vec<String> = modules
        .iter()
        .map(|module| format!("{}.ko\n", module.name))
        .collect();
    archive.file("modules/order", 0o644, order.concat().as_bytes());
    for module in &modules {
        archive.file(
            &format!("modules/{}.ko", module.name),
            0o644,
            &module.object,
        );
    }
    Ok(archive.finish())
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    std::fs::read(path).map_err(|source| ImageError::Read {
        path: path.to_owned(),
        source,
    })
}

/// What the user names is looked for there and nowhere else, so the name is what to mend.
fn kernel_hint() -> &'static str {
    if std::env::var_os(KERNEL_VARIABLE).is_some() {
        "\nhint: LMBENCH_GUEST_KERNEL names it: unset it, or name a kernel that can be read"
    } else {
        "\nhint: `harness/setup.sh` installs one; LMBENCH_GUEST_KERNEL names one of your own"
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    // A dynamic executable names its interpreter in a program header (PT_INTERP, 3); the initramfs has none to offer.
    #[test]
    fn the_embedded_init_is_static() {
        let word = |at: usize, length: usize| {
            INIT[at..at + length]
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | usize::from(*byte))
        };
        assert!(INIT.starts_with(b"\x7fELF\x02\x01"));
        let (headers, size, count) = (word(32, 8), word(54, 2), word(56, 2));
        assert!(count > 0);
        assert!((0..count).all(|index| word(headers + index * size, 4) != 3));
    }
}
