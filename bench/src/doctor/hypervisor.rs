//! QEMU, what it boots, and what the kernel gives it: KVM and userfaultfd.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use lmbench_harness::drivers::qemu::preflight::{QEMU_LEAST, QEMU_WANTED};
use lmbench_harness::drivers::qemu::program;
use lmbench_harness::image::{self, GuestKernel, KERNEL_VARIABLE};
use lmbench_harness::lab::may_make_namespaces;

use super::Finding;
use super::packages::{Manager, Part};
use super::probe::{self, Outcome, has_capability};
use crate::error::chain;

/// Looks for all of it.
pub(super) fn examine() -> Vec<Finding> {
    let manager = Manager::of_this_system();
    let program = program().display().to_string();
    let qemu = qemu(&program, &probe::run(&[&program, "--version"]), manager).required();
    let image = match probe::run(&["qemu-img", "--version"]) {
        Outcome::Success(said) => {
            Finding::found("qemu-img", "on PATH").version(probe::version_in(&said))
        }
        outcome => {
            let detail = format!(
                "{}; needed for guests with `image = …`",
                outcome.trouble("qemu-img")
            );
            Finding::missing("qemu-img", detail)
                .mend(manager.install(Part::QemuImg))
                .without("guest with an image")
        }
    };
    vec![
        qemu,
        image,
        kernel(manager).required(),
        kvm(Path::new("/dev/kvm")),
        userfaultfd(faults_by_capability()),
    ]
}

fn qemu(program: &str, said: &Outcome, manager: Manager) -> Finding {
    let name = "qemu";
    let mend = || {
        let install = manager.install(Part::Qemu);
        match std::env::var_os("LMBENCH_QEMU") {
            Some(_) => format!("unset LMBENCH_QEMU && {install}"),
            None => install,
        }
    };
    let Outcome::Success(said) = said else {
        let detail = match said {
            Outcome::Absent if program.contains('/') => format!("there is no {program}"),
            _ => said.trouble(program),
        };
        return Finding::missing(name, detail).mend(mend());
    };
    let path = probe::find(program)
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let version = probe::version_in(said);
    let release = version.as_deref().and_then(release);
    let finding = match release {
        None => {
            return Finding::limited(
                name,
                format!("{path}: its version is not to be read from {said:?}"),
            );
        }
        Some(release) if release >= QEMU_WANTED => {
            return Finding::found(name, path).version(version);
        }
        Some(release) if release < QEMU_LEAST => Finding::missing(
            name,
            format!("{path} is too old: {} is the least", dotted(QEMU_LEAST)),
        ),
        Some(release) => {
            let lacks: Vec<_> = QEMU_NEWS
                .iter()
                .filter(|(since, _)| release < *since)
                .map(|(_, what)| *what)
                .collect();
            let lacks = if lacks.is_empty() {
                String::new()
            } else {
                format!("lacks {}; ", lacks.join(", "))
            };
            let wanted = dotted(QEMU_WANTED);
            Finding::limited(
                name,
                format!("{path}: {lacks}its figures do not compare with those of QEMU {wanted}"),
            )
        }
    };
    finding.version(version).mend(mend())
}

/// Major and minor number.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

fn dotted((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

/// Looks where runs look, and makes of it what they boot.
fn kernel(manager: Manager) -> Finding {
    let name = "guest kernel";
    let found =
        GuestKernel::find().and_then(|kernel| image::initramfs(&kernel, false).map(|_| kernel));
    match found {
        Ok(kernel) => Finding::found(name, kernel.vmlinuz.display().to_string()).version(
            File::open(&kernel.vmlinuz)
                .ok()
                .and_then(|mut file| kernel_version(&mut file)),
        ),
        Err(error) => {
            let text = chain(&error);
            let detail = text.split("\nhint: ").next().unwrap_or_default();
            let mend = if std::env::var_os(KERNEL_VARIABLE).is_some() {
                format!(
                    "unset {KERNEL_VARIABLE} && {}",
                    manager.install(Part::GuestKernel)
                )
            } else {
                manager.install(Part::GuestKernel)
            };
            Finding::missing(name, detail).mend(mend)
        }
    }
}

/// The version in the header of an x86 boot image; anything else, such as an ELF kernel, has none to read.
fn kernel_version(image: &mut (impl Read + Seek)) -> Option<String> {
    let mut header = [0; 0x210];
    image.read_exact(&mut header).ok()?;
    if &header[0x202..0x206] != b"HdrS" {
        return None;
    }
    let offset = u64::from(u16::from_le_bytes([header[0x20e], header[0x20f]])) + 0x200;
    image.seek(SeekFrom::Start(offset)).ok()?;
    let mut text = Vec::new();
    image.take(256).read_to_end(&mut text).ok()?;
    let text = text.split(|byte| *byte == 0).next()?;
    String::from_utf8_lossy(text)
        .split_whitespace()
        .next()
        .map(str::to_owned)
}

fn kvm(device: &Path) -> Finding {
    let name = "kvm";
    match OpenOptions::new().read(true).write(true).open(device) {
        Ok(_) => Finding::limited(name, "opens; proven only by booting a guest, which every run does before it relies on it"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Finding::missing(name, "this user may not open it; guests run translated (tcg), several times slower")
                .mend("usermod -aG kvm $USER, then log in again").without("guest at the processor's own speed")
        }
        Err(error) => Finding::missing(name, format!("{}: {error}; guests run translated (tcg), several times slower", device.display()))
            .mend("modprobe kvm_intel || modprobe kvm_amd; in a virtual machine, allow nested virtualisation on its host").without("guest at the processor's own speed"),
    }
}

/// Whether `userfaultfd(2)` handles the kernel's faults for this program whatever the setting says. In a user namespace, where an ordinary
/// user's lab lies, no capability does that.
fn faults_by_capability() -> bool {
    may_make_namespaces() && has_capability(CAP_SYS_PTRACE)
}

fn userfaultfd(by_capability: bool) -> Finding {
    let name = "userfaultfd";
    let setting = "/proc/sys/vm/unprivileged_userfaultfd";
    let device = Path::new("/dev/userfaultfd");
    if !device.exists() && fs::metadata(setting).is_err() {
        return Finding::missing(name, "this kernel has none, so no post-copy")
            .mend("boot a kernel with CONFIG_USERFAULTFD")
            .without("post-copy");
    }
    if OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .is_ok()
    {
        return Finding::found(name, "/dev/userfaultfd opens: post-copy works");
    }
    if probe::read(setting).as_deref() == Some("1") {
        return Finding::found(name, "open to every user: post-copy works");
    }
    if by_capability {
        return Finding::found(name, "open to this root: post-copy works");
    }
    Finding::missing(name, "not open to this user, so no post-copy")
        .mend("sysctl -w vm.unprivileged_userfaultfd=1")
        .without("post-copy")
}

/// capabilities(7).
const CAP_SYS_PTRACE: u32 = 19;

/// What came after [`QEMU_LEAST`] and a scenario may ask for.
const QEMU_NEWS: &[((u32, u32), &str)] = &[
    ((9, 0), "zero-page-detection in multifd's threads"),
    ((9, 0), "mapped-ram"),
    ((9, 1), "multifd compression qpl and uadk"),
];

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::doctor::Status;

    fn judged(version: &str) -> Finding {
        qemu(
            "qemu-system-x86_64",
            &Outcome::Success(format!("QEMU emulator version {version} (Debian)")),
            Manager::Apt,
        )
    }

    #[test]
    fn qemu_s_age_decides() {
        assert_eq!(judged("10.0.2").status, Status::Found);
        assert_eq!(judged("11.1.0").status, Status::Found);
        let old = judged("8.2.2");
        assert_eq!(old.status, Status::Limited);
        assert!(
            old.detail
                .contains("lacks zero-page-detection in multifd's threads, mapped-ram"),
            "{}",
            old.detail
        );
        assert!(!judged("9.2.0").detail.contains("lacks"));
        assert_eq!(judged("7.2.1").status, Status::Missing);
        assert_eq!(
            qemu("qemu-system-x86_64", &Outcome::Absent, Manager::Apt)
                .mend
                .as_deref(),
            Some("harness/setup.sh")
        );
    }

    #[test]
    fn a_boot_image_tells_its_version_and_other_files_none() {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x30d].copy_from_slice(b"6.12.1-x (me)");
        assert_eq!(
            kernel_version(&mut Cursor::new(&image)).as_deref(),
            Some("6.12.1-x")
        );
        image[0x202] = 0;
        assert_eq!(kernel_version(&mut Cursor::new(&image)), None);
        assert_eq!(kernel_version(&mut Cursor::new(b"\x7fELF")), None);
    }

    #[test]
    fn an_accelerator_that_opens_is_not_yet_proven() {
        assert_eq!(kvm(Path::new("/dev/null")).status, Status::Limited);
        assert_eq!(
            kvm(Path::new("/dev/lmbench-no-such-device")).status,
            Status::Missing
        );
    }
}
