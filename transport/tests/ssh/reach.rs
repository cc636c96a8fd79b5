//! What a token opens: the destination's socket, and nothing else that the sink's user can reach.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lmbench_transport::carry::Event;
use lmbench_transport::ssh::{Connections, Settings};
use lmbench_transport::tcp::{self, Tcp};
use lmbench_transport::{Carrier as _, Endpoint, Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::rig::{Both, live, sink_with};

/// Somebody who holds the token, and its keys, and has an `ssh` of their own.
struct Holder {
    session: Box<dyn Session>,
    keys: PathBuf,
}

impl Holder {
    /// An `ssh` with these arguments, and the socket that the sink says it may ask for.
    async fn ssh(&self, arguments: impl FnOnce(&str) -> Vec<String>) -> std::process::Child {
        let channel = self.session.open_channel().await.unwrap();
        let mut wire = channel.into_tcp().unwrap();
        let len = wire.read_u16().await.unwrap();
        let mut json = vec![0; usize::from(len)];
        wire.read_exact(&mut json).await.unwrap();
        wire.read_exact(&mut [0; 32]).await.unwrap();
        let said: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let wire: TcpStream = wire.into_std().unwrap();
        wire.set_nonblocking(false).unwrap();
        let end = || Stdio::from(OwnedFd::from(wire.try_clone().unwrap()));
        let mut command = Command::new("ssh");
        command.args([
            "-F",
            "none",
            "-T",
            "-o",
            "ProxyCommand=-",
            "-o",
            "BatchMode=yes",
        ]);
        command.args(["-o", "IdentityAgent=none", "-o", "HostKeyAlias=lmbench"]);
        command.args([
            "-o",
            "ExitOnForwardFailure=yes",
            "-o",
            "StrictHostKeyChecking=yes",
        ]);
        for (name, file) in [("UserKnownHostsFile", "known"), ("IdentityFile", "client")] {
            let value = format!("{name}={}", self.keys.join(file).display());
            command.args(["-o", &value]);
        }
        command.args(["-l", said["user"].as_str().unwrap()]);
        command.args(arguments(said["socket"].as_str().unwrap()));
        command.stdin(end()).stdout(end()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

/// Whether somebody answers behind a forward: they say a byte at once.
async fn answers(local: &Path) -> bool {
    let mut stream = loop {
        // ssh makes the socket once it has logged in; the test's own deadline ends this.
        match UnixStream::connect(local).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    };
    stream.write_all(b"x").await.is_ok() && matches!(stream.read(&mut [0]).await, Ok(1))
}

/// Says a byte to everybody, without an end.
macro_rules! greeter {
    ($listener:expr) => {{
        let listener = $listener;
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.write_all(b"y").await;
                tokio::spawn(async move {
                    while stream.read(&mut [0]).await.is_ok_and(|len| len > 0) {}
                });
            }
        })
    }};
}

#[test]
fn a_token_opens_one_socket_and_nothing_else() {
    live(async {
        // Keys come from a source half that holds the same token and another sink.
        let both = Both::new(Settings::default()).await;
        let private = std::fs::canonicalize(both.folder.path().join("source")).unwrap();
        let keys = private.parent().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let settings = Settings {
            connections: Connections::PerChannel,
            ..Settings::default()
        };
        let (mut sink, endpoint) =
            sink_with(both.token.clone(), path("destination"), settings).await;
        greeter!(UnixListener::bind(path("destination")).unwrap());
        greeter!(UnixListener::bind(path("other")).unwrap());
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = port.local_addr().unwrap();
        greeter!(port);
        let tcp = Tcp::new(both.token.clone(), tcp::Settings::default());
        let beneath: Endpoint = endpoint
            .to_string()
            .replace("ssh:", "tcp:")
            .parse()
            .unwrap();
        let session = tcp.dial(&beneath).await.unwrap();
        let holder = Holder { session, keys };

        let forward = |name: &str, to: &str| format!("{}:{to}", path(name).display());
        let mut ssh = holder
            .ssh(|socket| {
                let words = [
                    "-N",
                    "-L",
                    &forward("a", socket),
                    "-L",
                    &forward("b", &path("other").to_string_lossy()),
                ];
                let more = [
                    "-L",
                    &forward("c", &address.to_string()),
                    "-L",
                    &forward("d", &path("destination").to_string_lossy()),
                    "lmbench",
                ];
                words.into_iter().chain(more).map(str::to_owned).collect()
            })
            .await;
        assert!(answers(&path("a")).await, "the destination's socket");
        assert!(!answers(&path("b")).await, "another socket");
        assert!(!answers(&path("c")).await, "a port");
        assert!(
            !answers(&path("d")).await,
            "another name of the destination's socket"
        );
        ssh.kill().unwrap();
        ssh.wait().unwrap();

        let marker = path("marker");
        let touch = format!("touch {}", marker.display());
        let remote = forward("r", "/nowhere");
        for words in [
            vec!["lmbench", &touch],
            vec!["-tt", "lmbench", &touch],
            vec!["-s", "lmbench", "sftp"],
            vec!["-N", "-R", &remote, "lmbench"],
            vec!["-N", "-R", "127.0.0.1:0:127.0.0.1:1", "lmbench"],
        ] {
            let ssh = holder
                .ssh(|_| words.iter().copied().map(str::to_owned).collect())
                .await;
            let output = tokio::task::spawn_blocking(move || ssh.wait_with_output());
            let output = output.await.unwrap().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let refused = said.contains("open failed: connect failed: open failed")
                || said.contains("remote port forwarding failed");
            assert!(!output.status.success() && refused, "{words:?}: {said}");
            assert!(!marker.exists() && !path("r").exists(), "{words:?}");
        }
        while let Ok(event) = sink.events.try_recv() {
            assert!(!matches!(event, Event::Refused { .. }), "{event:?}");
        }
        sink.stop.cancel();
        both.end().await;
    });
}
