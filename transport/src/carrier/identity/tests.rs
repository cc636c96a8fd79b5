//! Two ends shake hands in memory: rustls against rustls, no sockets.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rcgen::CertifiedIssuer;
use rustls::{ClientConnection, Connection, ServerConnection};

use super::*;

#[test]
fn holders_of_the_same_token_trust_each_other() {
    let token = Token::generate().unwrap();
    for cipher in [
        Cipher::Aes128Gcm,
        Cipher::Aes256Gcm,
        Cipher::Chacha20Poly1305,
    ] {
        let listener = Identity::from_token(&token, Side::Listener).unwrap();
        let dialler = Identity::from_token(&token, Side::Dialler).unwrap();
        shake_hands(&listener, cipher, &dialler, cipher).unwrap();
    }
}

#[test]
fn another_token_is_noticed_by_both_sides() {
    let listener = Identity::from_token(&Token::generate().unwrap(), Side::Listener).unwrap();
    let dialler = Identity::from_token(&Token::generate().unwrap(), Side::Dialler).unwrap();
    let (dialler, listener) =
        shake_hands(&listener, Cipher::Aes128Gcm, &dialler, Cipher::Aes128Gcm).unwrap_err();
    assert!(
        matches!(dialler, Some(HandshakeError::Token)),
        "{dialler:?}"
    );
    assert!(
        matches!(listener, Some(HandshakeError::Token)),
        "{listener:?}"
    );
}

/// Otherwise whoever stands between could show a host its own certificate.
#[test]
fn a_certificate_is_good_for_its_own_side_only() {
    let token = Token::generate().unwrap();
    let side = |side| Identity::from_token(&token, side).unwrap();
    let cipher = Cipher::Aes128Gcm;
    let (dialler, _) =
        shake_hands(&side(Side::Dialler), cipher, &side(Side::Dialler), cipher).unwrap_err();
    assert!(
        matches!(dialler, Some(HandshakeError::Certificate(_))),
        "{dialler:?}"
    );
    let (_, listener) =
        shake_hands(&side(Side::Listener), cipher, &side(Side::Listener), cipher).unwrap_err();
    assert!(
        matches!(
            listener,
            Some(HandshakeError::Certificate(CertificateFault::Purpose))
        ),
        "{listener:?}"
    );
}

#[test]
fn another_cipher_is_refused() {
    let token = Token::generate().unwrap();
    let listener = Identity::from_token(&token, Side::Listener).unwrap();
    let dialler = Identity::from_token(&token, Side::Dialler).unwrap();
    let (dialler, listener) =
        shake_hands(&listener, Cipher::Aes256Gcm, &dialler, Cipher::Aes128Gcm).unwrap_err();
    assert!(
        matches!(dialler, Some(HandshakeError::Incompatible(_))),
        "{dialler:?}"
    );
    assert!(
        matches!(listener, Some(HandshakeError::Incompatible(_))),
        "{listener:?}"
    );
}

#[test]
fn the_users_own_authority_is_enough() {
    let files = Files::new("host-b.example", 1);
    let host = files.identity(None).unwrap();
    let endpoint: Endpoint = "tcp://host-b.example:7000".parse().unwrap();
    assert!(
        shake_hands_at(
            &host,
            Cipher::Aes128Gcm,
            &host,
            Cipher::Aes128Gcm,
            &endpoint
        )
        .is_ok()
    );
    let elsewhere: Endpoint = "tcp://198.18.1.2:7000".parse().unwrap();
    let cipher = Cipher::Aes128Gcm;
    let (dialler, _) = shake_hands_at(&host, cipher, &host, cipher, &elsewhere).unwrap_err();
    assert!(
        matches!(&dialler, Some(HandshakeError::Certificate(CertificateFault::Name { expected })) if expected == "198.18.1.2"),
        "{dialler:?}"
    );
    let named = files.identity(Some("host-b.example")).unwrap();
    assert!(shake_hands_at(&host, cipher, &named, cipher, &elsewhere).is_ok());
}

#[test]
fn wrong_authority_and_expired_certificate_are_told_apart() {
    let cipher = Cipher::Aes128Gcm;
    let at: Endpoint = "tcp://host-b.example:7000".parse().unwrap();
    let (ours, theirs) = (
        Files::new("host-b.example", 1),
        Files::new("host-b.example", 1),
    );
    let (ours, theirs) = (ours.identity(None).unwrap(), theirs.identity(None).unwrap());
    let (dialler, listener) = shake_hands_at(&theirs, cipher, &ours, cipher, &at).unwrap_err();
    assert!(
        matches!(
            dialler,
            Some(HandshakeError::Certificate(CertificateFault::Issuer))
        ),
        "{dialler:?}"
    );
    assert!(
        matches!(listener, Some(HandshakeError::Alert(_))),
        "{listener:?}"
    );
    let old = Files::new("host-b.example", -1).identity(None).unwrap();
    let (dialler, _) = shake_hands_at(&old, cipher, &old, cipher, &at).unwrap_err();
    assert!(
        matches!(
            dialler,
            Some(HandshakeError::Certificate(CertificateFault::Expired))
        ),
        "{dialler:?}"
    );
}

#[test]
fn errors_name_the_file_and_never_the_key() {
    let (files, other) = (Files::new("a.example", 1), Files::new("a.example", 1));
    let text = |result: Result<Identity, IdentityError>| result.unwrap_err().to_string();
    let paths = [files.ca(), files.certificate(), files.key()];
    let [ca, certificate, key] = paths.each_ref().map(PathBuf::as_path);
    let missing = files.folder.path().join("missing");
    assert_eq!(
        text(Identity::from_files(&missing, certificate, key, None)),
        format!(
            "cannot read {} for the certificate of the authority\nhint: name a PEM file that this user may read",
            missing.display()
        )
    );
    assert_eq!(
        text(Identity::from_files(ca, key, key, None)),
        format!(
            "{} holds no certificate in PEM form\nhint: it has to begin with a line like -----BEGIN CERTIFICATE-----",
            key.display()
        )
    );
    assert_eq!(
        text(Identity::from_files(ca, certificate, ca, None)),
        format!(
            "{} holds no private key in PEM form\nhint: it has to begin with a line like -----BEGIN PRIVATE KEY-----",
            ca.display()
        )
    );
    std::fs::set_permissions(certificate, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        text(Identity::from_files(ca, certificate, certificate, None)),
        format!(
            "others can read {0}, its mode is 644\nhint: chmod 600 {0}, and make a new secret if others may have read this one",
            certificate.display()
        )
    );
    let error = text(Identity::from_files(ca, certificate, &other.key(), None));
    assert!(
        error.starts_with(&format!(
            "the key in {} cannot be used",
            other.key().display()
        )),
        "{error}"
    );
    let error = text(Identity::from_files(
        ca,
        certificate,
        key,
        Some("not a name"),
    ));
    assert!(
        error.starts_with("`not a name` is no name for a peer"),
        "{error}"
    );
    let secret = std::fs::read_to_string(key).unwrap();
    let shown = format!("{:?}", files.identity(None).unwrap());
    assert!(!secret.lines().any(|line| shown.contains(line)), "{shown}");
}

/// An authority and one certificate for both sides, as a user would make them.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(name: &str, days: i64) -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new([name.to_owned()]).unwrap();
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let day = Duration::from_hours(24);
        leaf.not_before = rcgen::date_time_ymd(2000, 1, 1);
        let end = if days < 0 {
            now.saturating_sub(day)
        } else {
            now + day
        };
        leaf.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        std::fs::write(files.ca(), issuer.pem()).unwrap();
        std::fs::write(files.certificate(), leaf.pem()).unwrap();
        std::fs::write(files.key(), key.serialize_pem()).unwrap();
        for path in [files.ca(), files.key()] {
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
        files
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn identity(&self, peer_name: Option<&str>) -> Result<Identity, IdentityError> {
        Identity::from_files(&self.ca(), &self.certificate(), &self.key(), peer_name)
    }
}

/// What went wrong at the dialler and at the listener.
type Faults = (Option<HandshakeError>, Option<HandshakeError>);

fn shake_hands(
    listener: &Identity,
    listener_cipher: Cipher,
    dialler: &Identity,
    dialler_cipher: Cipher,
) -> Result<(), Faults> {
    let endpoint = "tcp://198.18.1.2:7000".parse().unwrap();
    shake_hands_at(
        listener,
        listener_cipher,
        dialler,
        dialler_cipher,
        &endpoint,
    )
}

fn shake_hands_at(
    listener: &Identity,
    listener_cipher: Cipher,
    dialler: &Identity,
    dialler_cipher: Cipher,
    endpoint: &Endpoint,
) -> Result<(), Faults> {
    let server = listener.server_config(listener_cipher, b"test").unwrap();
    let client = dialler.client_config(dialler_cipher, b"test").unwrap();
    let mut server: Connection = ServerConnection::new(Arc::new(server)).unwrap().into();
    let name = dialler.peer_name(endpoint).unwrap();
    let mut client: Connection = ClientConnection::new(Arc::new(client), name)
        .unwrap()
        .into();
    let (mut dialler_fault, mut listener_fault) = (None, None);
    // Three flights finish a handshake, one more carries an alert.
    for _ in 0..4 {
        listener_fault = listener_fault.or(pass(&mut client, &mut server));
        dialler_fault = dialler_fault.or(pass(&mut server, &mut client));
    }
    match (dialler_fault, listener_fault) {
        (None, None) => {
            assert!(!client.is_handshaking() && !server.is_handshaking());
            Ok(())
        }
        (client, server) => Err((
            client.map(|error| dialler.handshake_error(&error)),
            server.map(|error| listener.handshake_error(&error)),
        )),
    }
}

/// Moves what one end has to say to the other one.
fn pass(from: &mut Connection, to: &mut Connection) -> Option<rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut left = &bytes[..];
    while !left.is_empty() {
        to.read_tls(&mut left).unwrap();
        if let Err(error) = to.process_new_packets() {
            return Some(error);
        }
    }
    None
}
