//! Errors as users see them.

pub use lmbench_os::error::chain;

use crate::text::clean;

/// What is wrong with a text that is no JSON, without the place, which `serde_json` puts at the end and messages of ours name themselves. Names
/// in it come from the file, so it is cleaned.
pub(crate) fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    clean(
        text.rsplit_once(" at line ")
            .map_or(text.as_str(), |(problem, _)| problem),
    )
}
