//! One piece at a time from a unix socket to another one.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use criterion::{BenchmarkId, Criterion, Throughput};
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};

use super::{SIZES, kib};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hop");
    for len in SIZES {
        group.throughput(Throughput::Bytes(len as u64));
        let mut ends = Ends::new(len);
        group.bench_function(BenchmarkId::new("direct", kib(len)), |bencher| {
            bencher.iter(|| {
                ends.first.0.write_all(&ends.piece).expect("written");
                ends.first.1.read_exact(&mut ends.arrived).expect("read");
            });
        });
        let mut ends = Ends::new(len);
        let mut buffer = vec![0; len];
        group.bench_function(BenchmarkId::new("copy", kib(len)), |bencher| {
            bencher.iter(|| ends.hop(|from, to| copy(from, to, &mut buffer)));
        });
        let mut ends = Ends::new(len);
        let pipe = pipe().expect("a pipe");
        fcntl_setpipe_size(&pipe.1, 1 << 20).expect("a pipe as large as the relay's");
        group.bench_function(BenchmarkId::new("splice", kib(len)), |bencher| {
            bencher.iter(|| ends.hop(|from, to| through(from, to, &pipe, len)));
        });
    }
}

/// Two pairs of sockets, large enough for a whole piece, so that one thread can do everything.
struct Ends {
    first: (UnixStream, UnixStream),
    second: (UnixStream, UnixStream),
    piece: Vec<u8>,
    arrived: Vec<u8>,
}

impl Ends {
    fn new(len: usize) -> Self {
        Self {
            first: pair(),
            second: pair(),
            piece: vec![1; len],
            arrived: vec![0; len],
        }
    }

    fn hop(&mut self, mut between: impl FnMut(&mut UnixStream, &mut UnixStream)) {
        self.first.0.write_all(&self.piece).expect("written");
        between(&mut self.first.1, &mut self.second.0);
        self.second.1.read_exact(&mut self.arrived).expect("read");
    }
}

fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    rustix::net::sockopt::set_socket_send_buffer_size(&near, BUFFER_LEN).expect("a larger buffer");
    (near, far)
}

fn copy(from: &mut UnixStream, to: &mut UnixStream, buffer: &mut [u8]) {
    let mut left = buffer.len();
    while left > 0 {
        let read = from.read(&mut buffer[..left]).expect("read");
        to.write_all(&buffer[..read]).expect("written");
        left -= read;
    }
}

fn through(from: &UnixStream, to: &UnixStream, pipe: &(OwnedFd, OwnedFd), len: usize) {
    let mut left = len;
    while left > 0 {
        let filled = splice(from, None, &pipe.1, None, left, SpliceFlags::MOVE).expect("filled");
        let mut held = filled;
        while held > 0 {
            held -= splice(&pipe.0, None, to, None, held, SpliceFlags::MOVE).expect("drained");
        }
        left -= filled;
    }
}

/// The kernel counts its own structures, too, and gives twice what it is asked for: enough for 1 MiB in any pieces.
const BUFFER_LEN: usize = 4 << 20;
