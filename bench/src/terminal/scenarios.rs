//! The scenarios that are built in, for who looks for one to begin with.

use super::table::wrapped;
use crate::scenario::Builtin;

/// Each with how long it takes and what it asks, and what to do with one.
pub fn scenarios_text(builtins: &[Builtin]) -> String {
    let mut text = String::new();
    for builtin in builtins {
        text += &wrapped(&format!("{}: {}", builtin.name, builtin.time()), 2);
        text += &wrapped(&format!("  {}", builtin.question()), 2);
    }
    text.push('\n');
    text + &wrapped(
        "`lmbench run NAME` runs one, `lmbench scenarios NAME` prints its file, `lmbench init` makes one of your own",
        0,
    )
}
