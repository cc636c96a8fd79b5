//! What the carriers have in common that make one TCP connection per channel, and one more for the session itself.
//!
//! The first connection of a session is its control connection. It carries no stream; it is how each end learns what the
//! other one does: a goodbye before its end means that no channel will follow, an end without one means that the process
//! died, and silence on the network means that the host or the path is gone. So no end ever has to guess whether a migration
//! that closed one channel is about to open another; nor whether a channel that ended was cut, since each end tells there how many bytes
//! it sent and took (`notices.rs`).
//!
//! Every connection, control or channel, begins with the preauth of `preauth.rs`, and may then be wrapped (in TLS, or in nothing: see
//! [`Wrap`]). Then follows the challenge
//! and response of `preamble.rs`, and after it nothing but the stream. One token is good for one session per listener, each
//! channel number for one channel; everything else is refused.

mod control;
mod link;
mod listener;
mod session;
mod settings;
mod socket;
mod terms;

pub(crate) use link::{Link, Wrap};
pub use settings::Settings;
pub(crate) use terms::Terms;

use crate::carrier::endpoint::Endpoint;
use crate::carrier::preamble::CONTROL;
use crate::carrier::{CarrierError, Listener, Session};

/// Starts to listen.
pub(crate) async fn listen<W: Wrap>(
    terms: Terms<W>,
    endpoint: &Endpoint,
) -> Result<Box<dyn Listener>, CarrierError> {
    Ok(Box::new(
        listener::TcpListener::bind(terms, endpoint).await?,
    ))
}

/// Connects to a listener and makes a session of it.
pub(crate) async fn dial<W: Wrap>(
    terms: Terms<W>,
    endpoint: &Endpoint,
) -> Result<Box<dyn Session>, CarrierError> {
    let link = terms.connect(endpoint, CONTROL).await?;
    // Channels go to the very address that answered, even if the name has several.
    let connected = |source| CarrierError::Connect {
        endpoint: endpoint.clone(),
        source,
    };
    let address = link.socket().peer_addr().map_err(connected)?;
    let control = control::Control::new(link, terms.settings.peer_deadline).map_err(connected)?;
    Ok(Box::new(session::Dialled::new(
        terms,
        Endpoint::new(endpoint.scheme, address),
        control,
    )))
}
