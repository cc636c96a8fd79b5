//! `iperf3` between the hosts, one connection. Its CPU is that of the whole program, start included: about 2 ms a side.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::IpAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use lmbench_harness::cpu;
use lmbench_harness::role::Role;
use serde_json::Value;

use super::hosts::Hosts;
use super::pump::Transfer;

pub(crate) fn transfer(hosts: &Hosts, bytes: u64) -> Result<Transfer, String> {
    let address = hosts.address(Role::Destination);
    let server = arguments(
        &["--server", "--one-off", "--forceflush", "--bind"],
        address,
    );
    let (server, mut server_lines) = start(hosts, Role::Destination, &server)?;
    // It says where it listens as soon as it does.
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        if server_lines.read_line(&mut line).map_err(words)? == 0 {
            return Err("iperf3's server ended early".to_owned());
        }
    }
    let mut client = arguments(&["--json", "--length", "128K", "--client"], address);
    client.extend(["--bytes".to_owned(), bytes.to_string()]);
    let (client, lines) = start(hosts, Role::Source, &client)?;
    let (report, source_s) = end(client, lines)?;
    let (_, sink_s) = end(server, server_lines)?;
    let report: Value = serde_json::from_str(&report).map_err(words)?;
    let received = &report["end"]["sum_received"];
    let (Some(seconds), Some(arrived)) = (received["seconds"].as_f64(), received["bytes"].as_f64())
    else {
        return Err(format!("iperf3 did not measure: {}", report["error"]));
    };
    // It may stop a block late or, on the receiving side, with the last ones on their way.
    Ok(Transfer {
        took: Duration::from_secs_f64(seconds * bytes as f64 / arrived),
        source_s: source_s * bytes as f64 / arrived,
        sink_s: sink_s * bytes as f64 / arrived,
        statistics: Value::Null,
    })
}

fn arguments(words: &[&str], address: IpAddr) -> Vec<String> {
    let words = words.iter().map(|word| (*word).to_owned());
    words.chain([address.to_string()]).collect()
}

fn start(
    hosts: &Hosts,
    role: Role,
    arguments: &[String],
) -> Result<(Child, BufReader<ChildStdout>), String> {
    let mut child = hosts.on(role, || {
        let mut command = Command::new("iperf3");
        command.args(arguments).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).spawn();
        child.map_err(|error| format!("can't start iperf3: {error}"))
    })?;
    let output = child.stdout.take().ok_or("no pipe from iperf3")?;
    Ok((child, BufReader::new(output)))
}

/// Waits for its end; what it said, and its CPU seconds.
fn end(mut child: Child, mut lines: BufReader<ChildStdout>) -> Result<(String, f64), String> {
    let mut text = String::new();
    lines.read_to_string(&mut text).map_err(words)?;
    // Its pipe closes when it ends, and until it is reaped it keeps its time.
    let time = cpu::of_process(child.id()).ok_or("iperf3 has no CPU time")?;
    child.wait().map_err(words)?;
    Ok((text, time.total_ns as f64 / 1e9))
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
