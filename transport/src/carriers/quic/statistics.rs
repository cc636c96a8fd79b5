//! The connections of a session and what they count.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Connection, ConnectionStats};

use crate::carrier::Statistics;

/// All connections of a session, the ended ones as their sum.
#[derive(Default)]
pub(super) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    open: BTreeMap<u64, Connection>,
    ended: Statistics,
}

/// A connection that is in a ledger. When the last clone is dropped, the connection is closed and its figures stay.
#[derive(Clone)]
pub(super) struct Connected(Arc<Entry>);

struct Entry {
    connection: Connection,
    ledger: Arc<Ledger>,
    key: u64,
}

impl Ledger {
    pub(super) fn enter(ledger: &Arc<Self>, connection: Connection) -> Connected {
        let mut state = ledger.lock();
        let key = state.next;
        state.next += 1;
        state.open.insert(key, connection.clone());
        drop(state);
        Connected(Arc::new(Entry {
            connection,
            ledger: Arc::clone(ledger),
            key,
        }))
    }

    /// The sum over all connections.
    pub(super) fn sum(&self) -> Statistics {
        let state = self.lock();
        let mut sum = state.ended.clone();
        for connection in state.open.values() {
            add(&mut sum, &connection.stats());
        }
        sum
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Connected {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0.connection
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let counted = self.connection.stats();
        let mut state = self.ledger.lock();
        add(&mut state.ended, &counted);
        let connection = state.open.remove(&self.key);
        drop(state);
        // Dropping it takes quinn's locks.
        drop(connection);
    }
}

fn add(sum: &mut Statistics, stats: &ConnectionStats) {
    let path = &stats.path;
    sum.connections += 1;
    sum.rtt_us = sum.rtt_us.max(path.rtt.as_micros() as u64);
    sum.datagram_bytes = if sum.datagram_bytes == 0 {
        path.current_mtu
    } else {
        sum.datagram_bytes.min(path.current_mtu)
    };
    sum.congestion_events += path.congestion_events;
    sum.packets_sent += path.sent_packets;
    sum.packets_lost += path.lost_packets;
    sum.bytes_lost += path.lost_bytes;
    sum.datagrams_sent += stats.udp_tx.datagrams;
    sum.datagrams_received += stats.udp_rx.datagrams;
    sum.udp_bytes_sent += stats.udp_tx.bytes;
    sum.udp_bytes_received += stats.udp_rx.bytes;
}
