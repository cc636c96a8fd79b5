//! Texts and data as HTML can't misunderstand them.

use std::fmt::{self, Display, Formatter, Write as _};

use crate::report::model::{Data, Datum};

/// A text in HTML, between tags or in a quoted attribute.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                '\n' => formatter.write_char('\n')?,
                character if character.is_control() => formatter.write_char('\u{fffd}')?,
                character => formatter.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// A text in HTML in which what stands between backticks is code.
pub(super) struct Coded<'a>(pub(super) &'a str);

impl Display for Coded<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split('`').peekable();
        let mut code = false;
        while let Some(part) = parts.next() {
            // A backtick without a partner is one.
            match (code, parts.peek().is_some()) {
                (true, true) => write!(formatter, "<code>{}</code>", Escaped(part))?,
                (true, false) => write!(formatter, "`{}", Escaped(part))?,
                (false, _) => write!(formatter, "{}", Escaped(part))?,
            }
            code = !code;
        }
        Ok(())
    }
}

/// JSON for the inside of a `<script>`, which ends at the first `</script` whatever the JSON says.
pub(super) fn json(value: &serde_json::Value) -> String {
    hidden(&value.to_string())
}

fn hidden(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // These stand in JSON's strings only, where an escape means the same.
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            character => text.push(character),
        }
    }
    text
}

/// A table as JSON: `{"columns":[…],"rows":[[…]]}`.
pub(super) fn table_json(data: &Data) -> String {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = String::from("{\"columns\":[");
    for (index, column) in data.columns.iter().enumerate() {
        let _ = write!(text, "{}{}", comma(index), string(column));
    }
    text += "],\"rows\":[";
    for (index, row) in data.rows.iter().enumerate() {
        text += if index == 0 { "[" } else { ",\n[" };
        for (index, datum) in row.iter().enumerate() {
            text += comma(index);
            match datum {
                Datum::Number(value) if value.is_finite() => {
                    let _ = write!(text, "{value}");
                }
                Datum::Absent | Datum::Number(_) => text += "null",
                Datum::Text(words) => text += &string(words),
            }
        }
        text.push(']');
    }
    text += "]}";
    hidden(&text)
}

fn comma(index: usize) -> &'static str {
    if index == 0 { "" } else { "," }
}

/// Bytes as base64 with padding (RFC 4648, section 4), for the hashes of the content security policy.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, index| {
            bits << 8 | usize::from(chunk.get(index).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let digit = char::from(ALPHABET[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn backticks_mark_code() {
        for (text, html) in [
            ("a `b` c", "a <code>b</code> c"),
            ("`<b>`", "<code>&lt;b&gt;</code>"),
            ("a ` b", "a ` b"),
            ("", ""),
        ] {
            assert_eq!(Coded(text).to_string(), html);
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in any::<String>()) {
            let escaped = Escaped(&text).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let data = Data { columns: vec![text.clone()], rows: vec![vec![Datum::Text(text.clone())]] };
            let json = table_json(&data);
            prop_assert!(!json.contains(['<', '>', '&']));
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read["rows"][0][0].as_str(), Some(text.as_str()));
        }
    }
}
