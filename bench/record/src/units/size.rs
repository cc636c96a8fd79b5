//! Sizes of memory: `"8 GiB"`.

use std::fmt;
use std::str::FromStr;

use super::{Quantity, UnitError, as_text};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// How sizes are written.
pub const QUANTITY: Quantity = Quantity {
    what: "a size",
    example: "8 GiB",
    units: &[
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ],
    usual: &["MiB", "GiB"],
    spelt: &[],
};

impl Size {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    fn pattern() -> String {
        format!("^{}$", QUANTITY.pattern())
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        QUANTITY.parse(text).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.pad("0 B");
        }
        let binary = QUANTITY.display(self.0, &["KiB", "MiB", "GiB", "TiB", "B"]);
        let decimal = QUANTITY.display(self.0, &["kB", "MB", "GB", "TB", "B"]);
        formatter.pad(if decimal.len() < binary.len() {
            &decimal
        } else {
            &binary
        })
    }
}

as_text!(
    Size,
    "Size",
    "A size with its unit; KiB is 1024 bytes, kB is 1000."
);
