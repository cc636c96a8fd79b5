//! How a session came to its end.

use std::fmt;

/// How a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The peer said goodbye.
    Goodbye,
    /// The peer's process went away without a goodbye. Its kernel closes its channels.
    Gone,
    /// The peer's host does not answer any more. Its channels will not notice for a long time.
    Unreachable,
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Goodbye => "the peer ended the session",
            Self::Gone => "the peer went away without ending the session",
            Self::Unreachable => "the peer's host does not answer any more",
        })
    }
}
