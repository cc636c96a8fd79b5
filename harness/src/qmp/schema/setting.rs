//! Checks what a user wrote under `[migration.qmp]` against this QEMU, before anything is started.

use serde_json::Value;
use thiserror::Error;

use super::{ParameterType, Schema};

/// A name and value that this QEMU takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// For `migrate-set-capabilities`.
    Capability(bool),
    /// For `migrate-set-parameters`.
    Parameter(Value),
}

/// A name or value that this QEMU does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingProblem {
    /// There is no such setting.
    #[error("`{name}` is neither a migration capability nor a migration parameter of this QEMU{}", hint(closest.as_deref()))]
    Unknown {
        /// The name as written.
        name: String,
        /// The setting that it most resembles.
        closest: Option<String>,
    },
    /// There is, but its value must be something else.
    #[error("`{name}` must be {expected}, not {found}{}", hint(closest.as_deref()))]
    Value {
        /// The setting.
        name: String,
        /// The values it takes.
        expected: String,
        /// The value as written.
        found: String,
        /// The valid value that it most resembles.
        closest: Option<String>,
    },
}

impl Schema {
    /// The migration capability or parameter whose name resembles `name` most, if any does.
    pub fn closest(&self, name: &str) -> Option<String> {
        closest(name, self.capabilities.iter().chain(self.parameters.keys()))
    }

    /// Tells whether `name` is a capability or a parameter of this QEMU, and whether `value` fits it.
    ///
    /// Limits of numbers are not in the schema: QEMU itself refuses those.
    pub fn check(&self, name: &str, value: &Value) -> Result<Setting, SettingProblem> {
        if self
            .capabilities
            .iter()
            .any(|capability| capability == name)
        {
            return match value.as_bool() {
                Some(on) => Ok(Setting::Capability(on)),
                None => Err(wrong(name, &ParameterType::Bool, value)),
            };
        }
        match self.parameters.get(name) {
            Some(kind) if kind.accepts(value) => Ok(Setting::Parameter(value.clone())),
            Some(kind) => Err(wrong(name, kind, value)),
            None => Err(SettingProblem::Unknown {
                name: name.to_owned(),
                closest: self.closest(name),
            }),
        }
    }
}

impl ParameterType {
    fn accepts(&self, value: &Value) -> bool {
        match self {
            ParameterType::Bool => value.is_boolean(),
            ParameterType::Int => value.is_u64() || value.is_i64(),
            ParameterType::Str => value.is_string(),
            ParameterType::Enum(names) => value
                .as_str()
                .is_some_and(|value| names.iter().any(|name| name == value)),
            ParameterType::Other => true,
        }
    }

    fn expected(&self) -> String {
        match self {
            ParameterType::Bool => "true or false".to_owned(),
            ParameterType::Int => "a whole number".to_owned(),
            ParameterType::Str => "a string".to_owned(),
            ParameterType::Enum(names) => format!("one of {}", names.join(", ")),
            ParameterType::Other => "something that QEMU takes".to_owned(),
        }
    }
}

fn wrong(name: &str, kind: &ParameterType, value: &Value) -> SettingProblem {
    let closest = match (kind, value.as_str()) {
        (ParameterType::Enum(names), Some(value)) => closest(value, names.iter()),
        _ => None,
    };
    SettingProblem::Value {
        name: name.to_owned(),
        expected: kind.expected(),
        found: value.to_string(),
        closest,
    }
}

/// The candidate with the fewest typing errors between it and `name`, at most a third of the name's length.
fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a String>) -> Option<String> {
    let errors_max = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(errors, _)| *errors <= errors_max)
        .min()
        .map(|(_, candidate)| candidate.clone())
}

fn hint(closest: Option<&str>) -> String {
    closest
        .map(|closest| format!("; did you mean `{closest}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn problem(name: &str, value: &Value) -> String {
        sample().check(name, value).unwrap_err().to_string()
    }

    #[test]
    fn takes_what_fits() {
        let schema = sample();
        assert_eq!(
            schema.check("multifd", &json!(true)),
            Ok(Setting::Capability(true))
        );
        assert_eq!(
            schema.check("max-bandwidth", &json!(u64::MAX)),
            Ok(Setting::Parameter(json!(u64::MAX)))
        );
        assert_eq!(
            schema.check("multifd-compression", &json!("zstd")),
            Ok(Setting::Parameter(json!("zstd")))
        );
        assert_eq!(
            schema.check("block-bitmap-mapping", &json!([])),
            Ok(Setting::Parameter(json!([])))
        );
    }

    #[test]
    fn says_what_would_fit() {
        assert_eq!(
            problem("max_bandwith", &json!(1)),
            "`max_bandwith` is neither a migration capability nor a migration parameter of this QEMU; \
             did you mean `max-bandwidth`?"
        );
        assert_eq!(
            problem("warp", &json!(1)),
            "`warp` is neither a migration capability nor a migration parameter of this QEMU"
        );
        assert_eq!(
            problem("multifd", &json!(1)),
            "`multifd` must be true or false, not 1"
        );
        assert_eq!(
            problem("max-bandwidth", &json!("1G")),
            "`max-bandwidth` must be a whole number, not \"1G\""
        );
        assert_eq!(
            problem("multifd-compression", &json!("zsdt")),
            "`multifd-compression` must be one of none, zlib, zstd, not \"zsdt\"; did you mean `zstd`?"
        );
        assert_eq!(
            problem("multifd-compression", &json!(3)),
            "`multifd-compression` must be one of none, zlib, zstd, not 3"
        );
    }
}
