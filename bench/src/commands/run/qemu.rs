//! `lmbench run --qemu PROGRAM`: all cells with the QEMU that the user names. A run goes on with the one that it was begun with.

use std::path::Path;

use super::super::{Exit, Failed};
use crate::doctor::program::{Kind, examine};
use crate::programs::{Program, Programs};
use crate::record::Record;
use crate::scenario::Scenario;

/// The scenario with the QEMU that was asked for, or that the run was begun with.
pub(super) fn chosen(
    scenario: &Scenario,
    asked: Option<&Path>,
    begun: Option<&Record>,
) -> Result<Scenario, Failed> {
    let before = begun.and_then(recorded);
    let path = asked.or(before.as_ref().map(|program| program.path.as_path()));
    let Some(path) = path else {
        return Ok(scenario.clone());
    };
    let qemu =
        examine(path, Kind::Qemu).map_err(|error| Failed::from_error(Exit::Usage, &error))?;
    if let Some(begun) = begun
        && before.as_ref().map(|program| &program.sha256) != Some(&qemu.sha256)
    {
        let id = &begun.run_id;
        let with = before.map_or_else(
            || "without --qemu".to_owned(),
            |program| format!("with {program}"),
        );
        let message = format!(
            "run {id} was begun {with}, and this is {qemu}\nhint: start a new run, or resume it with the QEMU that it was begun with"
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    let programs = Programs {
        qemu: Some(qemu),
        lmbench: None,
    };
    let mut scenario = scenario.clone();
    for cell in &mut scenario.cells {
        cell.setup.programs = programs.clone();
    }
    Ok(scenario)
}

/// The QEMU that a record names.
fn recorded(record: &Record) -> Option<Program> {
    let programs = record.environment.details.get(Programs::OF_ALL)?;
    let programs: Programs = serde_json::from_value(programs.clone()).ok()?;
    programs.qemu
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::record::example;

    #[test]
    fn a_run_goes_on_with_the_qemu_it_was_begun_with() {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str| {
            let path = folder.path().join(name);
            fs::write(
                &path,
                format!(
                    "#!/bin/sh\necho QEMU emulator version 10.1.{}\n",
                    name.len()
                ),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (one, other) = (program("a"), program("bb"));
        let text = "name = \"x\"\nworkload.idle = {}\n";
        let scenario = crate::scenario::parse("x.toml".as_ref(), text).unwrap();
        let mut record = example::empty("x", 1, 1);

        assert_eq!(chosen(&scenario, None, Some(&record)).unwrap(), scenario);
        let refused = |asked: &Path, record: &Record| {
            let failed = chosen(&scenario, Some(asked), Some(record)).unwrap_err();
            assert_eq!(failed.exit, Exit::Usage);
            failed.text
        };
        assert!(refused(&one, &record).contains("begun without --qemu"));

        let with = chosen(&scenario, Some(&one), None).unwrap();
        let programs = with.cells[0].setup.programs.clone();
        let details = &mut record.environment.details;
        details.insert(Programs::OF_ALL.to_owned(), serde_json::json!(programs));
        assert_eq!(chosen(&scenario, None, Some(&record)).unwrap(), with);
        assert_eq!(chosen(&scenario, Some(&one), Some(&record)).unwrap(), with);
        assert!(refused(&other, &record).contains("begun with 10.1.1"));
    }
}
