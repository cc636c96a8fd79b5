//! The page that texts are laid out for: how wide it is, and whether it has colours.
//!
//! A command's texts are made inside of [`Page::hold`]; outside, and so in a file, a pipe and a test, the page is [`Page::PLAIN`].

use std::cell::Cell;
use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;

use anstream::{AutoStream, ColorChoice};
use ratatui::crossterm::style::force_color_output;
use rustix::termios::tcgetwinsize;

/// What a text has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Columns.
    pub(super) width: u16,
    /// Whether colours are seen, and not control codes in their place.
    pub(super) colour: bool,
}

impl Page {
    /// What does not depend on anybody's terminal.
    pub const PLAIN: Page = Page {
        width: 100,
        colour: false,
    };

    /// Standard output as it is: as wide as the terminal, or as `COLUMNS` says.
    pub fn stdout() -> Self {
        let colour = AutoStream::choice(&stdout()) != ColorChoice::Never;
        // The tables' cells would ask NO_COLOR once more, which `--color always` has overruled.
        force_color_output(colour);
        Page {
            width: width_of(&stdout()),
            colour,
        }
    }

    /// Standard error, if it is a terminal.
    pub fn stderr() -> Option<Self> {
        let stderr = stderr();
        stderr.is_terminal().then(|| Page {
            width: width_of(&stderr),
            colour: false,
        })
    }

    /// Makes the texts of `made` for this page.
    pub fn hold<T>(self, made: impl FnOnce() -> T) -> T {
        let before = PAGE.replace(self);
        let result = made();
        PAGE.set(before);
        result
    }

    /// The page of now.
    pub(super) fn now() -> Self {
        PAGE.get()
    }
}

/// What a word says about a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Bad,
    Doubtful,
    Good,
}

impl Tone {
    /// Of words of ours, such as an outcome or a verdict; the worst of them decides. Texts of others must not come here.
    pub(super) fn of(words: &str) -> Option<Self> {
        let any = |known: &[&str]| known.iter().any(|known| words.contains(known));
        if any(&BAD) {
            Some(Tone::Bad)
        } else if any(&DOUBTFUL) {
            Some(Tone::Doubtful)
        } else if any(&GOOD) {
            Some(Tone::Good)
        } else {
            None
        }
    }
}

/// Words of ours in the colour of what they say, on a page that has colours.
pub fn painted(words: &str) -> String {
    let code = match Tone::of(words).filter(|_| Page::now().colour) {
        None => return words.to_owned(),
        Some(Tone::Bad) => "31",
        Some(Tone::Doubtful) => "33",
        Some(Tone::Good) => "32",
    };
    // Word by word, so that a line can end between them.
    let words = words
        .split(' ')
        .map(|word| format!("\x1b[{code}m{word}\x1b[0m"));
    words.collect::<Vec<_>>().join(" ")
}

/// The columns that a text takes, without the codes of colours in it.
pub(super) fn columns(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().chars().count();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, shown)| shown));
    first + rest.map(|shown| shown.chars().count()).sum::<usize>()
}

/// As wide as the terminal that a stream is, or as `COLUMNS` says.
pub fn width_of(stream: &(impl IsTerminal + AsFd)) -> u16 {
    let window = || tcgetwinsize(stream).map_or(0, |size| size.ws_col);
    let columns = std::env::var("COLUMNS").ok();
    width(columns.as_deref(), stream.is_terminal().then(window))
}

/// `COLUMNS` if it is a number, the window of a terminal, or what everybody has room for.
fn width(columns: Option<&str>, window: Option<u16>) -> u16 {
    let asked = columns.and_then(|columns| columns.trim().parse().ok());
    let width = asked.or(window).filter(|width| *width > 0);
    width.unwrap_or(Page::PLAIN.width).clamp(NARROWEST, WIDEST)
}

thread_local! {
    static PAGE: Cell<Page> = const { Cell::new(Page::PLAIN) };
}

/// Below this tables fall apart, above it nobody follows a line.
const NARROWEST: u16 = 40;
const WIDEST: u16 = 400;
const BAD: [&str; 7] = [
    "fail",
    "DAMAGED",
    "worse",
    "regressed",
    "unreadable",
    "LOST",
    "MISSING",
];
const DOUBTFUL: [&str; 9] = [
    "did not converge",
    "inconclusive",
    "interrupted",
    "partial",
    "cancelled",
    "skipped",
    "trouble",
    "missing",
    "limited",
];
const GOOD: [&str; 5] = ["better", "improved", "pass", "completed", "found"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_asked_for_or_the_windows_or_fixed() {
        for (columns, window, expected) in [
            (None, None, 100),
            (None, Some(80), 80),
            (None, Some(200), 200),
            // A terminal that does not know its size.
            (None, Some(0), 100),
            (None, Some(3), 40),
            (None, Some(9999), 400),
            (Some("120"), Some(80), 120),
            (Some("120"), None, 120),
            (Some("0"), None, 100),
            (Some("wide"), Some(80), 80),
        ] {
            assert_eq!(width(columns, window), expected, "{columns:?} {window:?}");
        }
    }

    #[test]
    fn words_have_colours_where_there_are_colours_only() {
        assert_eq!(painted("2 failed"), "2 failed");
        let colour = Page {
            colour: true,
            ..Page::PLAIN
        };
        let shown = colour.hold(|| [painted("2 failed"), painted("nothing yet")]);
        assert_eq!(
            shown,
            ["\x1b[31m2\x1b[0m \x1b[31mfailed\x1b[0m", "nothing yet"]
        );
        assert_eq!(columns(&shown[0]), 8);
        assert_eq!(Page::now(), Page::PLAIN);
    }

    #[test]
    fn the_worst_word_gives_the_colour() {
        for (words, expected) in [
            ("3 completed", Some(Tone::Good)),
            ("1 completed\n1 did not converge", Some(Tone::Doubtful)),
            ("1 completed\n1 failed\n1 skipped", Some(Tone::Bad)),
            ("same", None),
        ] {
            assert_eq!(Tone::of(words), expected, "{words}");
        }
    }
}
