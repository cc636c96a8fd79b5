//! What is read and written beside the stream: the handshake's messages, QEMU's answers, the record.
//!
//! `cargo bench -p lmbench --bench formats -- [FILTER]`
//!
//! | group | what is timed |
//! |---|---|
//! | `preamble` | the handshake's messages there and back, and its proofs, without a connection |
//! | `session` | dialling, proving and welcoming over loopback, both ends on one thread |
//! | `qmp` | lines of QEMU's as they arrive, what they mean, and a whole command to somebody who answers at once |
//! | `record` | a record of 100 repeats and its samples: in memory, and on the disk as after every repeat |
//!
//! `qmp/schema` is what this machine's `qemu-system-x86_64` says of itself, and left out where there is none.

mod qmp;
mod record;
mod session;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    session::bench(&mut criterion);
    qmp::bench(&mut criterion);
    record::bench(&mut criterion);
    criterion.final_summary();
}
