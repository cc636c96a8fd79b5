//! What it cost the policy to decide, and how soon its actions came.

use super::time_line::TimeLine;
use super::{Values, number};

pub(super) fn measure(values: &mut Values, line: &TimeLine<'_>) {
    let Some(summary) = line.events.iter().rfind(|event| event.name == "decisions") else {
        return;
    };
    for (metric, pointer) in [
        ("decision_cost_us_max", "/cost_us/max"),
        ("decision_reaction_ms_max", "/reaction_ms/max"),
    ] {
        values.put(metric, number(&summary.data, pointer));
    }
}

#[cfg(test)]
mod tests {
    use lmbench_harness::role::Role;
    use serde_json::{Value, json};

    use super::super::synthetic::Story;

    fn story(reaction: &Value) -> Story {
        let data = json!({ "cost_us": { "max": 12.5 }, "reaction_ms": reaction });
        Story::new(1000.0).event(Role::Source, 990.0, "decisions", data)
    }

    #[test]
    fn a_policy_that_never_acted_has_only_a_cost() {
        let values = |story: &Story| {
            ["decision_cost_us_max", "decision_reaction_ms_max"].map(|metric| story.value(metric))
        };
        let acted = story(&json!({ "max": 3.5 }));
        assert_eq!(values(&acted), [Some(12.5), Some(3.5)]);
        assert_eq!(values(&story(&Value::Null)), [Some(12.5), None]);
        assert_eq!(values(&Story::new(1000.0)), [None, None]);
    }
}
