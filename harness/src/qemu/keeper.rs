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
