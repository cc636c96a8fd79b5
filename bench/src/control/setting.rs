//! `KEY=VALUE` of `lmbench ctl RUN set`, in the words and units of scenarios.

use lmbench_harness::policy::Setting;

use crate::scenario::units::{Rate, Time, UnitError};

/// Why it is no setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no `=`.
    #[error("`{text}` is not KEY=VALUE\nhint: write for example downtime-limit=\"500 ms\"")]
    NoValue {
        /// What was written.
        text: String,
    },
    /// The key is none that can be set now.
    #[error("`{key}` can't be set during a migration\nhint: {} can", KEYS.join(", "))]
    UnknownKey {
        /// What was written.
        key: String,
    },
    /// The value is no quantity of the key's kind.
    #[error("{key}: {source}\nhint: {}", source.hint())]
    Value {
        /// The key.
        key: String,
        /// What is wrong.
        source: UnitError,
    },
    /// QEMU knows no such value.
    #[error("{key}: `{value}` is {problem}")]
    Range {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is wrong, and the mend as a line of its own.
        problem: &'static str,
    },
}

/// Reads `downtime-limit=500 ms`.
pub fn setting(text: &str) -> Result<Setting, SettingError> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| SettingError::NoValue { text: text.into() })?;
    let wrong = |source| SettingError::Value {
        key: key.to_owned(),
        source,
    };
    let range = |problem| SettingError::Range {
        key: key.to_owned(),
        value: value.to_owned(),
        problem,
    };
    let rate = || match value.parse::<Rate>().map_err(wrong)?.bytes_per_second() {
        Some(0) => Err(range(
            "no rate\nhint: write \"unbounded\" to lift the limit",
        )),
        rate => Ok(rate),
    };
    Ok(match key {
        "downtime-limit" => {
            let nanos = value.parse::<Time>().map_err(wrong)?.nanos();
            if nanos % 1_000_000 != 0 {
                return Err(range(
                    "no whole number of ms, which QEMU wants\nhint: write for example \"500 ms\"",
                ));
            }
            let ms = nanos / 1_000_000;
            Setting::DowntimeLimit { ms }
        }
        "max-bandwidth" => Setting::MaxBandwidth {
            bytes_per_second: rate()?,
        },
        "max-postcopy-bandwidth" => Setting::MaxPostcopyBandwidth {
            bytes_per_second: rate()?,
        },
        "avail-switchover-bandwidth" => Setting::AvailSwitchoverBandwidth {
            bytes_per_second: rate()?,
        },
        _ => return Err(SettingError::UnknownKey { key: key.into() }),
    })
}

const KEYS: [&str; 4] = [
    "downtime-limit",
    "max-bandwidth",
    "max-postcopy-bandwidth",
    "avail-switchover-bandwidth",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_units_of_scenarios() {
        for (text, wanted) in [
            ("downtime-limit=500 ms", Setting::DowntimeLimit { ms: 500 }),
            ("downtime-limit=2s", Setting::DowntimeLimit { ms: 2000 }),
            (
                "max-bandwidth=1 Gbit/s",
                Setting::MaxBandwidth {
                    bytes_per_second: Some(125_000_000),
                },
            ),
            (
                "max-bandwidth=unbounded",
                Setting::MaxBandwidth {
                    bytes_per_second: None,
                },
            ),
            (
                "max-postcopy-bandwidth=50 MB/s",
                Setting::MaxPostcopyBandwidth {
                    bytes_per_second: Some(50_000_000),
                },
            ),
            (
                "avail-switchover-bandwidth=1 MiB/s",
                Setting::AvailSwitchoverBandwidth {
                    bytes_per_second: Some(1 << 20),
                },
            ),
        ] {
            assert_eq!(setting(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_setting_says_what_would_be() {
        for (text, words) in [
            ("downtime-limit", "is not KEY=VALUE"),
            ("downtime-limit=500", "has no unit"),
            ("downtime-limit=500 us", "no whole number of ms"),
            ("downtime-limit=1 Gbit/s", "is not a unit of a time"),
            ("max-bandwidth=", "is not a rate"),
            ("max-bandwidth=0 MB/s", "unbounded"),
            ("multifd-channels=4", "downtime-limit, max-bandwidth"),
            ("=1 s", "can't be set"),
        ] {
            let error = setting(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
