//! Which channel of the capture a connection is, by what comes on it.

use std::sync::{Mutex, PoisonError};

use super::error::ReplayError;
use crate::capture::Recording;

/// Which channels of the capture have found their connection.
pub(super) struct Claims(Mutex<Vec<bool>>);

/// A connection that may still be one of several channels.
pub(super) struct Search {
    candidates: Vec<usize>,
    offset: usize,
}

impl Claims {
    pub(super) fn new(channels: usize) -> Self {
        Self(Mutex::new(vec![false; channels]))
    }

    /// The first channel that has bytes for the destination and was not found.
    pub(super) fn missing(&self, recording: &Recording) -> Option<ReplayError> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut channels = (0..).zip(recording.channels()).zip(taken.iter());
        channels.find_map(|((channel, track), taken)| {
            let len = track.to_destination.bytes.len() as u64;
            (!taken && len > 0).then_some(ReplayError::Missing { channel, len })
        })
    }
}

impl Search {
    pub(super) fn new(recording: &Recording) -> Self {
        Self {
            candidates: (0..recording.channels().len()).collect(),
            offset: 0,
        }
    }

    /// Looks at the next bytes. The channel, once only one is left.
    pub(super) fn narrow(
        &mut self,
        bytes: &[u8],
        recording: &Recording,
        claims: &Claims,
    ) -> Result<Option<usize>, ReplayError> {
        let mut taken = claims.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, mut best) = (self.offset, None);
        self.candidates.retain(|&channel| {
            if taken[channel] {
                return false;
            }
            let rest = &recording.channels()[channel].to_destination.bytes[from..];
            let same = same_len(rest, bytes);
            if best.is_none_or(|(_, most)| same > most) {
                best = Some((channel, same));
            }
            same == bytes.len()
        });
        self.offset += bytes.len();
        match (&self.candidates[..], best) {
            ([], None) => Err(ReplayError::Surplus),
            ([], Some((channel, same))) => Err(ReplayError::Differs {
                channel: channel as u32,
                offset: (from + same) as u64,
            }),
            (&[only], _) => {
                taken[only] = true;
                Ok(Some(only))
            }
            _ => Ok(None),
        }
    }

    /// The connection has ended, so it is a channel that has no more bytes.
    pub(super) fn end(
        mut self,
        recording: &Recording,
        claims: &Claims,
    ) -> Result<usize, ReplayError> {
        let mut taken = claims.0.lock().unwrap_or_else(PoisonError::into_inner);
        let len = |channel: usize| recording.channels()[channel].to_destination.bytes.len();
        self.candidates.retain(|&channel| !taken[channel]);
        let mut candidates = self.candidates.iter().copied();
        if let Some(channel) = candidates
            .clone()
            .find(|&channel| len(channel) == self.offset)
        {
            taken[channel] = true;
            return Ok(channel);
        }
        Err(match candidates.next() {
            None => ReplayError::Surplus,
            Some(channel) => ReplayError::Short {
                channel: channel as u32,
                offset: self.offset as u64,
                len: len(channel) as u64,
            },
        })
    }
}

/// How many bytes at the beginning are the same.
pub(super) fn same_len(one: &[u8], other: &[u8]) -> usize {
    let len = one.len().min(other.len());
    if one[..len] == other[..len] {
        return len;
    }
    let different = one.iter().zip(other).position(|(one, other)| one != other);
    different.unwrap_or(len)
}
