//! Records of TLS: the carrier's own code, in place, and rustls's, which copies into and out of its buffers.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use lmbench_transport::Token;
use lmbench_transport::benched::Records;
use lmbench_transport::identity::{Cipher, Identity, Side};
use lmbench_transport::tls::Settings;
use rustls::{ClientConnection, ServerConnection};

use super::{SIZES, kib};

pub(crate) fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut own = Own::new(&runtime);
    let mut theirs = Theirs::new();
    let sizes = SIZES.into_iter().filter(|len| *len <= Records::BATCH_MAX);
    for len in sizes {
        let mut group = criterion.benchmark_group("seal");
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("in-place", kib(len)), |bencher| {
            bencher.iter_custom(|iterations| own.run(iterations, len).0);
        });
        group.bench_function(BenchmarkId::new("rustls", kib(len)), |bencher| {
            bencher.iter_custom(|iterations| theirs.run(iterations, len).0);
        });
        group.finish();
        let mut group = criterion.benchmark_group("open");
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("in-place", kib(len)), |bencher| {
            bencher.iter_custom(|iterations| own.run(iterations, len).1);
        });
        group.bench_function(BenchmarkId::new("rustls", kib(len)), |bencher| {
            bencher.iter_custom(|iterations| theirs.run(iterations, len).1);
        });
        group.finish();
    }
}

/// A batch can only be opened once and in its turn, so both halves are always done, and each is timed.
trait Ends {
    /// Seals and opens so many batches; the time of each.
    fn run(&mut self, batches: u64, len: usize) -> (Duration, Duration) {
        let mut took = (Duration::ZERO, Duration::ZERO);
        for _ in 0..batches {
            let begin = Instant::now();
            self.seal(len);
            let sealed = Instant::now();
            self.deliver();
            let delivered = Instant::now();
            assert_eq!(self.open(), len);
            took.0 += sealed - begin;
            took.1 += delivered.elapsed();
        }
        took
    }

    fn seal(&mut self, len: usize);
    fn deliver(&mut self);
    fn open(&mut self) -> usize;
}

struct Own {
    records: Records,
    delivered: usize,
}

impl Own {
    fn new(runtime: &tokio::runtime::Runtime) -> Self {
        let records = runtime.block_on(Records::new(Settings::default()));
        Self {
            records: records.expect("a TLS connection over loopback"),
            delivered: 0,
        }
    }
}

impl Ends for Own {
    fn seal(&mut self, len: usize) {
        self.records.seal(len).expect("sealed");
    }

    fn deliver(&mut self) {
        self.delivered = self.records.deliver();
    }

    fn open(&mut self) -> usize {
        self.records.open(self.delivered).expect("opened")
    }
}

/// A connection of rustls that was never on a network.
struct Theirs {
    near: ClientConnection,
    far: ServerConnection,
    /// What is sent, and where it arrives.
    payload: Vec<u8>,
    arrived: Vec<u8>,
    wire: Vec<u8>,
}

impl Theirs {
    fn new() -> Self {
        let token = Token::generate().expect("random bytes");
        let of = |side| Identity::from_token(&token, side).expect("an identity");
        let (near, far) = (of(Side::Dialler), of(Side::Listener));
        let endpoint = "tls://192.0.2.1:1".parse().expect("an endpoint");
        let name = near.peer_name(&endpoint).expect("a name");
        let client = near.client_config(Cipher::default(), ALPN);
        let server = far.server_config(Cipher::default(), ALPN);
        let client = Arc::new(client.expect("settings of a client"));
        let server = Arc::new(server.expect("settings of a server"));
        let mut ends = Self {
            near: ClientConnection::new(client, name).expect("a client"),
            far: ServerConnection::new(server).expect("a server"),
            payload: vec![1; Records::BATCH_MAX],
            arrived: vec![0; Records::BATCH_MAX],
            wire: Vec::new(),
        };
        while ends.near.is_handshaking() || ends.far.is_handshaking() {
            ends.near.write_tls(&mut ends.wire).expect("written");
            read(&mut ends.far, &mut ends.wire);
            ends.far.write_tls(&mut ends.wire).expect("written");
            read(&mut ends.near, &mut ends.wire);
        }
        ends.near.set_buffer_limit(None);
        ends
    }
}

impl Ends for Theirs {
    /// From the payload to bytes that could be given to a socket.
    fn seal(&mut self, len: usize) {
        let mut writer = self.near.writer();
        writer.write_all(&self.payload[..len]).expect("sealed");
        self.wire.clear();
        while self.near.wants_write() {
            self.near.write_tls(&mut self.wire).expect("written");
        }
    }

    fn deliver(&mut self) {}

    /// From a socket's bytes to the payload, record by record, as rustls wants it.
    fn open(&mut self) -> usize {
        let (mut wire, mut filled) = (&self.wire[..], 0);
        while !wire.is_empty() {
            self.far.read_tls(&mut wire).expect("read");
            self.far.process_new_packets().expect("opened");
            while let Ok(len @ 1..) = self.far.reader().read(&mut self.arrived[filled..]) {
                filled += len;
            }
        }
        filled
    }
}

/// Gives an end what was written for it.
fn read<Data>(to: &mut rustls::ConnectionCommon<Data>, wire: &mut Vec<u8>) {
    let mut rest = &wire[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).expect("read");
        to.process_new_packets().expect("a handshake");
    }
    wire.clear();
}

const ALPN: &[u8] = b"lmbench/1";
