//! What the agent runs for one repeat, and how all of it ends.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::net::UnixListener;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::metering::Meter;
use super::probes::Probes;
use super::protocol::{Death, Message, Notice};
use super::readings::Notebook;
use super::watching::{Pids, Processes, Watcher};
use crate::background;
use crate::hypervisor::{EventKind, Exit, Guest, GuestEvent, GuestId, Hold};
use crate::lines::{Line, Lines};
use crate::process::{Pipes, Process, Watch, how, log_tail};
use crate::role::Role;
use crate::spec::Stage;

/// Everything that lives at most as long as a repeat.
#[derive(Default)]
pub(super) struct Repeat {
    guests: BTreeMap<GuestId, Arc<dyn Guest>>,
    pub(super) carriers: Vec<Carrier>,
    /// Of all carriers, those that have ended too.
    pids: Pids,
    pub(super) descriptor: Option<(PathBuf, UnixListener)>,
    pub(super) background_receiver: Option<background::Receiver>,
    pub(super) background_sender: Option<background::Sender>,
    pub(super) watcher: Option<Watcher>,
    pub(super) meter: Option<Meter>,
    pub(super) probes: Probes,
    followers: Vec<JoinHandle<()>>,
}

/// A carrier process. It is not waited for before its end is asked: a zombie keeps its CPU time readable.
pub(super) struct Carrier {
    process: Process,
    watch: Arc<Watch>,
    /// Closing it tells the carrier that its owner is gone.
    input: Option<ChildStdin>,
    /// Follows what it prints once it is ready.
    reader: Option<JoinHandle<()>>,
    /// Whether it was asked to end before the repeat's end: how it does so says nothing.
    dismissed: Arc<AtomicBool>,
}

/// What a carrier prints.
pub(super) type Said = Lines<ChildStdout>;

impl Repeat {
    pub(super) fn guest(&self, id: &GuestId) -> Option<Arc<dyn Guest>> {
        self.guests.get(id).cloned()
    }

    /// All guests of this host.
    pub(super) fn guests(&self) -> impl Iterator<Item = &Arc<dyn Guest>> {
        self.guests.values()
    }

    /// What CPU time is read of; `None` without a guest.
    pub(super) fn processes(&self, id: &GuestId) -> Option<Processes> {
        Some(Processes {
            qemu: self.guests.get(id)?.process(),
            carriers: self.pids.clone(),
        })
    }

    pub(super) fn carrier_pids(&self) -> Vec<u32> {
        self.pids.list()
    }

    /// Keeps the guest and writes down all its events from now on. Tells when it begins to run at the destination.
    pub(super) fn adopt(
        &mut self,
        id: GuestId,
        guest: Arc<dyn Guest>,
        role: Role,
        notebook: Notebook,
        told: mpsc::UnboundedSender<Message>,
    ) {
        let mut events = guest.events();
        self.followers.push(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if role == Role::Destination && event.kind == EventKind::Resume {
                    let _ = told.send(Message::Notice(Notice::Reached(Stage::Runs)));
                }
                notebook.event(event);
            }
        }));
        self.guests.insert(id, guest);
    }

    /// Starts a carrier process of this executable. It is ours from its first moment; `begin` waits until it is ready.
    pub(super) fn start_carrier(
        &mut self,
        arguments: &[String],
        environment: &[(String, String)],
        directory: &Path,
    ) -> Result<(u32, Said), String> {
        let program = std::env::current_exe()
            .map_err(|error| format!("can't find this executable: {error}"))?;
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
        let watch = process
            .watch()
            .map_err(|error| format!("can't watch the carrier: {error}"))?;
        let (input, output) = process.take_pipes().ok_or("the carrier has no pipes")?;
        let pid = process.pid();
        self.pids.add(pid);
        if let Some(meter) = &self.meter {
            meter.adopt(pid);
        }
        self.carriers.push(Carrier {
            process,
            watch: Arc::new(watch),
            input: Some(input),
            reader: None,
            dismissed: Arc::default(),
        });
        Ok((pid, Lines::new(output, CARRIER_LINE_BYTES_MAX)))
    }

    /// Writes down what a carrier prints from now on, and tells when it dies.
    pub(super) fn follow_carrier(
        &mut self,
        pid: u32,
        lines: Said,
        role: Role,
        notebook: Notebook,
        told: mpsc::UnboundedSender<Message>,
    ) {
        if let Some(carrier) = self
            .carriers
            .iter_mut()
            .find(|carrier| carrier.process.pid() == pid)
        {
            let (watch, log) = (carrier.watch.clone(), carrier.process.log().to_owned());
            let dismissed = carrier.dismissed.clone();
            carrier.reader = Some(tokio::spawn(async move {
                follow(lines, notebook, &told).await;
                let end = watch.end().await.ok();
                let death = end.and_then(|status| carrier_death(role, status, &log));
                if let Some(death) = death.filter(|_| !dismissed.load(Ordering::Relaxed)) {
                    let _ = told.send(Message::Notice(Notice::Died(death)));
                }
            }));
        }
    }

    /// Closes the carriers' standard input, which ends them; resolves once all that they had to say is written down.
    pub(super) fn end_carriers(&mut self) -> impl Future<Output = ()> + use<> {
        let readers: Vec<_> = self
            .carriers
            .iter_mut()
            .filter_map(|carrier| {
                carrier.input = None;
                carrier.reader.take()
            })
            .collect();
        async move {
            join_all(readers).await;
        }
    }

    /// Has the carriers that live end, whose session is of no use any more. They stay here: what they have used counts. Resolves once all
    /// that they had to say is written down; whoever does not wait for that kills them.
    pub(super) fn dismiss_carriers(&mut self) -> impl Future<Output = ()> + use<> {
        for carrier in &self.carriers {
            // How a dead one ended is worth knowing.
            if carrier.watch.ended().is_none() {
                carrier.dismissed.store(true, Ordering::Relaxed);
            }
        }
        self.end_carriers()
    }

    /// Kills what was dismissed and lives on.
    pub(super) fn kill_dismissed(&self) {
        let dismissed = |carrier: &&Carrier| carrier.dismissed.load(Ordering::Relaxed);
        let carriers = self.carriers.iter().filter(dismissed);
        carriers.for_each(|carrier| carrier.process.kill_group());
    }

    /// The last words of a carrier that did not become ready. It is ended, and its death told, with the repeat.
    pub(super) async fn last_words(&self, pid: u32) -> String {
        let mut carriers = self.carriers.iter();
        let Some(carrier) = carriers.find(|carrier| carrier.process.pid() == pid) else {
            return String::new();
        };
        // It closes its output a moment before it has ended.
        let _ = tokio::time::timeout(END_SHOWS_WITHIN, carrier.watch.end()).await;
        carrier.process.log_tail()
    }

    /// Ends everything at once, the guests that are held too. Tells who had died before, or what did not end.
    pub(super) async fn end(
        &mut self,
        role: Role,
        directory: &Path,
        holds: Vec<Arc<dyn Hold>>,
    ) -> Result<Vec<Death>, String> {
        (self.watcher, self.meter) = (None, None);
        self.probes = Probes::default();
        for follower in std::mem::take(&mut self.followers) {
            follower.abort();
        }
        // Dropping traffic ends it; its counts are nobody's any more.
        (self.background_sender, self.background_receiver) = (None, None);
        self.descriptor = None;
        let carriers = std::mem::take(&mut self.carriers);
        self.pids = Pids::default();
        let mut deaths: Vec<Death> = carriers
            .iter()
            .filter(|carrier| !carrier.dismissed.load(Ordering::Relaxed))
            .filter_map(|carrier| {
                carrier_death(role, carrier.watch.ended()?, carrier.process.log())
            })
            .collect();
        let carriers = join_all(carriers.into_iter().map(|carrier| async move {
            if let Some(reader) = carrier.reader {
                reader.abort();
            }
            carrier.process.end().await
        }));
        let guests = join_all(holds.iter().map(|hold| hold.end()));
        let (carriers, guests) = tokio::join!(carriers, guests);
        self.guests.clear();
        deaths.extend(
            holds
                .iter()
                .filter_map(|hold| guest_death(role, hold.name(), hold.has_ended()?)),
        );
        let carriers = carriers
            .into_iter()
            .filter_map(|result| result.err().map(|error| error.to_string()));
        let guests = guests
            .into_iter()
            .filter_map(|result| result.err().map(|error| error.to_string()));
        let survivors: Vec<String> = carriers.chain(guests).collect();
        if survivors.is_empty() {
            remove_files(directory);
            Ok(deaths)
        } else {
            Err(survivors.join("; "))
        }
    }
}

/// Processes that were killed leave their sockets, which would be in the way of the next repeat's.
fn remove_files(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(&path),
            _ => std::fs::remove_file(&path),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, path = %path.display(), "stays until the lab ends");
        }
    }
}

/// What runs a guest ends only when it is asked to.
pub(super) fn guest_death(role: Role, name: &str, exit: Exit) -> Option<Death> {
    match exit {
        Exit::ByItself { reason, killed } => Some(Death {
            what: format!("{name} on the {role} {reason}"),
            killed,
        }),
        Exit::Asked => None,
    }
}

/// A carrier ends by itself when its session does; only a failure is worth telling.
fn carrier_death(role: Role, status: ExitStatus, log: &Path) -> Option<Death> {
    if status.success() {
        return None;
    }
    let (killed, words) = (status.signal().is_some(), log_tail(log));
    // Who was killed had no last words; what stands in the log is older.
    let words = if killed || words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    };
    Some(Death {
        what: format!("the carrier on the {role} {}{words}", how(status)),
        killed,
    })
}

async fn follow(mut lines: Said, notebook: Notebook, told: &mpsc::UnboundedSender<Message>) {
    while let Some(line) = next_line(&mut lines).await {
        notebook.event(carrier_event(line.clone()));
        if told.send(Message::Notice(Notice::Carrier(line))).is_err() {
            return;
        }
    }
}

/// What a carrier said, as it stands in the record.
pub(super) fn carrier_event(line: Value) -> GuestEvent {
    GuestEvent::own("carrier", line)
}

/// The next line that is JSON; others are not ours to judge.
pub(super) async fn next_line(lines: &mut Said) -> Option<Value> {
    while let Ok(Some(line)) = lines.next().await {
        if let Line::Whole(line) = line
            && let Ok(value) = serde_json::from_slice(&line)
        {
            return Some(value);
        }
    }
    None
}

/// A carrier's events have some hundred bytes, and errors that quote a peer a few thousand.
const CARRIER_LINE_BYTES_MAX: usize = 1 << 20;

/// Between the end of a carrier's output and its own lies the kernel's work only; one that merely is late lives on.
const END_SHOWS_WITHIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_processes_leave_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (socket, log) = (
            directory.path().join("stream"),
            directory.path().join("qemu.log"),
        );
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        std::fs::write(&log, "").unwrap();
        remove_files(directory.path());
        assert!(!socket.exists() && !log.exists());
    }
}
