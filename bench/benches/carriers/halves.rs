//! A transfer through the two halves of a carrier, which are the real program, started as an agent starts it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use lmbench_harness::cpu::{self, CpuTime};
use lmbench_harness::role::Role;
use lmbench_transport::Scheme;
use serde_json::Value;

use super::hosts::Hosts;
use super::pump::{self, Transfer};
use super::stream::Stream;

/// Starts both halves, sends the stream through them, and ends them.
pub(crate) fn carried(
    hosts: &Hosts,
    scheme: Scheme,
    set: &[String],
    stream: &Stream,
) -> Result<Transfer, String> {
    let (from, to) = (hosts.socket(Role::Source), hosts.socket(Role::Destination));
    let destination = UnixListener::bind(&to).map_err(|error| error.to_string())?;
    let listen = format!("{scheme}://{}:0", hosts.address(Role::Destination));
    let mut sink = Half::start(hosts, Role::Destination, set, |command| {
        command.args(["sink", "--listen", &listen, "--to", &local(&to)]);
    })?;
    let listening = sink.wait_for("listening")?;
    let (endpoint, token) = (text(&listening, "endpoint")?, text(&listening, "token")?);
    let mut source = Half::start(hosts, Role::Source, set, |command| {
        command.args(["source", "--dial", endpoint, "--from", &local(&from)]);
        command.env("LMBENCH_TOKEN", token);
    })?;
    source.wait_for("ready")?;
    sink.wait_for("ready")?;
    let before = (source.cpu()?, sink.cpu()?);
    let near = UnixStream::connect(&from).map_err(|error| format!("no way in: {error}"))?;
    near.set_write_timeout(Some(pump::SILENCE_MAX))
        .map_err(|error| error.to_string())?;
    let transfer = pump::transfer(near, || pump::accept_unix(&destination), stream)?;
    let after = (source.cpu()?, sink.cpu()?);
    let seconds = |after: CpuTime, before: CpuTime| after.since(before).total_ns as f64 / 1e9;
    // The source's end is the sink's as well.
    let statistics = source.end()?;
    sink.end()?;
    Ok(Transfer {
        source_s: seconds(after.0, before.0),
        sink_s: seconds(after.1, before.1),
        statistics,
        ..transfer
    })
}

/// A running half. Dropping it closes its standard input, which ends it.
struct Half {
    child: Child,
    lines: BufReader<ChildStdout>,
    role: Role,
}

impl Half {
    fn start(
        hosts: &Hosts,
        role: Role,
        set: &[String],
        arguments: impl FnOnce(&mut Command),
    ) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lmbench"));
        command.arg("carry");
        arguments(&mut command);
        command
            .args(["--format", "json", "--owner-on-stdin"])
            .args(set.iter().flat_map(|set| ["--set", set]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = hosts.on(role, || {
            let child = command.spawn();
            child.map_err(|error| format!("can't start lmbench: {error}"))
        })?;
        let output = child.stdout.take().ok_or("no pipe from lmbench")?;
        Ok(Self {
            child,
            lines: BufReader::new(output),
            role,
        })
    }

    fn wait_for(&mut self, name: &str) -> Result<Value, String> {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.lines.read_line(&mut line);
            if read.map_err(|error| error.to_string())? == 0 {
                return Err(format!(
                    "the half on the {} ended before it was {name}",
                    self.role
                ));
            }
            let event: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
            if event["event"] == name {
                return Ok(event);
            }
        }
    }

    fn cpu(&self) -> Result<CpuTime, String> {
        cpu::of_trees(&[self.child.id()])
            .ok_or_else(|| format!("the half on the {} is gone", self.role))
    }

    /// Ends it in order; returns what its carrier counted.
    fn end(mut self) -> Result<Value, String> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        // It closes its output with its end.
        let read = self.lines.read_to_string(&mut rest);
        read.map_err(|error| error.to_string())?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("the half on the {} ended with {status}", self.role));
        }
        let mut events = rest
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let finished = events.find(|event| event["event"] == "finished");
        Ok(finished.map_or(Value::Null, |event| event["statistics"].clone()))
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // After an error nobody waits for it to drain.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn local(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn text<'event>(event: &'event Value, name: &str) -> Result<&'event str, String> {
    event[name]
        .as_str()
        .ok_or_else(|| format!("an event of lmbench has no {name}"))
}
