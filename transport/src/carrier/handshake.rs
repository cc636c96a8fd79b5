//! Both sides of the challenge and response.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::handshake_error::HandshakeError;
use super::preamble::{
    CLIENT_HELLO_LEN, ClientHello, HEADER, HEADER_LEN, NONCE_LEN, Role, SERVER_HELLO_LEN,
    ServerHello, check_answer, check_header, decode_verdict,
};
use super::token::{PROOF_LEN, Token};

/// The dialling side. Once it returns, both ends know each other and the connection holds nothing but the stream.
pub(crate) async fn dial(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: &Token,
    channel: u32,
) -> Result<(), HandshakeError> {
    let hello = ClientHello {
        channel,
        nonce: nonce()?,
    };
    write(stream, &hello.encode()).await?;
    let header = read(stream).await?;
    check_answer(header)?;
    let server = ServerHello::decode(&read::<{ SERVER_HELLO_LEN - HEADER_LEN }>(stream).await?);
    // The listener proves itself first, so a false listener learns nothing, not even a proof to try elsewhere.
    if !Role::Listener.verify(token, &hello, &server.nonce, &server.proof) {
        return Err(HandshakeError::Token);
    }
    write(stream, &Role::Dialler.prove(token, &hello, &server.nonce)).await?;
    let [verdict] = read(stream).await?;
    decode_verdict(verdict)
}

/// The listening side's first half: reads what the peer wants.
pub(crate) async fn hear(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<ClientHello, HandshakeError> {
    if let Err(error) = check_header(read(stream).await?) {
        if matches!(error, HandshakeError::Version { .. }) {
            // Eight bytes that fit any fresh buffer tell the peer our version; if they do not arrive, nothing is lost.
            let _ = write(stream, &HEADER).await;
        }
        return Err(error);
    }
    Ok(ClientHello::decode(
        &read::<{ CLIENT_HELLO_LEN - HEADER_LEN }>(stream).await?,
    ))
}

/// The listening side's second half: proves this end and checks the peer. The verdict is the caller's.
pub(crate) async fn challenge(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: &Token,
    hello: &ClientHello,
) -> Result<(), HandshakeError> {
    let nonce = nonce()?;
    let server = ServerHello {
        nonce,
        proof: Role::Listener.prove(token, hello, &nonce),
    };
    write(stream, &server.encode()).await?;
    let proof: [u8; PROOF_LEN] = read(stream).await?;
    if Role::Dialler.verify(token, hello, &nonce, &proof) {
        Ok(())
    } else {
        Err(HandshakeError::Token)
    }
}

/// Runs a part of the handshake until the deadline.
pub(crate) async fn within<T>(
    end: Instant,
    deadline: Duration,
    exchange: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    timeout_at(end, exchange)
        .await
        .unwrap_or(Err(HandshakeError::TimedOut { after: deadline }))
}

pub(crate) async fn write(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    bytes: &[u8],
) -> Result<(), HandshakeError> {
    stream.write_all(bytes).await.map_err(closed)?;
    stream.flush().await.map_err(closed)
}

pub(crate) async fn read<const N: usize>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<[u8; N], HandshakeError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(closed)?;
    Ok(bytes)
}

/// A peer that hangs up and one that is reset look the same to whoever reads the message.
pub(crate) fn closed(error: io::Error) -> HandshakeError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::AlertReceived(alert)) = inner {
        return HandshakeError::Alert(format!("{alert:?}"));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe => HandshakeError::Closed,
        _ => HandshakeError::Connection(error),
    }
}

fn nonce() -> Result<[u8; NONCE_LEN], HandshakeError> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(HandshakeError::Random)?;
    Ok(nonce)
}
