//! What a test may need that `harness/setup.sh` can't install, by the names that `lmbench doctor` gives it.

use std::path::Path;
use std::process::{Command, Stdio};

/// Something that not every machine has. QEMU and the guest's kernel, which `harness/setup.sh` installs, are no needs: without them a test
/// fails and says what mends that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Network namespaces, made by this user or in a user namespace.
    Namespaces,
    /// User namespaces of an ordinary user, where the test runs as root and tries one.
    UserNamespaces,
    /// TAP devices, which the user-space link and the tenant network are made of.
    Tap,
    /// The same for an ordinary user, where the test runs as root and tries one.
    UserTap,
    /// Page faults handled in user space, without which there is no post-copy.
    Userfaultfd,
    /// A KVM that opens. Whether it boots a guest only a guest can tell; a test that finds it does not ends with [`crate::skip`].
    Kvm,
    /// A kernel that delays and drops packets.
    Netem,
    /// OpenSSH's server.
    Sshd,
    /// A headless browser.
    Browser,
    /// Root outside of any user namespace.
    Root,
}

impl Need {
    /// Those that `lmbench doctor` looks for too.
    pub const OF_THE_MACHINE: [Need; 9] = [
        Need::Namespaces,
        Need::UserNamespaces,
        Need::Tap,
        Need::UserTap,
        Need::Userfaultfd,
        Need::Kvm,
        Need::Netem,
        Need::Sshd,
        Need::Browser,
    ];

    /// As `lmbench doctor` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Need::Namespaces => "network namespaces",
            Need::UserNamespaces => "user namespaces",
            Need::Tap => "tap",
            Need::UserTap => "tap for ordinary users",
            Need::Userfaultfd => "userfaultfd",
            Need::Kvm => "kvm",
            Need::Netem => "netem",
            Need::Sshd => "sshd",
            Need::Browser => "browser",
            Need::Root => "root",
        }
    }

    /// What to do about its absence.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Need::Root => "run the tests as root",
            Need::Kvm | Need::Netem => "`harness/vm.sh` runs the test in a VM that has it",
            _ => "`lmbench doctor` says what mends it",
        }
    }

    /// Whether a machine of CI's may be without it.
    pub(crate) fn is_rare(self) -> bool {
        matches!(
            self,
            Need::UserNamespaces | Need::UserTap | Need::Kvm | Need::Netem | Need::Browser
        )
    }

    /// Whether it is here.
    pub(crate) fn is_met(self) -> bool {
        let root = rustix::process::geteuid().is_root();
        let own: &[&str] = if root {
            &["unshare", "--net"]
        } else {
            &IN_USER_NAMESPACE
        };
        let ordinary = [if root { &AS_NOBODY[..] } else { &[] }, &IN_USER_NAMESPACE].concat();
        match self {
            Need::Namespaces => succeeds(&[own, &["true"]].concat()),
            Need::UserNamespaces => succeeds(&[&ordinary[..], &["true"]].concat()),
            Need::Tap => succeeds(&[own, &TAP].concat()),
            Need::UserTap => succeeds(&[&ordinary[..], &TAP].concat()),
            Need::Userfaultfd => root || userfaultfd_is_open(),
            Need::Kvm => opens("/dev/kvm"),
            Need::Netem => succeeds(&[own, &NETEM].concat()),
            Need::Sshd => SSHD.iter().any(|path| Path::new(path).exists()),
            Need::Browser => browser().is_some(),
            Need::Root => root && is_of_the_first_user_namespace(),
        }
    }
}

fn succeeds(argv: &[&str]) -> bool {
    let mut command = Command::new(argv[0]);
    command
        .args(&argv[1..])
        .current_dir("/")
        .stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The browser of this machine.
pub fn browser() -> Option<&'static str> {
    let browsers = [
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
    ];
    browsers
        .into_iter()
        .find(|browser| succeeds(&[browser, "--version"]))
}

/// In any other a range of less than all ids is mapped.
fn is_of_the_first_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_ascii_whitespace().nth(2) == Some("4294967295"))
}

fn userfaultfd_is_open() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd");
    setting.is_ok_and(|value| value.trim() == "1") || opens("/dev/userfaultfd")
}

fn opens(device: &str) -> bool {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).open(device).is_ok()
}

const IN_USER_NAMESPACE: [&str; 4] = ["unshare", "--user", "--map-root-user", "--net"];
const AS_NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];
const TAP: [&str; 7] = ["ip", "tuntap", "add", "dev", "probe0", "mode", "tap"];
const NETEM: [&str; 9] = [
    "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms",
];
const SSHD: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
