//! What QEMU says: lines, their meaning, and a command with its answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, Throughput};
use lmbench_harness::hypervisor::Reading;
use lmbench_harness::qmp::benched::messages;
use lmbench_harness::qmp::{Qmp, Schema};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("qmp");
    let mut line = format!("{{\"return\": {MIGRATING}, \"id\": 7}}\r\n");
    group.throughput(Throughput::Bytes(line.len() as u64));
    group.bench_function("query-migrate line", |bencher| {
        bencher.iter(|| assert_eq!(messages(line.as_bytes()), 1));
    });
    let answer: Value = serde_json::from_str(MIGRATING).expect("an answer");
    group.bench_function("query-migrate meaning", |bencher| {
        let copy = || answer.clone();
        bencher.iter_batched(copy, Reading::from, criterion::BatchSize::SmallInput);
    });
    line.clone_from(&EVENT.repeat(100));
    group.throughput(Throughput::Elements(100));
    group.bench_function("100 events", |bencher| {
        bencher.iter(|| assert_eq!(messages(line.as_bytes()), 100));
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let qmp = runtime.block_on(connect());
    group.throughput(Throughput::Elements(1));
    group.bench_function("query-migrate command", |bencher| {
        bencher.iter(|| {
            let answer = runtime.block_on(qmp.execute("query-migrate", Value::Null));
            answer.expect("an answer")
        });
    });
    match schema() {
        Some(line) => {
            group.throughput(Throughput::Bytes(line.len() as u64));
            group.bench_function("schema line", |bencher| {
                bencher.iter(|| assert_eq!(messages(line.as_bytes()), 1));
            });
            let reply: Value = serde_json::from_str(&line).expect("a schema");
            group.bench_function("schema meaning", |bencher| {
                bencher.iter(|| Schema::from_reply(&reply["return"]).expect("a schema"));
            });
        }
        None => eprintln!("qmp/schema is left out: no qemu-system-x86_64 here"),
    }
}

/// A connection to somebody who answers every command at once, on the same thread.
async fn connect() -> Qmp {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    tokio::spawn(async move {
        let (read, mut write) = far.into_split();
        write.write_all(GREETING.as_bytes()).await.expect("written");
        let mut lines = tokio::io::BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let command: Value = serde_json::from_str(&line).expect("a command");
            let id = &command["id"];
            let answer = format!("{{\"return\": {MIGRATING}, \"id\": {id}}}\r\n");
            if write.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
    });
    Qmp::from_stream(near, Duration::from_secs(5))
        .await
        .expect("a connection")
}

/// A real schema, as one line.
fn schema() -> Option<String> {
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(["-machine", "none", "-nodefaults", "-display", "none"])
        .args(["-qmp", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = qemu.stdin.take()?;
    let output = BufReader::new(qemu.stdout.take()?);
    for command in [
        "{\"execute\": \"qmp_capabilities\"}",
        "{\"execute\": \"query-qmp-schema\", \"id\": 1}",
        "{\"execute\": \"quit\"}",
    ] {
        writeln!(input, "{command}").ok()?;
    }
    let lines: Vec<String> = output.lines().map_while(Result::ok).collect();
    qemu.wait().ok()?;
    let is_schema = |line: &String| line.contains("\"id\": 1") && line.contains("meta-type");
    lines.into_iter().find(is_schema).map(|line| line + "\r\n")
}

const GREETING: &str = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": 10}, \"package\": \"\"}, \
    \"capabilities\": [\"oob\"]}}\r\n";
const EVENT: &str = "{\"timestamp\": {\"seconds\": 1763700000, \"microseconds\": 123456}, \"event\": \"MIGRATION_PASS\", \
    \"data\": {\"pass\": 3}}\r\n";
/// What QEMU 10.0 answers in the middle of a migration.
const MIGRATING: &str = "{\"expected-downtime\": 300, \"status\": \"active\", \"setup-time\": 12, \"total-time\": 1534, \
    \"ram\": {\"total\": 4312604672, \"postcopy-requests\": 0, \"dirty-sync-count\": 2, \"multifd-bytes\": 0, \
    \"pages-per-second\": 702480, \"downtime-bytes\": 0, \"page-size\": 4096, \"remaining\": 1048444928, \
    \"postcopy-bytes\": 0, \"mbps\": 23018.42, \"transferred\": 2273542144, \"dirty-sync-missed-zero-copy\": 0, \
    \"precopy-bytes\": 2273542144, \"duplicate\": 241664, \"dirty-pages-rate\": 25600, \"normal-bytes\": 2265972736, \
    \"normal\": 553216}}";
