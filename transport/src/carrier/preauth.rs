//! What a dialler says before anything else: that it holds the token, at no more cost to the listener than one HMAC.
//!
//! ```text
//! knock = nonce (8 bytes) | first 12 bytes of HMAC-SHA256(token, "lmbench knock" padded to 16 bytes | header | nonce)
//! ```
//! Over TCP it follows the header of `preamble.rs`, before any encryption; in QUIC it is the connection ID that the client's first
//! datagram goes to (RFC 9000, 7.2 asks for unpredictable ones of 8 to 20 bytes). It comes with the first bytes that a network can
//! bring, so who holds the token leaves the crowd of strangers before they can push it out, whatever the round trip.
//!
//! It authenticates nobody: the challenge and response still follows. Whoever can read the network could send a knock again, and
//! so each is good for one connection.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::error::CarrierError;
use super::handshake::{closed, read, write};
use super::handshake_error::HandshakeError;
use super::preamble::{HEADER, HEADER_LEN, KNOCK_REFUSED, check_header};
use super::token::Token;

/// A dialler's, for one connection.
pub(crate) fn make(token: &Token) -> Result<[u8; KNOCK_LEN], HandshakeError> {
    let mut knock = [0; KNOCK_LEN];
    let (nonce, proof) = knock.split_at_mut(NONCE_LEN);
    getrandom::fill(nonce).map_err(HandshakeError::Random)?;
    let whole = token.prove(&[LABEL, &HEADER, nonce]);
    proof.copy_from_slice(&whole[..KNOCK_LEN - NONCE_LEN]);
    Ok(knock)
}

/// Sends one over TCP.
pub(crate) async fn say(stream: &mut TcpStream, token: &Token) -> Result<(), HandshakeError> {
    let mut message = [0; HEADER_LEN + KNOCK_LEN];
    message[..HEADER_LEN].copy_from_slice(&HEADER);
    message[HEADER_LEN..].copy_from_slice(&make(token)?);
    write(stream, &message).await
}

/// The listening side's memory of the knocks that it has heard.
pub(crate) struct Knocks {
    token: Token,
    heard: Mutex<HashSet<[u8; KNOCK_LEN]>>,
}

impl Knocks {
    pub(crate) fn new(token: Token) -> Self {
        Self {
            token,
            heard: Mutex::default(),
        }
    }

    /// Whether this comes from a holder of the token and was never heard before.
    pub(crate) fn admit(&self, knock: &[u8]) -> bool {
        let Ok(knock) = <[u8; KNOCK_LEN]>::try_from(knock) else {
            return false;
        };
        let (nonce, proof) = knock.split_at(NONCE_LEN);
        if !self.token.verify_begin(&[LABEL, &HEADER, nonce], proof) {
            return false;
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.len() < HEARD_MAX && heard.insert(knock)
    }

    /// Takes one over TCP. A stranger is recognised by its first eight bytes and gets no answer; another version and whoever does
    /// not hold the token are told so.
    pub(crate) async fn hear(&self, stream: &mut TcpStream) -> Result<(), HandshakeError> {
        let error = match check_header(read(stream).await?) {
            Ok(()) if self.admit(&read::<KNOCK_LEN>(stream).await?) => return Ok(()),
            Ok(()) => HandshakeError::Token,
            Err(error) => error,
        };
        match error {
            HandshakeError::Version { .. } => answer(stream, &HEADER).await,
            HandshakeError::Token => answer(stream, &KNOCK_REFUSED).await,
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

pub(crate) const KNOCK_LEN: usize = 20;
const NONCE_LEN: usize = 8;
/// As long as the roles in the preamble's proofs, and unlike each of them.
const LABEL: &[u8; 16] = b"lmbench knock\0\0\0";
/// Only holders of the token add to it, one for each connection that they try: 1.3 MiB.
const HEARD_MAX: usize = 1 << 16;
const AGAIN_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// How long a peer that is turned away may take to hang up.
const ANSWER_MAX: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knock_is_good_once_and_for_its_own_token() {
        let token = Token::generate().unwrap();
        let knocks = Knocks::new(token.clone());
        let knock = make(&token).unwrap();
        let other = make(&Token::generate().unwrap()).unwrap();
        assert!(!knocks.admit(&other));
        for bit in 0..KNOCK_LEN * 8 {
            let mut flipped = knock;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!knocks.admit(&flipped), "bit {bit}");
        }
        assert!(!knocks.admit(&knock[1..]));
        assert!(knocks.admit(&knock));
        assert!(!knocks.admit(&knock));
        assert!(knocks.admit(&make(&token).unwrap()));
    }
}
