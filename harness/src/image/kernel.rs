//! Finds a kernel for the guest: what the user names, what `harness/setup.sh` installed, what this machine itself boots.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::ImageError;

/// Names the kernel to boot, whatever else there is.
pub const KERNEL_VARIABLE: &str = "LMBENCH_GUEST_KERNEL";

/// A kernel and, unless all it needs is built in, its modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestKernel {
    /// The compressed kernel, which names its version.
    pub vmlinuz: PathBuf,
    /// The same kernel uncompressed, where `harness/setup.sh` could make it.
    pub vmlinux: Option<PathBuf>,
    /// The directory that holds `modules.builtin` and `kernel/`; `None` if the kernel needs no modules.
    pub modules: Option<PathBuf>,
}

impl GuestKernel {
    /// The first kernel that can be read: `LMBENCH_GUEST_KERNEL` (with `LMBENCH_GUEST_MODULES`), then
    /// `$XDG_DATA_HOME/lmbench/guest`, then `/usr/local/share/lmbench/guest`, then this machine's own.
    pub fn find() -> Result<Self, ImageError> {
        if let Some(vmlinuz) = env::var_os(KERNEL_VARIABLE) {
            let kernel = Self {
                vmlinuz: vmlinuz.into(),
                vmlinux: None,
                modules: env::var_os("LMBENCH_GUEST_MODULES").map(PathBuf::from),
            };
            // What the user names is what must work, so there is no falling back.
            return first([kernel]);
        }
        let installed = data_home()
            .into_iter()
            .map(|home| home.join("lmbench/guest"));
        let installed = installed
            .chain([PathBuf::from("/usr/local/share/lmbench/guest")])
            .map(|directory| in_directory(&directory));
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        let own = Self {
            vmlinuz: format!("/boot/vmlinuz-{release}").into(),
            vmlinux: None,
            modules: Some(PathBuf::from("/lib/modules").join(release)),
        };
        first(installed.chain([own]))
    }

    /// What QEMU is given. It starts an uncompressed kernel at its PVH entry, which saves the second and more that a translated guest
    /// needs to decompress itself.
    pub fn boots(&self) -> &Path {
        self.vmlinux.as_deref().unwrap_or(&self.vmlinuz)
    }
}

/// A directory as `harness/setup.sh` lays it out: `vmlinuz`, mostly `vmlinux`, and `modules/VERSION`.
fn in_directory(directory: &Path) -> GuestKernel {
    let versions = fs::read_dir(directory.join("modules"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    // Were there several, the last by name would be the newest as a rule.
    GuestKernel {
        vmlinuz: directory.join("vmlinuz"),
        vmlinux: Some(directory.join("vmlinux")),
        modules: versions.filter(|path| path.is_dir()).max(),
    }
}

/// The first kernel that opens; some distributions let only root read theirs.
fn first(candidates: impl IntoIterator<Item = GuestKernel>) -> Result<GuestKernel, ImageError> {
    let mut looked_for = Vec::new();
    for mut candidate in candidates {
        if File::open(&candidate.vmlinuz).is_ok() {
            candidate.vmlinux = candidate.vmlinux.filter(|file| File::open(file).is_ok());
            candidate.modules = candidate.modules.filter(|tree| tree.is_dir());
            return Ok(candidate);
        }
        looked_for.push(candidate.vmlinuz);
    }
    Err(ImageError::NoKernel { looked_for })
}

fn data_home() -> Option<PathBuf> {
    let home = env::var_os("XDG_DATA_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from);
    home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_layout_is_found() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("vmlinuz"), "kernel").unwrap();
        fs::create_dir_all(directory.path().join("modules/6.1.0/kernel")).unwrap();
        let missing = in_directory(&directory.path().join("nothing"));
        let found = first([missing, in_directory(directory.path())]).unwrap();
        assert_eq!(found.vmlinuz, directory.path().join("vmlinuz"));
        assert_eq!(found.modules, Some(directory.path().join("modules/6.1.0")));
        assert_eq!(found.boots(), found.vmlinuz);
        fs::write(directory.path().join("vmlinux"), "kernel").unwrap();
        let found = first([in_directory(directory.path())]).unwrap();
        assert_eq!(found.boots(), directory.path().join("vmlinux"));
    }

    #[test]
    fn a_missing_kernel_says_where_it_should_be_and_what_mends_it() {
        let missing = ["/nowhere/one", "/nowhere/two"].map(|path| in_directory(Path::new(path)));
        let error = first(missing).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no guest kernel that can be read: looked for /nowhere/one/vmlinuz, /nowhere/two/vmlinuz\nhint: `harness/setup.sh` installs one; LMBENCH_GUEST_KERNEL names one of your own"
        );
    }
}
