//! Moments of a migration: `"200 MiB"`, `"2 s"`, `"pass 2"`, `"switchover"`, `"post-copy"`, `"2 MiB left"`, and QEMU's statuses.

use lmbench_harness::spec::{Moment, Status};
use lmbench_record::units::{Size, Time};

/// Reads a moment; an error says what is wrong.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    match text {
        "switchover" => return Ok(Moment::Switchover),
        "post-copy" => return Ok(Moment::PostCopy),
        "before" => return Ok(Moment::Before),
        _ => {}
    }
    if let Some((_, status)) = Status::NAMES.iter().find(|(name, _)| *name == text) {
        return Ok(Moment::Status(*status));
    }
    if let Some(number) = text.strip_prefix("pass") {
        let number = number.trim().parse().ok().filter(|pass| *pass > 0);
        return number
            .map(Moment::Pass)
            .ok_or_else(|| format!("`{text}` names no pass; the first is \"pass 1\""));
    }
    if let Some(size) = text.strip_suffix(" left") {
        let size = size.parse::<Size>();
        return size.map(|size| Moment::Left(size.bytes())).map_err(|_| {
            format!("`{text}` names no size; \"2 MiB left\" is what is left in post-copy")
        });
    }
    if let Ok(time) = text.parse::<Time>() {
        return Ok(Moment::After(time.duration()));
    }
    if let Ok(size) = text.parse::<Size>() {
        return Ok(Moment::Bytes(size.bytes()));
    }
    Err(format!("`{text}` is no moment of a migration"))
}

/// What to write.
pub(crate) const HINT: &str = "write bytes since `migrate` (\"200 MiB\"), a time since then (\"2 s\"), \"pass 2\", \"switchover\", \"post-copy\", \"2 MiB left\" in it, \"before\", or a \
                               status such as \"setup\", \"active\" or \"device\"";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_bytes_times_and_stages() {
        assert_eq!(moment("200 MiB"), Ok(Moment::Bytes(200 << 20)));
        assert_eq!(
            moment("1.5 s"),
            Ok(Moment::After(Duration::from_millis(1500)))
        );
        assert_eq!(moment("pass 12"), Ok(Moment::Pass(12)));
        assert_eq!(moment("switchover"), Ok(Moment::Switchover));
        assert_eq!(moment("post-copy"), Ok(Moment::PostCopy));
        assert_eq!(moment("2 MiB left"), Ok(Moment::Left(2 << 20)));
        assert_eq!(moment("before"), Ok(Moment::Before));
        assert_eq!(moment("device"), Ok(Moment::Status(Status::Device)));
        for wrong in [
            "completed",
            "pass",
            "pass 0",
            "pass -1",
            "little left",
            "Switchover",
            "12",
            "",
            "2 parsecs",
        ] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
