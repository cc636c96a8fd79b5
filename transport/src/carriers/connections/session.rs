//! The two sides of a session: one opens connections, the other one is joined by them.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::control::Control;
use super::link::{Link, Wrap};
use super::terms::Terms;
use crate::carrier::channel::Channel;
use crate::carrier::endpoint::Endpoint;
use crate::carrier::registry::ChannelQueue;
use crate::carrier::{ChannelError, Session, SessionEnd};

/// The dialling side.
pub(super) struct Dialled<W> {
    terms: Terms<W>,
    endpoint: Endpoint,
    control: Control,
    next: AtomicU32,
}

/// The listening side.
pub(super) struct Accepted {
    control: Control,
    arrivals: ChannelQueue,
}

impl<W> Dialled<W> {
    pub(super) fn new(terms: Terms<W>, endpoint: Endpoint, control: Control) -> Self {
        Self {
            terms,
            endpoint,
            control,
            next: AtomicU32::new(0),
        }
    }
}

impl Accepted {
    pub(super) fn new(control: Control, arrivals: ChannelQueue) -> Self {
        Self { control, arrivals }
    }
}

#[async_trait]
impl<W: Wrap> Session for Dialled<W> {
    fn peer(&self) -> String {
        self.control.peer()
    }

    fn details(&self) -> Option<String> {
        self.control.details()
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        if let Some(end) = self.control.end() {
            return Err(ChannelError::Ended(end));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let link = self.terms.connect(&self.endpoint, number).await;
        let ends = self.control.notices().of(number);
        match link {
            Ok(link) => Ok(link.into_channel(number).with_ends(ends)),
            Err(source) => {
                ends.broke();
                Err(ChannelError::Open { number, source })
            }
        }
    }

    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        Err(ChannelError::WrongSide("accept"))
    }

    fn broken_channel(&self) -> Option<u32> {
        self.control.notices().broken()
    }

    async fn ended(&self) -> SessionEnd {
        self.control.ended().await
    }

    async fn close(&self) {
        self.control.goodbye().await;
    }
}

#[async_trait]
impl Session for Accepted {
    fn peer(&self) -> String {
        self.control.peer()
    }

    fn details(&self) -> Option<String> {
        self.control.details()
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        Err(ChannelError::WrongSide("open"))
    }

    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        let arrived = self.arrivals.next(self.control.ended()).await?;
        let notices = self.control.notices();
        Ok(arrived.map(|channel| {
            let ends = notices.of(channel.number());
            channel.with_ends(ends)
        }))
    }

    fn broken_channel(&self) -> Option<u32> {
        self.control.notices().broken()
    }

    async fn ended(&self) -> SessionEnd {
        self.control.ended().await
    }

    async fn close(&self) {
        self.arrivals.end();
        self.control.goodbye().await;
    }
}
