//! A bounded crowd of peers that have not shown yet that they hold the token.
//!
//! Newcomers always get in: when the crowd is full, somebody has to leave. It is one of those who share the address that holds the
//! most places, so a crowd of one host pushes out its own; among them it is anyone, as in the random early drop of OpenSSH's
//! `MaxStartups`, so that no rate of newcomers is sure to push out everybody who takes a while to speak.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Everyone who has not shown the token.
pub(crate) struct Crowd {
    size: usize,
    places: Arc<Semaphore>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    next: u64,
    /// Where the session's peer is.
    home: Option<Group>,
    waiting: HashMap<Group, Vec<(u64, Arc<Notify>)>>,
}

/// Addresses that one host may have for itself: one of IPv4, 2^64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group(IpAddr);

/// A place in the crowd, given back on drop.
pub(crate) struct Place {
    group: Group,
    number: u64,
    leave: Arc<Notify>,
    crowd: Arc<Crowd>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    /// An empty crowd with so many places.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            size: places,
            places: Arc::new(Semaphore::new(places)),
            members: Mutex::default(),
        })
    }

    /// Takes a place; if there is none, somebody is told to leave, and that place is awaited.
    pub(crate) async fn enter(crowd: &Arc<Self>, address: IpAddr) -> Place {
        let permit = if let Ok(permit) = Arc::clone(&crowd.places).try_acquire_owned() {
            permit
        } else {
            crowd.drop_one();
            let place = Arc::clone(&crowd.places).acquire_owned().await;
            place.expect("the semaphore is never closed")
        };
        let (group, leave) = (Group::of(address), Arc::new(Notify::new()));
        let mut members = crowd.lock();
        let number = members.next;
        members.next += 1;
        let waiting = members.waiting.entry(group).or_default();
        waiting.push((number, Arc::clone(&leave)));
        drop(members);
        Place {
            group,
            number,
            leave,
            crowd: Arc::clone(crowd),
            _permit: permit,
        }
    }

    /// Half of the places are for this address from now on, if it wants them: the session's peer is there.
    pub(crate) fn prefer(&self, address: IpAddr) {
        self.lock().home = Some(Group::of(address));
    }

    fn drop_one(&self) {
        let (mut members, random) = (self.lock(), RandomState::new());
        let home = members.home;
        let weight = |group: &Group, count: usize| {
            let kept = if home == Some(*group) {
                self.size / 2
            } else {
                0
            };
            (count.saturating_sub(kept), random.hash_one(group))
        };
        let largest = members
            .waiting
            .iter()
            .max_by_key(|(group, waiting)| weight(group, waiting.len()));
        let Some((&group, waiting)) = largest else {
            return;
        };
        let (number, leave) = &waiting[random.hash_one(waiting.len()) as usize % waiting.len()];
        leave.notify_one();
        let number = *number;
        members.remove(group, number);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    /// Forgets a member, if that was not done before.
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

impl Place {
    /// Completes when this peer has to make room. Only the first of these futures is sure to.
    pub(crate) fn asked_to_leave(&self) -> impl Future<Output = ()> + Send + 'static {
        let leave = Arc::clone(&self.leave);
        async move { leave.notified().await }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.lock().remove(self.group, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a place as the listener does; returns who left for it.
    async fn enter(crowd: &Arc<Crowd>, inside: &mut Vec<Place>, address: IpAddr) -> Option<IpAddr> {
        let mut left = None;
        if inside.len() == crowd.size {
            // What the newcomer below will do, so that the one who has to leave can.
            crowd.drop_one();
            let gone = inside.iter().position(|place| {
                let leave = std::pin::pin!(place.asked_to_leave());
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                leave.poll(&mut context).is_ready()
            });
            left = Some(
                inside
                    .swap_remove(gone.expect("somebody was asked"))
                    .group
                    .0,
            );
        }
        inside.push(Crowd::enter(crowd, address).await);
        left
    }

    fn host(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[tokio::test]
    async fn a_crowd_of_one_host_pushes_out_its_own() {
        let (crowd, mut inside) = (Crowd::new(8), Vec::new());
        for _ in 0..3 {
            enter(&crowd, &mut inside, host(1)).await;
        }
        for _ in 0..100 {
            let left = enter(&crowd, &mut inside, host(2)).await;
            assert!(left.is_none_or(|left| left == host(2)));
        }
    }

    #[tokio::test]
    async fn a_crowd_of_many_hosts_leaves_half_of_the_places_to_the_sessions_peer() {
        let (crowd, mut inside) = (Crowd::new(8), Vec::new());
        crowd.prefer(host(0));
        for _ in 0..4 {
            enter(&crowd, &mut inside, host(0)).await;
        }
        for stranger in 1..200 {
            let left = enter(&crowd, &mut inside, host(stranger)).await;
            assert_ne!(left, Some(host(0)));
        }
        // Nor can that address take everything.
        for _ in 0..100 {
            enter(&crowd, &mut inside, host(0)).await;
        }
        let home = inside.iter().filter(|place| place.group == Group(host(0)));
        assert!(home.count() >= 4);
        assert!(crowd.lock().waiting.values().map(Vec::len).sum::<usize>() == 8);
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
