//! The TLS handshake over a socket: rustls thinks, this reads and writes, one record at a time.
//!
//! Nothing is read beyond the last record of the handshake, so all that follows belongs to `record.rs`. A peer that does not
//! speak TLS is known by its first five bytes and gets no answer; one that speaks it and is refused gets an alert that says why.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{ExtractedSecrets, SupportedCipherSuite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::record::{self, BODY_MAX, HEADER_LEN, KeySource};
use super::stream::TlsStream;
use crate::carrier::HandshakeError;
use crate::carrier::handshake::closed;
use crate::carrier::identity::Identity;
use crate::carrier::preamble::{self, check_answer};

/// Either side of a handshake.
pub(super) trait Handshake: Send {
    type Side;

    fn process<'this, 'bytes>(
        &'this mut self,
        incoming: &'bytes mut [u8],
    ) -> UnbufferedStatus<'this, 'bytes, Self::Side>;

    fn finish(
        self,
    ) -> Result<(ExtractedSecrets, SupportedCipherSuite, Box<dyn KeySource>), rustls::Error>;
}

/// What the handshake needs next.
enum Step {
    Process,
    Write,
    Read,
    Done,
    Fail(rustls::Error),
}

/// Shakes hands. The caller minds the deadline.
pub(super) async fn run(
    mut handshake: impl Handshake,
    mut socket: TcpStream,
    identity: &Identity,
) -> Result<TlsStream, HandshakeError> {
    let (mut incoming, mut outgoing) = (Vec::new(), Vec::new());
    loop {
        match step(&mut handshake, &mut incoming, &mut outgoing) {
            Step::Process => {}
            Step::Write => {
                socket.write_all(&outgoing).await.map_err(closed)?;
                outgoing.clear();
            }
            Step::Read => read_record(&mut socket, &mut incoming).await?,
            Step::Done => break,
            Step::Fail(error) => {
                let fault = identity.handshake_error(&error);
                if !matches!(fault, HandshakeError::Stranger) {
                    send_alert(&mut handshake, &mut socket).await;
                }
                return Err(fault);
            }
        }
    }
    let unusable = |error: rustls::Error| HandshakeError::Protocol(error.to_string());
    let (secrets, suite, keys) = handshake.finish().map_err(unusable)?;
    let details = format!("TLSv1.3 {:?}", suite.suite());
    let directions = record::split(secrets, keys).map_err(unusable)?;
    Ok(TlsStream::new(socket, directions, details))
}

fn step(handshake: &mut impl Handshake, incoming: &mut Vec<u8>, outgoing: &mut Vec<u8>) -> Step {
    let UnbufferedStatus { discard, state } = handshake.process(incoming);
    let step = match state {
        Ok(ConnectionState::EncodeTlsData(data)) => {
            encode(data, outgoing).map_or_else(Step::Fail, |()| Step::Process)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Step::Write
        }
        Ok(ConnectionState::BlockedHandshake) => Step::Read,
        Ok(ConnectionState::WriteTraffic(_)) => Step::Done,
        Ok(_) => Step::Fail(rustls::Error::HandshakeNotComplete),
        Err(error) => Step::Fail(error),
    };
    incoming.drain(..discard);
    step
}

fn encode<Side>(
    mut data: EncodeTlsData<'_, Side>,
    outgoing: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    let start = outgoing.len();
    let failed = |error: EncodeError| rustls::Error::General(error.to_string());
    let needed = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(error) => return Err(failed(error)),
        Ok(_) => return Ok(()),
    };
    outgoing.resize(start + needed, 0);
    let written = data.encode(&mut outgoing[start..]).map_err(failed)?;
    outgoing.truncate(start + written);
    Ok(())
}

/// The peer is told why, if it still listens.
async fn send_alert(handshake: &mut impl Handshake, socket: &mut TcpStream) {
    let mut alert = Vec::new();
    if let Step::Process = step(handshake, &mut Vec::new(), &mut alert) {
        let _ = socket.write_all(&alert).await;
    }
}

/// Appends the next record to what is there.
async fn read_record(socket: &mut TcpStream, incoming: &mut Vec<u8>) -> Result<(), HandshakeError> {
    let mut header = [0; HEADER_LEN];
    socket.read_exact(&mut header).await.map_err(closed)?;
    if header[..MAGIC_LEN] == preamble::HEADER[..MAGIC_LEN] {
        return Err(refused(socket, header).await);
    }
    let [kind, major, _, high, low] = header;
    let body_len = usize::from(u16::from_be_bytes([high, low]));
    let is_tls = CONTENT_TYPES.contains(&kind) && major == 3 && body_len <= BODY_MAX;
    if !is_tls || incoming.len() > INCOMING_MAX {
        return Err(HandshakeError::Stranger);
    }
    incoming.extend_from_slice(&header);
    let start = incoming.len();
    incoming.resize(start + body_len, 0);
    socket
        .read_exact(&mut incoming[start..])
        .await
        .map_err(closed)?;
    Ok(())
}

/// A listener that does not like the preauth, or its version, says so without TLS.
async fn refused(socket: &mut TcpStream, begin: [u8; HEADER_LEN]) -> HandshakeError {
    let mut answer = [0; preamble::HEADER_LEN];
    let (first, rest) = answer.split_at_mut(HEADER_LEN);
    first.copy_from_slice(&begin);
    match socket.read_exact(rest).await {
        Ok(_) => check_answer(answer)
            .err()
            .unwrap_or(HandshakeError::Stranger),
        Err(error) => closed(error),
    }
}

impl Handshake for UnbufferedClientConnection {
    type Side = ClientConnectionData;

    fn process<'this, 'bytes>(
        &'this mut self,
        incoming: &'bytes mut [u8],
    ) -> UnbufferedStatus<'this, 'bytes, Self::Side> {
        self.process_tls_records(incoming)
    }

    fn finish(
        self,
    ) -> Result<(ExtractedSecrets, SupportedCipherSuite, Box<dyn KeySource>), rustls::Error> {
        let (secrets, keys) = self.dangerous_into_kernel_connection()?;
        Ok((secrets, keys.negotiated_cipher_suite(), Box::new(keys)))
    }
}

impl Handshake for UnbufferedServerConnection {
    type Side = ServerConnectionData;

    fn process<'this, 'bytes>(
        &'this mut self,
        incoming: &'bytes mut [u8],
    ) -> UnbufferedStatus<'this, 'bytes, Self::Side> {
        self.process_tls_records(incoming)
    }

    fn finish(
        self,
    ) -> Result<(ExtractedSecrets, SupportedCipherSuite, Box<dyn KeySource>), rustls::Error> {
        let (secrets, keys) = self.dangerous_into_kernel_connection()?;
        Ok((secrets, keys.negotiated_cipher_suite(), Box::new(keys)))
    }
}

/// From change-cipher-spec to application data.
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=23;
const MAGIC_LEN: usize = 4;
/// A message that is spread over records waits until it is whole; certificates are far smaller than this.
const INCOMING_MAX: usize = 1 << 16;
