//! The one-time secret that both ends of a session hold.
//!
//! A token never crosses the network: each end proves that it holds it (see [`crate::carriers::tcp`]). It authenticates; it does not
//! encrypt. Whoever may read it may take part in the session, so `Debug` hides it, only [`Token::reveal`] prints it, and its memory is
//! overwritten when it is dropped.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// 32 random bytes, good for one session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Token([u8; TOKEN_LEN]);

/// The text is no token. The text itself is left out, because it may be nearly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is {} hexadecimal digits, this text has {length} characters or others among them", TOKEN_LEN * 2)]
pub struct ParseTokenError {
    length: usize,
}

impl Token {
    /// A fresh token from the operating system's random source.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut token = Self([0; TOKEN_LEN]);
        getrandom::fill(&mut token.0)?;
        Ok(token)
    }

    /// The token as 64 hexadecimal digits, for the owner to pass to the other end.
    pub fn reveal(&self) -> String {
        let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
        self.0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect()
    }

    /// Proof of holding this token, over the given parts. Callers use parts of fixed length, so no two lists of parts run together.
    pub(crate) fn prove(&self, parts: &[&[u8]]) -> [u8; PROOF_LEN] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Checks the other end's proof in constant time.
    pub(crate) fn verify(&self, parts: &[&[u8]], proof: &[u8; PROOF_LEN]) -> bool {
        self.mac(parts).verify_slice(proof).is_ok()
    }

    /// A seed for a key that both ends derive. Callers use labels of one length, none of them a role in a proof.
    pub(crate) fn derive(&self, label: &[u8]) -> Zeroizing<[u8; PROOF_LEN]> {
        Zeroizing::new(self.prove(&[label]))
    }

    /// Checks the beginning of a proof in constant time.
    pub(crate) fn verify_begin(&self, parts: &[&[u8]], begin: &[u8]) -> bool {
        self.mac(parts).verify_truncated_left(begin).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.reveal()
    }
}

impl TryFrom<String> for Token {
    type Error = ParseTokenError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Token {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = ParseTokenError {
            length: text.chars().count(),
        };
        if text.len() != TOKEN_LEN * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error);
        }
        let mut token = Self([0; TOKEN_LEN]);
        for (byte, digits) in token.0.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| error)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| error)?;
        }
        Ok(token)
    }
}

const TOKEN_LEN: usize = 32;
/// Bytes of an HMAC-SHA256.
pub(crate) const PROOF_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_round_trip_and_hides_in_debug() {
        let token = Token::generate().unwrap();
        assert_eq!(token.reveal().parse(), Ok(token.clone()));
        assert_eq!(format!("{token:?}"), "Token(hidden)");
        assert_ne!(Token::generate().unwrap(), token);
    }

    #[test]
    fn refuses_other_texts_without_repeating_them() {
        for text in [
            "",
            "abc",
            &"g".repeat(64),
            &"+f".repeat(32),
            &"é".repeat(32),
        ] {
            let error = text.parse::<Token>().unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
