//! Why a scenario could not be used, rendered the way rustc does: line, caret, label, hint.

use std::fmt;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use lmbench_record::scenario_text::SCENARIO_BYTES_MAX;

use crate::scenario::BUILTINS;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::tree::Span;

/// Problems shown at most; a file with more has one cause for many of them.
const SHOWN_MAX: usize = 40;

/// Why a scenario could not be used.
#[derive(Debug)]
pub enum ScenarioError {
    /// The file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too large to be a scenario.
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It was read and is not a valid scenario. Displays as all its problems, with their places.
    Invalid(Box<Invalid>),
}

/// A scenario's text and what is wrong with it.
#[derive(Debug)]
pub struct Invalid {
    origin: String,
    text: String,
    problems: Vec<Problem>,
}

impl ScenarioError {
    pub(crate) fn invalid(origin: &Path, text: &str, problems: Vec<Problem>) -> Self {
        ScenarioError::Invalid(Box::new(Invalid {
            origin: origin.display().to_string(),
            text: text.to_owned(),
            problems,
        }))
    }

    /// How many problems there are.
    pub fn problem_count(&self) -> usize {
        match self {
            ScenarioError::Read { .. } | ScenarioError::TooLarge { .. } => 1,
            ScenarioError::Invalid(invalid) => invalid.problems.len(),
        }
    }

    /// The full text for a person: with colours and box-drawing characters for a terminal, or plain ASCII (as `Display` does).
    pub fn render(&self, styled: bool) -> String {
        match self {
            ScenarioError::Read { path, source } => read_failure(path, source),
            ScenarioError::TooLarge { path } => format!(
                "error: scenario {} is larger than {} KiB\nhint: a scenario is a page of text; is this the right file?",
                path.display(),
                SCENARIO_BYTES_MAX >> 10
            ),
            ScenarioError::Invalid(invalid) => invalid.render(styled),
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for ScenarioError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ScenarioError::Read { source, .. } => Some(source),
            ScenarioError::TooLarge { .. } | ScenarioError::Invalid(_) => None,
        }
    }
}

fn read_failure(path: &Path, source: &std::io::Error) -> String {
    let hint = match source.kind() {
        std::io::ErrorKind::NotFound => {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let near = nearest(&name, BUILTINS.iter().map(|builtin| builtin.name));
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            format!("{near}give the path of a file, or a name that `lmbench scenarios` lists")
        }
        std::io::ErrorKind::IsADirectory => "give the path of a file in it".to_owned(),
        _ => "check that it is a file that you may read".to_owned(),
    };
    // The one error whose text repeats its source: a person reads it alone, and "cannot read" without the reason helps nobody.
    format!(
        "error: cannot read scenario {}: {source}\nhint: {hint}",
        path.display()
    )
}

impl Invalid {
    fn render(&self, styled: bool) -> String {
        let renderer = if styled {
            Renderer::styled().decor_style(DecorStyle::Unicode)
        } else {
            Renderer::plain()
        };
        let shown = self.problems.iter().take(SHOWN_MAX);
        let mut parts: Vec<String> = shown
            .map(|problem| self.render_one(&renderer, problem))
            .collect();
        let count = self.problems.len();
        if count > SHOWN_MAX {
            parts.push(format!("... and {} more", count - SHOWN_MAX));
        }
        if count > 1 {
            parts.push(format!("{count} problems in {}", self.origin));
        }
        parts.join("\n\n")
    }

    fn render_one(&self, renderer: &Renderer, problem: &Problem) -> String {
        let primary = AnnotationKind::Primary
            .span(self.fit(&problem.span))
            .label((!problem.label.is_empty()).then_some(problem.label.as_str()));
        let related = problem.related.iter().map(|(span, label)| {
            AnnotationKind::Context
                .span(self.fit(span))
                .label(label.as_str())
        });
        let snippet = Snippet::source(self.text.as_str())
            .path(self.origin.as_str())
            .annotation(primary)
            .annotations(related);
        let mut group = Level::ERROR
            .primary_title(problem.title.as_str())
            .element(snippet);
        if !problem.hint.is_empty() {
            group = group.element(Level::HELP.with_name("hint").message(problem.hint.as_str()));
        }
        renderer.render(&[group])
    }

    /// The span inside the text and on character borders: the renderer panics on others, and no error text is worth a panic.
    fn fit(&self, span: &Span) -> Span {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = span.end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}
