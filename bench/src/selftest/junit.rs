//! The XML of `JUnit`, as Jenkins and GitLab read it: one suite, a case each; a case's class is its carrier and mode.

use std::fmt::Write as _;

use super::report::{Outcome, Report};

/// The whole document.
pub fn junit(reports: &[Report]) -> String {
    let skipped = reports
        .iter()
        .filter(|report| matches!(report.outcome, Outcome::Skipped(_)))
        .count();
    let failures = reports.iter().filter(|report| report.is_failure()).count();
    let seconds: f64 = reports.iter().map(|report| report.took.as_secs_f64()).sum();
    let counts = format!(
        "name=\"lmbench selftest\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\"",
        reports.len()
    );
    let mut xml =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite {counts}>\n");
    for report in reports {
        let (class, name) = report.name.rsplit_once('/').unwrap_or(("", &report.name));
        let class = format!("selftest.{}", class.replace('/', "."));
        let _ = write!(
            xml,
            "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escaped(&class),
            escaped(name),
            report.took.as_secs_f64()
        );
        let _ = match &report.outcome {
            Outcome::Ok => writeln!(xml, "/>"),
            Outcome::Skipped(reason) => writeln!(
                xml,
                "><skipped message=\"{}\"/></testcase>",
                escaped(reason)
            ),
            Outcome::NotOk(problem) => writeln!(
                xml,
                "><failure message=\"{}\">expected: {}\nrepeat with: {}\n\n{}</failure></testcase>",
                escaped(problem),
                escaped(report.expected),
                escaped(&report.command),
                escaped(&report.scenario)
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
    use super::super::report::examples;
    use super::*;

    #[test]
    fn nothing_that_is_said_breaks_the_document() {
        insta::assert_snapshot!(junit(&examples::reports()), @r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
        <testsuite name="lmbench selftest" tests="3" failures="1" errors="0" skipped="1" time="24.642">
        <testcase classname="selftest.tls.pre-copy" name="ok" time="8.214"/>
        <testcase classname="selftest.quic.pre-copy" name="link-flap" time="8.214"><failure message="it is failed: &quot;&lt;peer&gt; &amp; 'us'&quot; # said
        line two\u{1b}[0m ]]&gt;\u{0}">expected: the guest arrives intact
        repeat with: lmbench selftest --filter quic/pre-copy/link-flap

        name = &quot;selftest&quot;
        </failure></testcase>
        <testcase classname="selftest.tcp.multifd-post-copy" name="ok" time="8.214"><skipped message="QEMU 10.0 refuses #multifd with post-copy"/></testcase>
        </testsuite>
        </testsuites>
        "##);
    }

    #[test]
    fn what_xml_can_not_hold_is_written_out() {
        assert_eq!(
            escaped("a\u{0}b\u{1b}c\u{ffff}"),
            "a\\u{0}b\\u{1b}c\\u{ffff}"
        );
        assert_eq!(escaped("<&\">'"), "&lt;&amp;&quot;&gt;'");
    }
}
