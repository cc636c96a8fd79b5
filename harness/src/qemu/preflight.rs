//! What would fail in minute 40, found before anything starts: the running QEMU is asked about every cell's settings.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accelerator::{self, Resolved};
use super::program;
use super::settings::settings;
use crate::error::chain;
use crate::image::{self, GuestKernel};
use crate::process::{Pipes, Process};
use crate::qmp::{Qmp, QmpError, Schema, SettingProblem};
use crate::role::Role;
use crate::spec::{Accelerator, Boot, GuestSpec, MigrationSpec, PolicySpec};

/// One cell's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Id of the cell.
    pub cell: String,
    /// Its guest.
    pub guest: GuestSpec,
    /// Its migration.
    pub migration: MigrationSpec,
    /// Its policy.
    pub policy: PolicySpec,
    /// Programs besides QEMU that this host must have.
    #[serde(default)]
    pub programs: Vec<Needed>,
}

/// A program and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// The program's name.
    pub program: String,
    /// What installs it.
    pub package: String,
    /// What in the scenario needs it.
    pub by: String,
}

/// What is wrong, and whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// Whether the scenario asks for what this QEMU does not have (else: the machine lacks something).
    pub scenario: bool,
    /// What.
    pub text: String,
    /// How to mend it.
    pub hint: String,
    /// The scenario's keys that have to do with it, each with what it does; the first is the one to blame.
    pub keys: Vec<(String, String)>,
    /// The cell that met it; none if every cell would.
    pub cell: Option<String>,
}

impl Problem {
    /// The machine lacks something.
    pub fn of_machine(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            scenario: false,
            text: text.into(),
            hint: hint.into(),
            keys: Vec::new(),
            cell: None,
        }
    }

    /// A cell asks for what there is not.
    fn of_cell(case: &Case, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            scenario: true,
            cell: Some(case.cell.clone()),
            ..Problem::of_machine(text, hint)
        }
    }

    fn key(mut self, path: impl Into<String>, label: impl Into<String>) -> Self {
        self.keys.push((path.into(), label.into()));
        self
    }
}

/// What a host can do for a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of QEMU, empty if there is none.
    pub qemu: String,
    /// What `auto` comes to here; TCG without a proof where no cell wants anything else; only with no problems.
    pub accelerator: Option<Resolved>,
    /// All that would fail, each once.
    pub problems: Vec<Problem>,
}

/// Examines this host as `role`; `scratch` is an empty directory.
pub async fn examine(cases: &[Case], role: Role, scratch: &Path) -> Report {
    let mut problems = BTreeSet::new();
    for case in cases {
        problems.extend(files(&case.guest));
        problems.extend(huge_pages(case));
        problems.extend(case.programs.iter().filter_map(missing_program));
    }
    let qemu = match Scratch::start(role, scratch).await {
        Ok(qemu) => {
            for case in cases {
                problems.extend(qemu.unknown_hardware(case).await);
                problems.extend(qemu.refusals(case, role).await);
            }
            qemu.end().await
        }
        Err(problem) => {
            problems.insert(problem);
            String::new()
        }
    };
    let mut accelerator = None;
    if problems.is_empty() {
        let wished = |wish| cases.iter().any(|case| case.guest.accelerator == wish);
        let wish = if wished(Accelerator::Kvm) || wished(Accelerator::Auto) {
            Accelerator::Auto
        } else {
            Accelerator::Tcg
        };
        let resolved = accelerator::resolve(wish, scratch).await;
        if wished(Accelerator::Kvm)
            && let Some(reason) = &resolved.reason
        {
            let kept = accelerator::memory_file().map_or_else(String::new, |file| {
                format!(
                    "; the answer is kept in {}: remove it to try KVM again",
                    file.display()
                )
            });
            let hint =
                format!("set accelerator = \"auto\" or \"tcg\" in [guest], or mend KVM{kept}");
            problems.insert(
                Problem::of_machine(reason.clone(), hint).key("guest.accelerator", "asks for KVM"),
            );
        }
        accelerator = Some(resolved);
    }
    Report {
        qemu,
        accelerator,
        problems: problems.into_iter().collect(),
    }
}

fn files(guest: &GuestSpec) -> Vec<Problem> {
    let unreadable = |key: &str, path: &Path| {
        let why = match std::fs::metadata(path) {
            Ok(file) if file.is_dir() => "it is a directory".to_owned(),
            _ => std::fs::File::open(path).err()?.to_string(),
        };
        Some(
            Problem::of_machine(
                format!("{} can't be read: {why}", path.display()),
                "give the path of a file that exists on both hosts",
            )
            .key(key, "names it"),
        )
    };
    match &guest.boot {
        Boot::Lmbench => GuestKernel::find()
            .and_then(|kernel| image::initramfs(&kernel))
            .err()
            .map(|error| with_hint(&chain(&error), "run harness/setup.sh"))
            .into_iter()
            .collect(),
        Boot::Kernel { kernel, initrd, .. } => [
            Some(("guest.kernel", kernel)),
            initrd.as_ref().map(|initrd| ("guest.initrd", initrd)),
        ]
        .into_iter()
        .flatten()
        .filter_map(|(key, path)| unreadable(key, path))
        .collect(),
        Boot::Image { image } => unreadable("guest.image", image).into_iter().collect(),
    }
}

fn missing_program(needed: &Needed) -> Option<Problem> {
    let Needed {
        program,
        package,
        by,
    } = needed;
    let found = accelerator::which(Path::new(program), &crate::lab::search_path());
    found.is_none().then(|| {
        Problem::of_machine(
            format!("{by} needs the program `{program}`, which is not installed"),
            format!("install {package}"),
        )
    })
}

/// QEMU would end at once, with words that do not say how many there are.
fn huge_pages(case: &Case) -> Option<Problem> {
    if !case.guest.huge_pages {
        return None;
    }
    let (free, size) = crate::host::huge_pages();
    let needed = case.guest.memory_bytes.div_ceil(size.max(1));
    (free < needed).then(|| {
        Problem::of_machine(
            format!("each guest needs {needed} huge pages of {} KiB, {free} are free", size >> 10),
            format!("reserve them for both guests: sysctl -w vm.nr_hugepages={}; or remove huge-pages from [guest]", needed * 2),
        )
        .key("guest.huge-pages", "asks for them")
    })
}

/// A problem of the machine from an error's text, with the hint that it brings or this one.
fn with_hint(text: &str, otherwise: &str) -> Problem {
    let (text, hint) = text.split_once("\nhint: ").unwrap_or((text, otherwise));
    Problem::of_machine(text, hint.replace("\nhint: ", "; "))
}

/// A QEMU without a machine, only to be asked.
struct Scratch {
    process: Process,
    qmp: Qmp,
    schema: Schema,
}

impl Scratch {
    async fn start(role: Role, scratch: &Path) -> Result<Self, Problem> {
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
    async fn unknown_hardware(&self, case: &Case) -> Vec<Problem> {
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
    fn short(&self) -> String {
        let version = self.qmp.version();
        format!("QEMU {}.{}.{}", version.major, version.minor, version.micro)
    }

    async fn refusals(&self, case: &Case, role: Role) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for (name, value) in &case.migration.qmp {
            if let Err(problem) = self.schema.check(name, value) {
                let closest = self.schema.closest(name);
                let hint = match (&problem, closest) {
                    (SettingProblem::Unknown { .. }, Some(closest)) => {
                        format!(
                            "write {closest}, or remove the line; this is {}",
                            self.short()
                        )
                    }
                    _ => format!("mend or remove the line; this is {}", self.short()),
                };
                problems.push(
                    Problem::of_cell(case, problem.to_string(), hint)
                        .key(format!("migration.qmp.{name}"), ""),
                );
            }
        }
        if !problems.is_empty() {
            return problems;
        }
        let known = self.schema.migration_capabilities();
        let made = settings(
            &case.migration,
            &case.policy,
            (&case.guest).into(),
            role,
            |name| known.iter().any(|capability| capability == name),
        );
        let all_off: Vec<(&str, bool)> = known.iter().map(|name| (name.as_str(), false)).collect();
        // Some can't be named at all in this QEMU's build (rdma); each off by itself is harmless if refused.
        if self.qmp.set_capabilities(&all_off).await.is_err() {
            for pair in &all_off {
                let _ = self.qmp.set_capabilities(std::slice::from_ref(pair)).await;
            }
        }
        let capabilities: Vec<(&str, bool)> = made
            .capabilities
            .iter()
            .map(|(name, on)| (name.as_str(), *on))
            .collect();
        if let Err(error) = self.qmp.set_capabilities(&capabilities).await {
            let on = capabilities.iter().filter(|(_, on)| *on);
            problems.push(self.refusal(case, &error, on.map(|(name, _)| *name)));
        }
        let names: Vec<String> = made.parameters.keys().cloned().collect();
        if let Err(error) = self.qmp.set_parameters(made.parameters).await {
            // QEMU names the parameter, with the underscores of its source code.
            let said = error.to_string().replace('_', "-");
            let blamed = names.iter().filter(|name| said.contains(name.as_str()));
            problems.push(self.refusal(case, &error, blamed.map(String::as_str)));
        }
        problems
    }

    fn refusal<'a>(
        &self,
        case: &Case,
        error: &QmpError,
        settings: impl Iterator<Item = &'a str>,
    ) -> Problem {
        let why = match error {
            QmpError::Refused { description, .. } => description.clone(),
            other => chain(other),
        };
        let mut problem = Problem::of_cell(case, format!("QEMU refuses these settings: {why}"), "");
        let mut asked = Vec::new();
        for name in settings {
            // What lmbench sets in every migration nobody can take away.
            if let Some(key) = key_of(name, case) {
                asked.push(name);
                problem = problem.key(key, format!("asks for {name}"));
            }
        }
        problem.hint = if asked.len() > 1 {
            format!(
                "{} was asked for {} at once: give one of them up",
                self.short(),
                asked.join(" and ")
            )
        } else {
            format!("this is {}: change the setting", self.short())
        };
        problem
    }

    async fn end(self) -> String {
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

/// The scenario's key behind a capability or parameter; none if lmbench sets it by itself.
fn key_of(name: &str, case: &Case) -> Option<String> {
    if case.migration.qmp.contains_key(name) {
        return Some(format!("migration.qmp.{name}"));
    }
    let key = match name {
        "multifd" | "multifd-channels" => "migration.multifd-channels",
        "postcopy-preempt" => "migration.preempt",
        "postcopy-ram" if !matches!(case.policy, PolicySpec::PostCopy { .. }) => {
            "migration.timeout-action"
        }
        "postcopy-ram" | "auto-converge" => "policy",
        "cpu-throttle-initial" => "policy.auto-converge.initial",
        "cpu-throttle-increment" => "policy.auto-converge.increment",
        "max-cpu-throttle" => "policy.auto-converge.max",
        "downtime-limit" => "migration.downtime-limit",
        "max-bandwidth" => "migration.max-bandwidth",
        "max-postcopy-bandwidth" => "migration.max-postcopy-bandwidth",
        _ => return None,
    };
    Some(key.to_owned())
}

/// The oldest QEMU that lmbench drives, here and in `lmbench doctor`. What is relied on: the capability
/// `postcopy-preempt` (7.1), which is always set, and `query-migrate` with its events as Debian's and Ubuntu's oldest
/// supported packages have them (8.2). Nothing needs more; what a scenario asks for beyond that, QEMU itself is asked.
pub const QEMU_LEAST: (u32, u32) = (8, 2);
/// The QEMU that lmbench is tested with; `lmbench doctor` says what an older one lacks.
pub const QEMU_WANTED: (u32, u32) = (10, 0);
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_package() {
        let needed = |program: &str| Needed {
            program: program.to_owned(),
            package: "a package".to_owned(),
            by: "carrier x".to_owned(),
        };
        assert_eq!(missing_program(&needed("sh")), None);
        let problem = missing_program(&needed("no-such-sshd")).unwrap();
        assert!(problem.text.contains("carrier x") && problem.text.contains("no-such-sshd"));
        assert_eq!(problem.hint, "install a package");
    }
}
