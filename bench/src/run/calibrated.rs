//! The calibration that a new record gets: the one below `--out`, if it was measured on such a machine.

use crate::event::RunEvent;
use crate::record::{Calibration, Environment};
use crate::store::Store;

/// `None` without one, and with a warning if there is one that can't be used here: its figures would be another machine's.
pub(super) fn fitting(
    store: &Store,
    environment: &Environment,
    observer: &mut dyn FnMut(RunEvent),
) -> Option<Calibration> {
    let warning = match store.calibration() {
        Ok(None) => return None,
        Ok(Some(calibration)) => match calibration.misfit(environment) {
            None => return Some(calibration),
            Some(why) => format!(
                "{} does not fit and is not used: {why}; `lmbench doctor --calibrate` makes another",
                store.calibration_path().display()
            ),
        },
        Err(error) => crate::error::chain(&error),
    };
    observer(RunEvent::Warning(warning));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::example;

    #[test]
    fn only_a_calibration_of_this_machine_is_used_and_others_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path());
        let mut environment = example::jvm().environment;
        let found = |environment: &Environment| {
            let mut told = Vec::new();
            let found = fitting(&store, environment, &mut |event| match event {
                RunEvent::Warning(text) => told.push(text),
                other => panic!("{other:?}"),
            });
            (found, told.join("; "))
        };
        assert_eq!(found(&environment), (None, String::new()));
        store.keep_calibration(&example::calibration()).unwrap();
        let fitting = Some(example::calibration());
        assert_eq!(found(&environment), (fitting, String::new()));
        "9.2.0".clone_into(&mut environment.qemu);
        let (used, told) = found(&environment);
        assert_eq!(used, None);
        assert!(
            told.contains("QEMU was 10.0.2 then and is 9.2.0 now"),
            "{told}"
        );
        std::fs::write(store.calibration_path(), "{").unwrap();
        let (used, told) = found(&environment);
        assert_eq!(used, None);
        assert!(told.contains("calibration.json"), "{told}");
    }
}
