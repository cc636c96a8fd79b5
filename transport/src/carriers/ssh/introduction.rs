//! The first bytes of each tunnel's connection, from the sink to the source: whom `ssh` has to log in as and which socket it has
//! to ask for. `length u16 big-endian | JSON | HMAC-SHA256(token, label | JSON)`. What follows belongs to OpenSSH.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::carrier::token::{PROOF_LEN, Token};

/// What only the sink knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Introduction {
    /// The user that `sshd` lets in.
    pub(super) user: String,
    /// The path that leads to the destination's QEMU.
    pub(super) socket: String,
}

impl Introduction {
    pub(super) async fn send(&self, stream: &mut TcpStream, token: &Token) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let len = u16::try_from(json.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let proof = token.prove(&[LABEL, &json]);
        stream
            .write_all(&[&len.to_be_bytes(), &json[..], &proof].concat())
            .await
    }

    /// Reads not one byte more than it is long.
    pub(super) async fn hear(stream: &mut TcpStream, token: &Token) -> io::Result<Self> {
        let len = usize::from(stream.read_u16().await?);
        if len > LEN_MAX {
            return Err(invalid("it is too long"));
        }
        let (mut json, mut proof) = (vec![0; len], [0; PROOF_LEN]);
        stream.read_exact(&mut json).await?;
        stream.read_exact(&mut proof).await?;
        if !token.verify(&[LABEL, &json], &proof) {
            return Err(invalid("it does not hold this session's token"));
        }
        let heard: Self = serde_json::from_slice(&json)?;
        // Both end up on the command line of `ssh`, where a colon or a leading hyphen has a meaning.
        if is_plain(&heard.user) && is_plain(heard.socket.trim_start_matches('/')) {
            Ok(heard)
        } else {
            Err(invalid("it names a user or a socket with odd characters"))
        }
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-$@+".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text.bytes().all(plain)
        && !text.contains("${")
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

/// As long as the roles in the preamble's proofs, and unlike each of them.
const LABEL: &[u8; 16] = b"ssh introduction";
const LEN_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await;
        (near.unwrap(), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn it_arrives_whole_and_takes_nothing_of_what_follows() {
        let (token, (mut sink, mut source)) = (Token::generate().unwrap(), pair().await);
        let said = Introduction {
            user: "root".into(),
            socket: "/tmp/lmbench-ssh-1/stream".into(),
        };
        said.send(&mut sink, &token).await.unwrap();
        sink.write_all(b"SSH-2.0").await.unwrap();
        drop(sink);
        assert_eq!(Introduction::hear(&mut source, &token).await.unwrap(), said);
        let mut rest = String::new();
        source.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "SSH-2.0");
    }

    /// Somebody on the way may change what was said, but not unnoticed; and even a holder of the token puts no option on a command line.
    #[tokio::test]
    async fn forged_and_odd_ones_are_refused() {
        let token = Token::generate().unwrap();
        let other = Token::generate().unwrap();
        for (user, signer, expected) in [
            ("root", &other, "it does not hold this session's token"),
            (
                "-oProxyCommand=x",
                &token,
                "it names a user or a socket with odd characters",
            ),
            (
                "a b",
                &token,
                "it names a user or a socket with odd characters",
            ),
        ] {
            let (mut sink, mut source) = pair().await;
            let said = Introduction {
                user: user.into(),
                socket: "/tmp/s".into(),
            };
            said.send(&mut sink, signer).await.unwrap();
            let error = Introduction::hear(&mut source, &token).await.unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let (mut sink, mut source) = pair().await;
        sink.write_all(&[255, 255]).await.unwrap();
        let error = Introduction::hear(&mut source, &token).await.unwrap_err();
        assert_eq!(error.to_string(), "it is too long");
    }
}
