//! How often a cell is measured: `5`, or until its figure is known well enough, `"until ci95 < 5 %, at most 20"`.

use lmbench_record::metric::{Direction, metric};
use lmbench_record::units::Share;

/// How often a cell is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// At most.
    pub most: u32,
    /// Until when, if not always that often.
    pub until: Option<Until>,
}

/// When a cell was measured often enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    /// Id of the metric that counts.
    pub metric: &'static str,
    /// Half the width of the 95 % interval of its median, over the median, is less.
    pub within: Share,
}

impl std::fmt::Display for Until {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "until {} ci95 < {}", self.metric, self.within)
    }
}

/// Reads `until [METRIC] ci95 < SHARE, at most N`; an error says what is wrong.
pub(crate) fn repeats(text: &str, most_max: u32) -> Result<Repeats, String> {
    let unreadable = || format!("`{text}` is no number of repeats and no condition");
    let (condition, most) = text.split_once(',').ok_or_else(|| {
        if text.trim_start().starts_with("until") {
            "a condition that is never met needs an end".to_owned()
        } else {
            unreadable()
        }
    })?;
    let most = most
        .trim()
        .strip_prefix("at most")
        .ok_or_else(unreadable)?
        .trim();
    let most = most
        .parse()
        .ok()
        .filter(|most| (1..=most_max).contains(most))
        .ok_or_else(|| format!("`{most}` is no number from 1 to {most_max}"))?;
    let (figure, within) = condition
        .trim()
        .strip_prefix("until ")
        .and_then(|condition| condition.split_once('<'))
        .ok_or_else(unreadable)?;
    let words: Vec<&str> = figure.split_whitespace().collect();
    let id = match words.as_slice() {
        ["ci95"] => METRIC,
        [id, "ci95"] => id,
        _ => return Err(unreadable()),
    };
    let metric = metric(id).ok_or_else(|| format!("there is no metric `{id}`"))?;
    if metric.direction == Direction::Informational {
        return Err(format!("`{id}` only explains other metrics"));
    }
    let within: Share = within
        .trim()
        .parse()
        .map_err(|error: lmbench_record::units::UnitError| error.to_string())?;
    if within.parts_per_billion() == 0 {
        return Err("no interval is narrower than \"0 %\"".to_owned());
    }
    Ok(Repeats {
        most,
        until: Some(Until {
            metric: metric.id,
            within,
        }),
    })
}

/// What to write.
pub(crate) const HINT: &str = "write a whole number without quotes, or \"until ci95 < 5 %, at most 20\", or \"until downtime_ms ci95 < 10 %, at most 20\"";

/// What counts if no metric is named.
const METRIC: &str = "total_time_ms";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_a_metric_a_width_and_an_end() {
        for (text, metric, percent, most) in [
            ("until ci95 < 5 %, at most 20", "total_time_ms", 5, 20),
            ("until downtime_ms ci95<10%,at most 8", "downtime_ms", 10, 8),
        ] {
            let expected = Repeats {
                most,
                until: Some(Until {
                    metric,
                    within: format!("{percent} %").parse().unwrap(),
                }),
            };
            assert_eq!(repeats(text, 1000), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "5",
            "until ci95 < 5 %",
            "until ci95 < 5 %, at most",
            "until ci95 < 5 %, at most 0",
            "until ci95 < 5 %, at most 1001",
            "until ci95 < 5, at most 20",
            "until ci95 < 0 %, at most 20",
            "until downtime ci95 < 5 %, at most 20",
            "until iterations ci95 < 5 %, at most 20",
            "until ci99 < 5 %, at most 20",
            "ci95 < 5 %, at most 20",
        ] {
            assert!(repeats(wrong, 1000).is_err(), "{wrong}");
        }
    }
}
