//! The two key pairs of a session. Both derive from the token, so nothing else has to be distributed or trusted.

use std::path::PathBuf;

use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};

use super::error::SshError;
use crate::carrier::token::Token;
use crate::folder::Folder;

/// What each end keeps on disk while it runs.
pub(super) struct ServerFiles {
    pub(super) host_key: PathBuf,
    pub(super) authorized_keys: PathBuf,
}

/// See [`ServerFiles`].
pub(super) struct ClientFiles {
    pub(super) identity: PathBuf,
    pub(super) known_hosts: PathBuf,
}

/// The server's private key and the client's public one.
pub(super) fn write_server(folder: &Folder, token: &Token) -> Result<ServerFiles, SshError> {
    let (host, client) = (key(token, HOST_LABEL), key(token, CLIENT_LABEL));
    let client = client.public_key().to_openssh()?;
    Ok(ServerFiles {
        host_key: folder.write("host", &host.to_openssh(LineEnding::LF)?)?,
        authorized_keys: folder.write(
            "authorized",
            &format!("restrict,port-forwarding {client}\n"),
        )?,
    })
}

/// The client's private key and the server's public one.
pub(super) fn write_client(folder: &Folder, token: &Token) -> Result<ClientFiles, SshError> {
    let (host, client) = (key(token, HOST_LABEL), key(token, CLIENT_LABEL));
    let host = host.public_key().to_openssh()?;
    Ok(ClientFiles {
        identity: folder.write("client", &client.to_openssh(LineEnding::LF)?)?,
        known_hosts: folder.write("known", &format!("{HOST_ALIAS} {host}\n"))?,
    })
}

fn key(token: &Token, label: &[u8; 16]) -> PrivateKey {
    Ed25519Keypair::from_seed(&token.derive(label)).into()
}

/// What the server is called, whatever its address.
pub(super) const HOST_ALIAS: &str = "lmbench";
/// As long as the roles in the preamble's proofs and unlike each of them, so that no proof is ever a key.
const HOST_LABEL: &[u8; 16] = b"ssh host key\0\0\0\0";
const CLIENT_LABEL: &[u8; 16] = b"ssh client key\0\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_derive_the_same_keys_and_other_tokens_give_others() {
        let (token, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        let again: Token = token.reveal().parse().unwrap();
        let public = |token, label| key(token, label).public_key().to_openssh().unwrap();
        assert_eq!(public(&token, HOST_LABEL), public(&again, HOST_LABEL));
        assert_ne!(public(&token, HOST_LABEL), public(&token, CLIENT_LABEL));
        assert_ne!(public(&token, HOST_LABEL), public(&other, HOST_LABEL));
    }
}
