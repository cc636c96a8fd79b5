//! Who a host is to its peer, for the carriers that encrypt.
//!
//! Two ways to come to trust each other:
//! - [`Identity::from_token`]: both ends derive the same certificate authority from the session's one-time token, and each makes
//!   itself a key and a certificate that this authority signed. Whoever holds the token is trusted, nobody else is, and nothing
//!   but the token has to be distributed.
//! - [`Identity::from_files`]: certificates of an authority that the user runs already.
//!
//! Either way both ends show a certificate and both check the other one's. What comes out is a `rustls` configuration that the
//! carriers `tls` and `quic` share: TLS 1.3 only, one cipher suite, no resumption, so that every connection does the same work.
//! Not in here: the connection itself, and the proof of the token inside of it (`preamble.rs`), which says *which session* a
//! peer means and keeps a token from being used twice.

mod files;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519,
};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::endpoint::{Address, Endpoint};
use super::handshake_error::{CertificateFault, HandshakeError};
use super::token::Token;
use crate::secret::SecretError;

/// A key, its certificate, and whom this host trusts.
#[derive(Clone)]
pub struct Identity {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<Secret>,
    peer: PeerName,
}

/// A private key whose memory is overwritten when it is dropped. What the TLS library makes of it is its own affair.
struct Secret(PrivateKeyDer<'static>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What a host does in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It waits for the peer.
    Listener,
    /// It connects to the peer.
    Dialler,
}

/// What encrypts the stream. Both ends must be set to the same: the one that was asked for is then the one that was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cipher {
    /// AES-128-GCM: the fastest where the processor has AES instructions.
    #[default]
    #[serde(rename = "aes128-gcm")]
    Aes128Gcm,
    /// AES-256-GCM.
    #[serde(rename = "aes256-gcm")]
    Aes256Gcm,
    /// ChaCha20-Poly1305: the fastest where it has none.
    #[serde(rename = "chacha20-poly1305")]
    Chacha20Poly1305,
}

/// The name that the dialler expects of the listener.
#[derive(Clone, Debug)]
enum PeerName {
    /// The identity comes from the token, where every listener has the same name.
    Token,
    /// The user gave it.
    Given(ServerName<'static>),
    /// The endpoint's host.
    Host,
}

/// An identity cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {} for the {what}\nhint: name a PEM file that this user may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The key is not kept to this user.
    #[error(transparent)]
    Key(SecretError),
    /// A file holds something else.
    #[error("{} holds no {what} in PEM form\nhint: it has to begin with a line like -----BEGIN {label}-----", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// How PEM marks it.
        label: &'static str,
    },
    /// A certificate of the authority cannot be used.
    #[error("the certificate of the authority in {} cannot be used: {reason}\nhint: name the X.509 certificate of the authority that signed the peer's certificate", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key and the certificate are not a pair, or of a kind that is not supported.
    #[error("the key in {} cannot be used with the certificate in {}: {reason}\nhint: name the key that the certificate was made for", key.display(), certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why. Never the key.
        reason: String,
    },
    /// The name is no name that a certificate can have.
    #[error(
        "`{name}` is no name for a peer\nhint: write a DNS name or an IP address that stands in the listener's certificate"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The certificate for the token cannot be made.
    #[error("cannot make a certificate from the token")]
    Make(#[from] rcgen::Error),
    /// The TLS library refuses the configuration.
    #[error("cannot set TLS up with this identity")]
    Setup(#[from] rustls::Error),
}

impl Identity {
    /// The identity of one side of the session that the token stands for. Takes a fraction of a millisecond.
    pub fn from_token(token: &Token, side: Side) -> Result<Self, IdentityError> {
        let (authority, key) = (authority(token)?, KeyPair::generate()?);
        let (name, usage) = match side {
            Side::Listener => (LISTENER_NAME, ExtendedKeyUsagePurpose::ServerAuth),
            Side::Dialler => (DIALLER_NAME, ExtendedKeyUsagePurpose::ClientAuth),
        };
        let mut leaf = CertificateParams::new([name.to_owned()])?;
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![usage];
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        leaf.not_before = epoch + now.saturating_sub(CLOCK_SKEW_MAX);
        leaf.not_after = epoch + now + SESSION_MAX;
        let leaf = leaf.signed_by(&key, &authority)?;
        let mut root = CertificateParams::default();
        name_authority(&mut root);
        let root = root.self_signed(authority.key())?;
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone())?;
        Ok(Self {
            roots: Arc::new(roots),
            chain: vec![leaf.der().clone()],
            key: Arc::new(Secret(PrivatePkcs8KeyDer::from(key.serialize_der()).into())),
            peer: PeerName::Token,
        })
    }

    /// The configuration of the listening side. `alpn` names the protocol inside; a peer that names another one is refused.
    pub fn server_config(
        &self,
        cipher: Cipher,
        alpn: &[u8],
    ) -> Result<ServerConfig, IdentityError> {
        let provider = Arc::new(cipher.provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&provider),
        );
        let verifier = verifier
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.0.clone_key())?;
        config.alpn_protocols = vec![alpn.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.enable_secret_extraction = true;
        Ok(config)
    }

    /// The configuration of the dialling side, which goes with [`Identity::peer_name`].
    pub fn client_config(
        &self,
        cipher: Cipher,
        alpn: &[u8],
    ) -> Result<ClientConfig, IdentityError> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(cipher.provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.key.0.clone_key())?;
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_secret_extraction = true;
        Ok(config)
    }

    /// The name that the listener at this endpoint has to have in its certificate.
    pub fn peer_name(&self, endpoint: &Endpoint) -> Result<ServerName<'static>, IdentityError> {
        match (&self.peer, &endpoint.address) {
            (PeerName::Given(name), _) => Ok(name.clone()),
            (PeerName::Token, _) => parse_name(LISTENER_NAME),
            (PeerName::Host, Address::Socket(address)) => {
                Ok(ServerName::IpAddress(address.ip().into()))
            }
            (PeerName::Host, Address::Name { host, .. }) => parse_name(host),
        }
    }

    /// What a failed TLS handshake means between these two ends.
    pub(crate) fn handshake_error(&self, error: &rustls::Error) -> HandshakeError {
        use AlertDescription as Alert;
        let of_token = matches!(self.peer, PeerName::Token);
        match error {
            rustls::Error::InvalidCertificate(error) => match certificate_fault(error) {
                // The authority is made from the token, so another authority is another token.
                CertificateFault::Issuer if of_token => HandshakeError::Token,
                fault => HandshakeError::Certificate(fault),
            },
            rustls::Error::NoCertificatesPresented => {
                HandshakeError::Certificate(CertificateFault::Missing)
            }
            rustls::Error::AlertReceived(Alert::UnknownCA | Alert::DecryptError) if of_token => {
                HandshakeError::Token
            }
            rustls::Error::AlertReceived(
                alert @ (Alert::HandshakeFailure
                | Alert::ProtocolVersion
                | Alert::InsufficientSecurity
                | Alert::NoApplicationProtocol),
            ) => HandshakeError::Incompatible(format!("{alert:?}")),
            rustls::Error::AlertReceived(alert) => HandshakeError::Alert(format!("{alert:?}")),
            rustls::Error::PeerIncompatible(reason) => {
                HandshakeError::Incompatible(format!("{reason:?}"))
            }
            rustls::Error::NoApplicationProtocol => HandshakeError::Incompatible(error.to_string()),
            rustls::Error::InvalidMessage(_) => HandshakeError::Stranger,
            error => HandshakeError::Protocol(error.to_string()),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("peer", &self.peer)
            .field("key", &"hidden")
            .finish_non_exhaustive()
    }
}

impl Cipher {
    fn provider(self) -> CryptoProvider {
        let suite = match self {
            Self::Aes128Gcm => aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            Self::Aes256Gcm => aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            Self::Chacha20Poly1305 => aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        };
        CryptoProvider {
            cipher_suites: vec![suite],
            ..aws_lc_rs::default_provider()
        }
    }
}

/// The authority that both ends come to alone. Its name and its key are all that has to be the same; its certificate is not.
fn authority(token: &Token) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
    let seed = token.derive(b"lmbench certificate authority");
    let key = [&ED25519_PKCS8_HEADER[..], &seed[..]].concat();
    let key = Secret(PrivatePkcs8KeyDer::from(key).into());
    let key = KeyPair::from_der_and_sign_algo(&key.0, &PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    name_authority(&mut params);
    Ok(Issuer::new(params, key))
}

fn name_authority(params: &mut CertificateParams) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "lmbench session");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
}

fn parse_name(name: &str) -> Result<ServerName<'static>, IdentityError> {
    ServerName::try_from(name.to_owned()).map_err(|_| IdentityError::Name {
        name: name.to_owned(),
    })
}

fn certificate_fault(error: &CertificateError) -> CertificateFault {
    use CertificateError as Error;
    match error {
        Error::UnknownIssuer | Error::BadSignature => CertificateFault::Issuer,
        Error::Expired | Error::ExpiredContext { .. } => CertificateFault::Expired,
        Error::NotValidYet | Error::NotValidYetContext { .. } => CertificateFault::NotYetValid,
        Error::NotValidForName => CertificateFault::Name {
            expected: "the one expected".to_owned(),
        },
        Error::NotValidForNameContext { expected, .. } => CertificateFault::Name {
            expected: expected.to_str().into_owned(),
        },
        Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => CertificateFault::Purpose,
        error => CertificateFault::Other(error.to_string()),
    }
}

const LISTENER_NAME: &str = "listener.lmbench.internal";
const DIALLER_NAME: &str = "dialler.lmbench.internal";
/// How far the clocks of two hosts may be apart.
const CLOCK_SKEW_MAX: Duration = Duration::from_hours(24);
/// How long after its start a session can still open channels. Generous: the certificate is worth nothing without the token.
const SESSION_MAX: Duration = Duration::from_hours(30 * 24);
/// What stands before the 32 bytes of an Ed25519 key in PKCS#8, version 1.
const ED25519_PKCS8_HEADER: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

#[cfg(test)]
mod tests;
