//! A user's own authority, as `lmbench carry --ca` takes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lmbench_transport::identity::Identity;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// An authority and the certificates that it signs.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// For a host with this name, whose certificate ends this many seconds from now.
    pub(crate) fn identity(&self, name: &str, ends_in: i64) -> Identity {
        self.identity_that_trusts(self, name, ends_in)
    }

    pub(crate) fn identity_that_trusts(
        &self,
        trusted: &Self,
        name: &str,
        ends_in: i64,
    ) -> Identity {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let end = now.as_secs().checked_add_signed(ends_in).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new([name.to_owned()]).unwrap();
        leaf.not_before = rcgen::date_time_ymd(2000, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
        let leaf = leaf.signed_by(&key, &self.issuer).unwrap();
        let (ca, certificate, key) = (
            self.write("ca", &trusted.issuer.pem()),
            self.write("certificate", &leaf.pem()),
            self.write("key", &key.serialize_pem()),
        );
        Identity::from_files(&ca, &certificate, &key, None).unwrap()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path: &Path = self.folder.path();
        let path = path.join(name);
        std::fs::write(&path, text).unwrap();
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, owner_only).unwrap();
        path
    }
}
