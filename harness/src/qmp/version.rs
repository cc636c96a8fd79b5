//! Which QEMU answers. For reports; what it can do is asked from its schema.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A QEMU's version, from the QMP greeting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QemuVersion {
    /// Major.
    pub major: u32,
    /// Minor.
    pub minor: u32,
    /// Micro.
    pub micro: u32,
    /// The packager's text, often empty.
    pub package: String,
}

impl QemuVersion {
    /// Reads the greeting's `version` object.
    pub(super) fn from_greeting(version: &Value) -> Option<QemuVersion> {
        let number = |name: &str| u32::try_from(version["qemu"][name].as_u64()?).ok();
        Some(QemuVersion {
            major: number("major")?,
            minor: number("minor")?,
            micro: number("micro")?,
            package: version["package"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for QemuVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.micro)?;
        if self.package.is_empty() {
            Ok(())
        } else {
            write!(formatter, " ({})", self.package)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_the_package_only_when_there_is_one() {
        let mut greeting =
            json!({"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": "Debian 1:10.0.2"});
        let version = |greeting: &Value| QemuVersion::from_greeting(greeting).unwrap().to_string();
        assert_eq!(version(&greeting), "10.0.2 (Debian 1:10.0.2)");
        greeting["package"] = json!("");
        assert_eq!(version(&greeting), "10.0.2");
        assert_eq!(QemuVersion::from_greeting(&json!({})), None);
    }
}
