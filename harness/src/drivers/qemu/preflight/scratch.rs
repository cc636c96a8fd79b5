//! A QEMU that is only asked.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::super::program;
use super::{Case, Problem, QEMU_LEAST};
use crate::error::chain;
use crate::process::{Pipes, Process};
use crate::qmp::{Qmp, Schema};
use crate::role::Role;

/// A QEMU without a machine, only to be asked.
pub(super) struct Scratch {
    process: Process,
    pub(super) qmp: Qmp,
    pub(super) schema: Schema,
}

impl Scratch {
    /// `extra` are arguments beyond the fewest.
    pub(super) async fn start(role: Role, extra: &[&str], scratch: &Path) -> Result<Self, Problem> {
        let socket = scratch.join("ask");
        let log = scratch.join("ask.log");
        // What another QEMU said before must not be taken for this one's words.
        let _ = std::fs::remove_file(&log);
        let chardev = format!(
            "socket,id=ask,server=on,wait=off,path={}",
            socket.display().to_string().replace(',', ",,")
        );
        let mut arguments = vec![
            "-machine",
            "none",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-chardev",
            &chardev,
            "-mon",
            "chardev=ask,mode=control",
        ];
        arguments.extend(extra);
        if role == Role::Destination {
            // The destination's checks (userfaultfd for post-copy) run only in a QEMU that awaits a guest.
            arguments.extend(["-incoming", "defer"]);
        }
        let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
        let mut process = Process::start("qemu", &program(), &arguments, &[], &log, Pipes::None)
            .map_err(|error| missing(&chain(&error)))?;
        let connected = tokio::select! {
            // An end explains more than the connection that it broke.
            biased;
            status = process.wait() => Err(status.map_or_else(|error| error.to_string(), |status| status.to_string())),
            connected = Qmp::connect(&socket, PATIENCE) => connected.map_err(|error| chain(&error)),
        };
        let qmp = connected.map_err(|how| {
            let words = process.log_tail().replace('\n', "; ");
            let colon = if words.is_empty() { "" } else { ": " };
            missing(&format!(
                "{} does not start or is no QEMU ({how}){colon}{words}",
                program().display()
            ))
        })?;
        let version = qmp.version();
        if (version.major, version.minor) < QEMU_LEAST {
            let (major, minor) = QEMU_LEAST;
            return Err(missing(&format!(
                "QEMU {}.{}.{} ({}) is too old: lmbench needs {major}.{minor} or newer",
                version.major,
                version.minor,
                version.micro,
                program().display()
            )));
        }
        let schema = qmp
            .schema()
            .await
            .map_err(|error| missing(&chain(&error)))?;
        Ok(Scratch {
            process,
            qmp,
            schema,
        })
    }

    /// Machine types and CPU models that QEMU does not have; it would end at once.
    pub(super) async fn unknown_hardware(&self, case: &Case) -> Vec<Problem> {
        let mut problems = Vec::new();
        let machines = self.names("query-machines", &["name", "alias"]).await;
        let machine = case.guest.machine.split(',').next().unwrap_or_default();
        if !machines.is_empty() && !machines.iter().any(|name| name == machine) {
            problems.push(
                Problem::of_cell(
                    case,
                    format!("{} has no machine type `{machine}`", self.short()),
                    "use q35 or pc; `qemu-system-x86_64 -machine help` lists all",
                )
                .key("guest.machine", "no such type"),
            );
        }
        let Some(cpu) = &case.guest.cpu else {
            return problems;
        };
        let models = self.names("query-cpu-definitions", &["name"]).await;
        let model = cpu.split(',').next().unwrap_or_default();
        if !models.is_empty() && !models.iter().any(|name| name == model) {
            problems.push(
                Problem::of_cell(
                    case,
                    format!("{} has no CPU model `{model}`", self.short()),
                    "remove it, or use max; `qemu-system-x86_64 -cpu help` lists all",
                )
                .key("guest.cpu", "no such model"),
            );
        }
        problems
    }

    /// The values of some fields in a list that QEMU answers; empty when it does not.
    async fn names(&self, command: &str, fields: &[&str]) -> Vec<String> {
        let reply = self.qmp.execute_within(command, json!({}), PATIENCE).await;
        let reply = reply.unwrap_or_default();
        let entries = reply.as_array().into_iter().flatten();
        entries
            .flat_map(|entry| fields.iter().filter_map(|field| entry[*field].as_str()))
            .map(str::to_owned)
            .collect()
    }

    /// `QEMU 10.0.2`, without the packager's text.
    pub(super) fn short(&self) -> String {
        let version = self.qmp.version();
        format!("QEMU {}.{}.{}", version.major, version.minor, version.micro)
    }

    pub(super) async fn end(self) -> String {
        let version = self.qmp.version().to_string();
        let _ = self.qmp.execute_within("quit", json!({}), PATIENCE).await;
        if let Err(error) = self.process.end().await {
            tracing::warn!(%error, "the QEMU that was only asked did not end");
        }
        version
    }
}

/// The machine lacks a QEMU that can be used.
fn missing(text: &str) -> Problem {
    let hint = if std::env::var_os("LMBENCH_QEMU").is_some() {
        "LMBENCH_QEMU names it: unset it, or name a QEMU; `lmbench doctor` tells what is there"
    } else {
        "run harness/setup.sh, which installs QEMU; `lmbench doctor` tells what is there"
    };
    Problem::of_machine(text, hint)
}

const PATIENCE: Duration = Duration::from_secs(10);
