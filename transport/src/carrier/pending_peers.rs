//! Bounds the peers that have not shown yet that they hold the token.
//!
//! A new one is always admitted: when all slots are taken, another one is evicted. It is one of those who share the address that holds
//! the most slots, so whoever floods from one host evicts their own; among them it is anyone, as in the random early drop of OpenSSH's
//! `MaxStartups`, so that no rate of newcomers is sure to evict everybody who takes a while to speak.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Every peer that has not shown the token.
pub(crate) struct PendingPeers {
    size: usize,
    slots: Arc<Semaphore>,
    peers: Mutex<Peers>,
}

#[derive(Default)]
struct Peers {
    next: u64,
    /// Where the session's peer is.
    session_peer: Option<Group>,
    waiting: HashMap<Group, Vec<(u64, Arc<Notify>)>>,
}

/// Addresses that one host may have for itself: one of IPv4, 2^64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group(IpAddr);

/// A pending peer's slot, given back on drop.
pub(crate) struct Slot {
    group: Group,
    number: u64,
    evict: Arc<Notify>,
    pending: Arc<PendingPeers>,
    _permit: OwnedSemaphorePermit,
}

impl PendingPeers {
    /// None yet, with so many slots.
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self {
            size: slots,
            slots: Arc::new(Semaphore::new(slots)),
            peers: Mutex::default(),
        })
    }

    /// Takes a slot; if there is none, another peer is evicted, and its slot is awaited.
    pub(crate) async fn admit(pending: &Arc<Self>, address: IpAddr) -> Slot {
        let permit = if let Ok(permit) = Arc::clone(&pending.slots).try_acquire_owned() {
            permit
        } else {
            pending.evict_one();
            let slot = Arc::clone(&pending.slots).acquire_owned().await;
            slot.expect("the semaphore is never closed")
        };
        let (group, evict) = (Group::of(address), Arc::new(Notify::new()));
        let mut peers = pending.lock();
        let number = peers.next;
        peers.next += 1;
        let waiting = peers.waiting.entry(group).or_default();
        waiting.push((number, Arc::clone(&evict)));
        drop(peers);
        Slot {
            group,
            number,
            evict,
            pending: Arc::clone(pending),
            _permit: permit,
        }
    }

    /// Half of the slots are for this address from now on, if it wants them: the session's peer is there.
    pub(crate) fn prefer(&self, address: IpAddr) {
        self.lock().session_peer = Some(Group::of(address));
    }

    fn evict_one(&self) {
        let (mut peers, random) = (self.lock(), RandomState::new());
        let session_peer = peers.session_peer;
        let weight = |group: &Group, count: usize| {
            let kept = if session_peer == Some(*group) {
                self.size / 2
            } else {
                0
            };
            (count.saturating_sub(kept), random.hash_one(group))
        };
        let largest = peers
            .waiting
            .iter()
            .max_by_key(|(group, waiting)| weight(group, waiting.len()));
        let Some((&group, waiting)) = largest else {
            return;
        };
        let (number, evict) = &waiting[random.hash_one(waiting.len()) as usize % waiting.len()];
        evict.notify_one();
        let number = *number;
        peers.remove(group, number);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers {
    /// Forgets a peer, if that was not done before.
    fn remove(&mut self, group: Group, number: u64) {
        if let Some(waiting) = self.waiting.get_mut(&group) {
            waiting.retain(|(other, _)| *other != number);
            if waiting.is_empty() {
                self.waiting.remove(&group);
            }
        }
    }
}

impl Group {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => {
                Self(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into())
            }
        }
    }
}

impl Slot {
    /// Completes when this peer is evicted. Only the first of these futures is sure to.
    pub(crate) fn evicted(&self) -> impl Future<Output = ()> + Send + 'static {
        let evict = Arc::clone(&self.evict);
        async move { evict.notified().await }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pending.lock().remove(self.group, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a slot as the listener does; returns who left for it.
    async fn enter(
        pending: &Arc<PendingPeers>,
        inside: &mut Vec<Slot>,
        address: IpAddr,
    ) -> Option<IpAddr> {
        let mut left = None;
        if inside.len() == pending.size {
            // What the new peer below will do, so that the evicted one can leave.
            pending.evict_one();
            let gone = inside.iter().position(|slot| {
                let evict = std::pin::pin!(slot.evicted());
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                evict.poll(&mut context).is_ready()
            });
            left = Some(
                inside
                    .swap_remove(gone.expect("somebody was evicted"))
                    .group
                    .0,
            );
        }
        inside.push(PendingPeers::admit(pending, address).await);
        left
    }

    fn host(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[tokio::test]
    async fn peers_of_one_host_evict_their_own() {
        let (pending, mut inside) = (PendingPeers::new(8), Vec::new());
        for _ in 0..3 {
            enter(&pending, &mut inside, host(1)).await;
        }
        for _ in 0..100 {
            let left = enter(&pending, &mut inside, host(2)).await;
            assert!(left.is_none_or(|left| left == host(2)));
        }
    }

    #[tokio::test]
    async fn peers_of_many_hosts_leave_half_of_the_slots_to_the_sessions_peer() {
        let (pending, mut inside) = (PendingPeers::new(8), Vec::new());
        pending.prefer(host(0));
        for _ in 0..4 {
            enter(&pending, &mut inside, host(0)).await;
        }
        for stranger in 1..200 {
            let left = enter(&pending, &mut inside, host(stranger)).await;
            assert_ne!(left, Some(host(0)));
        }
        // Nor can that address take everything.
        for _ in 0..100 {
            enter(&pending, &mut inside, host(0)).await;
        }
        let session_peer = inside.iter().filter(|slot| slot.group == Group(host(0)));
        assert!(session_peer.count() >= 4);
        assert!(pending.lock().waiting.values().map(Vec::len).sum::<usize>() == 8);
    }

    #[test]
    fn neighbours_of_ipv6_are_one_host() {
        let group = |text: &str| Group::of(text.parse().unwrap());
        assert_eq!(group("2001:db8::1"), group("2001:db8::ffff:0:1"));
        assert_ne!(group("2001:db8::1"), group("2001:db8:0:1::1"));
        assert_eq!(group("::ffff:10.0.0.1"), group("10.0.0.1"));
        assert_ne!(group("10.0.0.1"), group("10.0.0.2"));
    }
}
