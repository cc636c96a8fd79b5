//! What can be wrong with a scenario: a sentence, a place, and what to do. Collected, never thrown.

use crate::scenario::tree::Span;
pub(crate) use lmbench_record::nearest::nearest;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is wrong.
    pub(crate) title: String,
    /// Where.
    pub(crate) span: Span,
    /// What stands there, beside the caret.
    pub(crate) label: String,
    /// Other places that have to do with it.
    pub(crate) related: Vec<(Span, String)>,
    /// The next thing to try.
    pub(crate) hint: String,
}

impl Problem {
    /// A problem at a place.
    pub(crate) fn at(span: &Span, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            span: span.clone(),
            label: String::new(),
            related: Vec::new(),
            hint: String::new(),
        }
    }

    /// Says something beside the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Shows another place, if there is one.
    pub(crate) fn also(mut self, span: Option<&Span>, label: impl Into<String>) -> Self {
        if let Some(span) = span.filter(|span| **span != self.span) {
            self.related.push((span.clone(), label.into()));
        }
        self
    }

    /// Says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// The problems so far, each once.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Adds one. Cells of a matrix share most of their text, hence most of their problems: the second identical one is dropped.
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.list.len() < PROBLEMS_MAX && !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them in the order of the file.
    pub(crate) fn sorted(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| problem.span.start);
        self.list
    }
}

/// A table's path for people: elements of a list are phases, counted from 1.
pub(crate) fn table_name(path: &str) -> String {
    let segments: Vec<&str> = path.split('.').collect();
    let Some(index) = segments
        .iter()
        .position(|segment| segment.parse::<usize>().is_ok())
    else {
        return format!("[{path}]");
    };
    let number = segments[index]
        .parse::<usize>()
        .map_or(0, |number| number + 1);
    let inside = segments[index + 1..]
        .iter()
        .map(|segment| format!("`{segment}` of "));
    format!(
        "{}phase {number} of [{}]",
        inside.collect::<String>(),
        segments[..index].join(".")
    )
}

/// Problems kept at most. Nobody reads more, and looking for duplicates among them stays cheap however odd the file.
const PROBLEMS_MAX: usize = 1000;
