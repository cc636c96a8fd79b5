//! Whose work is measured: the QEMU and the lmbench of a cell's hosts, where they are not the usual ones.
//!
//! `lmbench compare --qemu` and `--binary` run one scenario with two of them in turns. Paths alone would not tell later what was compared,
//! so the version and the SHA-256 of each program go into the record.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The programs of a cell's hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// Whose agents and carriers work on both hosts; without it, those of this executable. The controller is always this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lmbench: Option<Program>,
    /// The QEMU of both hosts; without it, the one that `LMBENCH_QEMU` or the search path names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu: Option<Program>,
}

impl Programs {
    /// The axis of a run that tells the cells of two sets apart.
    pub const AXIS: &str = "variant";
    /// Where in a record's environment the sets stand, by their value on the axis.
    pub const DETAIL: &str = "variants";
    /// And where the one set of all cells, if it is not the usual one.
    pub const OF_ALL: &str = "programs";
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// What it says that it is.
    pub version: String,
    /// Which it is, hexadecimal: two builds of one version differ here.
    pub sha256: String,
}

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Program {
            path,
            version,
            sha256,
        } = self;
        let sha256: String = sha256.chars().take(SHA256_SHOWN).collect();
        write!(
            formatter,
            "{version} ({}, SHA-256 {sha256})",
            path.display()
        )
    }
}

impl fmt::Display for Programs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [("lmbench", &self.lmbench), ("QEMU", &self.qemu)];
        let named: Vec<String> = named
            .iter()
            .filter_map(|(name, program)| Some(format!("{name} {}", program.as_ref()?)))
            .collect();
        formatter.write_str(&named.join(", "))
    }
}

const SHA256_SHOWN: usize = 12;
