//! The agent's part in the lab's other traffic.

use std::net::{IpAddr, SocketAddr};

use super::failures::failure;
use super::protocol::Failure;
use super::serve::Agent;
use crate::background::{BackgroundReport, Receiver, Sender};

impl Agent {
    pub(super) async fn receive_background(&self, address: IpAddr) -> Result<SocketAddr, Failure> {
        let receiver = Receiver::bind((address, 0).into()).await.map_err(failure)?;
        let listening = receiver.local_addr();
        self.repeat.lock().await.background_receiver = Some(receiver);
        Ok(listening)
    }

    pub(super) async fn send_background(
        &self,
        to: SocketAddr,
        rate_bps: u64,
    ) -> Result<(), Failure> {
        let sender = Sender::start(to, rate_bps).await.map_err(failure)?;
        self.repeat.lock().await.background_sender = Some(sender);
        Ok(())
    }

    pub(super) async fn stop_background(&self) -> Option<BackgroundReport> {
        let sender = self.repeat.lock().await.background_sender.take();
        match sender {
            Some(sender) => Some(sender.stop().await),
            None => None,
        }
    }
}
