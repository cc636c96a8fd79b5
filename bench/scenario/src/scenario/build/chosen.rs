//! Which of several tables a cell uses.

use crate::scenario::matrix::Document;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::tree::Span;

/// What was chosen, and where.
pub(super) struct Chosen<T> {
    pub(super) spec: T,
    /// Where the name stands.
    pub(super) span: Option<Span>,
    /// Whether anybody can know what was meant.
    pub(super) known: bool,
}

/// The name: the matrix's or the file's choice, or the only table with settings.
pub(super) fn chosen(
    document: &Document,
    section: &Section<'_>,
    what: &str,
    problems: &mut Problems,
) -> (Option<String>, Option<Span>, bool) {
    if let Some(selected) = document.selected(what) {
        return (
            selected.name.clone(),
            Some(selected.span.clone()),
            selected.name.is_some(),
        );
    }
    match section.entries() {
        [] => (None, None, true),
        [only] => (Some(only.key.clone()), Some(only.key_span.clone()), true),
        [first, .., last] => {
            let names: Vec<String> = section
                .entries()
                .iter()
                .map(|entry| format!("\"{}\"", entry.key))
                .collect();
            problems.push(
                Problem::at(
                    &last.key_span,
                    format!("more than one {what}, and nothing chooses"),
                )
                .label("this one?")
                .also(Some(&first.key_span), "or this one?")
                .hint(format!(
                    "keep one, or write {what} = [{}] under [matrix]",
                    names.join(", ")
                )),
            );
            (None, None, false)
        }
    }
}
