//! The handshake's messages as bytes. Pure: no sockets, no clock, no state.
//!
//! ```text
//! dialling side                                             listening side
//!   Preauth      header | preauth (over TCP, see `preauth.rs`)   ->
//!   ClientHello  header | channel u32 | client nonce   ->
//!                                <-   ServerHello  header | server nonce | proof "listener"
//!   ClientProof  proof "dialler"                       ->
//!                                                      <-   Verdict  one byte, 0 = welcome
//! header = "LMBT" | version u16 | zero u16 (1 in the answer to a preauth that does not hold); integers are big-endian
//! proof(role) = HMAC-SHA256(token, role padded to 16 bytes | header | channel | client nonce | server nonce)
//! ```
//!
//! Every message has a fixed size, so nothing is allocated for a stranger and not one byte of the stream is read with it. Both
//! nonces are in both proofs, so a recorded exchange proves nothing to a fresh nonce; the roles differ, so a proof cannot be
//! sent back to its maker. Whoever can sit *between* the ends can still pass the handshake through and then alter the stream:
//! plain TCP has no defence against that, and a carrier that encrypts is the remedy. Version rule: any change bumps
//! [`VERSION`]; the header's first eight bytes never change, so that each end can name the other's version.

use super::handshake_error::{HandshakeError, Refusal};
use super::token::{PROOF_LEN, Token};

/// What the dialling side sends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientHello {
    pub(crate) channel: u32,
    pub(crate) nonce: [u8; NONCE_LEN],
}

/// What the listening side answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello {
    pub(crate) nonce: [u8; NONCE_LEN],
    pub(crate) proof: [u8; PROOF_LEN],
}

/// Whose proof it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Dialler,
    Listener,
}

impl ClientHello {
    pub(crate) fn encode(&self) -> [u8; CLIENT_HELLO_LEN] {
        join(&[&HEADER, &self.channel.to_be_bytes(), &self.nonce])
    }

    /// Reads what follows the header.
    pub(crate) fn decode(body: &[u8; CLIENT_HELLO_LEN - HEADER_LEN]) -> Self {
        let (channel, nonce) = split(body);
        Self {
            channel: u32::from_be_bytes(channel),
            nonce,
        }
    }
}

impl ServerHello {
    pub(crate) fn encode(&self) -> [u8; SERVER_HELLO_LEN] {
        join(&[&HEADER, &self.nonce, &self.proof])
    }

    /// Reads what follows the header.
    pub(crate) fn decode(body: &[u8; SERVER_HELLO_LEN - HEADER_LEN]) -> Self {
        let (nonce, proof) = split(body);
        Self { nonce, proof }
    }
}

impl Role {
    pub(crate) fn prove(
        self,
        token: &Token,
        hello: &ClientHello,
        server_nonce: &[u8; NONCE_LEN],
    ) -> [u8; PROOF_LEN] {
        token.prove(&[
            self.label(),
            &HEADER,
            &hello.channel.to_be_bytes(),
            &hello.nonce,
            server_nonce,
        ])
    }

    pub(crate) fn verify(
        self,
        token: &Token,
        hello: &ClientHello,
        server_nonce: &[u8; NONCE_LEN],
        proof: &[u8; PROOF_LEN],
    ) -> bool {
        token.verify(
            &[
                self.label(),
                &HEADER,
                &hello.channel.to_be_bytes(),
                &hello.nonce,
                server_nonce,
            ],
            proof,
        )
    }

    fn label(self) -> &'static [u8; 16] {
        match self {
            Self::Dialler => b"lmbench dialler\0",
            Self::Listener => b"lmbench listener",
        }
    }
}

/// Checks the eight bytes that open both hellos.
pub(crate) fn check_header(header: [u8; HEADER_LEN]) -> Result<(), HandshakeError> {
    if header == HEADER {
        return Ok(());
    }
    let (magic, rest): ([u8; 4], [u8; 4]) = split(&header);
    if magic != HEADER[..4] {
        return Err(HandshakeError::Stranger);
    }
    let peer = u16::from_be_bytes([rest[0], rest[1]]);
    Err(if peer == VERSION {
        HandshakeError::Stranger
    } else {
        HandshakeError::Version {
            peer,
            ours: VERSION,
        }
    })
}

/// Checks the eight bytes that a dialler hears first.
pub(crate) fn check_answer(header: [u8; HEADER_LEN]) -> Result<(), HandshakeError> {
    if header == PREAUTH_REFUSED {
        return Err(HandshakeError::Token);
    }
    check_header(header)
}

/// The verdict's byte: 0 is welcome.
pub(crate) fn encode_verdict(verdict: Result<(), Refusal>) -> u8 {
    let refusal = |refusal| {
        REFUSALS
            .iter()
            .position(|known| *known == refusal)
            .expect("every refusal is in the table")
    };
    verdict.map_or_else(|error| refusal(error) as u8 + 1, |()| 0)
}

pub(crate) fn decode_verdict(byte: u8) -> Result<(), HandshakeError> {
    match byte.checked_sub(1) {
        None => Ok(()),
        Some(index) => Err(REFUSALS
            .get(usize::from(index))
            .map_or(HandshakeError::Stranger, |refusal| {
                HandshakeError::Refused(*refusal)
            })),
    }
}

const fn header(answer: u8) -> [u8; HEADER_LEN] {
    let [high, low] = VERSION.to_be_bytes();
    [b'L', b'M', b'B', b'T', high, low, 0, answer]
}

/// Joins parts whose lengths add up to the array's.
fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    parts
        .concat()
        .try_into()
        .expect("the parts' fixed lengths add up to the message's")
}

/// Splits an array into two whose lengths add up to its own.
fn split<const A: usize, const B: usize>(bytes: &[u8]) -> ([u8; A], [u8; B]) {
    let (first, second) = bytes.split_at(A);
    let invariant = "the parts' fixed lengths add up to the message's";
    (
        first.try_into().expect(invariant),
        second.try_into().expect(invariant),
    )
}

/// The channel number that stands for the session itself.
pub(crate) const CONTROL: u32 = u32::MAX;
pub(crate) const VERSION: u16 = 2;
pub(crate) const HEADER: [u8; HEADER_LEN] = header(0);
/// The answer to a preauth that does not hold.
pub(crate) const PREAUTH_REFUSED: [u8; HEADER_LEN] = header(1);
pub(crate) const HEADER_LEN: usize = 8;
pub(crate) const NONCE_LEN: usize = 32;
pub(crate) const CLIENT_HELLO_LEN: usize = HEADER_LEN + 4 + NONCE_LEN;
pub(crate) const SERVER_HELLO_LEN: usize = HEADER_LEN + NONCE_LEN + PROOF_LEN;
const REFUSALS: [Refusal; 5] = [
    Refusal::SessionTaken,
    Refusal::NoSession,
    Refusal::SessionOver,
    Refusal::ChannelTaken,
    Refusal::ChannelLimit,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hellos_survive_the_round_trip(channel: u32, nonce: [u8; 32], proof: [u8; 32]) {
            let client = ClientHello { channel, nonce };
            let (header, body) = split::<HEADER_LEN, { CLIENT_HELLO_LEN - HEADER_LEN }>(&client.encode());
            prop_assert!(check_header(header).is_ok());
            prop_assert_eq!(ClientHello::decode(&body), client);
            let server = ServerHello { nonce, proof };
            let (header, body) = split::<HEADER_LEN, { SERVER_HELLO_LEN - HEADER_LEN }>(&server.encode());
            prop_assert!(check_header(header).is_ok());
            prop_assert_eq!(ServerHello::decode(&body), server);
        }

        #[test]
        fn any_other_header_is_refused(header: [u8; 8]) {
            prop_assume!(header != HEADER);
            prop_assert!(check_header(header).is_err());
        }

        /// A proof that still held after one of its inputs changed would let a recorded handshake be used again.
        #[test]
        fn a_proof_holds_for_nothing_but_its_own_inputs(channel: u32, nonce: [u8; 32], server: [u8; 32], bit in 0usize..256) {
            let (token, hello) = (Token::generate().unwrap(), ClientHello { channel, nonce });
            let flip = |mut bytes: [u8; 32]| { bytes[bit / 8] ^= 1 << (bit % 8); bytes };
            let proof = Role::Dialler.prove(&token, &hello, &server);
            prop_assert!(Role::Dialler.verify(&token, &hello, &server, &proof));
            prop_assert!(!Role::Listener.verify(&token, &hello, &server, &proof));
            prop_assert!(!Role::Dialler.verify(&Token::generate().unwrap(), &hello, &server, &proof));
            prop_assert!(!Role::Dialler.verify(&token, &hello, &flip(server), &proof));
            prop_assert!(!Role::Dialler.verify(&token, &hello, &server, &flip(proof)));
            let (other_nonce, other_channel) = (ClientHello { nonce: flip(nonce), ..hello }, ClientHello { channel: channel ^ 1, ..hello });
            prop_assert!(!Role::Dialler.verify(&token, &other_nonce, &server, &proof));
            prop_assert!(!Role::Dialler.verify(&token, &other_channel, &server, &proof));
        }
    }

    #[test]
    fn verdicts_survive_the_round_trip() {
        assert!(decode_verdict(encode_verdict(Ok(()))).is_ok());
        for refusal in REFUSALS {
            let error = decode_verdict(encode_verdict(Err(refusal))).unwrap_err();
            assert!(matches!(error, HandshakeError::Refused(same) if same == refusal));
        }
        assert!(matches!(decode_verdict(200), Err(HandshakeError::Stranger)));
    }

    #[test]
    fn another_version_is_named() {
        let mut header = HEADER;
        header[5] = 9;
        assert_eq!(
            check_header(header).unwrap_err().to_string(),
            "peer speaks handshake version 9, this end 2"
        );
    }
}
