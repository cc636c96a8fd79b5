//! The programs that carriers, guests and the libvirt driver call. What they can do is tried elsewhere.

use std::path::Path;

use rustix::process::geteuid;

use super::packages::{Manager, Part};
use super::probe::{self, Outcome};
use super::{Finding, Status};

/// Looks for every program.
pub(super) fn examine() -> Vec<Finding> {
    let manager = Manager::of_this_system();
    let tool = |name, arguments, part, without| program(manager, name, arguments, part, without);
    vec![
        tool(
            "ip",
            &["ip", "-V"],
            Part::Iproute,
            "the lab's networks are made by it",
        )
        .required(),
        tool(
            "tc",
            &["tc", "-V"],
            Part::Iproute,
            "the lab's link rates are set by it",
        )
        .required(),
        tool(
            "unshare",
            &["unshare", "--version"],
            Part::UtilLinux,
            "namespaces are made by it",
        )
        .required(),
        tool(
            "nsenter",
            &["nsenter", "--version"],
            Part::UtilLinux,
            "agents are started in namespaces by it",
        )
        .required(),
        tool(
            "xz",
            &["xz", "--version"],
            Part::Xz,
            "needed when the guest kernel's modules are .ko.xz",
        ),
        tool(
            "zstd",
            &["zstd", "--version"],
            Part::Zstd,
            "needed when the guest kernel's modules are .ko.zst",
        ),
        tool(
            "ssh",
            &["ssh", "-V"],
            Part::SshClient,
            "needed by the `ssh` carrier and by --hosts",
        )
        .without("carrier ssh"),
        server(tool(
            "sshd",
            &["sshd", "-V"],
            Part::SshServer,
            "needed by the `ssh` carrier in the lab",
        ))
        .without("carrier ssh"),
        tool(
            "libvirtd",
            &["libvirtd", "--version"],
            Part::Libvirtd,
            "needed by the libvirt carriers",
        ),
        tool(
            "virsh",
            &["virsh", "--version"],
            Part::Virsh,
            "needed to look into the libvirt carriers' guests",
        ),
        headers(manager),
        browser(),
    ]
}

/// lmbench itself opens none.
fn browser() -> Finding {
    let name = "browser";
    BROWSERS
        .iter()
        .find_map(|browser| probe::find(browser))
        .map_or_else(
            || {
                Finding::limited(
                    name,
                    "none that runs headless; only lmbench's own tests of its report need one",
                )
                .mend("apt-get install chromium-headless-shell")
            },
            |path| Finding::found(name, path.display().to_string()),
        )
}

/// What the tests of the report start, headless.
const BROWSERS: &[&str] = &[
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
];

fn program(manager: Manager, name: &str, arguments: &[&str], part: Part, without: &str) -> Finding {
    match probe::run(arguments) {
        // OpenSSH before 9.2 has no `sshd -V`, answers by its usage, and is no worse for it.
        Outcome::Success(said) | Outcome::Failure(said) => {
            located(name).version(probe::version_in(&said))
        }
        outcome => Finding::missing(name, format!("{}; {without}", outcome.trouble(name)))
            .mend(manager.install(part)),
    }
}

fn located(name: &str) -> Finding {
    let path = probe::find(name).unwrap_or_else(|| name.into());
    Finding::found(name, path.display().to_string())
}

/// As root, sshd refuses to start without its empty folder, which only its service makes.
fn server(sshd: Finding) -> Finding {
    let folder = "/run/sshd";
    if sshd.status == Status::Found && geteuid().is_root() && !Path::new(folder).is_dir() {
        let detail = format!("{}; starts as root only where {folder} exists", sshd.detail);
        return Finding {
            status: Status::Limited,
            detail,
            ..sshd
        }
        .mend(format!("mkdir -p -m 0755 {folder}"));
    }
    sshd
}

fn headers(manager: Manager) -> Finding {
    let name = "libvirt headers";
    match probe::run(&["pkg-config", "--modversion", "libvirt"]) {
        Outcome::Success(version) => {
            Finding::found(name, "known to pkg-config").version(Some(version))
        }
        outcome => Finding::missing(
            name,
            format!(
                "needed to build the libvirt driver: {}",
                outcome.trouble("pkg-config")
            ),
        )
        .mend(manager.install(Part::LibvirtHeaders)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_program_says_what_needs_it_and_what_mends_it() {
        let finding = program(
            Manager::Apt,
            "no-such-program",
            &["no-such-program", "-V"],
            Part::Zstd,
            "needed by nobody",
        );
        assert_eq!(finding.status, Status::Missing);
        assert_eq!(
            finding.detail,
            "no-such-program is not on PATH; needed by nobody"
        );
        assert_eq!(finding.mend.as_deref(), Some("apt-get install zstd"));
    }

    #[test]
    fn a_program_without_a_version_is_found_all_the_same() {
        let finding = program(Manager::Apt, "sh", &["sh", "-c", "exit 1"], Part::Zstd, "");
        assert_eq!((finding.status, finding.version), (Status::Found, None));
    }
}
