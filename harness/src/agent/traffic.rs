//! The agent's part in the lab's other traffic.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::failures::{failure, value};
use super::protocol::Failure;
use super::serve::Agent;
use crate::background::{Receiver, Sender};

impl Agent {
    pub(super) async fn receive_background(&self, address: IpAddr) -> Result<Value, Failure> {
        let receiver = Receiver::bind((address, 0).into()).await.map_err(failure)?;
        let listening = receiver.local_addr();
        self.repeat.lock().await.background_receiver = Some(receiver);
        value(listening)
    }

    pub(super) async fn send_background(
        &self,
        to: SocketAddr,
        rate_bps: u64,
    ) -> Result<Value, Failure> {
        let sender = Sender::start(to, rate_bps).await.map_err(failure)?;
        self.repeat.lock().await.background_sender = Some(sender);
        value(())
    }

    pub(super) async fn stop_background(&self) -> Result<Value, Failure> {
        let sender = self.repeat.lock().await.background_sender.take();
        match sender {
            Some(sender) => value(sender.stop().await),
            None => value(()),
        }
    }
}
