//! QEMU's part in a post-copy that gets a new connection, and what it says of itself when it may be stuck.
//!
//! `migrate-pause` and `migrate-recover` go out of band: the destination's main loop may stand still at a page that only the new
//! connection can bring. Nothing here waits longer than a few seconds for an answer.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::driver::{QemuGuest, uri};
use crate::hypervisor::{GuestError, Look, MigrationStatus, Stream};
use crate::qmp::QmpError;

impl QemuGuest {
    /// Looks at it. An error says that it is gone; a monitor that does not answer leaves its part of the look empty.
    pub async fn look(&self) -> Result<Look, GuestError> {
        let answer = self.qmp().query_status_within(ANSWER_WITHIN).await;
        let run_state = self.if_it_answers("query-status", answer).await?;
        let stats = match &run_state {
            Some(_) => {
                let reading = self.qmp().query_migrate_within(ANSWER_WITHIN).await;
                let reading = self.if_it_answers("query-migrate", reading).await?;
                reading.map(|reading| reading.stats)
            }
            None => None,
        };
        let migration = stats.as_ref().map(|stats| stats.status.clone());
        Ok(Look {
            run_state,
            migration: migration.filter(|status| *status != MigrationStatus::None),
            remaining_bytes: stats.and_then(|stats| stats.ram?.remaining),
        })
    }

    async fn if_it_answers<T>(
        &self,
        command: &str,
        answer: Result<T, QmpError>,
    ) -> Result<Option<T>, GuestError> {
        match self.check(command, answer).await {
            Ok(answer) => Ok(Some(answer)),
            Err(gone @ GuestError::Gone { .. }) => Err(gone),
            Err(_) => Ok(None),
        }
    }

    /// Has it let go of a post-copy's connection (`migrate-pause`). Refused unless a post-copy flows.
    pub async fn let_go(&self) -> Result<(), GuestError> {
        let command = "migrate-pause";
        let answer = self.qmp().execute_out_of_band(command, Value::Null).await;
        self.check(command, answer).await.map(drop)
    }

    /// Has a destination whose post-copy lost its connection listen for a new one. Lets go of the old one first, should it not have noticed.
    pub async fn recover_at(&self, stream: &Stream) -> Result<(), GuestError> {
        self.once_paused(|| async {
            let command = "migrate-recover";
            let arguments = json!({ "uri": uri(stream) });
            let answer = self.qmp().execute_out_of_band(command, arguments).await;
            self.check(command, answer).await.map(drop)
        })
        .await
    }

    /// Has a source whose post-copy lost its connection go on over a new one. Returns when the stream flows again; an error says why it
    /// does not, and the post-copy is paused again as far as QEMU lets it be.
    pub async fn resume_at(&self, stream: &Stream, within: Duration) -> Result<(), GuestError> {
        let mut events = self.events();
        let deadline = Instant::now() + within;
        self.once_paused(|| async {
            let command = "migrate";
            let arguments = json!({ "uri": uri(stream), "resume": true });
            let answer: Result<Value, QmpError> = self.qmp().execute(command, arguments).await;
            self.check(command, answer).await.map(drop)
        })
        .await?;
        let mut tried = false;
        let again = async {
            loop {
                let Some(event) = events.next().await else {
                    return Err(self.exit_reason().await);
                };
                match event.migration_status() {
                    Some(MigrationStatus::PostcopyActive | MigrationStatus::Completed) => {
                        return Ok(());
                    }
                    Some(
                        MigrationStatus::PostcopyRecoverSetup | MigrationStatus::PostcopyRecover,
                    ) => tried = true,
                    // What is older than the attempt tells nothing of it.
                    Some(status @ (MigrationStatus::PostcopyPaused | MigrationStatus::Failed))
                        if tried =>
                    {
                        return Err(refused(format!(
                            "the new connection broke (QEMU: {status})"
                        )));
                    }
                    _ => {}
                }
            }
        };
        if let Ok(result) = timeout_at(deadline, again).await {
            return result;
        }
        // Refused where it is not far enough to be paused; then the time limit of the migration ends it.
        let _ = self.let_go().await;
        Err(refused(format!(
            "the stream did not flow again within {within:.0?}"
        )))
    }

    /// Asks until QEMU has noticed that its connection is gone, telling it so meanwhile.
    async fn once_paused<F: Future<Output = Result<(), GuestError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<(), GuestError> {
        let deadline = Instant::now() + PAUSED_WITHIN;
        loop {
            match ask().await {
                Err(GuestError::Refused { .. }) if Instant::now() < deadline => {
                    match self.let_go().await {
                        Ok(()) | Err(GuestError::Refused { .. }) => sleep(ASK_AGAIN_AFTER).await,
                        Err(error) => return Err(error),
                    }
                }
                other => return other,
            }
        }
    }
}

fn refused(reason: String) -> GuestError {
    GuestError::Refused {
        operation: "migrate resume".to_owned(),
        reason,
    }
}

/// A monitor that needs longer for a word on its state is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// QEMU's threads leave a broken connection within milliseconds, unless a disk or a busy machine holds them up.
const PAUSED_WITHIN: Duration = Duration::from_secs(8);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);
