//! What every driver of guests offers: the traits that the rest of lmbench knows guests by, and the types that they speak.

mod guest;

pub(crate) use guest::announced_status;
pub use guest::{Guest, GuestError, GuestEvent, GuestEvents, Reading, Stream};
