//! A scenario's bytes, up to the plan of its run or to all of its errors as they are shown.

use std::path::Path;

use lmbench::plan::Plan;
use lmbench::{scenario, scenario_text};

/// Must neither panic nor take long, whatever `input` is.
pub(crate) fn read(input: &[u8]) {
    match scenario::parse_bytes(Path::new("scenario.toml"), input) {
        Ok(scenario) => {
            if let Ok(plan) = Plan::new(&scenario, &[], None, None) {
                assert!(!plan.to_string().is_empty());
            }
        }
        Err(error) => {
            assert!(error.problem_count() > 0);
            for styled in [false, true] {
                assert!(error.render(styled).contains("scenario.toml"));
            }
        }
    }
    // What the gate and baselines read of the scenario in a record, which need not be valid as a whole.
    if let Ok(text) = std::str::from_utf8(input) {
        if let Err(error) = scenario::rules(Path::new("scenario.toml"), text) {
            assert!(error.to_string().contains("scenario.toml"));
        }
        let _ = scenario_text::settings(text);
    }
}
