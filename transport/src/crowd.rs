//! A bounded crowd of peers that have proven nothing yet.
//!
//! Newcomers always get in: when the crowd is full, the first in line has to leave. Those who have not said anything valid stand
//! before the others in that line, and among equals those who have waited longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Everyone in the handshake, oldest first; those who have not said anything valid leave before the others.
pub(crate) struct Crowd {
    places: Arc<Semaphore>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    next: u64,
    /// `(has said hello, arrival)`: false sorts before true, so the first key is the one to drop.
    waiting: BTreeMap<(bool, u64), Arc<Notify>>,
}

/// A place in the crowd, given back on drop.
pub(crate) struct Place {
    key: (bool, u64),
    leave: Arc<Notify>,
    crowd: Arc<Crowd>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    /// An empty crowd with so many places.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places)),
            members: Mutex::default(),
        })
    }

    /// How many places are free.
    pub(crate) fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// Takes a place; if there is none, the first in line to leave is told to, and its place is awaited.
    pub(crate) async fn enter(crowd: &Arc<Self>) -> Place {
        let permit = if let Ok(permit) = Arc::clone(&crowd.places).try_acquire_owned() {
            permit
        } else {
            crowd.drop_one();
            let place = Arc::clone(&crowd.places).acquire_owned().await;
            place.expect("the semaphore is never closed")
        };
        let leave = Arc::new(Notify::new());
        let mut members = crowd.lock();
        let key = (false, members.next);
        members.next += 1;
        members.waiting.insert(key, Arc::clone(&leave));
        drop(members);
        Place {
            key,
            leave,
            crowd: Arc::clone(crowd),
            _permit: permit,
        }
    }

    fn drop_one(&self) {
        if let Some((_, leave)) = self.lock().waiting.pop_first() {
            leave.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Completes when this peer has to make room. Only the first of these futures is sure to.
    pub(crate) fn asked_to_leave(&self) -> impl Future<Output = ()> + Send + 'static {
        let leave = Arc::clone(&self.leave);
        async move { leave.notified().await }
    }

    /// The peer has said something valid and moves back in the line.
    pub(crate) fn said_hello(&mut self) {
        let mut members = self.crowd.lock();
        if let Some(leave) = members.waiting.remove(&self.key) {
            self.key.0 = true;
            members.waiting.insert(self.key, leave);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.lock().waiting.remove(&self.key);
    }
}
