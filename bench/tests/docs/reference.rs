//! The pages that code writes are the ones in git.

use std::fs;

use crate::{read, root};

/// Set to write them instead.
const WRITE: &str = "LMBENCH_WRITE_DOCS";

#[test]
fn the_reference_is_what_the_code_says() {
    let mut stale = Vec::new();
    for page in lmbench::docs::pages() {
        let path = root().join(page.path);
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, &page.text).unwrap_or_else(|error| panic!("{}: {error}", page.path));
        } else if !path.exists() || read(page.path) != page.text {
            stale.push(page.path);
        }
    }
    assert!(
        stale.is_empty(),
        "{} no longer say what the code does; write them anew: {WRITE}=1 cargo test -p lmbench --test docs",
        stale.join(", ")
    );
}
