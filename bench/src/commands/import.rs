//! `lmbench import FORMAT FILE…`.

use std::io::Write as _;

use super::{Exit, Failed, print};
use crate::cli::ImportFormat;
use crate::import::guestperf::{self, Imported};
use crate::store::{Store, StoreError};

pub(super) fn main(format: &ImportFormat) -> Result<Exit, Failed> {
    let ImportFormat::Guestperf { files, out } = format;
    let store = Store::open(out);
    let mut worst = Exit::Success;
    // One bad file must not cost the others.
    let mut refuse = |failed: Failed| {
        let _ = writeln!(anstream::stderr(), "{}", failed.text);
        worst = failed.exit;
    };
    let mut reports = Vec::new();
    for file in files {
        match guestperf::read(file) {
            Ok(report) => reports.push(report),
            Err(error) => refuse(Failed::from_error(Exit::Usage, &error)),
        }
    }
    let mut ids = String::new();
    for imported in guestperf::runs(reports) {
        for note in &imported.notes {
            let _ = writeln!(anstream::stderr(), "note: {note}");
        }
        match keep(&store, &imported) {
            Ok(()) => {
                ids += &imported.record.run_id;
                ids.push('\n');
            }
            Err(failed) => refuse(failed),
        }
    }
    print(|output| output.write_all(ids.as_bytes()))?;
    Ok(worst)
}

fn keep(store: &Store, imported: &Imported) -> Result<(), Failed> {
    let record = &imported.record;
    let id = &record.run_id;
    if store.out_dir().join(id).exists() {
        let text = match record.environment.details.get("imported_file") {
            Some(file) => format!("{file} is imported already, as {id:?}"),
            None => format!(
                "all {} reports of {id:?} are imported already",
                record.done()
            ),
        };
        return Err(Failed::new(Exit::Usage, text).hint(format!(
            "`lmbench show {id}` shows it; remove its folder to import it again"
        )));
    }
    let environment = |error: StoreError| Failed::from_error(Exit::Environment, &error);
    let writer = store.create_run(record).map_err(environment)?;
    writer
        .append_samples(&imported.samples)
        .map_err(environment)?;
    writer.finish().map_err(environment)
}
