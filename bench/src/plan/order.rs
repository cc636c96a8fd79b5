//! The order of the steps.
//!
//! The shuffle is written out here, on a generator whose output is fixed by its definition: library shuffles change between versions, and
//! then an old record could not be resumed.

use rand_core::Rng;
use rand_pcg::Pcg32;

use super::Step;
use crate::scenario::Order;

/// All steps in their order.
pub(super) fn steps(order: Order, cells: usize, warmup: u32, repeats: u32, seed: u64) -> Vec<Step> {
    match order {
        Order::Interleaved => interleaved(cells, warmup, repeats, seed),
        Order::Sequential => (0..cells)
            .flat_map(|cell| rounds(warmup, repeats).map(move |repeat| Step { cell, repeat }))
            .collect(),
    }
}

/// Repeat numbers of one cell: warm-ups, then 1, 2, ….
fn rounds(warmup: u32, repeats: u32) -> impl Iterator<Item = u32> {
    (0..warmup).map(|_| 0).chain(1..=repeats)
}

/// Rounds of all cells: whatever changes slowly on the machine changes for all cells alike, and the fresh shuffle keeps a cell from always
/// following the same neighbour.
fn interleaved(cells: usize, warmup: u32, repeats: u32, seed: u64) -> Vec<Step> {
    let mut generator = Pcg32::new(seed, STREAM);
    let mut steps = Vec::new();
    for repeat in rounds(warmup, repeats) {
        let mut round: Vec<usize> = (0..cells).collect();
        shuffle(&mut round, &mut generator);
        steps.extend(round.into_iter().map(|cell| Step { cell, repeat }));
    }
    steps
}

/// Fisher and Yates.
fn shuffle(items: &mut [usize], generator: &mut Pcg32) {
    for last in (1..items.len()).rev() {
        let bound = u32::try_from(last + 1).expect("a plan has fewer than 2^32 cells");
        items.swap(last, below(bound, generator) as usize);
    }
}

/// A number below `bound`, each as likely as any other: draws that would favour the small ones are thrown away.
fn below(bound: u32, generator: &mut Pcg32) -> u32 {
    let fair = u32::MAX - u32::MAX % bound;
    loop {
        let draw = generator.next_u32();
        // Ends: at least half of all draws are fair.
        if draw < fair {
            return draw % bound;
        }
    }
}

/// The order's own stream of the generator, so that other users of the run's seed draw other numbers.
const STREAM: u64 = 0x006f_7264_6572;
