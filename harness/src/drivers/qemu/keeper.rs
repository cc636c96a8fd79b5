//! The hold on a QEMU process: sees its end, ends it, and never lets go of it alive.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::process::{Process, ProcessError, how};

/// A hold on one process. When the last clone is dropped, the process is killed.
#[derive(Debug, Clone)]
pub struct Keeper {
    pid: u32,
    log: PathBuf,
    ending: mpsc::Sender<()>,
    end: watch::Receiver<Option<End>>,
    gone: watch::Receiver<Option<Gone>>,
}

/// How a kept process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nobody had asked for it.
    ByItself(ExitStatus),
    /// Its keeper was asked.
    Asked,
}

type Gone = Result<(), Arc<ProcessError>>;

impl Keeper {
    pub(super) fn of(process: Process) -> Self {
        let (pid, log) = (process.pid(), process.log().to_owned());
        let (ending, end_asked) = mpsc::channel(1);
        let (end_sender, end) = watch::channel(None);
        let (gone_sender, gone) = watch::channel(None);
        tokio::spawn(async move {
            let result = keep(process, end_asked, end_sender).await;
            gone_sender.send_replace(Some(result.map_err(Arc::new)));
        });
        Keeper {
            pid,
            log,
            ending,
            end,
            gone,
        }
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its messages go.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Kills it, if it lives, and makes sure that its whole group is gone.
    pub async fn end(&self) -> Result<(), Arc<ProcessError>> {
        // It may be asked already, or see the process die by itself.
        let _ = self.ending.try_send(());
        let mut gone = self.gone.clone();
        match gone.wait_for(Option::is_some).await {
            Ok(gone) => gone.clone().unwrap_or(Ok(())),
            // The runtime ends, and the process with its task.
            Err(_) => Ok(()),
        }
    }

    /// Waits until it has ended. The future holds nothing: it does not keep the process alive.
    pub fn ended(&self) -> impl Future<Output = End> + Send + use<> {
        let mut end = self.end.clone();
        async move {
            match end.wait_for(Option::is_some).await {
                Ok(end) => end.unwrap_or(End::Asked),
                Err(_) => End::Asked,
            }
        }
    }

    /// How it ended, if it has.
    pub fn has_ended(&self) -> Option<End> {
        *self.end.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<End>> {
        self.end.clone()
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::ByItself(status) => formatter.write_str(&how(*status)),
            End::Asked => formatter.write_str("was ended by lmbench"),
        }
    }
}

/// Reaps it when it ends by itself, kills it when asked or when nobody holds it any more.
async fn keep(
    mut process: Process,
    mut end_asked: mpsc::Receiver<()>,
    end: watch::Sender<Option<End>>,
) -> Result<(), ProcessError> {
    tokio::select! {
        // Who had died before the end was asked has died by itself.
        biased;
        status = process.wait() => {
            end.send_replace(Some(status.map_or(End::Asked, End::ByItself)));
            process.end().await
        }
        _ = end_asked.recv() => {
            let result = process.end().await;
            end.send_replace(Some(End::Asked));
            result
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Pipes;

    /// A child with a child of its own, as a stand-in for QEMU.
    fn keeper(script: &str) -> (Keeper, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let arguments = ["-c".into(), script.into()];
        let process = Process::start(
            "test",
            Path::new("/bin/sh"),
            &arguments,
            &[],
            &log,
            Pipes::None,
        );
        (Keeper::of(process.unwrap()), directory)
    }

    fn group_lives(pid: u32) -> bool {
        let group = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        rustix::process::test_kill_process_group(group).is_ok()
    }

    #[tokio::test]
    async fn whoever_holds_it_can_end_it_and_nothing_of_it_is_left() {
        let (keeper, _directory) = keeper("sleep 1000 & wait");
        let (first, second) = (keeper.clone(), keeper.clone());
        assert_eq!(keeper.has_ended(), None);
        let (one, other) = tokio::join!(first.end(), second.end());
        assert!(one.is_ok() && other.is_ok());
        assert!(!group_lives(keeper.pid()));
        assert_eq!(keeper.ended().await, End::Asked);
    }

    #[tokio::test]
    async fn who_died_before_the_end_was_asked_has_died_by_itself() {
        let (keeper, _directory) = keeper("sleep 1000 & kill -9 $$");
        // The child that the dead one leaves is ended too, although nobody asks for it.
        let End::ByItself(status) = keeper.ended().await else {
            panic!("nobody had asked");
        };
        assert_eq!(how(status), "was killed by signal 9");
        keeper.end().await.unwrap();
        assert!(!group_lives(keeper.pid()));
        assert_eq!(keeper.has_ended(), Some(End::ByItself(status)));
    }

    #[tokio::test]
    async fn it_is_not_let_go_of_alive() {
        let (keeper, _directory) = keeper("sleep 1000 & wait");
        let (pid, ended) = (keeper.pid(), keeper.ended());
        drop(keeper);
        assert_eq!(ended.await, End::Asked);
        assert!(!group_lives(pid));
    }
}
