//! What a policy asks for before the migration begins.

use super::{Setting, Throttle};

/// Needs of a policy, in nobody's protocol: the hypervisor's driver knows its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Both sides must be able to switch to post-copy.
    pub post_copy: bool,
    /// Pages that the destination asks for have a connection of their own.
    pub preempt: bool,
    /// The hypervisor may throttle the guest, in these steps.
    pub throttle: Option<Throttle>,
    /// Pages that changed a little are sent as differences.
    pub xbzrle: bool,
    /// Settings that replace the scenario's.
    pub settings: Vec<Setting>,
}

impl Needs {
    /// What both need.
    #[must_use]
    pub fn and(mut self, other: Needs) -> Needs {
        self.post_copy |= other.post_copy;
        self.preempt |= other.preempt;
        self.throttle = self.throttle.or(other.throttle);
        self.xbzrle |= other.xbzrle;
        self.settings.extend(other.settings);
        self
    }

    /// The downtime limit that replaces the scenario's, ms.
    pub fn downtime_limit_ms(&self) -> Option<u64> {
        self.settings
            .iter()
            .rev()
            .find_map(|setting| match setting {
                Setting::DowntimeLimit { ms } => Some(*ms),
                _ => None,
            })
    }
}
