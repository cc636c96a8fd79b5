//! Errors as users see them: one text of an error and all its causes, the hints at its end.

use std::error::Error;

/// An error with its causes, each of which says only its own part. What follows `hint: ` at the beginning of a line is
/// the next thing to try; hints of the whole chain come last, each once, on lines of their own.
pub fn chain(error: &dyn Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let mut parts = text.split("\nhint: ");
        let words = parts.next().unwrap_or_default().trim();
        hints.extend(parts.map(|hint| hint.trim().to_owned()));
        // Transparent wrappers, and texts that quote their cause, would say it twice; some quote it without its place in the file.
        let what = words
            .rsplit_once(" at line ")
            .map_or(words, |(what, _)| what);
        if !words.is_empty() && !said.iter().any(|earlier| earlier.contains(what)) {
            said.push(words.to_owned());
        }
        next = error.source();
    }
    let mut text = said.join(": ");
    let mut seen = Vec::new();
    for hint in hints {
        if !seen.contains(&hint) {
            text = format!("{text}\nhint: {hint}");
            seen.push(hint);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn link(text: &'static str, source: Option<Link>) -> Link {
        Link {
            text,
            source: source.map(Box::new),
        }
    }

    #[test]
    fn causes_come_once_and_hints_last() {
        let system = || link("not a directory", None);
        let open = link("cannot open x\nhint: choose another", Some(system()));
        let outer = link("no lab\nhint: choose another", Some(open));
        assert_eq!(
            chain(&outer),
            "no lab: cannot open x: not a directory\nhint: choose another"
        );
        let quoting = link(
            "cannot list x: not a directory\nhint: a file",
            Some(system()),
        );
        assert_eq!(
            chain(&quoting),
            "cannot list x: not a directory\nhint: a file"
        );
        let parser = link("EOF while parsing an object at line 2 column 0", None);
        let placed = "x is damaged at line 2, column 0: EOF while parsing an object";
        assert_eq!(chain(&link(placed, Some(parser))), placed);
    }
}
