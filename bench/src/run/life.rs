//! Whether a guest of the user's own lives. lmbench has no code in it that could prove its memory, so it is asked what it shows of itself.

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::Failure;
use lmbench_harness::hypervisor::Console;
use lmbench_harness::role::Role;
use lmbench_harness::spec::Boot;
use serde_json::json;

use super::attempt::Attempt;
use super::measure::Sides;

impl Attempt<'_> {
    /// Before the migration: a guest whose console says that it is dead is not worth moving, and as good as one that never booted.
    pub(super) async fn expect_alive(&mut self) -> Result<(), AgentError> {
        if self.cell.setup.guest.boot == Boot::Lmbench {
            return Ok(());
        }
        let console = self.console(Role::Source).await?;
        let Some(line) = console.death() else {
            return Ok(());
        };
        self.booted = false;
        self.notes.add("console", json!(console));
        let message = format!(
            "the guest is dead before it migrates, its console says: {line}\nhint: a guest that needs a root file system gets it with [guest] image or initrd"
        );
        Err(AgentError::Failed(Failure {
            message,
            environment: false,
        }))
    }

    /// Both consoles after the migration; `None` of guests that have better proof.
    pub(super) async fn consoles(&self) -> Result<Option<Sides<Console>>, AgentError> {
        if self.cell.setup.guest.boot == Boot::Lmbench {
            return Ok(None);
        }
        Ok(Some(Sides {
            source: self.console(Role::Source).await?,
            destination: self.console(Role::Destination).await?,
        }))
    }

    async fn console(&self, role: Role) -> Result<Console, AgentError> {
        self.hosts.host(role).call(calls::ReadConsole).await
    }
}
