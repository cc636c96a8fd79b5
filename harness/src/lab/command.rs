//! Runs `ip` and `tc` batches inside a host's network namespace and keeps what was run. Knows nothing of what the commands mean.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::error::LabError;
use super::process::Handle;

/// The tools of iproute2.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tool {
    Ip,
    Tc,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::Ip => "ip",
            Tool::Tc => "tc",
        }
    }
}

/// Runs the commands in one process, in order, up to the first that fails; each is added to `issued` as a user can repeat it.
pub(super) fn run(
    pid: u32,
    tool: Tool,
    commands: &[String],
    issued: &mut Vec<String>,
) -> Result<(), LabError> {
    let prefix = format!("nsenter --net=/proc/{pid}/ns/net -- {}", tool.name());
    issued.extend(commands.iter().map(|command| format!("{prefix} {command}")));
    let stderr = batch(pid, tool, commands)?;
    let Some(stderr) = stderr else { return Ok(()) };
    let command = failed_line(&stderr)
        .and_then(|line| commands.get(line - 1))
        .or(commands.first());
    Err(LabError::Command {
        command: format!("{prefix} {}", command.map_or("", |text| text.as_str())),
        stderr: one_line(&stderr),
    })
}

/// Runs one batch; on failure, what it wrote to standard error.
pub(super) fn batch(pid: u32, tool: Tool, commands: &[String]) -> Result<Option<String>, LabError> {
    let mut script = String::new();
    for command in commands {
        // Writing to a String cannot fail.
        let _ = writeln!(script, "{command}");
    }
    enter(pid, &[tool.name(), "-batch", "-"], &script)
}

/// Runs a line of shell there.
pub(super) fn shell(pid: u32, line: &str, issued: &mut Vec<String>) -> Result<(), LabError> {
    let command = format!("nsenter --net=/proc/{pid}/ns/net -- sh -c '{line}'");
    issued.push(command.clone());
    match enter(pid, &["sh", "-c", line], "")? {
        None => Ok(()),
        Some(stderr) => Err(LabError::Command {
            command,
            stderr: one_line(&stderr),
        }),
    }
}

/// Runs a program in the host's network namespace; on failure, what it wrote to standard error.
fn enter(pid: u32, words: &[&str], input: &str) -> Result<Option<String>, LabError> {
    let mut child = Command::new("nsenter")
        .arg(format!("--net=/proc/{pid}/ns/net"))
        .arg("--")
        .args(words)
        .env("PATH", search_path())
        .env("LC_ALL", "C")
        // Ctrl-C at the terminal is ours to handle: a half-made lab is removed in order.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ended early is reported by its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    if !Handle::of_child(&child).is_some_and(|handle| handle.ends_within(LIMIT)) {
        let _ = child.kill();
        let _ = child.wait();
        let input = input.trim_end().replace('\n', "; ");
        return Err(LabError::Timeout {
            awaited: format!("`{} {input}`", words.join(" ")),
            limit: LIMIT,
        });
    }
    let output = child.wait_with_output().map_err(missing)?;
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn missing(source: std::io::Error) -> LabError {
    LabError::Tool {
        tool: "nsenter",
        package: "util-linux",
        source,
    }
}

/// iproute2 lives in /usr/sbin, which is not on every ordinary user's path.
pub(crate) fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

/// `Command failed -:3` names the batch's third line.
fn failed_line(stderr: &str) -> Option<usize> {
    let (_, after) = stderr.rsplit_once("Command failed -:")?;
    after
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?
        .parse()
        .ok()
        .filter(|line| *line > 0)
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

/// A batch takes milliseconds; the kernel's one network lock can be held by others for much longer.
const LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_failed_is_found() {
        assert_eq!(
            failed_line("Cannot find device \"x\"\nCommand failed -:3\n"),
            Some(3)
        );
        assert_eq!(
            failed_line("nsenter: cannot open /proc/1/ns/net: Permission denied\n"),
            None
        );
    }
}
