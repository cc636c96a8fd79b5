//! Settings without a scenario: `lmbench carry … --set KEY=VALUE` takes what `[carrier.NAME]` takes, `lmbench replay …` what
//! `[policy.NAME]` takes.

use std::path::Path;

use lmbench_harness::spec::PolicySpec;

use super::keys::{Kind, kind_at};
use super::{ScenarioError, Setup, parse};
use crate::carrier::CarrierSpec;

/// The carrier of that name with settings written as `key=value`. Errors show the settings as lines of a table.
pub fn carrier(name: &str, settings: &[String]) -> Result<CarrierSpec, ScenarioError> {
    setup("carry", &format!("carrier.{name}"), settings).map(|setup| setup.carrier)
}

/// The policy of that name with settings written as `key=value`. Errors show the settings as lines of a table.
pub fn policy(name: &str, settings: &[String]) -> Result<PolicySpec, ScenarioError> {
    setup("replay", &format!("policy.{name}"), settings).map(|setup| setup.policy)
}

/// The policies that a scenario can name.
pub fn policy_names() -> Vec<&'static str> {
    match kind_at("policy") {
        Some(Kind::Selection { options, .. }) => options.names().collect(),
        _ => Vec::new(),
    }
}

/// Whether the policy of that name has such a setting.
pub fn policy_has(name: &str, setting: &str) -> bool {
    kind_at(&format!("policy.{name}.{setting}")).is_some()
}

fn setup(title: &str, table: &str, settings: &[String]) -> Result<Setup, ScenarioError> {
    let lines: String = settings
        .iter()
        .map(|setting| line(table, setting))
        .collect();
    let text = format!("name = \"{title}\"\n[{table}]\n{lines}{REST}");
    let scenario = parse(Path::new("--set"), &text)?;
    let [cell] = <[_; 1]>::try_from(scenario.cells)
        .unwrap_or_else(|_| unreachable!("a scenario without a matrix has one cell"));
    Ok(cell.setup)
}

/// Texts may go without quotes, which a shell takes away. A setting keeps to its line, so that it can't bring others.
fn line(table: &str, setting: &str) -> String {
    let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
    let (key, value) = (key.trim(), value.trim());
    let kind = kind_at(&format!("{table}.{key}"));
    // A choice may read like a number, as versions do.
    let is_text = matches!(kind, Some(Kind::Text | Kind::Choice(_)));
    let plain = !is_text && (is_number(value) || value == "true" || value == "false");
    let value = if plain {
        value.to_owned()
    } else {
        toml::Value::from(value).to_string()
    };
    let key: String = key.split_whitespace().collect();
    format!("{key} = {value}\n")
}

/// A number as TOML writes it.
fn is_number(value: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let decimal = value
        .split_once('.')
        .is_some_and(|(whole, part)| digits(whole) && digits(part));
    decimal || value.parse::<i64>().is_ok()
}

/// What a scenario must have.
const REST: &str = "[workload.idle]\nmemory = \"64 MiB\"\n[run]\nrepeats = 1\n";

#[cfg(test)]
mod tests {
    use lmbench_transport::identity::Cipher;

    use super::*;

    // What the key table calls a default is what holds without the key: each written out gives the same policy as none. Defaults that
    // are phrases are passed over.
    #[test]
    fn the_documented_defaults_of_policies_are_the_real_ones() {
        let mut tried = 0;
        for name in policy_names() {
            let Some(Kind::Table(table)) = kind_at(&format!("policy.{name}")) else {
                panic!("policy.{name} is no table");
            };
            let settings: Vec<String> = table
                .keys
                .iter()
                .filter_map(|key| Some(format!("{}={}", key.name, key.default?)))
                .filter(|setting| !setting.contains("steps - 1") && !setting.contains("unless"))
                .collect();
            tried += settings.len();
            let written = policy(name, &settings).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(written, policy(name, &[]).unwrap(), "{name}");
        }
        assert!(tried >= 80, "only {tried} defaults");
    }

    #[test]
    fn a_policy_s_name_is_the_one_in_scenarios() {
        let subject = lmbench_harness::policy::Subject {
            memory_bytes: 1 << 30,
        };
        for name in policy_names() {
            let spec = policy(name, &[]).unwrap();
            let policy = lmbench_harness::policy::from_spec(&spec, subject);
            assert_eq!(policy.name(), name);
        }
    }

    #[test]
    fn settings_are_those_of_a_scenario() {
        let set = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
            carrier("tls", &settings)
        };
        let cipher = Cipher::Aes256Gcm;
        assert_eq!(
            set(&["cipher=aes256-gcm"]).unwrap(),
            CarrierSpec::Tls { cipher }
        );
        assert!(set(&[]).is_ok());
        for wrong in [
            "cipher=rot13",
            "cypher=aes128-gcm",
            "cipher",
            "",
            "cipher=\"\n[x]\n",
        ] {
            let error = set(&[wrong]).unwrap_err().to_string();
            assert!(error.contains("--set"), "{error}");
        }
    }
}
