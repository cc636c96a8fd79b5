//! The bytes of a record's file, taken in piece by piece: reading ends with the first that no record has, before it fills the memory.
//!
//! It counts and does not parse. What is no JSON is left to the parser, which tells the place.

use std::io::{self, Read};

/// What a file may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes in all.
    pub(super) bytes: u64,
    /// Bytes of a string.
    pub(super) text: usize,
    /// Values, each of which takes many times its bytes once it is read: `0,` becomes 72 bytes.
    pub(super) values: usize,
}

/// Why a file is not taken in.
#[derive(Debug)]
pub(super) enum Refused {
    Io(io::Error),
    Bytes,
    Text,
    Values,
}

/// All bytes of a file, or those up to a hole: zeros are in no JSON, and a file that a crash or a tool left sparse has a gigabyte of them.
pub(super) fn taken_in(mut file: impl Read, limits: Limits) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    let mut scan = Scan::default();
    let mut scanned = 0;
    loop {
        let before = bytes.len();
        file.by_ref()
            .take(PIECE)
            .read_to_end(&mut bytes)
            .map_err(Refused::Io)?;
        // What is shorter than the longest text, nearly every record, keeps to all limits and need not be looked at.
        if bytes.len() > limits.text.min(limits.values) {
            scan.piece(&bytes[scanned..]);
            scanned = bytes.len();
        }
        if scan.longest_text > limits.text {
            return Err(Refused::Text);
        }
        if scan.values > limits.values {
            return Err(Refused::Values);
        }
        if bytes.len() as u64 > limits.bytes {
            return Err(Refused::Bytes);
        }
        if scan.hole || bytes.len() == before {
            return Ok(bytes);
        }
    }
}

#[derive(Debug, Default)]
struct Scan {
    in_text: bool,
    escaped: bool,
    text: usize,
    longest_text: usize,
    values: usize,
    hole: bool,
}

impl Scan {
    fn piece(&mut self, piece: &[u8]) {
        for byte in piece {
            match (self.in_text, *byte) {
                (_, 0) => {
                    self.hole = true;
                    return;
                }
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (true, b'"') => self.in_text = false,
                (false, b'"') => {
                    self.in_text = true;
                    self.text = 0;
                }
                // Every value but the outermost has one of these before it or before its name.
                (false, b',' | b'[' | b'{') => self.values += 1,
                _ => {}
            }
            self.text += 1;
            if self.in_text && self.text > self.longest_text {
                self.longest_text = self.text;
            }
        }
    }
}

/// Read at a time.
const PIECE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        bytes: 3 << 20,
        text: 100,
        values: 10,
    };

    fn taken(text: &str) -> Result<Vec<u8>, Refused> {
        taken_in(text.as_bytes(), LIMITS)
    }

    #[test]
    fn what_keeps_to_the_limits_is_taken_in_whole() {
        let text = format!(
            "{{\"a\": \"{}\", \"b\\\"[,,,,,,,,,\": [1, 2, {{}}, 3]}}",
            "x".repeat(99)
        );
        assert_eq!(taken(&text).unwrap(), text.as_bytes());
        assert_eq!(taken("").unwrap(), b"");
    }

    #[test]
    fn what_does_not_is_refused() {
        let text = "x".repeat(101);
        assert!(matches!(taken(&format!("\"{text}\"")), Err(Refused::Text)));
        let escaped = "\\\"".repeat(51);
        assert!(matches!(taken(&format!("\"{escaped}")), Err(Refused::Text)));
        assert!(matches!(
            taken("[1,1,1,1,1,1,1,1,1,1,1]"),
            Err(Refused::Values)
        ));
        assert!(matches!(taken(&"[".repeat(11)), Err(Refused::Values)));
        assert!(matches!(
            taken(&" ".repeat((3 << 20) + 1)),
            Err(Refused::Bytes)
        ));
        let broken = std::fs::File::open("/").unwrap();
        assert!(matches!(taken_in(broken, LIMITS), Err(Refused::Io(_))));
    }

    // A text without end would fill the memory, and a hole would be read for seconds.
    #[test]
    fn reading_ends_at_once() {
        for endless in [b'x', 0] {
            let mut file = (&b"\""[..]).chain(io::repeat(endless));
            match taken_in(&mut file, LIMITS) {
                Ok(bytes) => assert!(endless == 0 && bytes.len() as u64 == PIECE),
                Err(refused) => assert!(endless != 0 && matches!(refused, Refused::Text)),
            }
        }
    }
}
