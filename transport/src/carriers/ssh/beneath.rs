//! The session of the carrier underneath, with endpoints and errors as the user knows them.

use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::{CarrierError, Session, SessionEnd};

/// The same address for the carrier underneath.
pub(super) fn beneath(endpoint: &Endpoint) -> Result<Endpoint, CarrierError> {
    CarrierError::unless_for(Scheme::Ssh, endpoint)?;
    Ok(with_scheme(endpoint, Scheme::Tcp))
}

pub(super) fn with_scheme(endpoint: &Endpoint, scheme: Scheme) -> Endpoint {
    Endpoint {
        scheme,
        ..endpoint.clone()
    }
}

/// An error of the carrier underneath, with the endpoint as the user wrote it.
pub(super) fn above(error: CarrierError) -> CarrierError {
    let up = |endpoint: &Endpoint| with_scheme(endpoint, Scheme::Ssh);
    match error {
        CarrierError::Resolve { endpoint, source } => CarrierError::Resolve {
            endpoint: up(&endpoint),
            source,
        },
        CarrierError::Listen { endpoint, source } => CarrierError::Listen {
            endpoint: up(&endpoint),
            source,
        },
        CarrierError::Connect { endpoint, source } => CarrierError::Connect {
            endpoint: up(&endpoint),
            source,
        },
        CarrierError::Handshake { endpoint, source } => CarrierError::Handshake {
            endpoint: up(&endpoint),
            source,
        },
        other @ (CarrierError::Scheme { .. }
        | CarrierError::Identity(_)
        | CarrierError::Unequipped(_)
        | CarrierError::Broke(_)) => other,
    }
}

/// How the session has ended, if it has.
pub(super) async fn end(session: &dyn Session) -> Option<SessionEnd> {
    tokio::select! {
        biased;
        end = session.ended() => Some(end),
        () = std::future::ready(()) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_carriers_endpoints_are_refused() {
        let error = beneath(&"tcp://127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "endpoint tcp://127.0.0.1:1 is not for carrier ssh"
        );
    }
}
