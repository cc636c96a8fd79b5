//! What tunnelling through OpenSSH costs: GB/s, and CPU seconds per GiB of each half with all its `ssh` and `sshd`.
//!
//! `cargo run --release -p lmbench-transport --example ssh_pump [GiB per transfer] [rounds]`
//!
//! ```text
//! produce -> unix -> source half, ssh == loopback, MTU 65536 == sshd, sink half -> unix -> consume
//! ```
//! Producer and consumer are this process, each half is a process of its own. A half's CPU is read when it has waited for all of its
//! children, as the user and system time of itself and of them, to a clock tick of 10 ms. Variants are interleaved.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use lmbench_transport::Token;
use lmbench_transport::carry::{Event, Listener, Local, Options};
use lmbench_transport::ssh::{Settings, Sink, Source};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["sink", path, settings] => sink(path, serde_json::from_str(settings)?),
        ["source", endpoint, token, path, settings] => {
            source(endpoint, token, path, serde_json::from_str(settings)?)
        }
        _ => compare(
            arguments.first().map_or(Ok(2), |text| text.parse())?,
            arguments.get(1).map_or(Ok(3), |text| text.parse())?,
        ),
    }
}

fn compare(gib: u64, rounds: u32) -> Result<(), Failure> {
    println!("loopback; {gib} GiB per transfer, one channel");
    println!("round variant                          GB/s  source CPU-s/GiB  sink CPU-s/GiB");
    for round in 1..=rounds {
        for (name, settings) in VARIANTS {
            let (seconds, source, sink) = transfer(gib, settings)?;
            println!(
                "{round:5} {name:30} {:6.2}  {:7.3} {:7.3}",
                (gib << 30) as f64 / seconds / 1e9,
                source / gib as f64,
                sink / gib as f64
            );
        }
    }
    Ok(())
}

/// Seconds of the transfer, and CPU seconds of the source half and the sink half.
fn transfer(gib: u64, settings: &str) -> Result<(f64, f64, f64), Failure> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let destination = UnixListener::bind(path("destination"))?;
    let (mut sink, mut sink_lines) = start(&["sink", &path("destination"), settings])?;
    let (endpoint, token) = (line(&mut sink_lines)?, line(&mut sink_lines)?);
    let (mut source, mut source_lines) =
        start(&["source", &endpoint, &token, &path("source"), settings])?;
    line(&mut source_lines)?;
    let begin = Instant::now();
    let mut producer = UnixStream::connect(path("source"))?;
    let writer = std::thread::spawn(move || {
        let memory: Vec<u8> = (0..64u32 << 20).map(|index| (index / 7) as u8).collect();
        let mut blocks = memory.chunks(128 << 10).cycle().take((gib << 13) as usize);
        blocks.try_for_each(|block| producer.write_all(block))
    });
    let (mut consumer, _) = destination.accept()?;
    let mut buffer = vec![0; 1 << 20];
    while consumer.read(&mut buffer)? > 0 {}
    let seconds = begin.elapsed().as_secs_f64();
    drop(consumer);
    writer.join().map_err(|_| "the producer panicked")??;
    // Closing its standard input stops the source, which stops the sink.
    drop(source.stdin.take());
    let cpu = (
        line(&mut source_lines)?.parse()?,
        line(&mut sink_lines)?.parse()?,
    );
    source.wait()?;
    sink.wait()?;
    Ok((seconds, cpu.0, cpu.1))
}

fn sink(path: &str, settings: Settings) -> Result<(), Failure> {
    let half = Sink {
        token: Token::generate()?,
        endpoint: "ssh://127.0.0.1:0".parse()?,
        local: Local::Unix(path.into()),
        settings,
        options: Options::default(),
    };
    let tell = |event| {
        if let Event::Listening { endpoint, token } = event {
            println!("{endpoint}\n{}", token.reveal());
        }
    };
    work(|stop| half.run(listener(tell), stop))
}

fn source(endpoint: &str, token: &str, path: &str, settings: Settings) -> Result<(), Failure> {
    let half = Source {
        token: token.parse()?,
        endpoint: endpoint.parse()?,
        local: Local::Unix(path.into()),
        settings,
        options: Options::default(),
    };
    let tell = |event| {
        if let Event::Ready { .. } = event {
            println!("ready");
        }
    };
    work(|stop| {
        let owner = stop.clone();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read(&mut [0]);
            owner.cancel();
        });
        half.run(listener(tell), stop)
    })
}

fn listener(tell: impl Fn(Event) + Send + Sync + 'static) -> Listener {
    Arc::new(tell)
}

/// Runs a half and prints what it and its children have used.
fn work<F>(half: impl FnOnce(CancellationToken) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), lmbench_transport::carry::CarryError>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { half(CancellationToken::new()).await })?;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("no command name in stat")?;
    // utime, stime, cutime, cstime
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    println!("{}", ticks.iter().sum::<f64>() / per_second);
    Ok(())
}

fn start(arguments: &[&str]) -> Result<(Child, BufReader<ChildStdout>), Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("no standard output")?;
    Ok((child, BufReader::new(output)))
}

fn line(reader: &mut BufReader<ChildStdout>) -> Result<String, Failure> {
    let mut text = String::new();
    if reader.read_line(&mut text)? == 0 {
        return Err("a half of the measurement ended early".into());
    }
    Ok(text.trim().to_owned())
}

const VARIANTS: [(&str, &str); 3] = [
    ("aes128-gcm", r#"{"cipher":"aes128-gcm"}"#),
    ("chacha20-poly1305", r#"{"cipher":"chacha20-poly1305"}"#),
    (
        "aes128-gcm, per channel",
        r#"{"cipher":"aes128-gcm","connections":"per-channel"}"#,
    ),
];
