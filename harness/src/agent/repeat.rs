//! What the agent runs for one repeat, and how all of it ends.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::UnixListener;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::protocol::{Notice, Told};
use super::readings::Notebook;
use super::watching::{Processes, Watcher};
use crate::background;
use crate::guest::{Guest as _, GuestEvent};
use crate::process::{Pipes, Process, ProcessError};
use crate::qemu::{GuestPorts, Launched, QemuGuest};

/// Everything that lives at most as long as a repeat.
#[derive(Default)]
pub(super) struct Repeat {
    pub(super) launched: Option<Launched>,
    pub(super) carriers: Vec<Carrier>,
    pub(super) descriptor: Option<(PathBuf, UnixListener)>,
    pub(super) background_receiver: Option<background::Receiver>,
    pub(super) background_sender: Option<background::Sender>,
    pub(super) watcher: Option<Watcher>,
    follower: Option<JoinHandle<()>>,
}

/// A carrier process. It is not waited for before its end is asked: a zombie keeps its CPU time readable.
pub(super) struct Carrier {
    process: Process,
    /// Closing it tells the carrier that its owner is gone.
    _input: ChildStdin,
    reader: JoinHandle<()>,
}

impl Repeat {
    pub(super) fn guest(&self) -> Option<QemuGuest> {
        self.launched
            .as_ref()
            .map(|launched| launched.guest.clone())
    }

    pub(super) fn ports(&self) -> Option<Arc<GuestPorts>> {
        self.launched.as_ref()?.ports.clone()
    }

    /// What CPU time is read of; `None` without a guest.
    pub(super) fn processes(&self) -> Option<Processes> {
        Some(Processes {
            qemu: self.launched.as_ref()?.pid,
            carriers: self.carrier_pids(),
        })
    }

    pub(super) fn carrier_pids(&self) -> Vec<u32> {
        self.carriers
            .iter()
            .map(|carrier| carrier.process.pid())
            .collect()
    }

    /// Keeps the guest and writes down all its events from now on.
    pub(super) fn adopt(&mut self, launched: Launched, notebook: Notebook) {
        let mut events = launched.guest.events();
        self.follower = Some(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                notebook.event(event);
            }
        }));
        self.launched = Some(launched);
    }

    /// Ends everything; tells what did not end.
    pub(super) async fn end(&mut self) -> Result<(), ProcessError> {
        let mut result = Ok(());
        self.watcher = None;
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
        if let Some(launched) = self.launched.take() {
            result = launched.end().await;
        }
        for carrier in self.carriers.drain(..) {
            carrier.reader.abort();
            result = result.and(carrier.process.end().await);
        }
        if let Some((path, _)) = self.descriptor.take() {
            let _ = std::fs::remove_file(path);
        }
        if let Some(sender) = self.background_sender.take() {
            sender.stop().await;
        }
        if let Some(receiver) = self.background_receiver.take() {
            receiver.stop().await;
        }
        result
    }
}

/// Removes the sockets that processes of the repeat left: one that was killed can't, and the next to listen there is refused.
pub(super) fn remove_sockets(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            // Whatever can't be removed is named by whoever wants to listen there next.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Starts a carrier process of this executable and waits for the first line that it prints.
pub(super) async fn start_carrier(
    arguments: &[String],
    environment: &[(String, String)],
    within: Duration,
    directory: &Path,
    notebook: Notebook,
    told: mpsc::UnboundedSender<Told>,
) -> Result<(Carrier, Value), String> {
    let program =
        std::env::current_exe().map_err(|error| format!("can't find this executable: {error}"))?;
    let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
    let log = directory.join("carrier.log");
    let mut process = Process::start(
        "carrier",
        &program,
        &arguments,
        environment,
        &log,
        Pipes::InputAndOutput,
    )
    .map_err(|error| error.to_string())?;
    let (input, output) = process.take_pipes().ok_or("the carrier has no pipes")?;
    let mut lines = BufReader::new(output).lines();
    let first = tokio::time::timeout(within, next_line(&mut lines)).await;
    let first = match first {
        Ok(Some(first)) => first,
        Ok(None) => {
            return Err(format!(
                "the carrier ended before it was ready: {}",
                process.log_tail()
            ));
        }
        Err(_) => {
            return Err(format!(
                "the carrier was not ready within {within:.1?}: {}",
                process.log_tail()
            ));
        }
    };
    let reader = tokio::spawn(follow(lines, notebook, told));
    Ok((
        Carrier {
            process,
            _input: input,
            reader,
        },
        first,
    ))
}

async fn follow(
    mut lines: Lines<BufReader<ChildStdout>>,
    notebook: Notebook,
    told: mpsc::UnboundedSender<Told>,
) {
    while let Some(line) = next_line(&mut lines).await {
        notebook.event(GuestEvent {
            at_ns: crate::clock::monotonic_ns(),
            name: "carrier".to_owned(),
            data: line.clone(),
        });
        if told.send(Told::Notice(Notice::Carrier(line))).is_err() {
            return;
        }
    }
}

/// The next line that is JSON; others are not ours to judge.
async fn next_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(value) = serde_json::from_str(&line) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (socket, log) = (
            directory.path().join("stream"),
            directory.path().join("qemu.log"),
        );
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        std::fs::write(&log, "").unwrap();
        remove_sockets(directory.path());
        assert!(!socket.exists() && log.exists());
    }
}
