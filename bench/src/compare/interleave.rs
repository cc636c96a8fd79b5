//! Two scenarios as one, whose cells take turns: what troubles the machine then troubles both alike.

use sha2::{Digest as _, Sha256};

use super::Choice;
use crate::scenario::{Cell, Scenario};

/// The axis that tells the cells of both scenarios apart.
const VARIANT: &str = "variant";

/// Both scenarios' cells, in the order and as often as the base says.
///
/// The text of the whole is both texts one after the other. It is no scenario file, but it is the same whenever the files are, so that
/// such a run can be resumed.
pub fn interleaved(base: Scenario, candidate: Scenario) -> Scenario {
    let text = format!(
        "# Two scenarios that took turns.\n# {VARIANT} = \"base\"\n{}\n# {VARIANT} = \"candidate\"\n{}",
        base.text, candidate.text
    );
    let name = if base.name == candidate.name {
        base.name
    } else {
        let both = format!("{}-against-{}", base.name, candidate.name);
        both.chars().take(NAME_MAX).collect()
    };
    let of = |variant: &'static str| move |cell: Cell| named(cell, variant);
    let cells = base.cells.into_iter().map(of("base"));
    Scenario {
        name,
        about: base.about,
        sha256: format!("{:x}", Sha256::digest(&text)),
        text,
        cells: cells
            .chain(candidate.cells.into_iter().map(of("candidate")))
            .collect(),
        run: base.run,
        gate: base.gate,
    }
}

/// The cells of one of them in the record of both.
pub fn variant(name: &str) -> Choice {
    Choice::cells(format!("{VARIANT}={name}"))
}

fn named(cell: Cell, variant: &str) -> Cell {
    let id = if cell.parameters.is_empty() {
        format!("{VARIANT}={variant}")
    } else {
        format!("{VARIANT}={variant},{}", cell.id)
    };
    let mut parameters = cell.parameters;
    parameters.shift_insert(0, VARIANT.to_owned(), variant.into());
    Cell {
        id,
        parameters,
        ..cell
    }
}

/// As long as a scenario's own name may be.
const NAME_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::Plan;

    fn scenario(name: &str, limit: &str, carriers: &str) -> Scenario {
        let text = format!(
            "name = \"{name}\"\n[guest]\nmemory = \"192 MiB\"\n[workload.uniform]\nmemory = \"32 MiB\"\nrate = \"40 MiB/s\"\n\
             [migration]\ndowntime-limit = \"{limit}\"\n{carriers}"
        );
        crate::scenario::parse(Path::new("scenario.toml"), &text).unwrap()
    }

    #[test]
    fn cells_of_both_take_turns() {
        let axes = "[matrix]\ncarrier = [\"native-tcp\", \"tcp\"]\n";
        let both = interleaved(
            scenario("short", "100 ms", axes),
            scenario("long", "500 ms", axes),
        );
        let plan = Plan::new(&both, &[], Some(4), None).unwrap();
        let ids: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "variant=base,carrier=native-tcp",
                "variant=base,carrier=tcp",
                "variant=candidate,carrier=native-tcp",
                "variant=candidate,carrier=tcp"
            ]
        );
        assert_eq!(both.name, "short-against-long");
        for round in plan.steps.chunks(4) {
            assert!(round.iter().all(|step| step.repeat == round[0].repeat));
        }
        let limits: Vec<u128> = plan
            .cells
            .iter()
            .map(|cell| cell.setup.migration.downtime_limit.as_millis())
            .collect();
        assert_eq!(limits, [100, 100, 500, 500]);
        let again = interleaved(
            scenario("short", "100 ms", axes),
            scenario("long", "500 ms", axes),
        );
        assert_eq!(again, both);
    }

    #[test]
    fn a_scenario_without_axes_has_one_cell_of_each() {
        let both = interleaved(
            scenario("same", "100 ms", ""),
            scenario("same", "200 ms", ""),
        );
        let ids: Vec<&str> = both.cells.iter().map(|cell| cell.id.as_str()).collect();
        assert_eq!(ids, ["variant=base", "variant=candidate"]);
        assert_eq!(both.name, "same");
    }
}
