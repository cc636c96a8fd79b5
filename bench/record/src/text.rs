//! Strings from files and hosts, made fit for a terminal.

use serde_json::Value;

/// The text with every control, invisible and direction-changing character written out (`\u{1b}`), newlines included.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Harmless, though `escape_debug` would write them out.
            '"' | '\'' | '\\' => cleaned.push(character),
            _ => cleaned.extend(character.escape_debug()),
        }
    }
    cleaned
}

/// Cleaned, and cut to at most `longest` characters.
pub fn clean_short(text: &str, longest: usize) -> String {
    let cleaned = clean(text);
    match cleaned.char_indices().nth(longest) {
        None => cleaned,
        Some(_) => cleaned
            .chars()
            .take(longest.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

/// A JSON value in one cleaned line, strings without quotes.
pub fn plain(value: &Value) -> String {
    clean(
        &value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned),
    )
}

/// `1 cell`, `3 cells`.
pub fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_codes_are_written_out() {
        assert_eq!(
            clean("\x1b]0;owned\x07 \u{9b}31m a\nb \u{202e}c"),
            "\\u{1b}]0;owned\\u{7} \\u{9b}31m a\\nb \\u{202e}c"
        );
        assert_eq!(clean("naïve \"C:\\x\""), "naïve \"C:\\x\"");
        assert_eq!(clean_short("abcdef", 4), "abc…");
        assert_eq!(clean_short("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn nothing_clean_controls_a_terminal(text in any::<String>()) {
            prop_assert!(!clean(&text).chars().any(char::is_control));
        }
    }
}
