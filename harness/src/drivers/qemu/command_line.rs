//! The arguments of QEMU, the same on both hosts but for `-incoming`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lmbench_guest::wire::{CONTROL_PORT, HEARTBEAT_PORT};

use super::checkpoints;
use crate::role::Role;
use crate::spec::{Accelerator, Boot, GuestSpec};
use crate::tenant;

/// The files of one QEMU, all in its host's runtime directory.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) qmp: PathBuf,
    pub(super) control: PathBuf,
    pub(super) heartbeat: PathBuf,
    pub(super) console: PathBuf,
    pub(super) log: PathBuf,
    pub(super) trace: PathBuf,
    pub(super) initramfs: PathBuf,
    /// The disk's overlay lies beside the two hosts' directories: both QEMUs must open the same file.
    pub(super) overlay: PathBuf,
}

impl Files {
    pub(super) fn below(directory: &Path) -> Self {
        Files {
            qmp: directory.join("qmp"),
            control: directory.join("control"),
            heartbeat: directory.join("heartbeat"),
            console: directory.join("console.log"),
            log: directory.join("qemu.log"),
            trace: directory.join(checkpoints::FILE),
            initramfs: directory.join("initramfs"),
            overlay: directory.parent().unwrap_or(directory).join("disk.qcow2"),
        }
    }

    /// Removes what an earlier QEMU left, so that nobody connects to its sockets or reads its log.
    pub(super) fn remove_stale(&self) {
        for file in [
            &self.qmp,
            &self.control,
            &self.heartbeat,
            &self.console,
            &self.log,
            &self.trace,
        ] {
            // Most often there is nothing.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The QEMU program: `LMBENCH_QEMU`, or `qemu-system-x86_64` from the search path.
pub fn program() -> PathBuf {
    std::env::var_os("LMBENCH_QEMU")
        .map_or_else(|| PathBuf::from("qemu-system-x86_64"), PathBuf::from)
}

/// Kernel and initramfs of lmbench's own guest.
pub(super) struct OwnKernel<'a> {
    pub(super) kernel: &'a Path,
    pub(super) command_line: &'a str,
}

/// Builds the arguments. `accelerator` is what [`Accelerator::Auto`] was resolved to.
pub(super) fn arguments(
    spec: &GuestSpec,
    role: Role,
    accelerator: Accelerator,
    files: &Files,
    own: Option<&OwnKernel<'_>>,
) -> Vec<OsString> {
    let mut line = Line(Vec::new());
    line.flag("-nodefaults")
        .flag("-no-user-config")
        .flag("-no-reboot");
    line.option("-name", &format!("lmbench-{role},debug-threads=on"));
    line.option("-display", "none");
    line.option("-machine", &format!("{},memory-backend=ram", spec.machine));
    match accelerator {
        Accelerator::Kvm => line.option("-accel", &kvm(spec)),
        Accelerator::Tcg | Accelerator::Auto => line.option("-accel", "tcg,thread=multi"),
    };
    let default_cpu = if accelerator == Accelerator::Kvm {
        "host"
    } else {
        "max"
    };
    line.option("-cpu", spec.cpu.as_deref().unwrap_or(default_cpu));
    line.option("-smp", &spec.vcpus.to_string());
    line.option("-m", &format!("{}B", spec.memory_bytes));
    line.option("-object", &memory(spec, role));
    line.chardev("qmp", &files.qmp)
        .option("-mon", "chardev=qmp,mode=control");
    line.option_path("-serial", "file:", &files.console);
    // Only with stamps in its messages does QEMU stamp what it traces.
    line.option("-msg", "timestamp=on")
        .option_path("-D", "", &files.trace)
        .option("-trace", checkpoints::PATTERN);
    boot(&mut line, spec, files, own);
    if spec.tenant == Some(true) {
        network_card(&mut line);
    }
    if role == Role::Destination {
        line.option("-incoming", "defer");
    }
    line.0
}

/// With a dirty ring on both sides if on any: the machines must be alike.
fn kvm(spec: &GuestSpec) -> String {
    match spec.placement.dirty_ring_size {
        Some(entries) => format!("kvm,dirty-ring-size={entries}"),
        None => "kvm".to_owned(),
    }
}

fn memory(spec: &GuestSpec, role: Role) -> String {
    let prealloc = if spec.prealloc { "on" } else { "off" };
    let (kind, pages) = if spec.huge_pages {
        ("memfd", "hugetlb=on,")
    } else {
        ("ram", "")
    };
    let mut parts = vec![format!(
        "memory-backend-{kind},id=ram,size={},{pages}prealloc={prealloc}",
        spec.memory_bytes
    )];
    let pinning = spec.placement.side(role);
    let nodes = pinning.memory_nodes.iter();
    parts.extend(nodes.map(|node| format!("host-nodes={node}")));
    if parts.len() > 1 {
        parts.push(format!("policy={}", pinning.memory_policy.name()));
    }
    parts.join(",")
}

fn boot(line: &mut Line, spec: &GuestSpec, files: &Files, own: Option<&OwnKernel<'_>>) {
    match &spec.boot {
        Boot::Lmbench => {
            if let Some(own) = own {
                line.option_path("-kernel", "", own.kernel).option_path(
                    "-initrd",
                    "",
                    &files.initramfs,
                );
                line.option("-append", own.command_line);
            }
            line.option("-device", "virtio-serial-pci,id=ports");
            line.chardev("control", &files.control);
            line.option(
                "-device",
                &format!("virtserialport,bus=ports.0,nr=1,chardev=control,name={CONTROL_PORT}"),
            );
            line.chardev("heartbeat", &files.heartbeat);
            line.option(
                "-device",
                &format!("virtserialport,bus=ports.0,nr=2,chardev=heartbeat,name={HEARTBEAT_PORT}"),
            );
        }
        Boot::Kernel {
            kernel,
            initrd,
            append,
        } => {
            line.option_path("-kernel", "", kernel)
                .option("-append", append);
            if let Some(initrd) = initrd {
                line.option_path("-initrd", "", initrd);
            }
        }
        Boot::Image { .. } => {
            line.option_path(
                "-blockdev",
                "driver=qcow2,node-name=disk,file.driver=file,file.filename=",
                &files.overlay,
            );
            line.option("-device", "virtio-blk-pci,drive=disk");
        }
    }
}

/// On the tap that the lab has plugged into the tenant network's bridge.
fn network_card(line: &mut Line) {
    let tap = tenant::TAP;
    line.option(
        "-netdev",
        &format!("tap,id=tenant,ifname={tap},script=no,downscript=no,vhost=off"),
    );
    let hardware = tenant::hardware_text(tenant::GUEST_HARDWARE);
    // No option ROM: nobody boots from this network, and it would be part of what migrates.
    line.option(
        "-device",
        &format!("virtio-net-pci,netdev=tenant,mac={hardware},romfile="),
    );
}

struct Line(Vec<OsString>);

impl Line {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.0.push(name.into());
        self
    }

    fn option(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.push(name.into());
        self.0.push(value.into());
        self
    }

    /// QEMU ends an option's value at a comma; two commas stand for one. Plain paths (`-kernel`) take it as it is.
    fn option_path(&mut self, name: &str, prefix: &str, path: &Path) -> &mut Self {
        let text = path.to_string_lossy();
        let escaped = if prefix.contains('=') {
            text.replace(',', ",,")
        } else {
            text.into_owned()
        };
        self.option(name, &format!("{prefix}{escaped}"))
    }

    fn chardev(&mut self, id: &str, path: &Path) -> &mut Self {
        self.option_path(
            "-chardev",
            &format!("socket,id={id},server=on,wait=off,path="),
            path,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::{MemoryPolicy, Placement};

    fn spec(boot: Boot) -> GuestSpec {
        GuestSpec {
            vcpus: 2,
            memory_bytes: 256 << 20,
            accelerator: Accelerator::Auto,
            prealloc: true,
            huge_pages: false,
            machine: "q35".into(),
            cpu: None,
            boot,
            boot_timeout: Duration::from_mins(1),
            heartbeat: Duration::from_millis(5),
            placement: Placement::default(),
            tenant: None,
        }
    }

    #[test]
    fn a_guest_without_a_tenant_network_has_no_card() {
        let files = Files::below(Path::new("/run/source"));
        for (tenant, has_card) in [(None, false), (Some(false), false), (Some(true), true)] {
            let spec = GuestSpec {
                tenant,
                ..spec(Boot::Lmbench)
            };
            let line = arguments(&spec, Role::Source, Accelerator::Tcg, &files, None);
            let card = line
                .iter()
                .any(|word| word.to_string_lossy().starts_with("virtio-net-pci"));
            assert_eq!(card, has_card);
        }
    }

    fn text(role: Role, boot: Boot) -> String {
        let files = Files::below(Path::new("/run/a,b/source"));
        let own = OwnKernel {
            kernel: Path::new("/k"),
            command_line: "quiet",
        };
        let arguments = arguments(&spec(boot), role, Accelerator::Tcg, &files, Some(&own));
        arguments
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn both_sides_differ_only_by_name_and_incoming() {
        let source = text(Role::Source, Boot::Lmbench);
        let destination = text(Role::Destination, Boot::Lmbench);
        assert_eq!(
            destination
                .replace("lmbench-destination", "lmbench-source")
                .replace(" -incoming defer", ""),
            source
        );
        assert!(destination.ends_with("-incoming defer"));
    }

    #[test]
    fn memory_and_dirty_ring_go_where_they_are_wanted() {
        let mut spec = spec(Boot::Lmbench);
        assert_eq!(kvm(&spec), "kvm");
        spec.placement.dirty_ring_size = Some(4096);
        spec.placement.destination.memory_nodes = vec![0, 2];
        spec.placement.destination.memory_policy = MemoryPolicy::Interleave;
        assert_eq!(kvm(&spec), "kvm,dirty-ring-size=4096");
        assert!(!memory(&spec, Role::Source).contains("host-nodes"));
        let there = memory(&spec, Role::Destination);
        assert!(
            there.ends_with(",host-nodes=0,host-nodes=2,policy=interleave"),
            "{there}"
        );
    }

    #[test]
    fn a_comma_in_a_path_does_not_start_another_option() {
        assert!(text(Role::Source, Boot::Lmbench).contains("path=/run/a,,b/source/qmp"));
    }

    #[test]
    fn a_guest_of_the_users_own_gets_no_ports_of_ours() {
        let line = text(
            Role::Source,
            Boot::Kernel {
                kernel: "/boot/k".into(),
                initrd: None,
                append: "a,b".into(),
            },
        );
        assert!(
            !line.contains("virtio-serial") && line.contains("-kernel /boot/k -append a,b"),
            "{line}"
        );
    }
}
