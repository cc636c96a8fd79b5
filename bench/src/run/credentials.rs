//! Throw-away credentials for QEMU's own TLS: made for one repeat, written by the agents, gone with their directories.

use std::net::IpAddr;

use lmbench_harness::hypervisor::{CredentialKind, Credentials};
use lmbench_harness::role::Role;
use lmbench_transport::Token;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::carrier::{NativeTls, TlsCredentials};

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialError {
    #[error("can't make certificates for QEMU's TLS")]
    Certificate(#[from] rcgen::Error),
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
}

/// What each side's QEMU gets.
pub(super) struct Pair {
    pub(super) source: Credentials,
    pub(super) destination: Credentials,
}

/// Credentials for one migration to `destination`.
pub(super) fn make(settings: &NativeTls, destination: IpAddr) -> Result<Pair, CredentialError> {
    match settings.credentials {
        TlsCredentials::X509 => x509(settings, destination),
        TlsCredentials::Psk => psk(settings),
    }
}

fn x509(settings: &NativeTls, destination: IpAddr) -> Result<Pair, CredentialError> {
    let mut params = named("lmbench certificate authority", &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let side = |role, file: &str, usage| {
        let mut params = named(file, &[destination.to_string()])?;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;
        Ok::<_, CredentialError>(Credentials {
            kind: CredentialKind::X509,
            files: vec![
                ("ca-cert.pem".to_owned(), authority.pem()),
                (format!("{file}-cert.pem"), certificate.pem()),
                (format!("{file}-key.pem"), key.serialize_pem()),
            ],
            // A source that checks no name would take any certificate of the authority's, its own among them.
            hostname: (role == Role::Source).then(|| destination.to_string()),
            priority: settings.priority.clone(),
        })
    };
    Ok(Pair {
        source: side(Role::Source, "client", ExtendedKeyUsagePurpose::ClientAuth)?,
        destination: side(
            Role::Destination,
            "server",
            ExtendedKeyUsagePurpose::ServerAuth,
        )?,
    })
}

fn named(name: &str, addresses: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(addresses)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn psk(settings: &NativeTls) -> Result<Pair, CredentialError> {
    // 32 random bytes in hexadecimal digits: what psktool makes, and what a token is.
    let digits = Token::generate()?.reveal();
    let credentials = Credentials {
        kind: CredentialKind::Psk,
        files: vec![("keys.psk".to_owned(), format!("{PSK_USER}:{digits}\n"))],
        hostname: None,
        priority: settings.priority.clone(),
    };
    Ok(Pair {
        source: credentials.clone(),
        destination: credentials,
    })
}

/// The user that QEMU's client names when it is told no other (docs/system/tls.rst).
const PSK_USER: &str = "qemu";
