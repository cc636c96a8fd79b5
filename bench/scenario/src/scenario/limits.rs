//! The longest blackouts that a scenario asks for, of a record whose scenario need not be readable any more.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use crate::scenario::parse;

/// By the cells' ids; none if the text can't be read. A cell that asks for no blackout at all asks for what there is not, and is left out.
pub fn longest_blackouts(text: &str) -> HashMap<String, Duration> {
    let scenario = parse(Path::new("record"), text);
    let cells = scenario.into_iter().flat_map(|scenario| scenario.cells);
    let limits = cells.map(|cell| (cell.id, cell.setup.longest_blackout()));
    limits.filter(|(_, limit)| !limit.is_zero()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_scenarios_and_that_of_pilot_its_goal() {
        let limits = longest_blackouts(
            "name = 'x'\nabout = 'x'\n[workload.idle]\n[migration]\ndowntime-limit = '300 ms'\n\
             [matrix]\npolicy = ['static', 'pilot']\n[policy.pilot]\nmax-blackout = '500 ms'\n",
        );
        let of = |policy: &str| limits.get(&format!("policy={policy}")).copied();
        assert_eq!(of("static"), Some(Duration::from_millis(300)));
        assert_eq!(of("pilot"), Some(Duration::from_millis(500)));
        assert_eq!(longest_blackouts("= no TOML ="), HashMap::new());
    }
}
