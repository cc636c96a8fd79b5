//! The exit codes as a page.

use std::fmt::Write as _;

use super::cell;
use crate::commands::Exit;

pub(super) fn text() -> String {
    let mut page = String::from(
        "# Exit codes\n\n\
         The same for every command. A migration that does not converge within its timeout is a result, not an error; a gate may think otherwise.\n\n\
         | code | means | when |\n|---|---|---|\n",
    );
    for exit in Exit::ALL {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            exit as u8,
            cell(exit.name()),
            cell(exit.meaning())
        );
    }
    page
}
