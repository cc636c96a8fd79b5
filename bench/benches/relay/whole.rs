//! The relay as the carrier `tcp` uses it, between a unix socket and TCP over loopback, with a thread at each end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use lmbench_transport::Channel;
use lmbench_transport::relay::{Counters, Path, relay};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("relay");
    group
        .throughput(Throughput::Bytes(STREAM_LEN))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10);
    let ways: [Way; 4] = [
        ("splice", || relayed(Path::Splice)),
        ("copy", || relayed(Path::Copy)),
        ("direct-unix", || {
            let (near, far) = UnixStream::pair().expect("a pair of sockets");
            pump(near, far, |near| near.shutdown(Shutdown::Write))
        }),
        ("direct-tcp", || {
            let (near, far) = tcp();
            pump(near, far, |near| near.shutdown(Shutdown::Write))
        }),
    ];
    for (name, once) in ways {
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| once()).sum());
        });
    }
}

/// Its name, and one stream through it.
type Way = (&'static str, fn() -> Duration);

fn relayed(path: Path) -> Duration {
    let (near, local) = UnixStream::pair().expect("a pair of sockets");
    let (carrier, far) = tcp();
    let middle = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            local.set_nonblocking(true).expect("a socket for tokio");
            carrier.set_nonblocking(true).expect("a socket for tokio");
            let local = tokio::net::UnixStream::from_std(local).expect("a socket for tokio");
            let carrier = tokio::net::TcpStream::from_std(carrier).expect("a socket for tokio");
            let channel = Channel::tcp(0, carrier);
            relay(local, channel, path, &Counters::default()).await
        })
    });
    let took = pump(near, far, |near| near.shutdown(Shutdown::Write));
    middle.join().expect("no panic").expect("relayed");
    took
}

/// Writes a stream into one end and reads it from the other, until the end has come through.
fn pump<N: Write + Send, F: Read>(
    mut near: N,
    mut far: F,
    end: impl FnOnce(&N) -> std::io::Result<()> + Send,
) -> Duration {
    std::thread::scope(|scope| {
        let begin = Instant::now();
        scope.spawn(move || {
            let piece = vec![1; PIECE_LEN];
            for _ in 0..STREAM_LEN / PIECE_LEN as u64 {
                near.write_all(&piece).expect("written");
            }
            end(&near).expect("ended");
        });
        let (mut buffer, mut arrived) = (vec![0; 1 << 20], 0);
        while let len @ 1.. = far.read(&mut buffer).expect("read") {
            arrived += len as u64;
        }
        assert_eq!(arrived, STREAM_LEN);
        begin.elapsed()
    })
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address"));
    (
        near.expect("a connection"),
        listener.accept().expect("a connection").0,
    )
}

const STREAM_LEN: u64 = 64 << 20;
/// As QEMU about writes.
const PIECE_LEN: usize = 128 << 10;
