//! Rates of networks and of memory writes: `"1 Gbit/s"`, `"120 MiB/s"`, `"unbounded"`.

use std::fmt;
use std::str::FromStr;

use super::{Quantity, UnitError, as_text};

/// A rate of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// This many bits per second.
    BitsPerSecond(u64),
    /// As fast as it goes.
    Unbounded,
}

/// The word for [`Rate::Unbounded`].
const UNBOUNDED: &str = "unbounded";

/// How rates are written.
pub const QUANTITY: Quantity = Quantity {
    what: "a rate",
    example: "1 Gbit/s",
    units: &[
        ("kbit/s", 1_000),
        ("Mbit/s", 1_000_000),
        ("Gbit/s", 1_000_000_000),
        ("KiB/s", 8 << 10),
        ("MiB/s", 8 << 20),
        ("GiB/s", 8 << 30),
        ("kB/s", 8_000),
        ("MB/s", 8_000_000),
        ("GB/s", 8_000_000_000),
        ("B/s", 8),
        ("bit/s", 1),
    ],
    usual: &["MiB/s", "Mbit/s"],
    spelt: &[],
};

impl Rate {
    /// Bits per second; `None` is unbounded.
    pub const fn bits_per_second(self) -> Option<u64> {
        match self {
            Rate::BitsPerSecond(bits) => Some(bits),
            Rate::Unbounded => None,
        }
    }

    /// Whole bytes per second; `None` is unbounded.
    pub fn bytes_per_second(self) -> Option<u64> {
        self.bits_per_second().map(|bits| bits / 8)
    }

    fn pattern() -> String {
        format!("^(({})|{UNBOUNDED})$", QUANTITY.pattern())
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.trim() == UNBOUNDED {
            return Ok(Rate::Unbounded);
        }
        QUANTITY.parse(text).map(Rate::BitsPerSecond)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate::BitsPerSecond(bits) = *self else {
            return formatter.pad(UNBOUNDED);
        };
        if bits == 0 {
            return formatter.pad("0 bit/s");
        }
        let decimal = QUANTITY.display(bits, &["Gbit/s", "Mbit/s", "kbit/s", "bit/s"]);
        let binary = QUANTITY.display(bits, &["GiB/s", "MiB/s", "KiB/s", "bit/s"]);
        formatter.pad(if binary.len() < decimal.len() {
            &binary
        } else {
            &decimal
        })
    }
}

as_text!(
    Rate,
    "Rate",
    "A rate with its unit, in bits or bytes per second, or \"unbounded\"."
);
