//! The summary of runs that went well, badly, or not at all. Read the snapshots as an operator does.

use lmbench_record::record::example;

use super::*;
use crate::terminal::Page;

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
fn a_page_is_used_and_kept_to() {
    for record in [example::jvm(), example::wide(), example::troubled()] {
        let made = |width| {
            let page = Page {
                width,
                ..Page::PLAIN
            };
            page.hold(|| summary_text(&record))
        };
        for width in [60, 80, 120, 200] {
            for line in made(width).lines() {
                let columns = line.chars().count();
                assert!(columns <= width.into(), "{columns} of {width}: {line}");
            }
        }
        let tables = |text: &str| text.lines().filter(|line| line.starts_with("──")).count();
        assert_eq!(tables(&made(200)), 1);
        assert!(tables(&made(80)) > 1);
    }
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
