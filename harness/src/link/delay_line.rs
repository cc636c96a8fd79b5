//! What is on the way, in the order of arrival. Knows nothing of what it holds.

use std::collections::VecDeque;

/// Two queues: what keeps its order, and what overtakes. Within each, arrivals never decrease, because the model made them so.
#[derive(Debug)]
pub(super) struct DelayLine<T> {
    orderly: VecDeque<(u64, T)>,
    early: VecDeque<(u64, T)>,
}

impl<T> DelayLine<T> {
    pub(super) fn new() -> DelayLine<T> {
        DelayLine {
            orderly: VecDeque::new(),
            early: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, arrives_ns: u64, early: bool, item: T) {
        let queue = if early {
            &mut self.early
        } else {
            &mut self.orderly
        };
        queue.push_back((arrives_ns, item));
    }

    /// When the next one arrives.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let times = [self.orderly.front(), self.early.front()];
        times.into_iter().flatten().map(|(at_ns, _)| *at_ns).min()
    }

    /// The next one, if it arrives by `now_ns`, with its time.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<(u64, T)> {
        let next = self.next_ns().filter(|next| *next <= now_ns)?;
        let early = self.early.front().is_some_and(|(at_ns, _)| *at_ns == next);
        if early {
            self.early.pop_front()
        } else {
            self.orderly.pop_front()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_the_order_of_arrival_and_nothing_else_comes() {
        let mut line = DelayLine::new();
        line.push(10, false, 'a');
        line.push(20, false, 'b');
        line.push(5, true, 'c');
        line.push(15, true, 'd');
        assert_eq!(line.pop(4), None);
        let mut due = Vec::new();
        while let Some((_, item)) = line.pop(15) {
            due.push(item);
        }
        assert_eq!(due, ['c', 'a', 'd']);
        assert_eq!(line.next_ns(), Some(20));
    }
}
