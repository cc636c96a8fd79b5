//! What would fail in minute 40, found before anything starts: the running QEMU is asked about every cell's settings.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accelerator::{self, Resolved};
use super::program;
use super::settings::settings;
use crate::image::GuestKernel;
use crate::process::{Pipes, Process};
use crate::qmp::{Qmp, QmpError, Schema};
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
}

/// What a host can do for a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of QEMU, empty if there is none.
    pub qemu: String,
    /// What the cells' wish for an accelerator other than TCG came to; only with no problems.
    pub accelerator: Option<Resolved>,
    /// All that would fail, each once.
    pub problems: Vec<Problem>,
}

/// Examines this host as `role`; `scratch` is an empty directory.
pub async fn examine(cases: &[Case], role: Role, scratch: &Path) -> Report {
    let mut problems = BTreeSet::new();
    for case in cases {
        problems.extend(files(&case.guest));
    }
    let qemu = match Scratch::start(role, scratch).await {
        Ok(qemu) => {
            for case in cases {
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
        let mut wishes = cases.iter().map(|case| case.guest.accelerator);
        let wish = wishes
            .find(|wish| *wish != Accelerator::Tcg)
            .unwrap_or(Accelerator::Tcg);
        let resolved = accelerator::resolve(wish, scratch).await;
        if wish == Accelerator::Kvm
            && let Some(reason) = &resolved.reason
        {
            let hint = "set accelerator = \"auto\" or \"tcg\" in [guest], or mend KVM on this host"
                .to_owned();
            problems.insert(Problem {
                scenario: false,
                text: reason.clone(),
                hint,
            });
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
    let unreadable = |path: &Path| {
        let error = std::fs::File::open(path).err()?;
        Some(Problem {
            scenario: false,
            text: format!("{} can't be read: {error}", path.display()),
            hint: "give a path that exists on both hosts".to_owned(),
        })
    };
    match &guest.boot {
        Boot::Lmbench => GuestKernel::find()
            .err()
            .map(|error| Problem {
                scenario: false,
                text: error.to_string(),
                hint: "run harness/setup.sh".to_owned(),
            })
            .into_iter()
            .collect(),
        Boot::Kernel { kernel, initrd, .. } => [Some(kernel), initrd.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|path| unreadable(path))
            .collect(),
        Boot::Image { image } => unreadable(image).into_iter().collect(),
    }
}

/// A QEMU without a machine, only to be asked.
struct Scratch {
    process: Process,
    qmp: Qmp,
    schema: Schema,
}

impl Scratch {
    async fn start(role: Role, scratch: &Path) -> Result<Self, Problem> {
        let missing = |text: String| Problem {
            scenario: false,
            text,
            hint: "run harness/setup.sh, then `lmbench doctor`".to_owned(),
        };
        let socket = scratch.join("ask");
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
        let mut process = Process::start(
            "qemu",
            &program(),
            &arguments,
            &[],
            &scratch.join("ask.log"),
            Pipes::None,
        )
        .map_err(|error| {
            missing(format!(
                "{error}: {}",
                std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default()
            ))
        })?;
        let connected = tokio::select! {
            connected = Qmp::connect(&socket, PATIENCE) => connected.map_err(|error| error.to_string()),
            status = process.wait() => Err(status.map_or_else(|error| error.to_string(), |status| status.to_string())),
        };
        let words = process.log_tail();
        let qmp =
            connected.map_err(|how| missing(format!("QEMU did not start ({how}) {words}")))?;
        if qmp.version().major < QEMU_MAJOR_MIN {
            return Err(missing(format!(
                "QEMU {} is too old: lmbench needs {QEMU_MAJOR_MIN}.0 or newer",
                qmp.version()
            )));
        }
        let schema = qmp
            .schema()
            .await
            .map_err(|error| missing(error.to_string()))?;
        Ok(Scratch {
            process,
            qmp,
            schema,
        })
    }

    async fn refusals(&self, case: &Case, role: Role) -> Vec<Problem> {
        let of_scenario = |text: String, hint: String| Problem {
            scenario: true,
            text,
            hint,
        };
        let mut problems: Vec<Problem> = Vec::new();
        for (name, value) in &case.migration.qmp {
            if let Err(problem) = self.schema.check(name, value) {
                problems.push(of_scenario(
                    format!("[migration.qmp] {problem}"),
                    format!("this is QEMU {}", self.qmp.version()),
                ));
            }
        }
        if !problems.is_empty() {
            return problems;
        }
        let known = self.schema.migration_capabilities();
        let made = settings(&case.migration, &case.policy, role, |name| {
            known.iter().any(|capability| capability == name)
        });
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
        for result in [
            self.qmp.set_capabilities(&capabilities).await,
            self.qmp.set_parameters(made.parameters).await,
        ] {
            if let Err(QmpError::Refused { description, .. }) = result {
                let hint = format!(
                    "cell {} asks for it; this is QEMU {}",
                    case.cell,
                    self.qmp.version()
                );
                problems.push(of_scenario(
                    format!("QEMU on the {role} refuses these settings: {description}"),
                    hint,
                ));
            }
        }
        problems
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

/// The oldest QEMU whose events and counters lmbench relies on (`device` status before switchover, 10.0).
const QEMU_MAJOR_MIN: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(10);
