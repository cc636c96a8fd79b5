//! Pre-authentication: a dialler shows before anything else that it holds the token, at no more cost to the listener than one HMAC.
//!
//! ```text
//! preauth = nonce (8 bytes) | first 12 bytes of HMAC-SHA256(token, "lmbench knock" padded to 16 bytes | header | nonce)
//! ```
//! Over TCP it follows the header of `preamble.rs`, before any encryption; in QUIC it is the connection ID that the client's first
//! datagram goes to (RFC 9000, 7.2 asks for unpredictable ones of 8 to 20 bytes). It comes with the first bytes that a network can
//! bring, so who holds the token is no pending peer any more before others can evict it, whatever the round trip.
//!
//! It authenticates nobody: the challenge and response still follows. Whoever can read the network could send it again, and
//! so each is good for one connection.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::error::CarrierError;
use super::handshake::{closed, read, write};
use super::handshake_error::HandshakeError;
use super::preamble::{HEADER, HEADER_LEN, PREAUTH_REFUSED, check_header};
use super::token::Token;

/// A dialler's, for one connection.
pub(crate) fn make(token: &Token) -> Result<[u8; PREAUTH_LEN], HandshakeError> {
    let mut preauth = [0; PREAUTH_LEN];
    let (nonce, proof) = preauth.split_at_mut(NONCE_LEN);
    getrandom::fill(nonce).map_err(HandshakeError::Random)?;
    let whole = token.prove(&[LABEL, &HEADER, nonce]);
    proof.copy_from_slice(&whole[..PREAUTH_LEN - NONCE_LEN]);
    Ok(preauth)
}

/// Sends one over TCP.
pub(crate) async fn send(stream: &mut TcpStream, token: &Token) -> Result<(), HandshakeError> {
    let mut message = [0; HEADER_LEN + PREAUTH_LEN];
    message[..HEADER_LEN].copy_from_slice(&HEADER);
    message[HEADER_LEN..].copy_from_slice(&make(token)?);
    write(stream, &message).await
}

/// The listening side's memory of those that it has received.
pub(crate) struct PreauthFilter {
    token: Token,
    received: Mutex<HashSet<[u8; PREAUTH_LEN]>>,
}

impl PreauthFilter {
    pub(crate) fn new(token: Token) -> Self {
        Self {
            token,
            received: Mutex::default(),
        }
    }

    /// Whether this comes from a holder of the token and was never received before.
    pub(crate) fn admit(&self, preauth: &[u8]) -> bool {
        let Ok(preauth) = <[u8; PREAUTH_LEN]>::try_from(preauth) else {
            return false;
        };
        let (nonce, proof) = preauth.split_at(NONCE_LEN);
        if !self.token.verify_begin(&[LABEL, &HEADER, nonce], proof) {
            return false;
        }
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.len() < RECEIVED_MAX && received.insert(preauth)
    }

    /// Takes one over TCP. A stranger is recognised by its first eight bytes and gets no answer; another version and whoever does
    /// not hold the token are told so.
    pub(crate) async fn receive(&self, stream: &mut TcpStream) -> Result<(), HandshakeError> {
        let error = match check_header(read(stream).await?) {
            Ok(()) if self.admit(&read::<PREAUTH_LEN>(stream).await?) => return Ok(()),
            Ok(()) => HandshakeError::Token,
            Err(error) => error,
        };
        match error {
            HandshakeError::Version { .. } => answer(stream, &HEADER).await,
            HandshakeError::Token => answer(stream, &PREAUTH_REFUSED).await,
            _ => {}
        }
        Err(error)
    }
}

/// Eight bytes fit any fresh socket buffer. Closed with bytes that nobody has read, the connection would be reset, and a dialler
/// that still sends would not find them.
async fn answer(stream: &mut TcpStream, header: &[u8; HEADER_LEN]) {
    let told = async {
        write(stream, header).await?;
        stream.shutdown().await.map_err(closed)?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await.map_err(closed)? > 0 {}
        Ok::<_, HandshakeError>(())
    };
    let _ = tokio::time::timeout(ANSWER_MAX, told).await;
}

/// Tries until the end what fails because the listener hangs up in the handshake.
pub(crate) async fn again_until<T, F: Future<Output = Result<T, CarrierError>>>(
    end: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, CarrierError> {
    loop {
        let result = attempt().await;
        let hung_up = matches!(
            result,
            Err(CarrierError::Handshake {
                source: HandshakeError::Closed,
                ..
            })
        );
        if !hung_up || Instant::now() >= end {
            return result;
        }
        tokio::time::sleep(AGAIN_PAUSE).await;
    }
}

pub(crate) const PREAUTH_LEN: usize = 20;
const NONCE_LEN: usize = 8;
/// As long as the roles in the preamble's proofs, and unlike each of them.
const LABEL: &[u8; 16] = b"lmbench knock\0\0\0";
/// Only holders of the token add to it, one for each connection that they try: 1.3 MiB.
const RECEIVED_MAX: usize = 1 << 16;
const AGAIN_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// How long a peer that is turned away may take to hang up.
const ANSWER_MAX: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_good_once_and_for_its_own_token() {
        let token = Token::generate().unwrap();
        let filter = PreauthFilter::new(token.clone());
        let preauth = make(&token).unwrap();
        let other = make(&Token::generate().unwrap()).unwrap();
        assert!(!filter.admit(&other));
        for bit in 0..PREAUTH_LEN * 8 {
            let mut flipped = preauth;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!filter.admit(&flipped), "bit {bit}");
        }
        assert!(!filter.admit(&preauth[1..]));
        assert!(filter.admit(&preauth));
        assert!(!filter.admit(&preauth));
        assert!(filter.admit(&make(&token).unwrap()));
    }
}
