//! `lmbench selftest`: does every carrier come out of every failure with exactly one running guest, and all of its memory?
//!
//! `cases` is the matrix (`trial` what is tried, `left_out` what makes no sense and why), `random` draws faults from a seed, `expect` judges
//! a migration by what must be true after it, `report`, `tap` and `junit` tell. Guests are migrated by `run`, like those of any scenario:
//! a case is a scenario with a fault.

mod cases;
mod expect;
mod filter;
mod junit;
mod left_out;
mod random;
mod report;
mod tap;
mod trial;

pub use cases::{Case, Left, matrix};
pub use expect::{Expect, Verdict, judge};
pub use filter::{Filter, nearest_name};
pub use junit::junit;
pub use random::random;
pub use report::{Outcome, Report, json};
pub use tap::Tap;
