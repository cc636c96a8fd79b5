//! Kills processes of a run when its migration comes to a state. The program says on its log when it does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::live::Run;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// The carrier's half next to the source.
    Source,
    /// The carrier's half next to the destination.
    Sink,
    /// QEMU on the destination.
    Destination,
}

/// Runs `scenario`, killing each process when the migration comes to the status for the n-th time. `None` if live tests are skipped.
pub(crate) fn run(scenario: &str, kills: &[(Process, &str, u32)], exit_code: i32) -> Option<Run> {
    if std::env::var("LMBENCH_SKIP_LIVE").is_ok_and(|value| value == "1") {
        std::io::stderr()
            .write_all(b"SKIPPED (LMBENCH_SKIP_LIVE=1): nothing was killed\n")
            .unwrap();
        return None;
    }
    let _alone = crate::live::alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lmbench"))
        .arg("run")
        .arg(&file)
        .args(["--format", "json", "--out"])
        .arg(folder.path().join("results"))
        .env("LMBENCH_LOG", "lmbench=debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let record = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    });
    let mut said = String::new();
    let mut due = kills.to_vec();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        for (_, status, times) in &mut due {
            if line.contains(&format!("migration is {status}")) {
                *times -= 1;
            }
        }
        said.push_str(&line);
        said.push('\n');
        due.retain(|(process, _, times)| {
            if *times == 0 {
                if line.ends_with("postcopy-active") {
                    std::thread::sleep(UNTIL_IT_RUNS);
                }
                kill(*process, child.id());
            }
            *times > 0
        });
    }
    let code = child.wait().unwrap().code();
    let record = record.join().unwrap();
    assert_eq!(code, Some(exit_code), "{said}\n{record}");
    assert_eq!(due, [], "it never came to that:\n{said}");
    Some(Run::read(&record))
}

fn kill(process: Process, run: u32) {
    // They were started in this order.
    let agents = children(run, "lmbench");
    let (side, name) = match process {
        Process::Source => (0, "lmbench"),
        Process::Sink => (1, "lmbench"),
        Process::Destination => (1, "qemu"),
    };
    // The last one: those before it belong to connections that were lost.
    let victims = children(agents[side], name);
    let victim = victims.last().unwrap_or_else(|| panic!("no {process:?}"));
    let victim = Pid::from_raw(victim.cast_signed()).unwrap();
    kill_process(victim, Signal::KILL).unwrap();
}

/// Children of a process whose name begins so, in the order of their ids. The kernel lists them by the thread that started them.
fn children(parent: u32, name: &str) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let mut pids: Vec<u32> = threads
        .flatten()
        .map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default())
        .flat_map(|list| {
            let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
            pids.collect::<Vec<u32>>()
        })
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.starts_with(name))
        })
        .collect();
    pids.sort_unstable();
    pids
}

/// QEMU announces post-copy some milliseconds before the guest runs at the destination, and until then a broken connection ends the
/// destination's QEMU. Nothing outside tells that moment.
const UNTIL_IT_RUNS: Duration = Duration::from_secs(1);
