//! Which end of the migration a host is.

use serde::{Deserialize, Serialize};

/// One end of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Where the guest runs before.
    Source,
    /// Where the guest runs afterwards.
    Destination,
}

impl Role {
    /// Both ends, source first.
    pub const BOTH: [Role; 2] = [Role::Source, Role::Destination];

    /// `source` or `destination`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Source => "source",
            Role::Destination => "destination",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
