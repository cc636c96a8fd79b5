//! A guest comes through while strangers fill the carrier's port.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lmbench::scenario::{self, Cell};
use lmbench_guest::wire::{FromGuest, ToGuest};
use lmbench_harness::drivers::qemu::{self, Launched};
use lmbench_harness::hypervisor::{MigrationStatus, Stream};
use lmbench_harness::role::Role;
use lmbench_harness::spec::Accelerator;
use lmbench_testing::Need;
use lmbench_transport::{Carrier as _, Endpoint, Scheme, Token, quic};
use serde_json::Value;

/// Each carrier `LMBENCH_TIMES` times: real guests, 8 multifd channels, and 256 strangers that come anew every 4 s.
#[test]
#[ignore = "takes minutes"]
fn eight_channels_come_through_a_crowd() {
    let times = std::env::var("LMBENCH_TIMES").map_or(1, |text| text.parse().expect("a number"));
    for scheme in ["tcp", "tls", "quic", "ssh"] {
        let needs: &[Need] = if scheme == "ssh" { &[Need::Sshd] } else { &[] };
        let Some(_turn) = lmbench_testing::live(needs) else {
            continue;
        };
        for round in 1..=times {
            let begin = Instant::now();
            let (channels, refused) = comes_through(scheme);
            // Or there was no crowd.
            assert!(refused > 0, "{scheme}");
            eprintln!(
                "{scheme}, {round} of {times}: {:.1} s, {channels} channels, {refused} strangers refused",
                begin.elapsed().as_secs_f64()
            );
        }
    }
}

/// How many channels there were (0 where the carrier counts none), and how many strangers were turned away.
fn comes_through(scheme: &str) -> (u64, u64) {
    let cell = scenario::parse(Path::new("crowd"), SCENARIO).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (near, far) = (path("near"), path("far"));
    let listen = format!("{scheme}://127.0.0.1:0");
    let mut sink = Half::start(&["sink", "--listen", &listen, "--to", &unix(&far)], None);
    let listening = sink.wait_for("listening");
    let (endpoint, token) = (word(&listening, "endpoint"), word(&listening, "token"));
    let _crowd = Crowd::around(&endpoint);
    let dial = ["source", "--dial", &endpoint, "--from", &unix(&near)];
    let mut source = Half::start(&dial, Some(&token));
    source.wait_for("ready");
    // One thread: the kernel ends the QEMUs when the thread that started them ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let migrated = migrate(&cell.cells[0], folder.path(), &near, &far);
        tokio::time::timeout(LIMIT, migrated).await.unwrap();
    });
    source.end();
    let finished = sink.end();
    (
        finished["channels"].as_u64().unwrap_or(0),
        finished["refused"].as_u64().unwrap(),
    )
}

async fn migrate(cell: &Cell, folder: &Path, near: &Path, far: &Path) {
    let source = launch(cell, folder, Role::Source).await;
    let destination = launch(cell, folder, Role::Destination).await;
    fill(&source, cell).await;
    let incoming = Stream::Unix(far.to_owned());
    destination.guest.incoming(&incoming).await.unwrap();
    let to = unix(near);
    source.guest.qmp().migrate(&to).await.unwrap();
    loop {
        let info = source.guest.qmp().query_migrate().await.unwrap();
        match info.stats.status {
            MigrationStatus::Completed => break,
            status if status.is_final() => panic!("{}", info.raw),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    // Its vCPUs run once it has all that the source had.
    while !destination.guest.run_state().await.unwrap().is_running() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    source.end().await.unwrap();
    destination.end().await.unwrap();
}

async fn launch(cell: &Cell, folder: &Path, role: Role) -> Launched {
    let folder = folder.join(role.name());
    std::fs::create_dir(&folder).unwrap();
    let (setup, accelerator) = (&cell.setup, Accelerator::Tcg);
    let launched = qemu::launch(&setup.guest, role, accelerator, &folder).await;
    let launched = launched.unwrap();
    let settings = qemu::settings(
        &setup.migration,
        &setup.policy,
        (&setup.guest).into(),
        role,
        |_| false,
    );
    launched.guest.configure(&settings).await.unwrap();
    launched
}

async fn fill(source: &Launched, cell: &Cell) {
    let start = ToGuest::Start {
        workload: cell.setup.workload.clone().unwrap(),
        heartbeat_interval_ns: 0,
        report_interval_ns: Duration::from_hours(1).as_nanos() as u64,
    };
    let ready = |answer| matches!(answer, FromGuest::Ready { .. }).then_some(());
    let ports = source.ports.as_ref().unwrap();
    let filled = ports.ask(&start, "that its memory is filled", LIMIT, ready);
    filled.await.unwrap();
}

/// A half of the real program. It ends when its standard input does.
struct Half {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Half {
    fn start(arguments: &[&str], token: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lmbench"));
        command
            .arg("carry")
            .args(arguments)
            .args(["--format", "json", "--owner-on-stdin"])
            .envs(token.map(|token| ("LMBENCH_TOKEN", token)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn wait_for(&mut self, name: &str) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "the half ended before it was {name}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Ends it in order. The last thing that it said.
    fn end(&mut self) -> Value {
        drop(self.child.stdin.take());
        let finished = self.wait_for("finished");
        assert!(self.child.wait().unwrap().success(), "{finished}");
        finished
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // After a failure nobody has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Strangers at one port, until it is dropped.
struct Crowd {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Crowd {
    fn around(endpoint: &str) -> Self {
        let endpoint: Endpoint = endpoint.parse().unwrap();
        let target = endpoint.to_string().split_once("://").unwrap().1.parse();
        let target: SocketAddr = target.unwrap();
        let beginnings = (endpoint.scheme == Scheme::Quic).then(beginnings);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut inside: Vec<Option<TcpStream>> = (0..STRANGERS).map(|_| None).collect();
            let mut is_first = true;
            while !stopped.load(Ordering::Relaxed) {
                for (number, stranger) in inside.iter_mut().enumerate() {
                    if let Some(beginnings) = &beginnings {
                        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                        let _ = socket.send_to(&beginnings[number], target);
                    } else {
                        // The listener has ended where this fails.
                        *stranger = TcpStream::connect(target).ok();
                        if let Some(stream) = stranger {
                            let _ = stream.write_all(b"LMBT\0\x02\0\0half of a knock");
                        }
                    }
                    if !is_first {
                        std::thread::sleep(RENEWED / STRANGERS);
                    }
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                }
                is_first = false;
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The first datagrams of diallers that hold another token.
fn beginnings() -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let trap = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new(Scheme::Quic, trap.local_addr().unwrap());
        let carrier = quic::Quic::new(Token::generate().unwrap(), quic::Settings::default());
        let mut beginnings = Vec::new();
        for _ in 0..STRANGERS {
            let mut datagram = vec![0; 2000];
            let len = tokio::select! {
                received = trap.recv(&mut datagram) => received.unwrap(),
                _ = carrier.dial(&endpoint) => unreachable!("nobody answers"),
            };
            datagram.truncate(len);
            beginnings.push(datagram);
        }
        beginnings
    })
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn word(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap().to_owned()
}

/// Some 130 MiB at this rate take longer than a stranger may take to shake hands.
const SCENARIO: &str = "name = \"crowd\"\ncarrier = \"native-unix\"\n\
    [guest]\nmemory = \"224 MiB\"\n\
    [workload.uniform]\nmemory = \"96 MiB\"\nrate = \"1 MiB/s\"\n\
    [migration]\nmultifd-channels = 8\nmax-bandwidth = \"16 MiB/s\"\n";
const STRANGERS: u32 = 256;
const RENEWED: Duration = Duration::from_secs(4);
const LIMIT: Duration = Duration::from_mins(1);
