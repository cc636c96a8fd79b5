//! What a relay costs: GB/s through two carry processes, and the CPU seconds per GiB of each.
//!
//! `cargo run --release -p lmbench-transport --example relay_cost [GiB per transfer] [rounds] [variants]`
//!
//! ```text
//! produce -> unix -> carry source == veth, two namespaces == carry sink -> unix -> consume     all but raw
//! produce ======================= veth, two namespaces ======================== consume        raw
//! ```
//! | variant | what is between the two relays |
//! |---|---|
//! | `raw` | no relay at all |
//! | `splice`, `copy` | the carrier `tcp`, on either path of the relay |
//! | `tls`, `tls-aes256-gcm`, `tls-chacha20-poly1305` | the carrier `tls` |
//! | `tls-copy` | the carrier `tls` used as a plain stream: one more copy on each side |
//! | `rustls` | what the carrier `tls` would be with tokio-rustls instead of records of its own |
//!
//! As root it makes two namespaces and a veth pair (MTU 1500) of its own and removes them. Without, it uses loopback and says
//! so. The variants are interleaved, because absolute values swing between runs, and medians are printed at the end. CPU is
//! `/proc/self/schedstat` of the carry process, whose runtime has one thread. It measures no guest: the producer writes
//! 128 KiB at a time, as QEMU about does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmbench_transport::carry::{Event, Local, Options, Sink, Source};
use lmbench_transport::identity::{Cipher, Identity, Side};
use lmbench_transport::relay::{self, Counters, relay};
use lmbench_transport::{Carrier, Channel, Token, tcp, tls};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["produce", target, gib] => produce(target, gib.parse()?),
        ["consume", target] => consume(target),
        ["sink", address, local, "rustls"] => rustls_sink(address, local),
        ["source", address, token, local, "rustls"] => rustls_source(address, token, local),
        ["sink", address, local, variant] => sink(address, local, variant),
        ["source", endpoint, token, local, variant] => source(endpoint, token, local, variant),
        _ => compare(
            arguments.first().map_or(Ok(3), |text| text.parse())?,
            arguments.get(1).map_or(Ok(3), |text| text.parse())?,
            arguments
                .get(2)
                .unwrap_or(&"raw,splice,copy,rustls,tls-copy,tls"),
        ),
    }
}

/// Runs every variant in every round and prints one line each, then the medians.
fn compare(gib: u64, rounds: u32, variants: &str) -> Result<(), Box<dyn std::error::Error>> {
    let link = Link::make();
    println!("link: {}; {gib} GiB per transfer", link.label());
    println!("round  variant                GB/s  source CPU-s/GiB  sink CPU-s/GiB");
    let variants: Vec<&str> = variants.split(',').collect();
    let mut outcomes = vec![Vec::new(); variants.len()];
    let end = Instant::now() + TOTAL_MAX;
    for round in 1..=rounds {
        for (variant, outcomes) in variants.iter().zip(&mut outcomes) {
            if Instant::now() > end {
                println!("stopped after {TOTAL_MAX:?}");
                break;
            }
            let outcome = if *variant == "raw" {
                raw(&link, gib)?
            } else {
                relayed(&link, gib, variant)?
            };
            show(&round.to_string(), variant, outcome);
            outcomes.push(outcome);
        }
    }
    for (variant, outcomes) in variants.iter().zip(&outcomes) {
        let median = |part: fn(&Outcome) -> f64| {
            let mut values: Vec<f64> = outcomes.iter().map(part).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let outcome = Outcome {
            gb_per_s: median(|outcome| outcome.gb_per_s),
            source: median(|outcome| outcome.source),
            sink: median(|outcome| outcome.sink),
        };
        show("median", variant, outcome);
    }
    Ok(())
}

fn show(round: &str, variant: &str, outcome: Outcome) {
    let Outcome {
        gb_per_s,
        source,
        sink,
    } = outcome;
    println!("{round:6} {variant:21} {gb_per_s:6.2}  {source:16.3}  {sink:14.3}");
}

/// One transfer.
#[derive(Clone, Copy)]
struct Outcome {
    gb_per_s: f64,
    /// CPU seconds per GiB of the carry process; not a number where there is none.
    source: f64,
    sink: f64,
}

fn speed(gib: u64, begin: Instant) -> f64 {
    (gib << 30) as f64 / begin.elapsed().as_secs_f64() / 1e9
}

fn raw(link: &Link, gib: u64) -> Result<Outcome, Box<dyn std::error::Error>> {
    let (mut consumer, mut lines) =
        link.destination(&["consume", &format!("{}:0", link.address())])?;
    let target = line(&mut lines)?;
    let begin = Instant::now();
    let (mut producer, _) = link.source(&["produce", &target, &gib.to_string()])?;
    line(&mut lines)?;
    let gb_per_s = speed(gib, begin);
    producer.wait()?;
    consumer.wait()?;
    Ok(Outcome {
        gb_per_s,
        source: f64::NAN,
        sink: f64::NAN,
    })
}

fn relayed(link: &Link, gib: u64, variant: &str) -> Result<Outcome, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let socket = |name: &str| folder.path().join(name).display().to_string();
    let (mut consumer, mut arrival) = link.destination(&["consume", &socket("destination")])?;
    line(&mut arrival)?;
    let (mut sink, mut sink_lines) = link.destination(&[
        "sink",
        &format!("{}:0", link.address()),
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
    let gb_per_s = speed(gib, begin);
    let cpu = |text: String| text.parse::<f64>().map(|seconds| seconds / gib as f64);
    let (source_cpu, sink_cpu) = (cpu(line(&mut source_lines)?)?, cpu(line(&mut sink_lines)?)?);
    for child in [&mut producer, &mut consumer, &mut source, &mut sink] {
        child.wait()?;
    }
    Ok(Outcome {
        gb_per_s,
        source: source_cpu,
        sink: sink_cpu,
    })
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

fn sink(address: &str, local: &str, variant: &str) -> Result<(), Box<dyn std::error::Error>> {
    let token = Token::generate()?;
    let (carrier, options) = carrier(token.clone(), variant);
    let half = Sink {
        token,
        endpoint: format!("{}://{address}", carrier.scheme()).parse()?,
        carrier,
        local: Local::Unix(local.into()),
        options,
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
    variant: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let (carrier, options) = carrier(token.parse()?, variant);
    let half = Source {
        carrier,
        endpoint: endpoint.parse()?,
        local: Local::Unix(local.into()),
        options,
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

fn carrier(token: Token, variant: &str) -> (Box<dyn Carrier>, Options) {
    let (path, cipher) = match variant {
        "splice" => (relay::Path::Splice, None),
        "copy" => (relay::Path::Copy, None),
        "tls-copy" => (relay::Path::Copy, Some(Cipher::Aes128Gcm)),
        "tls-aes256-gcm" => (relay::Path::Auto, Some(Cipher::Aes256Gcm)),
        "tls-chacha20-poly1305" => (relay::Path::Auto, Some(Cipher::Chacha20Poly1305)),
        _ => (relay::Path::Auto, Some(Cipher::Aes128Gcm)),
    };
    let options = Options {
        path,
        ..Options::default()
    };
    let carrier: Box<dyn Carrier> = match cipher {
        None => Box::new(tcp::Tcp::new(token, tcp::Settings::default())),
        Some(cipher) => {
            let settings = tls::Settings {
                cipher,
                ..tls::Settings::default()
            };
            Box::new(tls::Tls::new(token, settings))
        }
    };
    (carrier, options)
}

/// The sink's half with tokio-rustls, for one channel and without a session.
fn rustls_sink(address: &str, local: &str) -> Result<(), Box<dyn std::error::Error>> {
    let token = Token::generate()?;
    let config = Identity::from_token(&token, Side::Listener)?
        .server_config(Cipher::Aes128Gcm, b"relay_cost")?;
    block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        println!("tls://{}\n{}", listener.local_addr()?, token.reveal());
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
        stream.get_mut().1.set_buffer_limit(Some(RUSTLS_BUFFER_LEN));
        let mut channel = Channel::duplex(0, Box::new(stream));
        channel.first_byte().await?;
        let local = tokio::net::UnixStream::connect(local).await?;
        rustix::net::sockopt::set_socket_send_buffer_size(&local, 1 << 20)?;
        relay(local, channel, relay::Path::Copy, &Counters::default()).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    println!("{}", cpu_seconds()?);
    Ok(())
}

/// The source's half with tokio-rustls.
fn rustls_source(
    endpoint: &str,
    token: &str,
    local: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let identity = Identity::from_token(&token.parse()?, Side::Dialler)?;
    let name = identity.peer_name(&endpoint.parse()?)?;
    let config = identity.client_config(Cipher::Aes128Gcm, b"relay_cost")?;
    block_on(async {
        let address = endpoint.trim_start_matches("tls://");
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        stream.get_mut().1.set_buffer_limit(Some(RUSTLS_BUFFER_LEN));
        let listener = tokio::net::UnixListener::bind(local)?;
        println!("ready");
        let (local, _) = listener.accept().await?;
        let channel = Channel::duplex(0, Box::new(stream));
        relay(local, channel, relay::Path::Copy, &Counters::default()).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
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
/// What the relay's buffer holds.
const RUSTLS_BUFFER_LEN: usize = 256 << 10;
const TOTAL_MAX: Duration = Duration::from_mins(4);
