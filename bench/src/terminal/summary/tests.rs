//! The summary of runs that went well, badly, or not at all. Read the snapshots as an operator does.

use super::*;
use crate::record::example;

/// No line is wider than the terminal that the tables are made for.
fn checked(text: String) -> String {
    for line in text.lines() {
        assert!(
            line.chars().count() <= 100,
            "{} columns: {line}",
            line.chars().count()
        );
    }
    assert!(!text.contains('\u{1b}'));
    text
}

#[test]
fn three_cells() {
    insta::assert_snapshot!(checked(summary_text(&example::jvm())));
}

#[test]
fn many_cells() {
    insta::assert_snapshot!(checked(summary_text(&example::wide())));
}

#[test]
fn trouble() {
    insta::assert_snapshot!(checked(summary_text(&example::troubled())));
}

#[test]
fn nothing_measured_yet() {
    insta::assert_snapshot!(checked(summary_text(&example::empty(
        "\u{1b}[2Jevil\n\u{202e}name",
        3,
        2
    ))));
}
