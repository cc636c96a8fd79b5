//! An operator's orders on their way to the migration that goes on.

use tokio::sync::oneshot;

use super::failures::refused;
use super::protocol::Failure;
use super::serve::Agent;
use crate::hypervisor::MigrationId;
use crate::migration::{Command, Order};

impl Agent {
    /// Answers once the hypervisor has; a migration takes orders as long as it goes on.
    pub(super) async fn order(
        &self,
        migration: MigrationId,
        order: Order,
    ) -> Result<String, Failure> {
        let (answer, answered) = oneshot::channel();
        let command = Command { order, answer };
        if !self.ongoing.command(migration, command) {
            return Err(refused("no migration goes on"));
        }
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(why)) => Err(refused(&why)),
            Err(_) => Err(refused("the migration ended first")),
        }
    }
}
