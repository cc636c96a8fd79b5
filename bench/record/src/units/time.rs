//! Times: `"300 ms"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Quantity, UnitError, as_text};

/// A length of time, to the nanosecond, up to 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// How times are written.
pub const QUANTITY: Quantity = Quantity {
    what: "a time",
    example: "300 ms",
    units: &[
        ("min", 60_000_000_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("h", 3_600_000_000_000),
        ("us", 1_000),
        ("ns", 1),
    ],
    usual: &["s", "ms"],
    spelt: &[
        ("m", "min"),
        ("minute", "min"),
        ("minutes", "min"),
        ("sec", "s"),
        ("second", "s"),
        ("seconds", "s"),
        ("hour", "h"),
        ("hours", "h"),
        ("msec", "ms"),
        ("millis", "ms"),
        ("milliseconds", "ms"),
        ("usec", "us"),
        ("µs", "us"),
        ("microseconds", "us"),
        ("nanoseconds", "ns"),
        ("nsec", "ns"),
    ],
};

impl Time {
    /// So many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The same for the standard library.
    pub const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    fn pattern() -> String {
        format!("^{}$", QUANTITY.pattern())
    }
}

impl From<Duration> for Time {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        QUANTITY.parse(text).map(Self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.pad("0 s");
        }
        formatter.pad(&QUANTITY.display(self.0, &["h", "min", "s", "ms", "us", "ns"]))
    }
}

as_text!(Time, "Time", "A length of time with its unit.");
