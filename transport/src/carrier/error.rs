//! Why listening, dialling or opening a channel failed.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use super::endpoint::{Endpoint, Scheme};
use super::handshake_error::HandshakeError;
use super::identity::IdentityError;
use super::session_end::SessionEnd;

/// Listening or dialling failed.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The endpoint belongs to another carrier.
    #[error("endpoint {endpoint} is not for carrier {carrier}")]
    Scheme {
        /// The endpoint.
        endpoint: Endpoint,
        /// The carrier that was asked.
        carrier: Scheme,
    },
    /// This end's own certificate, key or authority cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The endpoint's name has no address.
    #[error("cannot resolve {endpoint}")]
    Resolve {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// The endpoint cannot be listened on.
    #[error("cannot listen on {endpoint}")]
    Listen {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// The endpoint cannot be reached.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// The peer is there, but the handshake failed.
    #[error("handshake with {endpoint} failed")]
    Handshake {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: HandshakeError,
    },
    /// This host lacks what the carrier needs, such as a program.
    #[error(transparent)]
    Unequipped(Box<dyn Error + Send + Sync>),
    /// What the carrier runs beside its connections did not hold.
    #[error(transparent)]
    Broke(Box<dyn Error + Send + Sync>),
}

/// A channel could not be opened or accepted.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Only the dialling side opens and only the listening side accepts.
    #[error("this side of the session does not {0} channels")]
    WrongSide(&'static str),
    /// Whoever connects to the session's listening socket opens channels.
    #[error("channels are opened at the session's listening socket")]
    OpenedLocally,
    /// The session is over.
    #[error("session is over: {0}")]
    Ended(SessionEnd),
    /// The connection for the channel failed.
    #[error("cannot open channel {number}")]
    Open {
        /// The channel's number.
        number: u32,
        /// Why.
        source: CarrierError,
    },
}

impl CarrierError {
    /// Fails unless the endpoint belongs to this carrier.
    pub(crate) fn unless_for(carrier: Scheme, endpoint: &Endpoint) -> Result<(), Self> {
        if endpoint.scheme == carrier {
            return Ok(());
        }
        Err(Self::Scheme {
            endpoint: endpoint.clone(),
            carrier,
        })
    }
}

/// An error and its causes in one line, for events.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
