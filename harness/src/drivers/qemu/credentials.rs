//! QEMU's own TLS: the files it reads its identity from, and the object that names them.
//!
//! QEMU takes credentials from a directory with fixed file names (docs/system/tls.rst: `ca-cert.pem`, `server-cert.pem`, … for
//! x509, `keys.psk` for pre-shared keys). They live below the agent's own directory and go with it.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::hypervisor::{CredentialKind, Credentials};
use crate::role::Role;

impl Credentials {
    /// Writes the files for their owner alone.
    pub(super) fn write(&self, directory: &Path) -> std::io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(directory)?;
        for (name, content) in &self.files {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(directory.join(name))?;
            file.write_all(content.as_bytes())?;
        }
        Ok(())
    }

    /// Arguments of `object-add`.
    pub(super) fn object(&self, role: Role, directory: &Path) -> Value {
        let endpoint = match role {
            Role::Source => "client",
            Role::Destination => "server",
        };
        let mut object = json!({ "id": ID, "dir": directory, "endpoint": endpoint });
        match self.kind {
            CredentialKind::X509 => {
                object["qom-type"] = "tls-creds-x509".into();
                object["verify-peer"] = true.into();
            }
            CredentialKind::Psk => object["qom-type"] = "tls-creds-psk".into(),
        }
        if let Some(priority) = &self.priority {
            object["priority"] = priority.as_str().into();
        }
        object
    }

    /// Arguments of `migrate-set-parameters`.
    pub(super) fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::from_iter([("tls-creds".to_owned(), ID.into())]);
        if let Some(hostname) = &self.hostname {
            parameters.insert("tls-hostname".to_owned(), hostname.as_str().into());
        }
        parameters
    }
}

/// The object's id within QEMU.
const ID: &str = "lmbench-tls";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_their_owners_and_keys_stay_out_of_debug() {
        let scratch = tempfile::tempdir().unwrap();
        let credentials = Credentials {
            kind: CredentialKind::Psk,
            files: vec![("keys.psk".to_owned(), "qemu:c0ffee".to_owned())],
            hostname: None,
            priority: Some("NORMAL".to_owned()),
        };
        let directory = scratch.path().join("tls");
        credentials.write(&directory).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join("keys.psk")), 0o600);
        assert!(!format!("{credentials:?}").contains("c0ffee"));
        assert_eq!(
            credentials.object(Role::Destination, &directory),
            json!({
                "id": "lmbench-tls", "dir": directory, "endpoint": "server",
                "qom-type": "tls-creds-psk", "priority": "NORMAL"
            })
        );
    }
}
