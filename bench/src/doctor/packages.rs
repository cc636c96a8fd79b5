//! Which package brings what, by the package manager of this system. Installs nothing.

use super::probe;

/// A thing that a package brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Qemu,
    QemuImg,
    GuestKernel,
    Iproute,
    UtilLinux,
    SshClient,
    SshServer,
    Libvirtd,
    Virsh,
    LibvirtHeaders,
    Xz,
    Zstd,
}

/// A family of package managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    Apt,
    Dnf,
    Zypper,
    Pacman,
    Unknown,
}

impl Manager {
    /// The one that this system has.
    pub(super) fn of_this_system() -> Self {
        [
            ("apt-get", Self::Apt),
            ("dnf", Self::Dnf),
            ("zypper", Self::Zypper),
            ("pacman", Self::Pacman),
        ]
        .into_iter()
        .find(|(command, _)| probe::find(command).is_some())
        .map_or(Self::Unknown, |(_, manager)| manager)
    }

    /// The command that installs a part.
    pub(super) fn install(self, part: Part) -> String {
        // On Debian 12 the right QEMU and kernel are in backports, which the script arranges.
        if self == Self::Apt
            && matches!(
                part,
                Part::Qemu | Part::GuestKernel | Part::Libvirtd | Part::LibvirtHeaders
            )
        {
            return "harness/setup.sh".into();
        }
        if part == Part::GuestKernel {
            return "install -D -m 0644 /boot/vmlinuz-$(uname -r) /usr/local/share/lmbench/guest/vmlinuz && mkdir -p /usr/local/share/lmbench/guest/modules \
                    && cp -r /lib/modules/$(uname -r) /usr/local/share/lmbench/guest/modules/"
                .into();
        }
        let [apt, dnf, zypper, pacman] = part.packages();
        match self {
            Self::Apt => format!("apt-get install {apt}"),
            Self::Dnf => format!("dnf install {dnf}"),
            Self::Zypper => format!("zypper install {zypper}"),
            Self::Pacman => format!("pacman -S --needed {pacman}"),
            Self::Unknown => format!(
                "install the package that Debian calls {apt}, by this system's package manager"
            ),
        }
    }
}

impl Part {
    /// Names for apt, dnf, zypper and pacman.
    fn packages(self) -> [&'static str; 4] {
        match self {
            Part::Qemu => [
                "qemu-system-x86",
                "qemu-system-x86-core",
                "qemu-x86",
                "qemu-system-x86",
            ],
            Part::QemuImg => ["qemu-utils", "qemu-img", "qemu-img", "qemu-img"],
            Part::GuestKernel => [
                "linux-image-cloud-amd64",
                "kernel-core",
                "kernel-default",
                "linux",
            ],
            Part::Iproute => ["iproute2", "iproute iproute-tc", "iproute2", "iproute2"],
            Part::UtilLinux => ["util-linux"; 4],
            Part::SshClient => [
                "openssh-client",
                "openssh-clients",
                "openssh-clients",
                "openssh",
            ],
            Part::SshServer => [
                "openssh-server",
                "openssh-server",
                "openssh-server",
                "openssh",
            ],
            Part::Libvirtd => {
                let apt = "libvirt-daemon libvirt-daemon-driver-qemu";
                [
                    apt,
                    "libvirt-daemon-driver-qemu libvirt-daemon",
                    "libvirt-daemon-qemu",
                    "libvirt",
                ]
            }
            Part::Virsh => [
                "libvirt-clients",
                "libvirt-client",
                "libvirt-client",
                "libvirt",
            ],
            Part::LibvirtHeaders => ["libvirt-dev", "libvirt-devel", "libvirt-devel", "libvirt"],
            Part::Xz => ["xz-utils", "xz", "xz", "xz"],
            Part::Zstd => ["zstd"; 4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mend_is_a_command_of_the_system_at_hand() {
        assert_eq!(Manager::Apt.install(Part::Qemu), "harness/setup.sh");
        assert_eq!(
            Manager::Apt.install(Part::SshServer),
            "apt-get install openssh-server"
        );
        assert_eq!(
            Manager::Dnf.install(Part::Iproute),
            "dnf install iproute iproute-tc"
        );
        assert_eq!(
            Manager::Pacman.install(Part::LibvirtHeaders),
            "pacman -S --needed libvirt"
        );
        assert!(Manager::Unknown.install(Part::Zstd).contains("zstd"));
        assert!(
            Manager::Zypper
                .install(Part::GuestKernel)
                .starts_with("install -D")
        );
    }
}
