//! `pilot`: goals and permissions instead of knobs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What `pilot` aims at and what it may do for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PilotSpec {
    /// Longest time in which the guest runs nowhere.
    pub max_blackout: Duration,
    /// Longest time from `migrate` to the end; as short as possible without it.
    pub max_total_time: Option<Duration>,
    /// Largest share of its work that the guest may lose meanwhile, 0 to 1; as small as possible without it.
    pub max_slowdown: Option<f64>,
    /// Which goal yields to which where not all can be met: the first yields last.
    pub priorities: [Goal; 3],
    /// Whether it may switch to post-copy.
    pub post_copy: bool,
    /// Whether it may slow the guest's vCPUs.
    pub throttle: bool,
    /// Whether it may stop the guest for longer than `max_blackout`.
    pub pause: bool,
    /// What the scenario allows the stream, bytes per second; `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// What the scenario allows post-copy's background stream, bytes per second; `None` is unlimited.
    pub post_copy_bandwidth: Option<u64>,
}

/// What a migration is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// A short time in which the guest runs nowhere.
    Blackout,
    /// A short migration.
    TotalTime,
    /// A guest that hardly notices.
    Slowdown,
}

impl Goal {
    /// The goals in the order of priority that holds unless another is asked for.
    pub const DEFAULT: [Goal; 3] = [Goal::Blackout, Goal::TotalTime, Goal::Slowdown];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Goal::Blackout => "blackout",
            Goal::TotalTime => "total-time",
            Goal::Slowdown => "slowdown",
        }
    }

    /// An order of priority such as `"slowdown, blackout"`; goals that are not named follow in the default order. `None` if a name is
    /// unknown, stands twice, or none is there.
    pub fn order(text: &str) -> Option<[Goal; 3]> {
        let mut order = Vec::new();
        for name in text.split(',').map(str::trim) {
            let goal = Goal::DEFAULT.into_iter().find(|goal| goal.name() == name)?;
            if order.contains(&goal) {
                return None;
            }
            order.push(goal);
        }
        let rest = Goal::DEFAULT.into_iter();
        let rest: Vec<Goal> = rest.filter(|goal| !order.contains(goal)).collect();
        order.extend(rest);
        order.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_complete_and_names_nothing_twice() {
        use Goal::{Blackout, Slowdown, TotalTime};
        for (text, wanted) in [
            ("blackout, total-time, slowdown", Some(Goal::DEFAULT)),
            ("slowdown", Some([Slowdown, Blackout, TotalTime])),
            ("total-time,slowdown", Some([TotalTime, Slowdown, Blackout])),
            ("slowdown, slowdown", None),
            ("downtime", None),
            ("", None),
        ] {
            assert_eq!(Goal::order(text), wanted, "{text}");
        }
    }
}
