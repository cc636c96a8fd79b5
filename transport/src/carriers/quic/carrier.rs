//! Listening and dialling.

use std::sync::Arc;

use async_trait::async_trait;

use super::control::Control;
use super::dial::{Quic, Target};
use super::listener::QuicListener;
use super::session::Dialled;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::identity::Side;
use crate::carrier::preamble::CONTROL;
use crate::carrier::{Carrier, CarrierError, Listener, Session};

#[async_trait]
impl Carrier for Quic {
    fn scheme(&self) -> Scheme {
        Scheme::Quic
    }

    fn kernel_sockets(&self) -> bool {
        false
    }

    async fn listen(&self, endpoint: &Endpoint) -> Result<Box<dyn Listener>, CarrierError> {
        CarrierError::unless_for(Scheme::Quic, endpoint)?;
        Ok(Box::new(QuicListener::bind(self, endpoint).await?))
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError> {
        CarrierError::unless_for(Scheme::Quic, endpoint)?;
        let identity = self.identity(Side::Dialler)?;
        let mut target = Target {
            name: identity.peer_name(endpoint)?.to_str().into_owned(),
            endpoint: endpoint.clone(),
            identity,
        };
        let ledger = Arc::default();
        let (connection, streams) = self.connect(&target, CONTROL, &ledger).await?;
        target.endpoint = Endpoint::new(Scheme::Quic, connection.remote_address());
        Ok(Box::new(Dialled::new(
            self.clone(),
            target,
            Control::new(streams, connection),
            ledger,
        )))
    }
}
