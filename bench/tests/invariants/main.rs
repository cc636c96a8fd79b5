//! The rules that hold between the packages and files of this workspace. Each checker is first shown something that breaks its rule.

mod commit;
mod files;
mod packages;
mod published;
mod test_command;
mod vm;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench
        .parent()
        .expect("the package lies in the workspace")
        .to_owned()
}
