//! What the documentation says holds: its commands exist, and the pages that code writes are the ones in git.

mod commands;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().expect("the workspace").to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
