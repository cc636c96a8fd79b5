//! Shares of a whole: `"10 %"`.

use std::fmt;
use std::str::FromStr;

use super::{Quantity, UnitError, as_text};

/// A share between nothing and all, in parts per billion, so that `"0.1 %"` reads and prints as itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// One percent in parts per billion.
const PERCENT: u32 = 10_000_000;

/// All of it.
const WHOLE: u32 = 100 * PERCENT;

/// How shares are written.
pub const QUANTITY: Quantity = Quantity {
    what: "a share",
    example: "10 %",
    units: &[("%", PERCENT as u128)],
    usual: &["%"],
    spelt: &[("percent", "%"), ("pct", "%")],
};

impl Share {
    /// So many parts per billion; `None` above all of it.
    pub const fn from_parts_per_billion(parts: u32) -> Option<Self> {
        if parts > WHOLE {
            None
        } else {
            Some(Self(parts))
        }
    }

    /// 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Parts per billion.
    pub const fn parts_per_billion(self) -> u32 {
        self.0
    }

    fn pattern() -> String {
        "^[0-9]+(\\.[0-9]+)? *%$".to_owned()
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let out_of_range = || UnitError::OutOfRange {
            text: text.to_owned(),
            hint: "write a share between \"0 %\" and \"100 %\"".to_owned(),
        };
        if text.trim_start().starts_with('-') {
            return Err(out_of_range());
        }
        let parts = QUANTITY.parse(text)?;
        u32::try_from(parts)
            .ok()
            .and_then(Self::from_parts_per_billion)
            .ok_or_else(out_of_range)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / PERCENT, self.0 % PERCENT);
        if rest == 0 {
            return formatter.pad(&format!("{whole} %"));
        }
        let text = format!("{whole}.{rest:07}");
        formatter.pad(&format!("{} %", text.trim_end_matches('0')))
    }
}

as_text!(
    Share,
    "Share",
    "A share of the whole, \"0 %\" to \"100 %\"."
);
