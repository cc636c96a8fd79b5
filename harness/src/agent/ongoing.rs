//! The migrations that go on from this host, each with what reaches it from outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::hypervisor::MigrationId;
use crate::migration::{Command, RecoveryHandle};
use crate::spec::RecoverySpec;

/// All of them. One that has ended stays until its id is used anew or the repeat ends, and hears nothing.
#[derive(Clone, Default)]
pub(super) struct Ongoing(Arc<Mutex<BTreeMap<MigrationId, Lines>>>);

struct Lines {
    orders: mpsc::UnboundedSender<Command>,
    give_up: Option<oneshot::Sender<String>>,
}

impl Ongoing {
    /// What a migration of this id hears by.
    pub(super) fn begin(
        &self,
        id: MigrationId,
        spec: &RecoverySpec,
    ) -> (mpsc::UnboundedReceiver<Command>, Option<RecoveryHandle>) {
        let (sender, orders) = mpsc::unbounded_channel();
        let (handle, give_up) = RecoveryHandle::new(spec).unzip();
        let lines = Lines {
            orders: sender,
            give_up,
        };
        self.with(|all| all.insert(id, lines));
        (orders, handle)
    }

    /// Hands a command to a migration; false if it does not go on.
    pub(super) fn command(&self, id: MigrationId, command: Command) -> bool {
        self.with(|all| {
            let lines = all.get(&id);
            lines.is_some_and(|lines| lines.orders.send(command).is_ok())
        })
    }

    /// Tells a migration that its post-copy gets no new connection; false if nobody heard it.
    pub(super) fn give_up(&self, id: MigrationId, reason: String) -> bool {
        let give_up = self.with(|all| all.get_mut(&id)?.give_up.take());
        give_up.is_some_and(|give_up| give_up.send(reason).is_ok())
    }

    /// Forgets all: the repeat is over.
    pub(super) fn clear(&self) {
        self.with(BTreeMap::clear);
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<MigrationId, Lines>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Order;

    fn pause() -> Command {
        Command {
            order: Order::Pause,
            answer: oneshot::channel().0,
        }
    }

    #[test]
    fn each_migration_hears_its_own_orders() {
        let (all, spec) = (Ongoing::default(), RecoverySpec::default());
        let (first, second) = (MigrationId(1), MigrationId(2));
        assert!(!all.command(first, pause()));
        let (mut orders, handle) = all.begin(first, &spec);
        let (mut others, other_handle) = all.begin(second, &spec);
        assert!(all.command(first, pause()));
        assert!(orders.try_recv().is_ok() && others.try_recv().is_err());
        // One that is over hears nothing, and the other goes on.
        drop((orders, handle));
        assert!(!all.command(first, pause()) && !all.give_up(first, "lost".to_owned()));
        assert!(all.give_up(second, "lost".to_owned()));
        let mut other = other_handle.unwrap();
        assert_eq!(other.given_up.try_recv().unwrap(), "lost");
        all.clear();
        assert!(!all.command(second, pause()));
    }
}
