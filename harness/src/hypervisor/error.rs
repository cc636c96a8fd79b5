//! Why a guest, or the host that runs it, did not do what it was asked. No driver's own errors show here.

use std::error::Error;

use thiserror::Error;

/// Why a guest did not do what it was asked.
#[derive(Debug, Error)]
pub enum GuestError {
    /// The hypervisor refused: nothing has changed.
    #[error("{operation} refused: {reason}")]
    Refused {
        /// What was asked.
        operation: String,
        /// Its words.
        reason: String,
    },
    /// This driver, or this guest, has no such thing.
    #[error("can't {what}: {why}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// Why it can't be had.
        why: String,
    },
    /// The hypervisor is gone.
    #[error("{who} is gone ({reason})")]
    Gone {
        /// What ran the guest, and where: `QEMU on the source`.
        who: String,
        /// How it ended, with its last words.
        reason: String,
    },
    /// The hypervisor lives, and what was asked did not come about: no answer in time, or one that makes no sense.
    #[error("{text}")]
    Failed {
        /// What did not.
        text: String,
        /// Why.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl GuestError {
    /// What a driver answers to what it does not have.
    pub fn unsupported<T>(what: &'static str, why: impl Into<String>) -> Result<T, GuestError> {
        let why = why.into();
        Err(GuestError::Unsupported { what, why })
    }

    /// Something failed, for this reason.
    pub fn failed(text: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        GuestError::Failed {
            text: text.into(),
            source: Some(Box::new(source)),
        }
    }
}

/// Why a guest did not start.
#[derive(Debug, Error)]
#[error("{text}")]
pub struct LaunchError {
    /// The whole of it, with its causes and hints.
    pub text: String,
    /// Whether the machine lacks something, so that no other guest would start either.
    pub environment: bool,
}
