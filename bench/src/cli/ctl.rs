//! `lmbench ctl`'s arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

/// `lmbench ctl`.
#[derive(Debug, Args)]
pub struct CtlArguments {
    /// `latest`, an id below --out, its beginning or end, or the path of a run's folder or record.
    pub run: String,
    /// Directory with the runs.
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "results",
        global = true
    )]
    pub out: PathBuf,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Human, global = true)]
    pub format: Format,
    /// What is wanted.
    #[command(subcommand)]
    pub order: Order,
}

/// What `lmbench ctl` can ask of a run. All but `status` are about the migration that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Order {
    /// Where the run is, and how its migration stands.
    Status,
    /// Give the migration up; the guest stays on the source.
    Cancel,
    /// End the migration now: by post-copy if it was switched on for it, else by stopping the guest until it arrives.
    ForceComplete,
    /// Stop the guest.
    Pause,
    /// Let the guest run again.
    Resume,
    /// Make links whole that were cut, and go on with a post-copy that lost them.
    ResumeNetwork,
    /// Go on with a post-copy that lost its network.
    Recover,
    /// Change settings: downtime-limit="500 ms", max-bandwidth, max-postcopy-bandwidth, avail-switchover-bandwidth="1 Gbit/s".
    Set {
        /// The settings, one after the other.
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
}
