//! What each carrier costs without any guest: MB/s, and CPU seconds per GiB of each half.
//!
//! `cargo bench -p lmbench --bench carriers -- [FILTER]`, such as `-- tls` or `-- synthetic-1500` or `-- replayed`
//!
//! ```text
//! this program -> unix -> lmbench carry source == veth, two namespaces == lmbench carry sink -> unix -> this program
//! ```
//! | reference | what it is |
//! |---|---|
//! | `raw-unix` | this program writes to itself through one unix socket: what feeding and draining cost |
//! | `raw-tcp` | the same through one TCP connection over the same veth pair, no carrier in between |
//! | `iperf3` | the well-known program over the same veth pair; left out where it is not installed. It sends the same 128 KiB again and again, `raw-tcp` 64 MiB |
//!
//! **Interleaved.** Absolute values swing between runs and within one, so every round transfers once with each chosen benchmark, and the
//! figures are handed to criterion only when all rounds are done. It judges them, keeps them and compares them with the last run's; what
//! it says about warming up and estimated times is about handing over. Its iteration is half a transfer.
//!
//! **CPU** is that of the two `lmbench carry` processes and their descendants from the first byte to the last, by the kernel's scheduler;
//! for references that of the writer and the reader. The table at the end holds medians over the rounds, and ratios with their 95 % interval.
//!
//! criterion owns the command line, so what else can be chosen are variables of the environment:
//!
//! | variable | default | |
//! |---|---|---|
//! | `LMBENCH_CARRIERS` | all | what to measure, such as `tls quic,gso=false ssh,cipher=chacha20-poly1305`: a carrier and its `--set`, or a reference |
//! | `LMBENCH_MTU` | `1500 9000` | MTUs of the veth pair |
//! | `LMBENCH_MIB` | 256 | MiB of a synthetic transfer |
//! | `LMBENCH_ROUNDS` | 10 | at least 10, as criterion wants it |
//! | `LMBENCH_CAPTURE` | recorded | file of `lmbench capture` whose stream the group `replayed` replays |
//! | `LMBENCH_JSON` | none | file that every transfer is appended to, as one line of JSON |
//!
//! It takes root, or a user who may make namespaces. The synthetic stream is random bytes, since no carrier here looks at them, written
//! 128 KiB at a time, as QEMU about does. The replayed one is what a real guest sent, in the pieces in which it was read; without
//! `LMBENCH_CAPTURE` a small guest migrates once and is captured before anything is measured, where QEMU and a kernel for it are found.
//! No guest is measured: in a migration, QEMU takes its share of the same cores.

#[path = "../shared/figures.rs"]
mod figures;

mod capture;
mod halves;
mod hosts;
mod iperf;
mod pump;
mod report;
mod rounds;
mod settings;
mod stream;
mod variant;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

use rounds::{Case, Results};
use settings::{Mode, Settings};

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), String> {
    // First of all, since it ends the program after --help and wrong words.
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    let settings = Settings::from_environment()?;
    let mut cases = rounds::cases(&settings);
    if settings.mode == Mode::Names {
        let none = Results::default();
        for case in &cases {
            hand_over(&mut criterion, case, &none);
        }
        return Ok(());
    }
    if let Err(error) = lmbench_harness::lab::enter_user_namespace_if_needed() {
        if settings.mode == Mode::Measure {
            return Err(error.to_string());
        }
        println!("nothing tested: {error}");
        return Ok(());
    }
    let chosen = chosen()?;
    cases.retain(|case| chosen.contains(&case.name()));
    if cases.is_empty() {
        eprintln!("nothing has such a name; -- --list tells all names");
        return Ok(());
    }
    rounds::load(&settings, &mut cases)?;
    let results = rounds::measure(&settings, &cases)?;
    for case in &cases {
        hand_over(&mut criterion, case, &results);
    }
    if settings.mode == Mode::Measure {
        criterion.final_summary();
        report::show(&settings, &cases, &results);
    }
    Ok(())
}

/// The names of the benchmarks that criterion would run with these arguments.
fn chosen() -> Result<Vec<String>, String> {
    let arguments = std::env::args_os().skip(1);
    let output = std::env::current_exe()
        .and_then(|this| {
            std::process::Command::new(this)
                .arg("--list")
                .args(arguments.filter(|argument| argument != "--test"))
                .stderr(std::process::Stdio::inherit())
                .output()
        })
        .map_err(|error| format!("can't list the benchmarks: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "listing the benchmarks ended with {}",
            output.status
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text
        .lines()
        .filter_map(|line| line.strip_suffix(": benchmark"));
    Ok(names.map(str::to_owned).collect())
}

/// Lets criterion take the times of one benchmark as if it measured them now.
fn hand_over(criterion: &mut Criterion, case: &Case, results: &Results) {
    let transfers = results.of(case);
    let mut group = criterion.benchmark_group(case.group());
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(transfers.len().max(settings::ROUNDS_MIN))
        .warm_up_time(Duration::from_nanos(1))
        .measurement_time(PAUSE.mul_f64(1.5) * transfers.len().max(1) as u32)
        .throughput(Throughput::Bytes(case.stream.len() / ITERATIONS));
    let call = Cell::new(0_usize);
    group.bench_with_input(
        BenchmarkId::from_parameter(&case.variant),
        &(),
        |bencher, ()| {
            bencher.iter_custom(|iterations| {
                let number = call.replace(call.get() + 1);
                if number == 0 {
                    // criterion takes the time of this call for that of an iteration, and so finds that a sample is two of them.
                    std::thread::sleep(PAUSE);
                }
                let whole = match transfers.len() {
                    0 => Duration::from_secs(1),
                    // The first call is the warm-up.
                    len => transfers[number.saturating_sub(1) % len].took,
                };
                whole / ITERATIONS as u32 * iterations as u32
            });
        },
    );
    group.finish();
}

/// Of criterion, in one transfer: with a single one per sample it warns that its time is too short.
const ITERATIONS: u64 = 2;
const PAUSE: Duration = Duration::from_millis(2);
