//! Batches of records for the benches, sealed and opened in place by the relay's own code. See [`crate::benched`].

use std::error::Error;
use std::io::{self, IoSlice};

use tokio::net::{TcpListener, TcpStream};

use super::buffer::SLOTS;
use super::record::PAYLOAD_MAX;
use super::stream::{Incoming, Outgoing};
use super::{Settings, Tls};
use crate::carrier::token::Token;
use crate::carriers::connections::Wrap as _;

/// The two ends of one direction of a TLS connection whose sockets have gone.
pub struct Records {
    outgoing: Outgoing,
    incoming: Incoming,
}

impl Records {
    /// The most payload that a batch holds, in bytes.
    pub const BATCH_MAX: usize = SLOTS * PAYLOAD_MAX;

    /// Shakes hands over loopback; needs a runtime of tokio.
    pub async fn new(settings: Settings) -> Result<Self, Box<dyn Error>> {
        let tls = Tls::new(Token::generate()?, settings);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let client = tls.client(&format!("tls://{address}").parse()?)?;
        let server = tls.server()?;
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (near, far) = tokio::try_join!(client.wrap(near?), server.wrap(far?.0))?;
        Ok(Self {
            outgoing: near.outgoing,
            incoming: far.incoming,
        })
    }

    /// Seals that many bytes of payload, whatever they are; at most [`Records::BATCH_MAX`].
    pub fn seal(&mut self, payload_len: usize) -> io::Result<()> {
        self.outgoing.seal(payload_len)
    }

    /// Copies what was sealed to the other end, as the network does. Returns its length. Every batch has to arrive, once and in order.
    pub fn deliver(&mut self) -> usize {
        let sealed = self.outgoing.sealed();
        let room = self.incoming.room();
        room[..sealed.len()].copy_from_slice(sealed);
        sealed.len()
    }

    /// Opens what was delivered. Returns the length of its payload.
    pub fn open(&mut self, delivered: usize) -> io::Result<usize> {
        self.incoming.arrived(delivered)?;
        let mut slices = [IoSlice::new(&[]); SLOTS];
        let payloads = self.incoming.payloads(&mut slices);
        let len = payloads.iter().map(|slice| slice.len()).sum();
        self.incoming.taken(len)?;
        Ok(len)
    }
}
