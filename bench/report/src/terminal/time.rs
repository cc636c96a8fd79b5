//! Times and durations as people read them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lmbench_record::metric::Unit;

use super::text::clean_short;

/// A duration: `842 ms`, `12.3 s`, `4 min 31 s`, `2 h 05 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    match seconds {
        0..60 => Unit::Second.format(duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A time since a beginning, as a clock shows it: `4:31`, `2:05:00`.
pub fn clock(since: Duration) -> String {
    let seconds = since.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Time left, which deserves no more digits than a guess does: `about 12 min`.
pub fn about(left: Duration) -> String {
    match left.as_secs() {
        0..60 => "less than a minute".to_owned(),
        seconds @ 60..5400 => format!("about {} min", (seconds + 30) / 60),
        seconds => format!("about {} h", (seconds + 1800) / 3600),
    }
}

/// A record's RFC 3339 time as `2026-03-01 12:00:00` in UTC; what is no time stays as it is, cleaned.
pub fn moment(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => clean_short(text, 24),
    }
}

/// From one RFC 3339 time to another, when both are times in this order.
pub fn between(start: &str, end: &str) -> Option<Duration> {
    let (start, end): (Timestamp, Timestamp) = (start.parse().ok()?, end.parse().ok()?);
    Duration::try_from(end.duration_since(start)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        for (milliseconds, text) in [
            (842, "842 ms"),
            (12_345, "12.3 s"),
            (59_800, "1 min 00 s"),
            (271_000, "4 min 31 s"),
            (7_500_000, "2 h 05 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
        for (seconds, text) in [(0, "0:00"), (271, "4:31"), (7_500, "2:05:00")] {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
        assert_eq!(about(Duration::from_secs(700)), "about 12 min");
    }

    #[test]
    fn moments_are_utc_and_tolerate_nonsense() {
        assert_eq!(moment("2026-03-01T13:00:00.5+01:00"), "2026-03-01 12:00:00");
        assert_eq!(moment("\x1b[2J"), "\\u{1b}[2J");
        assert_eq!(
            between("2026-03-01T12:00:00Z", "2026-03-01T12:04:31Z"),
            Some(Duration::from_secs(271))
        );
        assert_eq!(
            between("2026-03-01T12:00:00Z", "2026-03-01T11:00:00Z"),
            None
        );
    }
}
