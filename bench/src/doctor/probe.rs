//! How the doctor looks: commands with a time limit, and files. Knows nothing of what is looked for.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// Time that one command may take.
pub(super) const COMMAND_LIMIT: Duration = Duration::from_secs(5);

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ended with exit code 0 and said this.
    Success(String),
    /// It ended otherwise; the last line that it said.
    Failure(String),
    /// There is no such command.
    Absent,
    /// It was ended after the time limit.
    TimedOut,
}

impl Outcome {
    /// Why it did not succeed.
    pub(crate) fn trouble(&self, command: &str) -> String {
        match self {
            Outcome::Success(_) => format!("{command} succeeded"),
            Outcome::Failure(said) if said.is_empty() => format!("{command} failed"),
            Outcome::Failure(said) => said.trim_end_matches('.').to_owned(),
            Outcome::Absent => format!("{command} is not on PATH"),
            Outcome::TimedOut => {
                format!("{command} did not end within {} s", COMMAND_LIMIT.as_secs())
            }
        }
    }
}

/// Runs a command to its end or to its time limit.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    run_within(arguments, COMMAND_LIMIT)
}

fn run_within(arguments: &[&str], limit: Duration) -> Outcome {
    let [name, rest @ ..] = arguments else {
        return Outcome::Absent;
    };
    let Some(path) = find(name) else {
        return Outcome::Absent;
    };
    let spawned = Command::new(path)
        .args(rest)
        .env("LC_ALL", "C")
        // Half of what is probed lies where an ordinary user's PATH does not reach.
        .env("PATH", search_path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(error) => return Outcome::Failure(error.to_string()),
    };
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(limit) {
        Ok(Ok(output)) => judged(&output),
        Ok(Err(error)) => Outcome::Failure(error.to_string()),
        Err(_) => {
            if let Some(group) = group {
                // It may have ended in this very moment, which is as good.
                let _ = kill_process_group(group, Signal::KILL);
            }
            Outcome::TimedOut
        }
    }
}

fn judged(output: &Output) -> Outcome {
    let said = [&output.stdout[..], &output.stderr[..]]
        .map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let said = said.join("\n").trim().to_owned();
    if output.status.success() {
        Outcome::Success(said)
    } else {
        Outcome::Failure(said.lines().last().unwrap_or_default().to_owned())
    }
}

/// Where a command is, on PATH or where administrators' commands are.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command))
        .find(|path| path.is_file())
}

fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
}

/// A small file's text without the white space around it.
pub(super) fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Whether this process has a capability of the machine, by its number in capabilities(7). Those of a user namespace count for nothing here.
pub(super) fn has_capability(number: u32) -> bool {
    let map = read("/proc/self/uid_map").unwrap_or_default();
    // In any other namespace a range of less than all ids is mapped.
    if map.split_ascii_whitespace().nth(2) != Some("4294967295") {
        return false;
    }
    let status = read("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << number) != 0)
}

/// The first thing in a text that looks like a version: digits with at least one dot.
pub(crate) fn version_in(text: &str) -> Option<String> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '.'))
        .map(|word| {
            word.trim_start_matches(|character: char| character.is_ascii_alphabetic())
                .trim_end_matches('.')
        })
        .find(|word| {
            word.contains('.') && word.starts_with(|character: char| character.is_ascii_digit())
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        for (said, version) in [
            (
                "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)",
                "10.0.2",
            ),
            ("ip utility, iproute2-6.15.0, libbpf 1.1.2", "6.15.0"),
            ("OpenSSH_10.0p2 Debian-7~bpo12+1, OpenSSL 3.0.19", "10.0p2"),
            ("libvirtd (libvirt) 11.3.0", "11.3.0"),
            ("xz (XZ Utils) 5.4.1", "5.4.1"),
            (
                "*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***",
                "1.5.4",
            ),
        ] {
            assert_eq!(version_in(said).as_deref(), Some(version), "{said}");
        }
        assert_eq!(version_in("no version here."), None);
    }

    #[test]
    fn a_command_s_end_is_told_apart() {
        assert_eq!(
            run(&["sh", "-c", "echo yes"]),
            Outcome::Success("yes".into())
        );
        assert_eq!(
            run(&["sh", "-c", "echo a; echo no >&2; exit 3"]),
            Outcome::Failure("no".into())
        );
        assert_eq!(run(&["lmbench-no-such-command"]), Outcome::Absent);
    }

    /// The grandchild holds the pipe open for a minute; a limit that killed only the child would wait for it.
    #[test]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let outcome = run_within(&["sh", "-c", "sleep 60 & wait"], Duration::from_millis(50));
        assert_eq!(outcome, Outcome::TimedOut);
    }
}
