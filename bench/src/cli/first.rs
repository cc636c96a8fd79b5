//! The command line of the first hour: `scenarios` and `init`.

use std::path::PathBuf;

use clap::Args;

use super::Format;

/// `lmbench scenarios`.
#[derive(Debug, Args)]
pub struct ScenariosArguments {
    /// Print this one, as it stands in its file, in place of the list.
    pub name: Option<String>,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `lmbench init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The file to make, after which the scenario is named; `-` is standard output. One that exists is left alone.
    #[arg(default_value = "scenario.toml")]
    pub file: PathBuf,
}

/// `lmbench man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Of this command, such as `carry sink`; without it that of lmbench.
    #[arg(conflicts_with = "into")]
    pub command: Vec<String>,
    /// Instead, write the pages of all commands to this folder, which is made if it is not there.
    #[arg(long, value_name = "DIRECTORY")]
    pub into: Option<PathBuf>,
}
