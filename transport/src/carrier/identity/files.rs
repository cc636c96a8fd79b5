//! An identity from the user's own PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{Cipher, Identity, IdentityError, PeerName, Secret, parse_name};
use crate::secret::{self, SecretError};

impl Identity {
    /// An identity from PEM files: `ca` holds the authority that signed the peer's certificate, `certificate` this host's own,
    /// followed by those between it and its authority, and `key` its private key.
    ///
    /// `peer_name` is what the dialler expects of the listener, by default the host of the endpoint. The certificate must be
    /// meant for what this host does: for a server where it listens, for a client where it dials.
    pub fn from_files(
        ca: &Path,
        certificate: &Path,
        key: &Path,
        peer_name: Option<&str>,
    ) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        for authority in read_certificates(ca, "certificate of the authority")? {
            roots
                .add(authority)
                .map_err(|error| IdentityError::Authority {
                    path: ca.to_owned(),
                    reason: error.to_string(),
                })?;
        }
        let chain = read_certificates(certificate, "certificate")?;
        let text = secret::read(key).map_err(|error| match error {
            SecretError::Read { path, source } => IdentityError::Read {
                path,
                what: "private key",
                source,
            },
            error @ SecretError::Exposed { .. } => IdentityError::Key(error),
        })?;
        let secret = PrivateKeyDer::from_pem_slice(&text)
            .map(Secret)
            .map_err(|error| refused(error, key, "private key", "PRIVATE KEY"))?;
        CertifiedKey::from_der(
            chain.clone(),
            secret.0.clone_key(),
            &Cipher::default().provider(),
        )
        .map_err(|error| IdentityError::Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
        let peer = match peer_name {
            Some(name) => PeerName::Given(parse_name(name)?),
            None => PeerName::Host,
        };
        Ok(Self {
            roots: Arc::new(roots),
            chain,
            key: Arc::new(secret),
            peer,
        })
    }
}

fn read_certificates(
    path: &Path,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let refused = |error| refused(error, path, what, "CERTIFICATE");
    let read = CertificateDer::pem_file_iter(path).map_err(refused)?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(refused)?;
    if certificates.is_empty() {
        return Err(refused(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn refused(
    error: pem::Error,
    path: &Path,
    what: &'static str,
    label: &'static str,
) -> IdentityError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => IdentityError::Read { path, what, source },
        _ => IdentityError::NotPem { path, what, label },
    }
}
