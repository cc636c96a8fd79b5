//! Makes an ordinary user root of a user namespace, once, at the start of the program. After that there is one code path.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::command::search_path;
use super::error::LabError;

/// Call it first in a program that is about to make labs, before threads and files: where the user may not make network namespaces,
/// it replaces this program by itself inside a user namespace (`unshare --user --map-root-user`) and does not return.
pub fn enter_user_namespace_if_needed() -> Result<(), LabError> {
    if may_make_namespaces() {
        return Ok(());
    }
    if std::env::var_os(GUARD).is_some() {
        let why = "the user namespace gives no capabilities".to_owned();
        return Err(LabError::NotPermitted {
            why,
            mend: "run lmbench as root".to_owned(),
        });
    }
    check_allowed()?;
    let start = |source| LabError::Tool {
        tool: "unshare",
        package: "util-linux",
        source,
    };
    let program = std::env::current_exe().map_err(start)?;
    let error = unshare()
        .arg("--")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(GUARD, "1")
        .exec();
    Err(start(error))
}

/// A lab made without the right to would fail in the middle, with unshare's words.
pub(super) fn check_may_make_namespaces() -> Result<(), LabError> {
    if may_make_namespaces() {
        return Ok(());
    }
    let why = "it has neither the capabilities nor a user namespace".to_owned();
    Err(LabError::NotPermitted {
        why,
        mend: "run as root, or as an ordinary user through `unshare --user --map-root-user`"
            .to_owned(),
    })
}

/// Tries it in a child first, because a refusal after `exec` would be unshare's message and not ours.
fn check_allowed() -> Result<(), LabError> {
    let output = unshare()
        .args(["--net", "--", "true"])
        .env("PATH", search_path())
        .stdin(Stdio::null())
        .output()
        .map_err(|source| LabError::Tool {
            tool: "unshare",
            package: "util-linux",
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let read = |path: &str| fs::read_to_string(path).ok();
    Err(LabError::NotPermitted {
        why,
        mend: mend(read),
    })
}

/// The command that allows network namespaces in user namespaces, where a switch of the kernel forbids them.
pub fn forbidding_switch() -> Option<String> {
    switch(|path| fs::read_to_string(path).ok())
}

fn switch(read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let forbidding = SWITCHES.iter().find(|(name, forbids, _)| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        read(&path).is_some_and(|value| value.trim() == *forbids)
    });
    forbidding.map(|(name, _, allows)| format!("sysctl -w {name}={allows}"))
}

/// Names the switch that forbids it.
fn mend(read: impl Fn(&str) -> Option<String>) -> String {
    match switch(read) {
        Some(command) => format!("run lmbench as root, or allow it with `{command}`"),
        None => "run lmbench as root, or (in a container) allow the unshare system call, for instance with `--security-opt seccomp=unconfined`".to_owned(),
    }
}

/// Whether this program makes network namespaces, and links in them, by itself; if not, a user namespace is needed for that.
pub fn may_make_namespaces() -> bool {
    effective_capabilities(&fs::read_to_string("/proc/self/status").unwrap_or_default()) & NEEDED
        == NEEDED
}

fn effective_capabilities(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user"]);
    command
}

/// Set in the program's second life.
const GUARD: &str = "LMBENCH_USER_NAMESPACE";
/// `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`.
const NEEDED: u64 = 1 << 12 | 1 << 21;
/// Each switch, the value that forbids user namespaces, and one that allows them.
const SWITCHES: [(&str, &str, &str); 4] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "1000"),
    ("user.max_net_namespaces", "0", "1000"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_that_forbids_is_named() {
        let ubuntu = |path: &str| {
            (path == "/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
                .then(|| "1\n".to_owned())
        };
        assert!(mend(ubuntu).contains("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"));
        let hardened =
            |path: &str| (path == "/proc/sys/user/max_user_namespaces").then(|| "0\n".to_owned());
        assert!(mend(hardened).contains("user.max_user_namespaces=1000"));
        assert!(mend(|_| None).contains("container"));
    }

    #[test]
    fn capabilities_are_read_from_the_status() {
        assert_eq!(
            effective_capabilities("Name:\tcat\nCapEff:\t000001ffffffffff\n") & NEEDED,
            NEEDED
        );
        assert_eq!(effective_capabilities("CapEff:\t0000000000000000\n"), 0);
        assert_eq!(effective_capabilities(""), 0);
    }
}
