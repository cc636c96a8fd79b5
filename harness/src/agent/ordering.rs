//! An operator's orders on their way to the migration that goes on.

use std::sync::PoisonError;

use tokio::sync::oneshot;

use super::failures::refused;
use super::protocol::Failure;
use super::serve::Agent;
use crate::migration::{Command, Order};

impl Agent {
    /// Answers once the hypervisor has; a migration takes orders as long as it goes on.
    pub(super) async fn order(&self, order: Order) -> Result<String, Failure> {
        let (answer, answered) = oneshot::channel();
        let taken = {
            let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            let command = Command { order, answer };
            orders
                .as_ref()
                .is_some_and(|orders| orders.send(command).is_ok())
        };
        if !taken {
            return Err(refused("no migration goes on"));
        }
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(why)) => Err(refused(&why)),
            Err(_) => Err(refused("the migration ended first")),
        }
    }
}
