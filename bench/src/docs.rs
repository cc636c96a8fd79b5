//! The reference pages of the book below `docs/`, written by what they are about: the command line, the keys of scenarios, the registry of metrics,
//! the exit codes. A test compares them with the pages in git, and rewrites those when it is asked to.

mod commands;
mod exits;
mod metrics;

/// A page of the book.
#[derive(Debug)]
pub struct Page {
    /// Where it lies, from the top of the repository.
    pub path: &'static str,
    /// All of it, in Markdown.
    pub text: String,
}

/// Every page that is written by code.
pub fn pages() -> Vec<Page> {
    let page = |path, text: String| Page {
        path,
        text: format!("{HEAD}\n\n{}\n", text.trim_end()),
    };
    vec![
        page("docs/src/reference/commands.md", commands::text()),
        page(
            "docs/src/reference/scenario.md",
            crate::scenario::reference(),
        ),
        page("docs/src/reference/metrics.md", metrics::text()),
        page("docs/src/reference/exit-codes.md", exits::text()),
    ]
}

/// Whoever opens the file sees what it is.
const HEAD: &str = "<!-- Written by lmbench's code; to write it anew: LMBENCH_WRITE_DOCS=1 cargo test -p lmbench --test docs -->";

/// A text in a cell of a table: in one line, and no markup but code between backticks.
fn cell(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| {
        if index % 2 == 1 {
            part.to_owned()
        } else {
            part.replace('*', "\\*").replace('<', "&lt;")
        }
    });
    let text = parts.collect::<Vec<_>>().join("`").replace('|', "\\|");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_one_line_without_markup() {
        assert_eq!(cell("a*b\n<c> | `d|<e>`"), "a\\*b &lt;c> \\| `d\\|<e>`");
    }
}
