//! `sshd -i` for one connection after the other: its configuration, its user, and what it wants of the host.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tokio::net::TcpStream;
use tokio::process::Command;

use super::child::Child;
use super::client::yes_no;
use super::deadlines::LOGIN_DEADLINE;
use super::error::SshError;
use super::introduction::Introduction;
use super::log::UNREAD_ENDS;
use super::settings::Settings;
use super::{keys, program};
use crate::carrier::token::Token;
use crate::folder::{Folder, FolderError};

/// Everything that each `sshd` of a session shares.
pub(super) struct Server {
    login: Login,
    sshd: PathBuf,
    config: PathBuf,
    introduction: Introduction,
    folder: Folder,
}

/// Whom `sshd` lets in, which has to be the user that it runs as, unless it is the real root.
struct Login {
    user: String,
    /// What `sshd` is started by.
    prefix: Vec<OsString>,
}

impl Server {
    /// Writes keys and configuration, and has `sshd` check them.
    pub(super) async fn prepare(
        token: &Token,
        settings: &Settings,
        target: &Path,
    ) -> Result<Self, SshError> {
        let sshd = program::find("sshd")?;
        let login = Login::choose().await?;
        let folder = Folder::new()?;
        let files = keys::write_server(&folder, token)?;
        // A name without odd characters for whatever path the owner chose.
        let stream = folder.path("stream");
        let plain = configuration(&files, settings, &stream);
        let config = folder.write("config", &format!("{plain}LogVerbose {UNREAD_ENDS}\n"))?;
        std::path::absolute(target)
            .and_then(|target| std::os::unix::fs::symlink(target, &stream))
            .map_err(|source| FolderError {
                path: stream.clone(),
                source,
            })?;
        let introduction = Introduction {
            user: login.user.clone(),
            socket: stream.display().to_string(),
        };
        let mut server = Self {
            login,
            sshd,
            config,
            introduction,
            folder,
        };
        match server.check().await {
            // OpenSSH before 8.5 cannot tell how channels end.
            Err(SshError::Server { said }) if said.contains("LogVerbose") => {
                server.config = server.folder.write("config-plain", &plain)?;
                server.check().await?;
            }
            checked => checked?,
        }
        Ok(server)
    }

    pub(super) fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    /// Gives a connection to an `sshd` of its own.
    pub(super) fn start(&self, wire: TcpStream) -> Result<Child, SshError> {
        let mut command = self.command();
        command.args(["-i", "-e"]);
        Child::start("sshd", command, wire)
    }

    fn command(&self) -> Command {
        let mut words = self.login.prefix.iter().cloned();
        let mut command = match words.next() {
            Some(first) => Command::new(first),
            None => Command::new(&self.sshd),
        };
        command.args(words);
        if !self.login.prefix.is_empty() {
            command.arg(&self.sshd);
        }
        command.arg("-f").arg(&self.config).env_clear();
        command
    }

    async fn check(&self) -> Result<(), SshError> {
        let Err(said) = self.test().await? else {
            return Ok(());
        };
        let Some(path) = said.strip_prefix(MISSING_DIRECTORY) else {
            return Err(SshError::Server { said });
        };
        let path = PathBuf::from(path.trim());
        // Usually made at boot by the service, which need not be enabled here. Two of us may make it at once.
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&path);
        made.map_err(|source| SshError::PrivilegeSeparation { path, source })?;
        self.test().await?.map_err(|said| SshError::Server { said })
    }

    /// `Err` with its words if `sshd` would not work.
    async fn test(&self) -> Result<Result<(), String>, SshError> {
        let mut command = self.command();
        command
            .arg("-t")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.map_err(|source| SshError::Start {
            program: self.sshd.clone(),
            source,
        })?;
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(if output.status.success() {
            Ok(())
        } else {
            Err(words)
        })
    }
}

impl Login {
    /// The real root and ordinary users let themselves in. The root of a user namespace cannot: `sshd` would give up root's rights
    /// for users that the namespace does not have. There, and for users that no name or a name without an account belongs to,
    /// `sshd` runs as an ordinary user of a namespace of its own, which is still us for everybody outside.
    async fn choose() -> Result<Self, SshError> {
        let user = rustix::process::geteuid();
        let usable = if user.is_root() {
            knows_everybody()
        } else {
            user.as_raw() != NOBODY
        };
        match ask_id(&["-un"]).await {
            Some(user) if usable => Ok(Self {
                user,
                prefix: Vec::new(),
            }),
            _ => Self::nested().await,
        }
    }

    async fn nested() -> Result<Self, SshError> {
        let unshare = program::find("unshare")?;
        for name in ORDINARY {
            let ids = (ask_id(&["-u", name]).await, ask_id(&["-g", name]).await);
            if let (Some(user), Some(group)) = ids {
                let prefix = [
                    unshare.into_os_string(),
                    "--user".into(),
                    format!("--map-user={user}").into(),
                    format!("--map-group={group}").into(),
                ];
                return Ok(Self {
                    user: name.to_owned(),
                    prefix: prefix.into(),
                });
            }
        }
        Err(SshError::User(format!(
            "none of {} exists here",
            ORDINARY.join(", ")
        )))
    }
}

/// The users' names come from wherever the host keeps them, not only from a file, so `id` is asked.
async fn ask_id(arguments: &[&str]) -> Option<String> {
    let output = Command::new(program::find("id").ok()?)
        .args(arguments)
        .output()
        .await
        .ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    Some(answer.trim().to_owned()).filter(|answer| output.status.success() && !answer.is_empty())
}

/// Whether this process is in no user namespace but the first. Where the map is unreadable, there are none.
pub(super) fn knows_everybody() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").map_or(true, |map| is_whole(&map))
}

/// Whether a `uid_map` is that of the host itself.
fn is_whole(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

fn configuration(files: &keys::ServerFiles, settings: &Settings, stream: &Path) -> String {
    let mut text = FIXED.to_owned();
    let grace = LOGIN_DEADLINE.as_secs();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "HostKey {}", files.host_key.display());
    let _ = writeln!(
        text,
        "AuthorizedKeysFile {}",
        files.authorized_keys.display()
    );
    // A forward to a unix socket is asked for with no port, which only `*` covers; without the brackets the path would end at a colon.
    let _ = writeln!(text, "PermitOpen [{}]:*", stream.display());
    let _ = writeln!(text, "LoginGraceTime {grace}");
    let _ = writeln!(text, "Compression {}", yes_no(settings.compression));
    if let Some(cipher) = settings.cipher {
        let _ = writeln!(text, "Ciphers {}", cipher.name());
    }
    text
}

/// One key and forwards, of which [`configuration`] permits one, and nothing else. Forwards to unix sockets are refused unless TCP's
/// are allowed too.
const FIXED: &str = "\
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
StrictModes no
PidFile none
MaxAuthTries 2
MaxSessions 0
ForceCommand /bin/false
AllowStreamLocalForwarding local
AllowTcpForwarding local
PermitListen none
GatewayPorts no
AllowAgentForwarding no
X11Forwarding no
PermitTTY no
PermitTunnel no
PermitUserEnvironment no
PermitUserRC no
PrintMotd no
PrintLastLog no
Banner none
AuthorizedKeysCommand none
TrustedUserCAKeys none
HostKeyAlgorithms ssh-ed25519
PubkeyAcceptedAlgorithms ssh-ed25519
ClientAliveInterval 10
ClientAliveCountMax 3
LogLevel DEBUG1
";
const MISSING_DIRECTORY: &str = "Missing privilege separation directory: ";
/// Accounts that every host has, in the order of preference. Some name services call `nobody` locked.
const ORDINARY: [&str; 4] = ["daemon", "bin", "sshd", "nobody"];
const NOBODY: u32 = 65534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_map_is_the_hosts_own() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("         0      65534          1\n"));
        assert!(!is_whole("0 100000 65536\n1000 1000 1\n"));
    }

    #[tokio::test]
    async fn names_of_users_are_asked_for() {
        assert_eq!(ask_id(&["-u", "daemon"]).await.unwrap(), "1");
        assert_eq!(ask_id(&["-u", "no-such-user"]).await, None);
    }
}
