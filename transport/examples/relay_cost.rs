//! What a relay costs: GB/s through two carry processes, and the CPU seconds per GiB of each, splice against copy against no relay.
//!
//! `cargo run --release -p lmbench-transport --example relay_cost [GiB per transfer] [rounds]`
//!
//! ```text
//! produce -> unix -> carry source == veth, two namespaces == carry sink -> unix -> consume     splice, copy
//! produce ======================= veth, two namespaces ======================== consume        raw
//! ```
//! As root it makes two namespaces and a veth pair (MTU 1500) of its own and removes them. Without, it uses loopback and says
//! so. The variants are interleaved, because absolute values swing between runs. CPU is `/proc/self/schedstat` of the carry
//! process, whose runtime has one thread. It measures no guest: the producer writes 128 KiB at a time, as QEMU about does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmbench_transport::carry::{Event, Local, Options, Sink, Source};
use lmbench_transport::{Token, relay, tcp};
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["produce", target, gib] => produce(target, gib.parse()?),
        ["consume", target] => consume(target),
        ["sink", endpoint, local, path] => sink(endpoint, local, path),
        ["source", endpoint, token, local, path] => source(endpoint, token, local, path),
        _ => compare(
            arguments.first().map_or(Ok(3), |text| text.parse())?,
            arguments.get(1).map_or(Ok(3), |text| text.parse())?,
        ),
    }
}

/// Runs every variant in every round and prints one line each.
fn compare(gib: u64, rounds: u32) -> Result<(), Box<dyn std::error::Error>> {
    let link = Link::make();
    println!("link: {}; {gib} GiB per transfer", link.label());
    println!("round variant   GB/s  source CPU-s/GiB  sink CPU-s/GiB");
    let end = Instant::now() + TOTAL_MAX;
    for round in 1..=rounds {
        for variant in ["raw", "splice", "copy"] {
            if Instant::now() > end {
                println!("stopped after {TOTAL_MAX:?}");
                return Ok(());
            }
            let (seconds, cpu) = if variant == "raw" {
                raw(&link, gib)?
            } else {
                relayed(&link, gib, variant)?
            };
            let cpu = cpu.map_or("      -       -".to_owned(), |(source, sink)| {
                format!("{:7.3} {:7.3}", source / gib as f64, sink / gib as f64)
            });
            println!(
                "{round:5} {variant:7} {:6.2}  {cpu}",
                (gib << 30) as f64 / seconds / 1e9
            );
        }
    }
    Ok(())
}

/// Seconds, and the CPU seconds of the two carry processes.
type Outcome = (f64, Option<(f64, f64)>);

fn raw(link: &Link, gib: u64) -> Result<Outcome, Box<dyn std::error::Error>> {
    let (mut consumer, mut lines) =
        link.destination(&["consume", &format!("{}:0", link.address())])?;
    let target = line(&mut lines)?;
    let begin = Instant::now();
    let (mut producer, _) = link.source(&["produce", &target, &gib.to_string()])?;
    line(&mut lines)?;
    let seconds = begin.elapsed().as_secs_f64();
    producer.wait()?;
    consumer.wait()?;
    Ok((seconds, None))
}

fn relayed(link: &Link, gib: u64, path: &str) -> Result<Outcome, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let socket = |name: &str| folder.path().join(name).display().to_string();
    let (mut consumer, mut arrival) = link.destination(&["consume", &socket("destination")])?;
    line(&mut arrival)?;
    let (mut sink, mut sink_lines) = link.destination(&[
        "sink",
        &format!("tcp://{}:0", link.address()),
        &socket("destination"),
        path,
    ])?;
    let (endpoint, token) = (line(&mut sink_lines)?, line(&mut sink_lines)?);
    let (mut source, mut source_lines) =
        link.source(&["source", &endpoint, &token, &socket("source"), path])?;
    line(&mut source_lines)?;
    let begin = Instant::now();
    let (mut producer, _) = link.source(&["produce", &socket("source"), &gib.to_string()])?;
    line(&mut arrival)?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = (
        line(&mut source_lines)?.parse()?,
        line(&mut sink_lines)?.parse()?,
    );
    for child in [&mut producer, &mut consumer, &mut source, &mut sink] {
        child.wait()?;
    }
    Ok((seconds, Some(cpu)))
}

fn produce(target: &str, gib: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut stream: Box<dyn Write> = if Path::new(target).is_absolute() {
        Box::new(UnixStream::connect(target)?)
    } else {
        Box::new(TcpStream::connect(target)?)
    };
    let memory: Vec<u8> = (0..64u32 << 20).map(|index| (index / 7) as u8).collect();
    for block in memory.chunks(128 << 10).cycle().take((gib << 13) as usize) {
        stream.write_all(block)?;
    }
    Ok(())
}

fn consume(target: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut stream: Box<dyn Read> = if Path::new(target).is_absolute() {
        let listener = UnixListener::bind(target)?;
        println!("{target}");
        Box::new(listener.accept()?.0)
    } else {
        let listener = TcpListener::bind(target)?;
        println!("{}", listener.local_addr()?);
        Box::new(listener.accept()?.0)
    };
    let mut buffer = vec![0; 1 << 20];
    while stream.read(&mut buffer)? > 0 {}
    println!("done");
    Ok(())
}

fn sink(endpoint: &str, local: &str, path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let token = Token::generate()?;
    let half = Sink {
        carrier: Box::new(tcp::Tcp::new(token.clone(), tcp::Settings::default())),
        token,
        endpoint: endpoint.parse()?,
        local: Local::Unix(local.into()),
        options: options(path),
    };
    block_on(async {
        half.run(
            Arc::new(|event| {
                if let Event::Listening { endpoint, token } = event {
                    println!("{endpoint}\n{}", token.reveal());
                }
            }),
            CancellationToken::new(),
        )
        .await
    })?;
    println!("{}", cpu_seconds()?);
    Ok(())
}

fn source(
    endpoint: &str,
    token: &str,
    local: &str,
    path: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let half = Source {
        carrier: Box::new(tcp::Tcp::new(token.parse()?, tcp::Settings::default())),
        endpoint: endpoint.parse()?,
        local: Local::Unix(local.into()),
        options: options(path),
    };
    let stop = CancellationToken::new();
    let owner = stop.clone();
    block_on(async {
        half.run(
            Arc::new(move |event| match event {
                Event::Ready { .. } => println!("ready"),
                Event::ChannelClosed { error, .. } => {
                    assert_eq!(error, None);
                    owner.cancel();
                }
                _ => {}
            }),
            stop,
        )
        .await
    })?;
    println!("{}", cpu_seconds()?);
    Ok(())
}

fn options(path: &str) -> Options {
    Options {
        path: if path == "splice" {
            relay::Path::Splice
        } else {
            relay::Path::Copy
        },
        ..Options::default()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime needs an epoll descriptor and nothing else")
        .block_on(future)
}

fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(text
        .split_whitespace()
        .next()
        .ok_or("schedstat is empty")?
        .parse::<f64>()?
        / 1e9)
}

/// Two namespaces joined by a veth pair, or loopback.
struct Link {
    names: Option<[String; 2]>,
}

impl Link {
    fn make() -> Self {
        let id = std::process::id();
        let link = Self {
            names: Some([
                format!("lmbench-cost-{id}-s"),
                format!("lmbench-cost-{id}-d"),
            ]),
        };
        let [source, destination] = [link.name(0), link.name(1)];
        let made = [
            format!("netns add {source}"),
            format!("netns add {destination}"),
            format!(
                "-n {source} link add migration type veth peer name migration netns {destination}"
            ),
            format!("-n {source} addr add 198.18.1.1/24 dev migration"),
            format!("-n {destination} addr add {DESTINATION}/24 dev migration"),
            format!("-n {source} link set migration up"),
            format!("-n {destination} link set migration up"),
        ]
        .iter()
        .all(|arguments| ip(arguments));
        if made { link } else { Self { names: None } }
    }

    fn label(&self) -> &str {
        if self.names.is_some() {
            "veth between two namespaces, MTU 1500"
        } else {
            "LOOPBACK (no namespaces without root), MTU 65536"
        }
    }

    fn address(&self) -> &str {
        if self.names.is_some() {
            DESTINATION
        } else {
            "127.0.0.1"
        }
    }

    fn name(&self, side: usize) -> &str {
        self.names.as_ref().map_or("", |names| &names[side])
    }

    fn source(&self, arguments: &[&str]) -> std::io::Result<(Child, BufReader<ChildStdout>)> {
        self.start(0, arguments)
    }

    fn destination(&self, arguments: &[&str]) -> std::io::Result<(Child, BufReader<ChildStdout>)> {
        self.start(1, arguments)
    }

    fn start(
        &self,
        side: usize,
        arguments: &[&str],
    ) -> std::io::Result<(Child, BufReader<ChildStdout>)> {
        let this = std::env::current_exe()?;
        let mut command = if self.names.is_some() {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", self.name(side)]).arg(this);
            command
        } else {
            Command::new(this)
        };
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        Ok((child, BufReader::new(output)))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for name in self.names.iter().flatten() {
            ip(&format!("netns del {name}"));
        }
    }
}

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .stderr(Stdio::null())
        .status();
    output.is_ok_and(|status| status.success())
}

fn line(reader: &mut BufReader<ChildStdout>) -> Result<String, Box<dyn std::error::Error>> {
    let mut text = String::new();
    if reader.read_line(&mut text)? == 0 {
        return Err("a part of the measurement ended early".into());
    }
    Ok(text.trim().to_owned())
}

const DESTINATION: &str = "198.18.1.2";
const TOTAL_MAX: Duration = Duration::from_secs(50);
