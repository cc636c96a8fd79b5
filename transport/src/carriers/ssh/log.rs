//! What `ssh` and `sshd` say on their standard error: when they are ready, what they agreed on, and their last words.
//! Only the fields named here leave this module; the programs' messages about keys do not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;

/// Follows one process. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Log {
    heard: Arc<Mutex<Heard>>,
    stage: watch::Receiver<Stage>,
}

/// How far the process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Begun,
    Ready,
    Silent,
}

#[derive(Debug, Default)]
struct Heard {
    ours: Option<String>,
    peer: Option<String>,
    exchange: Option<String>,
    cipher: Option<String>,
    words: VecDeque<String>,
    failure: Option<String>,
    /// The channel of which the last line said that the other end had closed it.
    closed: Option<String>,
}

impl Log {
    /// Reads until the process and all of its children have closed their standard error.
    pub(super) fn follow(stderr: ChildStderr) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (sender, stage) = watch::channel(Stage::Begun);
        let listener = Arc::clone(&heard);
        tokio::spawn(async move {
            listen(stderr, &listener, &sender).await;
            sender.send_replace(Stage::Silent);
        });
        Self { heard, stage }
    }

    /// Waits until the process is ready (`true`), or has ended without.
    pub(super) async fn ready(&self) -> bool {
        let mut stage = self.stage.clone();
        stage
            .wait_for(|stage| *stage > Stage::Begun)
            .await
            .is_ok_and(|stage| *stage == Stage::Ready)
    }

    /// Waits until nothing more can be said.
    pub(super) async fn silent(&self) {
        let mut stage = self.stage.clone();
        // The reader can vanish without a word only when the runtime shuts down.
        let _ = stage.wait_for(|stage| *stage == Stage::Silent).await;
    }

    /// Versions and what was agreed on, for the record.
    pub(super) fn details(&self) -> String {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = [
            ("", &heard.ours),
            ("peer ", &heard.peer),
            ("", &heard.cipher),
            ("key exchange ", &heard.exchange),
        ];
        let told: Vec<String> = parts
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}{}", value.as_ref()?)))
            .collect();
        told.join(", ")
    }

    /// What was said of the first channel that could not be opened, if any.
    pub(super) fn failure(&self) -> Option<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.failure.clone()
    }

    /// Waits until something was said of a channel that broke; pending if nothing ever is.
    pub(super) async fn failed(&self) {
        let mut stage = self.stage.clone();
        // The reader can vanish only when the runtime shuts down.
        if stage.wait_for(|_| self.failure().is_some()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the process says that a signal ended it.
    pub(super) fn was_killed(&self) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard
            .words
            .iter()
            .any(|words| words.starts_with("Killed by signal "))
    }

    /// The last lines that were no debugging, in one.
    pub(super) fn last_words(&self) -> String {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.words.is_empty() {
            return "it said nothing".to_owned();
        }
        let words: Vec<&str> = heard.words.iter().map(String::as_str).collect();
        words.join("; ")
    }
}

async fn listen(
    stderr: impl AsyncRead + Unpin,
    heard: &Mutex<Heard>,
    stage: &watch::Sender<Stage>,
) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    // A line without end, such as a peer's banner, is taken in parts.
    while let Ok(1..) = (&mut stderr)
        .take(PART_LEN_MAX)
        .read_until(b'\n', &mut line)
        .await
    {
        let (ready, failed) = {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let ready = heard.hear(String::from_utf8_lossy(&line).trim_end());
            (ready, heard.failure.is_some())
        };
        if ready {
            stage.send_replace(Stage::Ready);
        } else if failed {
            stage.send_modify(|_| {});
        }
        line.clear();
    }
}

impl Heard {
    /// Takes a line in; `true` if it says that the process is ready.
    fn hear(&mut self, line: &str) -> bool {
        if line == READY_MARK {
            return true;
        }
        if let Some(line) = line.strip_prefix("debug2: ") {
            self.hear_end(line);
            return false;
        }
        let Some(debug) = line.strip_prefix("debug1: ") else {
            if !line.is_empty() {
                let words: String = line.chars().take(LINE_LEN_MAX).collect();
                if words.starts_with("channel ") && words.contains(": open failed: ") {
                    self.failure.get_or_insert(format!("ssh: {words}"));
                }
                self.words.push_back(words);
                if self.words.len() > WORDS_MAX {
                    self.words.pop_front();
                }
            }
            return line.starts_with("Accepted publickey for ");
        };
        // Whatever follows a close directly belongs to it; this is something else, such as that the channel is gone and its number free.
        self.closed = None;
        let debug = debug.trim_end_matches(" [preauth]");
        let after = |prefix: &str| debug.strip_prefix(prefix).map(str::to_owned);
        if let Some(version) = after("Local version string SSH-2.0-") {
            self.ours = Some(version);
        } else if let Some(rest) = after("Remote protocol version 2.0, remote software version ") {
            self.peer = Some(rest);
        } else if let Some(exchange) = after("kex: algorithm: ") {
            self.exchange = Some(exchange);
        } else if let Some(cipher) = after("kex: client->server ") {
            self.cipher = Some(agreed(&cipher));
        }
        false
    }
}

impl Heard {
    /// A channel that is closed from the other end while this end's QEMU is not done (`i0`: its input is open), or whose bytes cannot be written,
    /// has broken: `sshd` closes a channel of its own accord only when the process behind it does not take what came. A local connection is
    /// reset where the process closed it with something unread.
    fn hear_end(&mut self, line: &str) {
        let channel = line.split(": ").find(|part| part.starts_with("channel "));
        let was_closed = channel.is_some() && self.closed.as_deref() == channel;
        let closed_early =
            was_closed && line.contains("chan_shutdown_read") && line.contains("(i0 ");
        let closes = line.contains("chan_rcvd_oclose");
        self.closed = channel.filter(|_| closes).map(str::to_owned);
        let what = if closed_early {
            "a channel was closed at the other end before it had taken all"
        } else if line.contains("chan_write_failed") || is_reset(line) {
            "a channel was closed at this end before it had taken all"
        } else {
            return;
        };
        self.failure.get_or_insert(format!("ssh: {what}"));
    }
}

/// Both in the words of the C library, which our OpenSSH hears in no other language.
fn is_reset(line: &str) -> bool {
    line.contains("channel_handle_rfd") && line.contains("Connection reset by peer")
}

/// `cipher: aes128-gcm@openssh.com MAC: <implicit> compression: none` in the words of the record.
fn agreed(text: &str) -> String {
    text.replace("cipher: ", "cipher ")
        .replace(" MAC: ", ", mac ")
        .replace(" compression: ", ", compression ")
}

/// The functions of OpenSSH's `nchan.c` that [`Heard::hear_end`] follows, as `LogVerbose` takes them.
pub(super) const CHANNEL_ENDS: &str =
    "*:chan_rcvd_oclose():*,*:chan_shutdown_read():*,*:chan_write_failed():*";
/// Those that tell in `sshd` that the destination's QEMU left something unread.
pub(super) const UNREAD_ENDS: &str = "*:chan_write_failed():*,*:channel_handle_rfd():*";
/// What `ssh` is told to say once it has logged in and listens.
pub(super) const READY_MARK: &str = "lmbench-ready";
const WORDS_MAX: usize = 4;
const LINE_LEN_MAX: usize = 300;
/// Read at a time; the longest lines of OpenSSH, its lists of algorithms, have a few thousand bytes.
const PART_LEN_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_channels_are_told_apart() {
        let line = |channel, function, text: &str| {
            format!("debug2: nchan.c:{function}():1 (pid=2): channel {channel}: {text}")
        };
        let eof = line(1, "chan_shutdown_read", "(i0 o1 sock 6)");
        let others = line(2, "chan_shutdown_read", "(i0 o1 sock 7)");
        let close = line(1, "chan_rcvd_oclose", "rcvd close");
        let open = line(1, "chan_shutdown_read", "(i0 o3 sock 6)");
        let failed = line(1, "chan_write_failed", "write failed");
        let read = |why| {
            let text = format!("read failed rfd 6 maxlen 32768: {why}");
            line(1, "channel_handle_rfd", &text)
        };
        let (ended, reset) = (read("Broken pipe"), read("Connection reset by peer"));
        let free = "debug1: channel 1: free: direct-streamlocal@openssh.com".to_owned();
        for (lines, broken) in [
            (vec![&eof, &close, &free], false),
            (vec![&close, &others], false),
            (vec![&close, &free, &eof], false),
            (vec![&close, &open], true),
            (vec![&failed, &eof, &close], true),
            (vec![&ended, &eof, &close], false),
            (vec![&reset, &eof, &close], true),
        ] {
            let mut heard = Heard::default();
            for line in &lines {
                assert!(!heard.hear(line));
            }
            assert_eq!(heard.failure.is_some(), broken, "{lines:?}");
            assert!(heard.words.is_empty());
        }
    }

    #[test]
    fn lines_of_both_programs_are_understood() {
        let mut heard = Heard::default();
        for line in [
            "debug1: Local version string SSH-2.0-OpenSSH_10.0p2 Debian-7",
            "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1",
            "debug1: kex: algorithm: curve25519-sha256 [preauth]",
            "debug1: kex: client->server cipher: aes128-ctr MAC: hmac-sha2-256 compression: none [preauth]",
            "debug1: kex: server->client cipher: aes128-ctr MAC: hmac-sha2-256 compression: none [preauth]",
            "Connection closed",
            "channel 2: open failed: connect failed: open failed",
        ] {
            assert!(!heard.hear(line), "{line}");
        }
        assert!(heard.hear("lmbench-ready"));
        assert!(
            heard.hear("Accepted publickey for root from 127.0.0.1 port 1 ssh2: ED25519 SHA256:x")
        );
        assert_eq!(heard.ours.unwrap(), "OpenSSH_10.0p2 Debian-7");
        assert_eq!(heard.peer.unwrap(), "OpenSSH_9.2p1");
        assert_eq!(heard.exchange.unwrap(), "curve25519-sha256");
        assert_eq!(
            heard.cipher.unwrap(),
            "cipher aes128-ctr, mac hmac-sha2-256, compression none"
        );
        assert_eq!(heard.words[0], "Connection closed");
        assert_eq!(
            heard.failure.unwrap(),
            "ssh: channel 2: open failed: connect failed: open failed"
        );
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_kept() {
        let heard = Mutex::new(Heard::default());
        let (sender, stage) = watch::channel(Stage::Begun);
        let endless = tokio::io::repeat(b'x').take(16 << 20);
        listen(endless.chain(&b"\nlmbench-ready\n"[..]), &heard, &sender).await;
        assert!(*stage.borrow() == Stage::Ready);
        let heard = heard.into_inner().unwrap();
        assert!(heard.words.iter().all(|words| words.len() == LINE_LEN_MAX));
    }
}
