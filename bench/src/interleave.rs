//! Two scenarios as one, or one with two sets of programs, whose cells take turns: what troubles the machine then troubles both alike.
//!
//! Of two QEMUs everything on both hosts is one's or the other's. Of two lmbenches the agents and the carriers are, and with them the
//! policies, the guest's own code and what reads the figures on the hosts. The controller, which makes the links, gives the orders and
//! turns readings into metrics, is the executable that compares: so both are measured by the same yardstick, and it must speak their
//! agents' protocol. To compare whole programs instead, controllers and definitions of metrics included, let each do a run.

use sha2::{Digest as _, Sha256};

use crate::compare::Choice;
use crate::programs::Programs;
use crate::scenario::{Cell, Scenario};
use crate::text::clean;

/// The axis that tells the cells of both apart.
const VARIANT: &str = Programs::AXIS;

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

/// A scenario's cells twice, with the programs of either.
///
/// The text is the scenario's, which stays one, and in comments behind it what the programs are: a run is resumed with the same ones only.
pub fn of_programs(scenario: Scenario, base: &Programs, candidate: &Programs) -> Scenario {
    let with = |variant: &'static str, programs: &Programs| {
        let cells = scenario.cells.iter().cloned();
        let programs = programs.clone();
        cells.map(move |mut cell| {
            cell.setup.programs = programs.clone();
            named(cell, variant)
        })
    };
    let cells = with("base", base)
        .chain(with("candidate", candidate))
        .collect();
    // A path with a line break must not become a line of the scenario.
    let line = |variant: &str, programs: &Programs| {
        format!(
            "# {VARIANT} = \"{variant}\": {}\n",
            clean(&programs.to_string())
        )
    };
    let text = format!(
        "{}\n{}{}",
        scenario.text,
        line("base", base),
        line("candidate", candidate)
    );
    Scenario {
        sha256: format!("{:x}", Sha256::digest(&text)),
        text,
        cells,
        ..scenario
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
    use crate::programs::Program;

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

    fn qemu(path: &str, version: &str) -> Programs {
        Programs {
            lmbench: None,
            qemu: Some(Program {
                path: path.into(),
                version: version.to_owned(),
                sha256: "0123456789abcdef".to_owned(),
            }),
        }
    }

    #[test]
    fn programs_take_turns_on_one_scenario() {
        let axes = "[matrix]\ncarrier = [\"native-tcp\", \"tcp\"]\n";
        let (old, new) = (qemu("/opt/old\nx = 1", "9.2.0"), qemu("/opt/new", "10.1.0"));
        let both = of_programs(scenario("one", "100 ms", axes), &old, &new);
        let of = |variant: &str, carrier: &str| format!("variant={variant},carrier={carrier}");
        let found: Vec<(&str, &Programs)> = both
            .cells
            .iter()
            .map(|cell| (cell.id.as_str(), &cell.setup.programs))
            .collect();
        let expected = [
            (of("base", "native-tcp"), &old),
            (of("base", "tcp"), &old),
            (of("candidate", "native-tcp"), &new),
            (of("candidate", "tcp"), &new),
        ];
        let expected: Vec<(&str, &Programs)> = expected
            .iter()
            .map(|(id, programs)| (id.as_str(), *programs))
            .collect();
        assert_eq!(found, expected);
        // The text is still the scenario, and knows the programs.
        let again = crate::scenario::parse(Path::new("x"), &both.text).unwrap();
        assert_eq!(again.name, "one");
        assert!(
            both.text.contains("candidate\": QEMU 10.1.0 (/opt/new"),
            "{}",
            both.text
        );
        let other = of_programs(
            scenario("one", "100 ms", axes),
            &old,
            &qemu("/opt/new", "10.1.1"),
        );
        assert_ne!(other.sha256, both.sha256);
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
