//! What a hypervisor's own TLS proves itself with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What one side's hypervisor proves itself with, and what it expects of the other.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Their type.
    pub kind: CredentialKind,
    /// Name and content of each file.
    pub files: Vec<(String, String)>,
    /// The name that the destination's certificate must bear; for the source only.
    pub hostname: Option<String>,
    /// `GnuTLS` priority string; `None` leaves the hypervisor's own default.
    pub priority: Option<String>,
}

/// Types of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// Certificates, both sides verified.
    X509,
    /// A pre-shared key.
    Psk,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("kind", &self.kind)
            .field("files", &"hidden")
            .field("hostname", &self.hostname)
            .field("priority", &self.priority)
            .finish()
    }
}
