//! Where orders from the socket meet the migration that goes on, if one does.

use std::sync::{Arc, Mutex, PoisonError};

use lmbench_harness::migration::Order;
use tokio::sync::{mpsc, oneshot};

/// Takes orders, and refuses them while no migration goes on. Clones are the same desk.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Mutex<Option<mpsc::UnboundedSender<Wanted>>>>);

/// What a migration is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Something that the source's agent does.
    Order(Order),
    /// A new connection for a post-copy.
    Recover,
    /// Whole links, then a new connection.
    ResumeNetwork,
}

/// A deed, and where its answer goes; dropped unanswered, the migration ended first.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) deed: Deed,
    pub(crate) answer: oneshot::Sender<Result<String, String>>,
}

/// The migration's side of the desk, open until it is dropped.
#[derive(Debug)]
pub(crate) struct Counter {
    desk: Desk,
    wanted: mpsc::UnboundedReceiver<Wanted>,
}

impl Desk {
    /// A migration begins.
    pub(crate) fn open(&self) -> Counter {
        let (sender, wanted) = mpsc::unbounded_channel();
        self.set(Some(sender));
        Counter {
            desk: self.clone(),
            wanted,
        }
    }

    /// Has the migration do it: what was done, or why it was not. `None` if no migration goes on.
    pub(crate) async fn order(&self, deed: Deed) -> Option<Result<String, String>> {
        let (answer, answered) = oneshot::channel();
        {
            let counter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            counter.as_ref()?.send(Wanted { deed, answer }).ok()?;
        }
        let ended = || Err("the migration ended first".to_owned());
        Some(answered.await.unwrap_or_else(|_| ended()))
    }

    fn set(&self, sender: Option<mpsc::UnboundedSender<Wanted>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sender;
    }
}

impl Counter {
    /// The next deed; waits for ever if none comes.
    pub(crate) async fn next(&mut self) -> Wanted {
        match self.wanted.recv().await {
            Some(wanted) => wanted,
            // Another migration has opened the desk: nothing comes here any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.desk.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_are_taken_only_while_a_migration_goes_on() {
        let desk = Desk::default();
        let cancel = || desk.order(Deed::Order(Order::Cancel));
        assert_eq!(cancel().await, None);
        let mut counter = desk.open();
        let migration = async {
            let wanted = counter.next().await;
            assert_eq!(wanted.deed, Deed::Order(Order::Cancel));
            wanted.answer.send(Ok("cancelled".to_owned())).unwrap();
        };
        let (answer, ()) = tokio::join!(cancel(), migration);
        assert_eq!(answer, Some(Ok("cancelled".to_owned())));
        let ends = async { drop(counter) };
        let (answer, ()) = tokio::join!(cancel(), ends);
        let ended = "the migration ended first".to_owned();
        assert_eq!(answer, Some(Err(ended)));
        assert_eq!(cancel().await, None);
    }
}
