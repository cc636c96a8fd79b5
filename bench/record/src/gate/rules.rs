//! Which rules hold for which cell: those of the whole file, those of some of its cells, and those of the command line, in this order;
//! a later one replaces its like.

use std::collections::BTreeMap;
use std::str::FromStr;

use indexmap::IndexMap;

use super::rule::{OutcomeRule, Rule, RuleError};
use crate::cells::{Parameters, Selector};
use crate::metric::{self, ALL};
use crate::record::Outcome;
use crate::text::clean_short;

/// What is asked of a cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleSet {
    /// By metric id.
    pub metrics: IndexMap<&'static str, Rule>,
    /// By how migrations end.
    pub outcomes: BTreeMap<Outcome, OutcomeRule>,
}

/// All rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    layers: Vec<(Selector, RuleSet)>,
}

/// One rule by its name, as on the command line: `downtime_ms=+10 %`.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked(RuleSet);

impl RuleSet {
    /// Adds the rule that `text` asks of the metric or outcome `name`.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), RuleError> {
        if let Some(metric) = metric::metric(name) {
            let rule = Rule::parse(metric, text)?;
            self.metrics.insert(metric.id, rule);
            return Ok(());
        }
        let outcome = Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.name() == name);
        if let Some(outcome) = outcome {
            let rule = OutcomeRule::parse(outcome, text)?;
            self.outcomes.insert(outcome, rule);
            return Ok(());
        }
        Err(unknown(name))
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.outcomes.is_empty()
    }

    fn override_with(&mut self, later: &RuleSet) {
        for (id, rule) in &later.metrics {
            let own = self.metrics.entry(*id).or_default();
            *own = own.overridden_by(rule);
        }
        self.outcomes.extend(&later.outcomes);
    }
}

impl Rules {
    /// Adds rules for some cells, which replace earlier ones there.
    pub fn push(&mut self, cells: Selector, rules: RuleSet) {
        if !rules.is_empty() {
            self.layers.push((cells, rules));
        }
    }

    /// Adds rules for all cells, which every other one replaces.
    pub(super) fn push_first(&mut self, rules: RuleSet) {
        self.layers.insert(0, (Selector::default(), rules));
    }

    /// Adds the rules of the command line: for all cells, before all others.
    pub fn ask(&mut self, asked: &[Asked]) {
        for Asked(rules) in asked {
            self.push(Selector::default(), rules.clone());
        }
    }

    /// Whether a metric of any cell is asked for.
    pub fn asks_metrics(&self) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|(_, rules)| !rules.metrics.is_empty())
    }

    /// What is asked of a cell, in the order in which it was first asked.
    pub fn of(&self, id: &str, parameters: &Parameters) -> RuleSet {
        let mut rules = RuleSet::default();
        for (_, layer) in self
            .layers
            .iter()
            .filter(|(cells, _)| cells.takes(id, parameters))
        {
            rules.override_with(layer);
        }
        rules
    }
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rule) = text.split_once('=').ok_or_else(|| {
            format!("`{text}` is not METRIC=RULE; write for example 'downtime_ms=+10 %' or 'blackout_ms=<= 300 ms'")
        })?;
        // `blackout_ms<=300ms` is cut at the wrong sign.
        if let Some(name) = name.strip_suffix(['<', '>']) {
            return Err(format!(
                "`{text}` is not METRIC=RULE; write `{}={}`",
                name.trim(),
                text[name.len()..].trim()
            ));
        }
        let mut rules = RuleSet::default();
        rules
            .add(name.trim(), rule)
            .map_err(|error| error.to_string())?;
        Ok(Asked(rules))
    }
}

/// No metric and no outcome is called so.
fn unknown(name: &str) -> RuleError {
    let label = match nearest(name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "no metric and no outcome is called so".to_owned(),
    };
    RuleError::new(
        format!("unknown metric `{}`", clean_short(name, NAME_SHOWN)),
        label,
        "`lmbench show RUN --all` lists the metrics of a run; outcomes are completed, did-not-converge, cancelled, failed and skipped",
    )
}

/// The name that was meant: case, `-` and `_` aside, and a unit left out forgiven.
fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let normal = name.to_ascii_lowercase().replace('-', "_");
    let names = || {
        let metrics = ALL.iter().map(|metric| metric.id);
        metrics.chain(Outcome::ALL.map(Outcome::name))
    };
    let begins = |id: &&str| {
        let rest = id.strip_prefix(normal.as_str());
        rest.is_some_and(|rest| rest.starts_with('_') || rest.is_empty())
    };
    if !normal.is_empty()
        && let Some(id) = names().find(begins)
    {
        return Some(id);
    }
    names()
        .map(|id| (strsim::jaro_winkler(&normal, &id.replace('-', "_")), id))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, id)| id)
}

/// Names that are longer are not compared with others.
const NAME_MAX: usize = 64;
/// Of an unknown name so many characters are shown.
const NAME_SHOWN: usize = 64;
/// Jaro-Winkler similarity from which a name is a misspelling; ids have long common beginnings, so more than for other names.
const NEAR: f64 = 0.88;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(rules: &[(&str, &str)]) -> RuleSet {
        let mut set = RuleSet::default();
        for (name, text) in rules {
            set.add(name, text).unwrap();
        }
        set
    }

    #[test]
    fn later_rules_replace_their_like_where_they_hold() {
        let mut rules = Rules::default();
        rules.push(
            Selector::default(),
            set(&[("downtime_ms", "+10 %, <= 1 s"), ("failed", "none")]),
        );
        rules.push("carrier=tls".into(), set(&[("downtime_ms", "+20 %")]));
        let parameters = |carrier: &str| IndexMap::from([("carrier".to_owned(), json!(carrier))]);
        let tcp = rules.of("carrier=tcp", &parameters("tcp"));
        let tls = rules.of("carrier=tls", &parameters("tls"));
        assert_eq!(tcp.metrics["downtime_ms"].tolerance, Some(0.1));
        assert_eq!(tls.metrics["downtime_ms"].tolerance, Some(0.2));
        assert_eq!(tls.metrics["downtime_ms"].limits.len(), 1);
        assert_eq!(tls.outcomes.len(), 1);
        rules.ask(&["downtime_ms=5%".parse().unwrap()]);
        let tls = rules.of("carrier=tls", &parameters("tls"));
        assert_eq!(tls.metrics["downtime_ms"].tolerance, Some(0.05));
    }

    #[test]
    fn what_was_meant_is_found() {
        for (name, meant) in [
            ("downtime", Some("downtime_ms")),
            ("downtime-ms", Some("downtime_ms")),
            ("Blackout_MS", Some("blackout_ms")),
            ("total_tiem_ms", Some("total_time_ms")),
            ("complete", Some("completed")),
            ("did_not_converge", Some("did-not-converge")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name), meant, "{name}");
        }
    }

    #[test]
    fn the_command_line_is_read_like_the_file() {
        let wrong = |text: &str| text.parse::<Asked>().unwrap_err();
        assert!("blackout_ms=+5 %, <= 1 s".parse::<Asked>().is_ok());
        assert!("completed=all".parse::<Asked>().is_ok());
        assert_eq!(
            wrong("blackout_ms<=300ms"),
            "`blackout_ms<=300ms` is not METRIC=RULE; write `blackout_ms=<=300ms`"
        );
        assert!(wrong("downtime=5%").contains("did you mean `downtime_ms`?"));
        assert!(wrong("downtime_ms").contains("METRIC=RULE"));
    }
}
