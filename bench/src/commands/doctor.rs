//! `lmbench doctor`.

use std::path::Path;

use super::signals::Signals;
use super::{Exit, Failed, print, print_json, runtime, say};
use crate::cli::Format;
use crate::store::Store;
use crate::{calibrate, doctor, terminal};

pub(super) fn main(format: Format, out: &Path) -> Result<Exit, Failed> {
    let findings = doctor::examine_for(out);
    match format {
        Format::Human => print(|output| output.write_all(doctor::text(&findings).as_bytes()))?,
        Format::Json => print_json(&doctor::json(&findings))?,
    };
    Ok(if doctor::ready(&findings) {
        Exit::Success
    } else {
        Exit::Environment
    })
}

/// `--calibrate`. What can't be measured here is no error: it is said beside its instrument.
pub(super) fn calibrate(format: Format, out: &Path) -> Result<Exit, Failed> {
    say("calibrating the instruments, which takes about 15 s");
    let calibration = runtime()?.block_on(async {
        let mut signals = Signals::catch()?;
        // Dropped half-way it ends its guest and removes its files.
        tokio::select! {
            biased;
            () = signals.next() => Err(Failed::new(Exit::Interrupted, "interrupted: nothing was kept")),
            calibration = calibrate::calibrate() => Ok(calibration),
        }
    })?;
    let kept = Store::open(out).keep_calibration(&calibration);
    let printed = match format {
        Format::Json => print_json(&calibration),
        Format::Human => {
            print(|output| output.write_all(terminal::calibration_text(&calibration).as_bytes()))
        }
    };
    // What was measured is worth seeing even if it can't be kept.
    let path = kept.map_err(|error| Failed::from_error(Exit::Environment, &error))?;
    say(&format!("kept in {}", path.display()));
    printed
}
