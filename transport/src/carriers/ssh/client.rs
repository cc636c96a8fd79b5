//! The command line of `ssh`. Nothing of the user's configuration, agent or known hosts takes part.

use std::path::Path;

use tokio::process::Command;

use super::deadlines::LOGIN_DEADLINE;
use super::introduction::Introduction;
use super::keys::{ClientFiles, HOST_ALIAS};
use super::log::{CHANNEL_ENDS, READY_MARK};
use super::settings::Settings;

/// `ssh` on a connection that it gets as its standard input and output, forwarding a socket that it makes at `local`.
pub(super) fn command(
    ssh: &Path,
    files: &ClientFiles,
    settings: &Settings,
    introduction: &Introduction,
    local: &Path,
) -> Command {
    let mut command = Command::new(ssh);
    // -v for what was agreed on; it logs nothing per packet.
    command.args(["-F", "none", "-N", "-T", "-v"]);
    let mut option = |name: &str, value: &str| {
        command.arg("-o").arg(format!("{name}={value}"));
    };
    for (name, value) in FIXED {
        option(name, value);
    }
    option("HostKeyAlias", HOST_ALIAS);
    option("IdentityFile", &files.identity.to_string_lossy());
    option("UserKnownHostsFile", &files.known_hosts.to_string_lossy());
    option("ConnectTimeout", &LOGIN_DEADLINE.as_secs().to_string());
    // Runs once the forward listens, and must not write to its standard output, which is the connection.
    option("LocalCommand", &format!("echo {READY_MARK} >&2"));
    option("Compression", yes_no(settings.compression));
    if let Some(cipher) = settings.cipher {
        option("Ciphers", cipher.name());
    }
    let forward = format!("{}:{}", local.display(), introduction.socket);
    command.args(["-L", &forward, "-l", &introduction.user, HOST_ALIAS]);
    command.env_clear().env("SHELL", "/bin/sh");
    command
}

pub(super) fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

const FIXED: [(&str, &str); 25] = [
    // The connection is on standard input and output.
    ("ProxyCommand", "-"),
    ("BatchMode", "yes"),
    ("IdentitiesOnly", "yes"),
    ("IdentityAgent", "none"),
    ("PreferredAuthentications", "publickey"),
    ("GlobalKnownHostsFile", "none"),
    ("StrictHostKeyChecking", "yes"),
    ("HostKeyAlgorithms", "ssh-ed25519"),
    ("VerifyHostKeyDNS", "no"),
    ("CheckHostIP", "no"),
    ("UpdateHostKeys", "no"),
    ("ControlMaster", "no"),
    ("ControlPath", "none"),
    ("ForwardAgent", "no"),
    ("ForwardX11", "no"),
    ("Tunnel", "no"),
    ("EscapeChar", "none"),
    ("ExitOnForwardFailure", "yes"),
    ("StreamLocalBindMask", "0177"),
    ("StreamLocalBindUnlink", "no"),
    ("ServerAliveInterval", "10"),
    ("ServerAliveCountMax", "3"),
    ("PermitLocalCommand", "yes"),
    // How channels end, a few lines for each (`log.rs`). OpenSSH before 8.5 cannot tell.
    ("IgnoreUnknown", "LogVerbose"),
    ("LogVerbose", CHANNEL_ENDS),
];
