//! What an operator can ask for while a migration goes on.

use serde::{Deserialize, Serialize};

use crate::policy::{Action, Decision, Setting};

/// An operator's wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Give up; the guest stays on the source.
    Cancel,
    /// Stop the guest so that the migration ends.
    Pause,
    /// Let a guest run again that was stopped.
    Resume,
    /// Change a setting.
    Set(Setting),
}

impl Order {
    pub(super) fn decision(&self) -> Decision {
        let action = match self {
            Order::Cancel => Action::Cancel,
            Order::Pause => Action::Pause,
            Order::Resume => Action::Resume,
            Order::Set(setting) => Action::Set(setting.clone()),
        };
        Decision {
            action,
            reason: "asked by the operator".to_owned(),
        }
    }
}
