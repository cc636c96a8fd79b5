//! The commands lmbench uses, typed. Each is one QMP command; none waits for anything but QEMU's reply.

use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Qmp;
use super::error::{CloseReason, QmpError};
use super::threads::{MigrationThread, VcpuThread};
use crate::hypervisor::{Reading, RunState};

impl Qmp {
    /// `query-migrate`: where the migration stands.
    pub async fn query_migrate(&self) -> Result<Reading, QmpError> {
        self.execute("query-migrate", Value::Null)
            .await
            .map(Reading::from)
    }

    /// The same of a QEMU that may be stuck, waiting at most `limit`.
    pub async fn query_migrate_within(&self, limit: Duration) -> Result<Reading, QmpError> {
        self.execute_within("query-migrate", Value::Null, limit)
            .await
            .map(Reading::from)
    }

    /// `query-status`: what the guest does.
    pub async fn query_status(&self) -> Result<RunState, QmpError> {
        self.query_status_within(Self::COMMAND_TIMEOUT).await
    }

    /// The same of a QEMU that may be stuck, waiting at most `limit`.
    pub async fn query_status_within(&self, limit: Duration) -> Result<RunState, QmpError> {
        let command = "query-status";
        let reply = self.execute_within(command, Value::Null, limit).await?;
        reply["status"]
            .as_str()
            .map(RunState::from)
            .ok_or_else(|| QmpError::unexpected(command, "a run state"))
    }

    /// `query-cpus-fast`: the thread of each vCPU.
    pub async fn query_cpus_fast(&self) -> Result<Vec<VcpuThread>, QmpError> {
        self.list(
            "query-cpus-fast",
            "a list of vCPU threads",
            VcpuThread::from_reply,
        )
        .await
    }

    /// `query-migrationthreads`: the threads of a migration under way.
    pub async fn query_migrationthreads(&self) -> Result<Vec<MigrationThread>, QmpError> {
        self.list(
            "query-migrationthreads",
            "a list of migration threads",
            MigrationThread::from_reply,
        )
        .await
    }

    /// `migrate-set-capabilities`: turns capabilities on and off, all or none of them.
    pub async fn set_capabilities(&self, capabilities: &[(&str, bool)]) -> Result<(), QmpError> {
        let list: Vec<Value> = capabilities
            .iter()
            .map(|(name, on)| json!({"capability": name, "state": on}))
            .collect();
        self.done("migrate-set-capabilities", json!({"capabilities": list}))
            .await
    }

    /// `migrate-set-parameters`: sets parameters by their QMP names, all or none of them.
    pub async fn set_parameters(&self, parameters: Map<String, Value>) -> Result<(), QmpError> {
        self.done("migrate-set-parameters", Value::Object(parameters))
            .await
    }

    /// `migrate`: starts an outgoing migration. Returns when it has begun, not when it is over.
    pub async fn migrate(&self, uri: &str) -> Result<(), QmpError> {
        self.done("migrate", json!({"uri": uri})).await
    }

    /// `migrate-incoming`: begins to listen, in a QEMU started with `-incoming defer`.
    pub async fn migrate_incoming(&self, uri: &str) -> Result<(), QmpError> {
        self.done("migrate-incoming", json!({"uri": uri})).await
    }

    /// `migrate_cancel`: asks for the end of the outgoing migration; the status tells when it has come.
    pub async fn migrate_cancel(&self) -> Result<(), QmpError> {
        self.done("migrate_cancel", Value::Null).await
    }

    /// `migrate-start-postcopy`: moves the guest to the destination before its memory.
    pub async fn migrate_start_postcopy(&self) -> Result<(), QmpError> {
        self.done("migrate-start-postcopy", Value::Null).await
    }

    /// `migrate-continue`: lets a migration go on that waits in `pre-switchover`.
    pub async fn migrate_continue(&self) -> Result<(), QmpError> {
        self.done("migrate-continue", json!({"state": "pre-switchover"}))
            .await
    }

    /// `stop`: stops the vCPUs.
    pub async fn stop(&self) -> Result<(), QmpError> {
        self.done("stop", Value::Null).await
    }

    /// `cont`: lets the vCPUs run.
    pub async fn cont(&self) -> Result<(), QmpError> {
        self.done("cont", Value::Null).await
    }

    /// `quit`: ends QEMU. A QEMU that is gone before it has answered has done what was asked.
    pub async fn quit(&self) -> Result<(), QmpError> {
        match self.done("quit", Value::Null).await {
            Err(QmpError::Closed {
                reason: CloseReason::EndOfStream,
                ..
            }) => Ok(()),
            other => other,
        }
    }

    /// `getfd`: gives QEMU a descriptor under a name, for `fd:NAME`.
    pub async fn getfd(&self, name: &str, descriptor: OwnedFd) -> Result<(), QmpError> {
        self.execute_with_descriptor("getfd", json!({"fdname": name}), descriptor)
            .await
            .map(drop)
    }

    async fn done(&self, command: &str, arguments: Value) -> Result<(), QmpError> {
        self.execute(command, arguments).await.map(drop)
    }

    async fn list<T>(
        &self,
        command: &str,
        expected: &'static str,
        item: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, QmpError> {
        let reply = self.execute(command, Value::Null).await?;
        let items = reply
            .as_array()
            .and_then(|items| items.iter().map(item).collect());
        items.ok_or_else(|| QmpError::unexpected(command, expected))
    }
}
