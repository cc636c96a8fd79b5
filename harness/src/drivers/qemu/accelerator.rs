//! Which accelerator can really run a guest here.
//!
//! `/dev/kvm` existing proves nothing: nested or paravirtual KVM may open and then hang a stock kernel. So KVM is
//! proven by booting lmbench's guest within a deadline, and the answer is remembered.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::launch::{LaunchError, launch};
use super::program;
use crate::error::chain;
use crate::files::{self, Folder};
use crate::hypervisor::Resolved;
use crate::image::GuestKernel;
use crate::role::Role;
use crate::spec::{Accelerator, Boot, GuestSpec, Placement};

/// What is known of `wish` without booting a guest; `None` where only a guest tells. See [`resolve`].
pub fn known(wish: Accelerator, patience: Duration) -> Option<Resolved> {
    if wish == Accelerator::Tcg {
        return Some(TCG);
    }
    let reason = kvm_defect_known(patience).ok()?;
    Some(with_kvm(wish, reason))
}

/// Tells what `wish` means here. [`Accelerator::Kvm`] stays KVM even when it does not work; `reason` then says so. `patience` is how long
/// the guest that proves KVM may take to boot: [`PROOF_DEADLINE`] unless somebody insists on KVM.
pub async fn resolve(wish: Accelerator, patience: Duration, scratch: &Path) -> Resolved {
    if wish == Accelerator::Tcg {
        return TCG;
    }
    let reason = match kvm_defect_known(patience) {
        Ok(reason) => reason,
        Err(unproven) => kvm_defect(unproven, patience, scratch).await,
    };
    with_kvm(wish, reason)
}

fn with_kvm(wish: Accelerator, reason: Option<String>) -> Resolved {
    let accelerator = if wish == Accelerator::Auto && reason.is_some() {
        Accelerator::Tcg
    } else {
        Accelerator::Kvm
    };
    Resolved {
        accelerator,
        reason,
    }
}

/// A KVM that opens and of which nothing else is known yet.
struct Unproven {
    key: String,
    known: BTreeMap<String, Option<String>>,
    file: Option<PathBuf>,
}

/// What keeps KVM from being used, as far as no guest has to be booted for it.
fn kvm_defect_known(patience: Duration) -> Result<Option<String>, Unproven> {
    if let Err(error) = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
    {
        return Ok(Some(format!("/dev/kvm can't be opened: {error}")));
    }
    let Ok(kernel) = GuestKernel::find() else {
        return Ok(Some("no guest kernel to prove KVM with".to_owned()));
    };
    let key = key(kernel.boots());
    let file = memory_file();
    let known = file.as_deref().map(read).unwrap_or_default();
    match remembered(&known, &key, patience) {
        Some(answer) => Ok(answer.err()),
        None => Err(Unproven { key, known, file }),
    }
}

async fn kvm_defect(unproven: Unproven, patience: Duration, scratch: &Path) -> Option<String> {
    let Unproven {
        key,
        mut known,
        file,
    } = unproven;
    match prove(patience, scratch).await {
        Ok(()) => {
            known.insert(key, None);
            write(file.as_deref(), &known);
            None
        }
        Err(Defect { reason, lasting }) => {
            if lasting {
                known.insert(refused(&key, patience), Some(reason.clone()));
                write(file.as_deref(), &known);
            }
            Some(reason)
        }
    }
}

/// What is known already. A guest that did not boot in time might have in a longer one, so a refusal holds for its own patience.
fn remembered(
    known: &BTreeMap<String, Option<String>>,
    key: &str,
    patience: Duration,
) -> Option<Result<(), String>> {
    if known.get(key) == Some(&None) {
        return Some(Ok(()));
    }
    let refusal = known.get(&refused(key, patience))?.clone();
    Some(refusal.map_or(Ok(()), Err))
}

fn refused(key: &str, patience: Duration) -> String {
    if patience == PROOF_DEADLINE {
        key.to_owned()
    } else {
        format!("{key} | within {} s", patience.as_secs_f64())
    }
}

const TCG: Resolved = Resolved {
    accelerator: Accelerator::Tcg,
    reason: None,
};

/// Why KVM did not boot a guest.
struct Defect {
    reason: String,
    /// Whether KVM is to blame: a full disk or a missing file says nothing of it and must not be remembered.
    lasting: bool,
}

async fn prove(patience: Duration, scratch: &Path) -> Result<(), Defect> {
    let spec = GuestSpec {
        vcpus: 1,
        memory_bytes: 256 << 20,
        accelerator: Accelerator::Kvm,
        prealloc: false,
        huge_pages: false,
        machine: "q35".to_owned(),
        cpu: None,
        boot: Boot::Lmbench,
        boot_timeout: patience,
        heartbeat: Duration::ZERO,
        placement: Placement::default(),
        tenant: Some(false),
    };
    match launch(&spec, Role::Source, Accelerator::Kvm, scratch).await {
        Ok(launched) => launched.end().await.map_err(|error| Defect {
            reason: chain(&error),
            lasting: false,
        }),
        Err(error) => {
            let text = chain(&error);
            // Its hint is for scenarios; this guest is ours.
            let words = text.split("\nhint: ").next().unwrap_or_default();
            Err(Defect {
                reason: format!("/dev/kvm opens, but KVM boots no guest here: {words}"),
                lasting: matches!(
                    error,
                    LaunchError::Died { .. } | LaunchError::NotReady { .. }
                ),
            })
        }
    }
}

/// The answer holds for this boot, kernel, CPU, QEMU and guest kernel: a proof that failed on a busy machine gets another
/// chance after a restart.
fn key(kernel: &Path) -> String {
    let uname = rustix::system::uname();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let qemu = program();
    let qemu = std::fs::metadata(which(&qemu, &path).unwrap_or(qemu))
        .map(|file| stamp(&file))
        .unwrap_or_default();
    let kernel = std::fs::metadata(kernel)
        .map(|file| stamp(&file))
        .unwrap_or_default();
    format!(
        "{} | {} | {} | qemu {qemu} | guest {kernel}",
        crate::host::boot_id(),
        uname.release().to_string_lossy(),
        crate::host::cpu_model()
    )
}

fn stamp(file: &std::fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!("{}:{}", file.len(), file.mtime())
}

/// Where a program of the search path lies.
pub(super) fn which(program: &Path, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

/// Where proofs are remembered; nowhere for a user without a home, since a path that everybody can guess is no place for it.
pub(super) fn memory_file() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)?;
    Some(cache.join("lmbench").join("accelerator.json"))
}

fn read(file: &Path) -> BTreeMap<String, Option<String>> {
    let mut bytes = Vec::new();
    files::open_plain(file)
        .and_then(|file| file.take(MEMORY_BYTES_MAX).read_to_end(&mut bytes))
        .ok()
        .and_then(|_| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

fn write(file: Option<&Path>, known: &BTreeMap<String, Option<String>>) {
    let (Some(file), Ok(bytes)) = (file, serde_json::to_vec_pretty(known)) else {
        return;
    };
    // `sudo` may leave HOME that of another user.
    let written = file
        .parent()
        .map(Folder::make)
        .transpose()
        .and_then(|_| files::write(file, &bytes, files::ANYBODY));
    if let Err(error) = written {
        tracing::warn!(%error, file = %file.display(), "the accelerator's proof can't be remembered; it is repeated next time");
    }
}

/// A guest boots in about 1 s under KVM and 4 s under TCG. A KVM that itself is emulated takes longer, and whoever insists on it waits.
pub const PROOF_DEADLINE: Duration = Duration::from_secs(12);
/// A proof is a line or two.
const MEMORY_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longer_is_not_told_that_it_was_too_slow() {
        let minute = Duration::from_mins(1);
        let slow = || Some("no hello".to_owned());
        let mut known = BTreeMap::from([(refused("here", PROOF_DEADLINE), slow())]);
        let refusal = || Some(Err("no hello".to_owned()));
        assert_eq!(remembered(&known, "here", PROOF_DEADLINE), refusal());
        assert_eq!(remembered(&known, "here", minute), None);
        known.insert(refused("here", minute), slow());
        assert_eq!(remembered(&known, "here", minute), refusal());
        // What has booted once boots for everybody.
        known.insert("here".to_owned(), None);
        for patience in [PROOF_DEADLINE, minute] {
            assert_eq!(remembered(&known, "here", patience), Some(Ok(())));
        }
        assert_eq!(remembered(&known, "elsewhere", minute), None);
    }
}
