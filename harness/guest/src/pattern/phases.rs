//! A sequence of other patterns, each for a time, then again from the first: programs change their working set in phases
//! (Denning, "Working Sets Past and Present", IEEE TSE 1980), and a migration policy that has learned one phase meets the next.
//!
//! A phase starts its pattern anew over the same pages. It ends at the first step after its time that is not inside a pause, so each thread changes
//! phase by itself; keys that grow with the phase keep a thread from waiting for one that has gone on.

use super::{Moment, Place, Step, Walk, rate};
use crate::spec::{Phase, Rate};

/// The phases of one thread.
#[derive(Debug)]
pub struct Phases {
    sequence: Vec<Phase>,
    place: Place,
    /// Phases begun before the running one.
    count: u64,
    ends_ns: Option<u64>,
    walk: Walk,
    rate: Rate,
}

impl Phases {
    pub(super) fn new(place: Place, phases: &[Phase]) -> Self {
        let first = &phases[0].pattern;
        Self {
            walk: Walk::new(first, place),
            rate: rate(first),
            sequence: phases.to_vec(),
            place,
            count: 0,
            ends_ns: None,
        }
    }

    #[inline]
    pub(super) fn next(&mut self, moment: Moment) -> Step {
        let ends_ns = *self
            .ends_ns
            .get_or_insert(moment.now_ns.saturating_add(self.sequence[0].duration_ns));
        if moment.now_ns >= ends_ns && self.walk.may_end() {
            return self.advance(ends_ns, moment.now_ns);
        }
        match self.walk.next(moment) {
            Step::Idle(until_ns) => Step::Idle(until_ns.min(ends_ns)),
            step => step,
        }
    }

    #[inline]
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    fn advance(&mut self, ended_ns: u64, now_ns: u64) -> Step {
        self.count += 1;
        let phase = &self.sequence[(self.count % self.sequence.len() as u64) as usize];
        // A phase that was stopped through is not made up for.
        let planned_ns = ended_ns.saturating_add(phase.duration_ns);
        self.ends_ns = Some(if planned_ns > now_ns {
            planned_ns
        } else {
            now_ns.saturating_add(phase.duration_ns)
        });
        self.walk = Walk::new(
            &phase.pattern,
            Place {
                phase: self.count,
                ..self.place
            },
        );
        self.rate = rate(&phase.pattern);
        Step::Pass(self.count << 32)
    }
}
