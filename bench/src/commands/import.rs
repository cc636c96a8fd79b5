//! `lmbench import FORMAT FILE…`.

use std::io::Write as _;

use super::{Exit, Failed, print};
use crate::cli::ImportFormat;
use crate::import::guestperf;
use crate::store::{Store, StoreError};

pub(super) fn main(format: &ImportFormat) -> Result<Exit, Failed> {
    let ImportFormat::Guestperf { files, out } = format;
    let store = Store::open(out);
    let mut worst = Exit::Success;
    let mut imported = String::new();
    for file in files {
        // One bad file must not cost the others.
        match one(&store, file) {
            Ok(id) => {
                imported += &id;
                imported.push('\n');
            }
            Err(failed) => {
                let _ = writeln!(anstream::stderr(), "{}", failed.text);
                worst = failed.exit;
            }
        }
    }
    print(|output| output.write_all(imported.as_bytes()))?;
    Ok(worst)
}

fn one(store: &Store, file: &std::path::Path) -> Result<String, Failed> {
    let imported =
        guestperf::import(file).map_err(|error| Failed::from_error(Exit::Usage, &error))?;
    let id = imported.record.run_id.clone();
    if store.out_dir().join(&id).exists() {
        return Err(Failed::new(
            Exit::Usage,
            format!(
                "{:?} is imported already, as {id:?}",
                file.to_string_lossy()
            ),
        )
        .hint(format!(
            "`lmbench show {id}` shows it; remove its folder to import it again"
        )));
    }
    let environment = |error: StoreError| Failed::from_error(Exit::Environment, &error);
    let writer = store.create_run(&imported.record).map_err(environment)?;
    writer
        .append_samples(&imported.samples)
        .map_err(environment)?;
    writer.finish().map_err(environment)?;
    Ok(id)
}
