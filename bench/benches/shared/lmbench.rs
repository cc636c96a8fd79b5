//! Runs the `lmbench` program that was built with this benchmark, as a user would, and reads the record that it leaves.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use lmbench::record::{Outcome, Record, Repeat};

/// Measures, if cargo asks for it: `cargo test --benches` and test runners start every target, and don't want that.
pub(crate) fn measure_if(bench: bool, measure: impl FnOnce() -> Result<(), String>) -> ExitCode {
    if !bench {
        println!("nothing measured; run it with cargo bench");
        return ExitCode::SUCCESS;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a scenario file. Its own words go to `lmbench.log` in the results' directory.
pub(crate) fn run(scenario: &Path, out: &Path, options: &[String]) -> Result<Record, String> {
    std::fs::create_dir_all(out)
        .map_err(|error| format!("can't make {}: {error}", out.display()))?;
    let log_path = out.join("lmbench.log");
    let log = File::options()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(|error| format!("can't write {}: {error}", log_path.display()))?;
    let output = Command::new(env!("CARGO_BIN_EXE_lmbench"))
        .arg("run")
        .arg(scenario)
        .arg("--out")
        .arg(out)
        .args(["--format", "json"])
        .args(options)
        .stdin(Stdio::null())
        .stderr(log)
        .output()
        .map_err(|error| format!("can't start lmbench: {error}"))?;
    if !output.status.success() {
        let text = std::fs::read_to_string(&log_path).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return Err(format!(
            "lmbench run ended with {}; {} ends with:\n{}",
            output.status,
            log_path.display(),
            tail.join("\n")
        ));
    }
    Record::from_json(&output.stdout, Path::new("stdout of lmbench run"))
        .map_err(|error| error.to_string())
}

/// A metric of a completed repeat.
pub(crate) fn metric(repeat: &Repeat, id: &str) -> Result<f64, String> {
    if repeat.outcome != Outcome::Completed {
        return Err(format!(
            "repeat {} {}: {}",
            repeat.repeat,
            repeat.outcome.name(),
            repeat.reason.as_deref().unwrap_or("no reason given")
        ));
    }
    repeat
        .metrics
        .get(id)
        .copied()
        .ok_or_else(|| format!("repeat {} has no {id}", repeat.repeat))
}

/// One line on what was measured on.
pub(crate) fn environment(record: &Record) -> String {
    let environment = &record.environment;
    format!(
        "QEMU {}, {}, kernel {}, {} cores of {}",
        environment.qemu,
        environment.accelerator,
        environment.kernel,
        environment.cores,
        environment.cpu
    )
}
