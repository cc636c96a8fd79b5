//! What QUIC costs beside TCP and TLS: GB/s through two carry processes, and the CPU seconds per GiB of each.
//!
//! `cargo run --release -p lmbench-transport --example quic_pump -- [GiB] [rounds] [MTU] [variant]...`
//!
//! ```text
//! produce -> unix -> carry source == veth, two namespaces == carry sink -> unix -> consume
//! ```
//! A variant is `tcp`, `tls`, `quic`, or `quic` with settings in JSON behind it: `quic{"mtu":1500,"gso":false}`. They are interleaved,
//! because absolute values swing between runs. Needs root for the namespaces and the veth pair, which it makes and removes.
//! CPU is `/proc/self/schedstat` of the carry process, whose runtime has one thread. It measures no guest.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmbench_transport::carrier::Carrier;
use lmbench_transport::carry::{Event, Local, Options, Sink, Source};
use lmbench_transport::{Token, quic, tcp, tls};
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["produce", target, gib] => produce(target, gib.parse()?),
        ["consume", target] => consume(target),
        ["sink", endpoint, local, variant] => sink(endpoint, local, variant),
        ["source", endpoint, token, local, variant] => source(endpoint, token, local, variant),
        _ => compare(&arguments),
    }
}

/// Runs every variant in every round and prints one line each.
fn compare(arguments: &[&str]) -> Outcome<()> {
    let number = |index: usize, default: u64| {
        arguments
            .get(index)
            .map_or(Ok(default), |text| text.parse())
    };
    let (gib, rounds, mtu) = (number(0, 3)?, number(1, 3)?, number(2, 1500)?);
    let variants = match arguments.get(3..) {
        None | Some([]) => &["tcp", "quic"][..],
        Some(variants) => variants,
    };
    let link = Link::make(mtu)?;
    println!("veth between two namespaces, MTU {mtu}; {gib} GiB per transfer");
    println!("round   GB/s  source CPU-s/GiB  sink CPU-s/GiB  variant");
    let end = Instant::now() + TOTAL_MAX;
    for round in 1..=rounds {
        for variant in variants {
            if Instant::now() > end {
                println!("stopped after {TOTAL_MAX:?}");
                return Ok(());
            }
            let (seconds, source, sink, statistics) = transfer(&link, gib, variant)?;
            println!(
                "{round:5} {:6.2} {:17.3} {:15.3}  {variant}",
                (gib << 30) as f64 / seconds / 1e9,
                source / gib as f64,
                sink / gib as f64
            );
            if !statistics.is_empty() {
                println!("      {statistics}");
            }
        }
    }
    Ok(())
}

/// Seconds, the CPU seconds of the two carry processes, and what the source's carrier counted.
fn transfer(link: &Link, gib: u64, variant: &str) -> Outcome<(f64, f64, f64, String)> {
    let folder = tempfile::tempdir()?;
    let socket = |name: &str| folder.path().join(name).display().to_string();
    let (mut consumer, mut arrival) = link.destination(&["consume", &socket("destination")])?;
    line(&mut arrival)?;
    let scheme = variant.split('{').next().unwrap_or_default();
    let (mut sink, mut sink_lines) = link.destination(&[
        "sink",
        &format!("{scheme}://{DESTINATION}:0"),
        &socket("destination"),
        variant,
    ])?;
    let (endpoint, token) = (line(&mut sink_lines)?, line(&mut sink_lines)?);
    let (mut source, mut source_lines) =
        link.source(&["source", &endpoint, &token, &socket("source"), variant])?;
    line(&mut source_lines)?;
    let begin = Instant::now();
    let (mut producer, _) = link.source(&["produce", &socket("source"), &gib.to_string()])?;
    line(&mut arrival)?;
    let seconds = begin.elapsed().as_secs_f64();
    let statistics = line(&mut source_lines)?;
    let source_cpu = line(&mut source_lines)?.parse()?;
    let sink_cpu = line(&mut sink_lines)?.parse()?;
    for child in [&mut producer, &mut consumer, &mut source, &mut sink] {
        child.wait()?;
    }
    Ok((seconds, source_cpu, sink_cpu, statistics))
}

fn produce(target: &str, gib: u64) -> Outcome<()> {
    let mut stream = UnixStream::connect(target)?;
    let memory: Vec<u8> = (0..64u32 << 20).map(|index| (index / 7) as u8).collect();
    for block in memory.chunks(128 << 10).cycle().take((gib << 13) as usize) {
        stream.write_all(block)?;
    }
    Ok(())
}

fn consume(target: &str) -> Outcome<()> {
    let listener = UnixListener::bind(target)?;
    println!("{target}");
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 1 << 20];
    while stream.read(&mut buffer)? > 0 {}
    println!("done");
    Ok(())
}

fn carrier(token: Token, variant: &str) -> Outcome<Box<dyn Carrier>> {
    if variant == "tcp" {
        return Ok(Box::new(tcp::Tcp::new(token, tcp::Settings::default())));
    }
    if variant == "tls" {
        return Ok(Box::new(tls::Tls::new(token, tls::Settings::default())));
    }
    let settings = match variant.strip_prefix("quic").ok_or("unknown variant")? {
        "" => quic::Settings::default(),
        json => serde_json::from_str(json)?,
    };
    Ok(Box::new(quic::Quic::new(token, settings)))
}

fn sink(endpoint: &str, local: &str, variant: &str) -> Outcome<()> {
    let token = Token::generate()?;
    let half = Sink {
        carrier: carrier(token.clone(), variant)?,
        token,
        endpoint: endpoint.parse()?,
        local: Local::Unix(local.into()),
        options: Options::default(),
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

fn source(endpoint: &str, token: &str, local: &str, variant: &str) -> Outcome<()> {
    let half = Source {
        carrier: carrier(token.parse()?, variant)?,
        endpoint: endpoint.parse()?,
        local: Local::Unix(local.into()),
        options: Options::default(),
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
                Event::Finished { statistics, .. } => {
                    println!(
                        "{}",
                        statistics
                            .map(|statistics| serde_json::to_string(&statistics))
                            .transpose()
                            .expect("statistics are numbers")
                            .unwrap_or_default()
                    );
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

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime needs an epoll descriptor and nothing else")
        .block_on(future)
}

fn cpu_seconds() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(text
        .split_whitespace()
        .next()
        .ok_or("schedstat is empty")?
        .parse::<f64>()?
        / 1e9)
}

/// Two namespaces joined by a veth pair.
struct Link {
    names: [String; 2],
}

impl Link {
    fn make(mtu: u64) -> Outcome<Self> {
        let id = std::process::id();
        let names = [
            format!("lmbench-pump-{id}-s"),
            format!("lmbench-pump-{id}-d"),
        ];
        let link = Self { names };
        let [source, destination] = &link.names;
        let steps = [
            format!("netns add {source}"),
            format!("netns add {destination}"),
            format!(
                "-n {source} link add migration mtu {mtu} type veth peer name migration mtu {mtu} netns {destination}"
            ),
            format!("-n {source} addr add 198.18.1.1/24 dev migration"),
            format!("-n {destination} addr add {DESTINATION}/24 dev migration"),
            format!("-n {source} link set migration up"),
            format!("-n {destination} link set migration up"),
        ];
        match steps.iter().find(|arguments| !ip(arguments)) {
            Some(step) => Err(format!("`ip {step}` failed; this takes root").into()),
            None => Ok(link),
        }
    }

    fn source(&self, arguments: &[&str]) -> Outcome<(Child, BufReader<ChildStdout>)> {
        self.start(0, arguments)
    }

    fn destination(&self, arguments: &[&str]) -> Outcome<(Child, BufReader<ChildStdout>)> {
        self.start(1, arguments)
    }

    fn start(&self, side: usize, arguments: &[&str]) -> Outcome<(Child, BufReader<ChildStdout>)> {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.names[side]])
            .arg(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no pipe")?;
        Ok((child, BufReader::new(output)))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns del {name}"));
        }
    }
}

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).status();
    output.is_ok_and(|status| status.success())
}

fn line(reader: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut text = String::new();
    if reader.read_line(&mut text)? == 0 {
        return Err("a part of the measurement ended early".into());
    }
    Ok(text.trim().to_owned())
}

const DESTINATION: &str = "198.18.1.2";
const TOTAL_MAX: Duration = Duration::from_mins(4);
