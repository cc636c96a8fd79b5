//! `--filter`: which cases.

use super::cases::Case;
use crate::scenario::nearest;

/// A name, a part of one, or a pattern of the whole with `*` and `?`; `quick` is the subset for CI. Several are separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Vec<String>);

impl Filter {
    /// Everything if nothing is given.
    pub fn new(words: &[String]) -> Filter {
        let words = words.iter().flat_map(|word| word.split(','));
        Filter(
            words
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Whether a case is wanted.
    pub fn takes(&self, case: &Case) -> bool {
        self.takes_name(&case.name) || (case.quick && self.0.iter().any(|word| word == "quick"))
    }

    /// Whether something of that name is wanted.
    pub fn takes_name(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| matches(word, name))
    }

    /// As it was given.
    pub fn words(&self) -> String {
        self.0.join(",")
    }
}

/// A name like the one that was meant.
pub fn nearest_name<'a>(filter: &Filter, cases: &'a [Case]) -> Option<&'a str> {
    let word = filter.0.first()?;
    let near = nearest(word, cases.iter().map(|case| case.name.as_str()))?;
    cases
        .iter()
        .map(|case| case.name.as_str())
        .find(|name| *name == near)
}

fn matches(word: &str, name: &str) -> bool {
    if word.contains(['*', '?']) {
        glob(word.as_bytes(), name.as_bytes())
    } else if word.matches('/').count() == 2 {
        // A whole name: tls/pre-copy/ok is not a part of native-tls/pre-copy/ok.
        word == name
    } else {
        name.contains(word)
    }
}

/// The usual way with one memory of the last star: no pattern takes longer than its length times the name's.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[here] => {
                at += 1;
                here += 1;
            }
            _ => {
                let Some((after, from)) = star else {
                    return false;
                };
                star = Some((after, from + 1));
                at = after + 1;
                here = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::matrix;

    #[test]
    fn words_are_parts_and_patterns_are_wholes() {
        let name = "tls/post-copy/link-cut-recovered";
        for (word, fits) in [
            ("post-copy", true),
            ("tls/post-copy/link-cut-recovered", true),
            ("tls/*", true),
            ("*/link-cut*", true),
            ("*/post-????/*", true),
            ("quic", false),
            ("tls/post-copy/*/x", false),
            ("post-copy/*", false),
            ("*cut", false),
            ("*", true),
        ] {
            assert_eq!(matches(word, name), fits, "{word}");
        }
    }

    #[test]
    fn quick_is_a_subset_and_nothing_is_everything() {
        let (cases, _) = matrix();
        let count = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let filter = Filter::new(&words);
            cases.iter().filter(|case| filter.takes(case)).count()
        };
        assert_eq!(count(&[]), cases.len());
        let quick = cases.iter().filter(|case| case.quick).count();
        assert_eq!(count(&["quick"]), quick);
        assert_eq!(count(&["quick", "no-such"]), quick);
        assert_eq!(count(&["tls/pre-copy/ok,quic/pre-copy/ok"]), 2);
        assert_eq!(count(&["no-such"]), 0);
    }
}
