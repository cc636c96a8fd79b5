//! What a connection that failed means, in the words of the carriers.

use std::io;

use quinn::{Connection, ConnectionError, TransportErrorCode};
use rustls::{AlertDescription, CertificateError};

use crate::carrier::HandshakeError;
use crate::carrier::identity::Identity;

/// A connection that was lost during the handshake.
pub(super) fn lost(identity: &Identity, error: &ConnectionError) -> HandshakeError {
    match error {
        ConnectionError::TransportError(fault) => match alert(fault.code) {
            Some(alert) => identity.handshake_error(&found(alert, &fault.reason)),
            None => HandshakeError::Protocol(fault.to_string()),
        },
        ConnectionError::ConnectionClosed(close) => match alert(close.error_code) {
            Some(alert) => identity.handshake_error(&rustls::Error::AlertReceived(alert)),
            None => HandshakeError::Closed,
        },
        ConnectionError::VersionMismatch => {
            HandshakeError::Incompatible("no version of QUIC in common".to_owned())
        }
        ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed => HandshakeError::Closed,
        error @ (ConnectionError::TimedOut | ConnectionError::CidsExhausted) => {
            HandshakeError::Connection(io::Error::other(error.clone()))
        }
    }
}

/// A stream that failed during the handshake, for the reason of its connection if that is what failed.
pub(super) fn of_stream(
    identity: &Identity,
    connection: &Connection,
    error: HandshakeError,
) -> HandshakeError {
    match (error, connection.close_reason()) {
        (HandshakeError::Closed | HandshakeError::Connection(_), Some(reason)) => {
            lost(identity, &reason)
        }
        (error, _) => error,
    }
}

/// What this end found wrong, of which quinn keeps the alert that it sent and rustls' words.
fn found(alert: AlertDescription, reason: &str) -> rustls::Error {
    use AlertDescription as Alert;
    let certificate = |error| rustls::Error::InvalidCertificate(error);
    match alert {
        Alert::UnknownCA => certificate(CertificateError::UnknownIssuer),
        Alert::DecryptError => certificate(CertificateError::BadSignature),
        Alert::CertificateExpired => certificate(CertificateError::Expired),
        Alert::CertificateRequired => rustls::Error::NoCertificatesPresented,
        Alert::NoApplicationProtocol => rustls::Error::NoApplicationProtocol,
        _ => rustls::Error::General(reason.to_owned()),
    }
}

/// QUIC carries alerts of TLS as the codes from 0x100 to 0x1ff.
fn alert(code: TransportErrorCode) -> Option<AlertDescription> {
    let code = u64::from(code).checked_sub(0x100)?;
    u8::try_from(code).ok().map(AlertDescription::from)
}
