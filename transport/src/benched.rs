//! What the benches of the package `bench` time and nobody else may use: parts that have no place in this crate's interface.

pub use crate::carriers::tls::benched::Records;

use crate::carrier::preamble::{ClientHello, NONCE_LEN, Role, ServerHello};
use crate::carrier::preamble::{HEADER_LEN, check_header, decode_verdict, encode_verdict};
use crate::carrier::token::Token;

/// One exchange of the handshake's messages, without a connection.
pub struct Preamble {
    token: Token,
    hello: ClientHello,
    nonce: [u8; NONCE_LEN],
}

impl Preamble {
    /// With a session's token.
    pub fn new(token: Token) -> Self {
        Self {
            token,
            hello: ClientHello {
                channel: 7,
                nonce: [1; NONCE_LEN],
            },
            nonce: [2; NONCE_LEN],
        }
    }

    /// Makes and reads every message; the proofs are no part of it. Whether they came through.
    pub fn messages(&self) -> bool {
        let client = self.hello.encode();
        let server = ServerHello {
            nonce: self.nonce,
            proof: [3; _],
        };
        let answer = server.encode();
        let (Some((header, hello)), Some((answer_header, answer))) = (
            client.split_first_chunk::<HEADER_LEN>(),
            answer.split_first_chunk::<HEADER_LEN>(),
        ) else {
            return false;
        };
        let (Ok(hello), Ok(answer)) = (hello.try_into(), answer.try_into()) else {
            return false;
        };
        check_header(*header).is_ok()
            && check_header(*answer_header).is_ok()
            && ClientHello::decode(hello) == self.hello
            && ServerHello::decode(answer) == server
            && decode_verdict(encode_verdict(Ok(()))).is_ok()
    }

    /// Makes and checks the proofs of both ends. Whether they hold.
    pub fn proofs(&self) -> bool {
        [Role::Listener, Role::Dialler].into_iter().all(|role| {
            let proof = role.prove(&self.token, &self.hello, &self.nonce);
            role.verify(&self.token, &self.hello, &self.nonce, &proof)
        })
    }
}
