//! What a carrier's two ways to move bytes are made of, in this process and on one thread: `splice` and copy, records of TLS.
//!
//! `cargo bench -p lmbench --bench relay -- [FILTER]`
//!
//! | group | what is timed |
//! |---|---|
//! | `memory` | `memcpy`, the least that a copy costs |
//! | `hop` | a piece from one unix socket to another, through a pipe (`splice`), through a buffer (`copy`), or not at all (`direct`) |
//! | `seal`, `open` | a batch of TLS records in place, as the carrier `tls` does it, and by rustls (`rustls`), which copies |
//! | `relay` | the whole relay between a unix socket and TCP over loopback, on both paths, and the same two sockets without it |
//!
//! A hop is a write into the first socket, the move, and a read from the second; `direct` is the write and the read. What a carrier
//! costs as a whole is the business of the bench `carriers`.

mod hop;
mod records;
mod whole;

use criterion::{BenchmarkId, Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    memory(&mut criterion);
    hop::bench(&mut criterion);
    records::bench(&mut criterion);
    whole::bench(&mut criterion);
    criterion.final_summary();
}

fn memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memory");
    for len in SIZES {
        let (from, mut to) = (vec![1_u8; len], vec![0_u8; len]);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("memcpy", kib(len)), |bencher| {
            bencher.iter(|| std::hint::black_box(&mut to).copy_from_slice(&from));
        });
    }
}

fn kib(len: usize) -> String {
    format!("{}KiB", len >> 10)
}

const SIZES: [usize; 4] = [16 << 10, 64 << 10, 256 << 10, 1 << 20];
