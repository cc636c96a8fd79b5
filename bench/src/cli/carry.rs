//! `lmbench carry`'s and `lmbench capture`'s arguments: the parts, by hand.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// `lmbench capture`.
#[derive(Debug, Args)]
pub struct CaptureArguments {
    /// Where the source's QEMU migrates to: unix:PATH.
    #[arg(long, value_name = "LOCAL")]
    pub listen: String,
    /// Who gets the stream: unix:PATH of the destination's QEMU, or of a carrier's source half.
    #[arg(long, value_name = "LOCAL")]
    pub to: String,
    /// The file to make. It will hold the guest's memory, secrets included: only its owner can read it, so keep it so.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: PathBuf,
    /// A user besides yourself whose processes may be at these sockets, such as libvirt-qemu; a name or a number. Nobody else gets a byte.
    #[arg(long, value_name = "USER")]
    pub peer_user: Option<String>,
    /// Overwrite the file if it exists.
    #[arg(long)]
    pub force: bool,
    /// End by a signal only, and not one second after the migration's last channel: for a post-copy that will be recovered.
    #[arg(long)]
    pub stay: bool,
    /// Form of the status lines on stdout.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// The ends of `lmbench carry`.
#[derive(Debug, Subcommand)]
pub enum CarryEnd {
    /// The destination's end: accepts the carrier and passes channels to a local QEMU.
    Sink {
        /// Where to listen, such as `tcp://[::]:7000`; port 0 lets the kernel choose.
        #[arg(long, value_name = "URL")]
        listen: String,
        /// Where the local QEMU takes the stream: unix:PATH, or fd:PATH to hand connected sockets over. Without a QEMU: discard:
        /// throws the stream away, verify:FILE compares it with a capture and answers as the capture does.
        #[arg(long, value_name = "LOCAL")]
        to: String,
        /// What both ends take.
        #[command(flatten)]
        common: CarryArguments,
    },
    /// The source's end: takes the stream from a local QEMU and dials the sink.
    Source {
        /// Where the local QEMU gives the stream: unix:PATH, or fd:PATH to hand connected sockets over.
        #[arg(
            long,
            value_name = "LOCAL",
            required_unless_present = "replay",
            conflicts_with = "replay"
        )]
        from: Option<String>,
        /// Play this capture instead of a local QEMU's stream, and end. It is loaded into memory first.
        #[arg(long, value_name = "FILE")]
        replay: Option<PathBuf>,
        /// How fast to play it.
        #[arg(long, value_enum, default_value_t = Pace::Full, requires = "replay")]
        pace: Pace,
        /// The sink, such as `tcp://192.0.2.7:7000`.
        #[arg(long, value_name = "URL")]
        dial: String,
        /// File with the token that the sink printed; without it the environment variable `LMBENCH_TOKEN` is read.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// Name that the sink's certificate must bear; without it the host in --dial.
        #[arg(long, value_name = "NAME", requires = "ca")]
        peer_name: Option<String>,
        /// What both ends take.
        #[command(flatten)]
        common: CarryArguments,
    },
}

/// What both ends of `lmbench carry` take.
#[derive(Debug, Args)]
pub struct CarryArguments {
    /// Form of the status lines on stdout.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// A setting of the carrier, as under [carrier.NAME] of a scenario, such as cipher=aes256-gcm. Both ends need the same.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A user besides yourself whose QEMU may be at the local socket, such as libvirt-qemu; a name or a number. Nobody else gets a byte.
    #[arg(long, value_name = "USER")]
    pub peer_user: Option<String>,
    /// The authority that signed the other end's certificate (PEM). Without it both ends trust whoever holds the token.
    #[arg(long, value_name = "FILE", requires_all = ["certificate", "key"])]
    pub ca: Option<PathBuf>,
    /// This end's certificate, and those between it and its authority (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["ca", "key"])]
    pub certificate: Option<PathBuf>,
    /// The key of this end's certificate (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["ca", "certificate"])]
    pub key: Option<PathBuf>,
    /// All settings, as JSON.
    #[arg(long, hide = true, conflicts_with = "set")]
    pub settings: Option<String>,
    /// End when standard input closes, because the owner is at its other end.
    #[arg(long, hide = true)]
    pub owner_on_stdin: bool,
}

/// How fast a capture is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// As fast as the carrier takes it.
    Full,
    /// As it was captured: nothing before its time.
    Original,
}
