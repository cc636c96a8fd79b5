//! The XML of `JUnit`, as Jenkins and GitLab read it: one suite, a case each. It knows nothing of what the cases are.

use std::fmt::Write as _;

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it belongs to, with dots between.
    pub class: String,
    /// Its name.
    pub name: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How it ended.
    pub result: CaseResult,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseResult {
    /// Well.
    Passed,
    /// Not tried or not told, and why.
    Skipped(String),
    /// Not well.
    Failed {
        /// What is wrong.
        message: String,
        /// All that helps to find out more.
        details: String,
    },
}

/// The whole document.
pub fn document(suite: &str, cases: &[Case]) -> String {
    let count =
        |wanted: fn(&CaseResult) -> bool| cases.iter().filter(|case| wanted(&case.result)).count();
    let skipped = count(|result| matches!(result, CaseResult::Skipped(_)));
    let failures = count(|result| matches!(result, CaseResult::Failed { .. }));
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    let counts = format!(
        "name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\"",
        escaped(suite),
        cases.len()
    );
    let mut xml =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite {counts}>\n");
    for case in cases {
        let _ = write!(
            xml,
            "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escaped(&case.class),
            escaped(&case.name),
            case.seconds
        );
        let _ = match &case.result {
            CaseResult::Passed => writeln!(xml, "/>"),
            CaseResult::Skipped(reason) => writeln!(
                xml,
                "><skipped message=\"{}\"/></testcase>",
                escaped(reason)
            ),
            CaseResult::Failed { message, details } => writeln!(
                xml,
                "><failure message=\"{}\">{}</failure></testcase>",
                escaped(message),
                escaped(details)
            ),
        };
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// Fit for an attribute in double quotes and for text. What XML 1.0 can't hold, not even escaped, is written out.
fn escaped(text: &str) -> String {
    let mut fit = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => fit.push_str("&amp;"),
            '<' => fit.push_str("&lt;"),
            '>' => fit.push_str("&gt;"),
            '"' => fit.push_str("&quot;"),
            '\n' | '\t' => fit.push(character),
            '\u{fffe}' | '\u{ffff}' => fit.extend(character.escape_unicode()),
            _ if character.is_control() => fit.extend(character.escape_unicode()),
            _ => fit.push(character),
        }
    }
    fit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_can_not_hold_is_written_out() {
        assert_eq!(
            escaped("a\u{0}b\u{1b}c\u{ffff}"),
            "a\\u{0}b\\u{1b}c\\u{ffff}"
        );
        assert_eq!(escaped("<&\">'"), "&lt;&amp;&quot;&gt;'");
    }
}
