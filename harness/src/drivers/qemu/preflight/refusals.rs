//! What a QEMU says to a cell's settings.

use super::super::settings::{Settings, settings};
use super::blame::key_of;
use super::scratch::Scratch;
use super::{Case, Problem, elsewhere};
use crate::error::chain;
use crate::qmp::{QmpError, SettingProblem};
use crate::role::Role;

impl Scratch {
    /// What it does not take. A name or a value that no QEMU knows is the scenario's mistake, and so is a number out of
    /// range; what only this QEMU does not have, or does not have together, the cell lacks.
    pub(super) async fn refusals(&self, case: &Case, role: Role) -> Vec<Problem> {
        let mut problems = self.free_settings(case);
        let known = self.schema.migration_capabilities();
        let mut made = settings(
            &case.migration,
            &case.policy,
            (&case.guest).into(),
            role,
            |name| known.iter().any(|capability| capability == name),
        );
        // KVM's, which this QEMU does not have: another one is asked about it.
        made.capabilities.retain(|(name, _)| name != "dirty-limit");
        problems.extend(self.unknown(case, &made));
        if problems.is_empty() {
            self.all_off(&known).await;
            problems = self.refused_together(case, made).await;
        }
        problems
    }

    /// The reason why not, if it does not take a capability by itself.
    pub(super) async fn takes_capability(&self, name: &str) -> Result<(), String> {
        let taken = self.qmp.set_capabilities(&[(name, true)]).await;
        taken.map_err(|error| words(&error))
    }

    /// What stands under `[migration.qmp]`.
    fn free_settings(&self, case: &Case) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, value) in &case.migration.qmp {
            let Err(problem) = self.schema.check(name, value) else {
                continue;
            };
            let key = format!("migration.qmp.{name}");
            if let Some(text) = self.known_elsewhere(name, &problem) {
                problems.push(lacks(case, text).key(key, "asks for it"));
                continue;
            }
            let hint = match (&problem, self.schema.closest(name)) {
                (SettingProblem::Unknown { .. }, Some(closest)) => {
                    format!(
                        "write {closest}, or remove the line; this is {}",
                        self.short()
                    )
                }
                _ => format!("mend or remove the line; this is {}", self.short()),
            };
            problems.push(Problem::of_cell(case, problem.to_string(), hint).key(key, ""));
        }
        problems
    }

    /// Settings of lmbench's own keys, whose names and values some QEMU knows, that this one does not.
    fn unknown(&self, case: &Case, made: &Settings) -> Vec<Problem> {
        let capabilities = made.capabilities.iter();
        let capabilities = capabilities.map(|(name, on)| (name.as_str(), (*on).into()));
        let parameters = made.parameters.iter();
        let parameters = parameters.map(|(name, value)| (name.as_str(), value.clone()));
        capabilities
            .chain(parameters)
            .filter(|(name, _)| !case.migration.qmp.contains_key(*name))
            .filter_map(|(name, value)| {
                let problem = self.schema.check(name, &value).err()?;
                let text = self.known_elsewhere(name, &problem);
                let text = text.unwrap_or_else(|| problem.to_string());
                let problem = lacks(case, text);
                Some(match key_of(name, case) {
                    Some(key) => problem.key(key, format!("asks for {name}")),
                    None => problem,
                })
            })
            .collect()
    }

    fn known_elsewhere(&self, name: &str, problem: &SettingProblem) -> Option<String> {
        match problem {
            SettingProblem::Unknown { .. } => {
                elsewhere::knows(name).then(|| format!("{} has no `{name}`", self.short()))
            }
            SettingProblem::Value { found, .. } => elsewhere::knows_value(name, found)
                .then(|| format!("{} has no {name} {}", self.short(), found.trim_matches('"'))),
        }
    }

    async fn all_off(&self, known: &[String]) {
        let all_off: Vec<(&str, bool)> = known.iter().map(|name| (name.as_str(), false)).collect();
        // Some can't be named at all in this QEMU's build (rdma); each off by itself is harmless if refused.
        if self.qmp.set_capabilities(&all_off).await.is_err() {
            for pair in &all_off {
                let _ = self.qmp.set_capabilities(std::slice::from_ref(pair)).await;
            }
        }
    }

    async fn refused_together(&self, case: &Case, made: Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        let capabilities: Vec<(&str, bool)> = made
            .capabilities
            .iter()
            .map(|(name, on)| (name.as_str(), *on))
            .collect();
        if let Err(error) = self.qmp.set_capabilities(&capabilities).await {
            // What no QEMU takes together was found in the scenario already.
            let on = capabilities.iter().filter(|(_, on)| *on);
            problems.push(self.refusal(case, &error, true, on.map(|(name, _)| *name)));
        }
        let names: Vec<String> = made.parameters.keys().cloned().collect();
        if let Err(error) = self.qmp.set_parameters(made.parameters).await {
            // QEMU names the parameter, with the underscores of its source code.
            let said = error.to_string().replace('_', "-");
            let blamed = names.iter().filter(|name| said.contains(name.as_str()));
            problems.push(self.refusal(case, &error, false, blamed.map(String::as_str)));
        }
        problems
    }

    fn refusal<'a>(
        &self,
        case: &Case,
        error: &QmpError,
        is_lacking: bool,
        settings: impl Iterator<Item = &'a str>,
    ) -> Problem {
        let why = words(error);
        let text = format!("QEMU refuses these settings: {why}");
        let mut problem = if is_lacking {
            Problem::lacking(case, text, "")
        } else {
            Problem::of_cell(case, text, "")
        };
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
}

fn lacks(case: &Case, text: String) -> Problem {
    Problem::lacking(case, text, "use a QEMU that has it, or leave it out")
}

pub(super) fn words(error: &QmpError) -> String {
    match error {
        QmpError::Refused { description, .. } => description.clone(),
        other => chain(other),
    }
}
