//! TAP version 14: a line per case as soon as it is done, for `prove` and every CI that reads it.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::report::{Outcome, Report};
use crate::terminal::text::clean;

/// A TAP document that grows.
pub struct Tap<W> {
    output: W,
    number: usize,
}

impl<W: Write> Tap<W> {
    /// Begins one of `cases` tests.
    pub fn begin(mut output: W, cases: usize) -> io::Result<Self> {
        writeln!(output, "TAP version 14\n1..{cases}")?;
        output.flush()?;
        Ok(Tap { output, number: 0 })
    }

    /// The next case.
    pub fn tell(&mut self, report: &Report) -> io::Result<()> {
        self.number += 1;
        let (number, name) = (self.number, described(&report.name));
        let text = match &report.outcome {
            Outcome::Ok => format!("ok {number} - {name}\n{}", details(report, None)),
            Outcome::NotOk(problem) => {
                format!(
                    "not ok {number} - {name}\n{}",
                    details(report, Some(problem))
                )
            }
            Outcome::Skipped(reason) => {
                format!("ok {number} - {name} # SKIP {}\n", described(reason))
            }
        };
        self.output.write_all(text.as_bytes())?;
        self.output.flush()
    }

    /// Nothing more can be tried.
    pub fn bail_out(&mut self, reason: &str) -> io::Result<()> {
        writeln!(self.output, "Bail out! {}", clean(reason))?;
        self.output.flush()
    }
}

/// In a description a hash begins a directive, so it is escaped, and the escape is too.
fn described(text: &str) -> String {
    clean(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// A YAML block of plain scalars in double quotes, which are JSON's.
fn details(report: &Report, problem: Option<&String>) -> String {
    let mut block = String::from("  ---\n");
    let _ = writeln!(block, "  duration_ms: {}", report.took.as_millis());
    if let Some(problem) = problem {
        let lines = [
            ("message", problem.as_str()),
            ("expected", report.expected),
            ("repeat_with", report.command.as_str()),
        ];
        for (key, text) in lines {
            let quoted = serde_json::Value::from(clean(text)).to_string();
            let _ = writeln!(block, "  {key}: {quoted}");
        }
    }
    block.push_str("  ...\n");
    block
}

#[cfg(test)]
mod tests {
    use super::super::report::examples;
    use super::*;

    #[test]
    fn nothing_that_is_said_breaks_the_format() {
        let mut output = Vec::new();
        let reports = examples::reports();
        let mut tap = Tap::begin(&mut output, reports.len()).unwrap();
        for report in &reports {
            tap.tell(report).unwrap();
        }
        tap.bail_out("the lab\nis gone").unwrap();
        insta::assert_snapshot!(String::from_utf8(output).unwrap(), @r##"
        TAP version 14
        1..3
        ok 1 - tls/pre-copy/ok
          ---
          duration_ms: 8214
          ...
        not ok 2 - quic/pre-copy/link-flap
          ---
          duration_ms: 8214
          message: "it is failed: \"<peer> & 'us'\" # said\\nline two\\u{1b}[0m ]]>\\0"
          expected: "the guest arrives intact"
          repeat_with: "lmbench selftest --filter quic/pre-copy/link-flap"
          ...
        ok 3 - tcp/multifd-post-copy/ok # SKIP QEMU 10.0 refuses \#multifd with post-copy
        Bail out! the lab\nis gone
        "##);
    }
}
