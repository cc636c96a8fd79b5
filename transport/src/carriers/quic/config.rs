//! quinn's configuration from ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig, NewRenoConfig};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, ConnectionId, EndpointConfig, IdleTimeout,
    MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt,
};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::Suite;

use super::bdp::BdpConfig;
use super::settings::{Congestion, Settings};
use super::{budget, socket};
use crate::carrier::identity::{Identity, IdentityError};
use crate::carrier::preauth::PREAUTH_LEN;

/// What every endpoint gets.
pub(super) fn endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    // quinn's default of 1472 is what the *peer* is told, so it would bound its datagrams however large the path's MTU is.
    config
        .max_udp_payload_size(PAYLOAD_MAX)
        .expect("it is over the minimum of 1200 bytes");
    // A random bit for every packet, which is there for middleboxes.
    config.grease_quic_bit(false);
    config
}

/// What the listening side gets, but for the path, which [`for_peer`] adds.
pub(super) fn server(
    identity: &Identity,
    settings: &Settings,
) -> Result<ServerConfig, IdentityError> {
    let tls = Arc::new(identity.server_config(settings.cipher, ALPN)?);
    let tls = QuicServerConfig::with_initial(tls, initial_suite()).expect(INITIAL_SUITE_IS_RIGHT);
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .migration(false)
        .max_incoming(settings.pending_max.saturating_mul(BURST))
        // A client's first flight fits one datagram; what follows before it is let in is sent again anyway.
        .incoming_buffer_size(INCOMING_BUFFER_LEN)
        .incoming_buffer_size_total(INCOMING_BUFFER_LEN * 16);
    Ok(config)
}

/// The listening side's configuration for one peer.
pub(super) fn for_peer(
    server: &ServerConfig,
    settings: &Settings,
    peer: SocketAddr,
) -> Arc<ServerConfig> {
    let mut config = server.clone();
    config.transport_config(transport(settings, peer));
    Arc::new(config)
}

/// What the dialling side gets, for one connection.
pub(super) fn client(
    identity: &Identity,
    settings: &Settings,
    peer: SocketAddr,
    preauth: [u8; PREAUTH_LEN],
) -> Result<ClientConfig, IdentityError> {
    let tls = Arc::new(identity.client_config(settings.cipher, ALPN)?);
    let tls = QuicClientConfig::with_initial(tls, initial_suite()).expect(INITIAL_SUITE_IS_RIGHT);
    let mut config = ClientConfig::new(Arc::new(tls));
    config.initial_dst_cid_provider(Arc::new(move || ConnectionId::new(&preauth)));
    config.transport_config(transport(settings, peer));
    Ok(config)
}

fn transport(settings: &Settings, peer: SocketAddr) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let idle = settings.peer_deadline.map(|deadline| {
        let ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        IdleTimeout::from(VarInt::from_u32(ms.max(1)))
    });
    // One more than the channels that may be open, and some for the peer that is to be told about the limit.
    let streams = settings.channels_max.saturating_add(STREAMS_SPARE);
    config
        .max_idle_timeout(idle)
        .keep_alive_interval(settings.peer_deadline.map(|deadline| deadline / 3))
        .max_concurrent_bidi_streams(streams.into())
        // The one of `credit.rs`.
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(window(settings.stream_window))
        .receive_window(window(budget::FLOOR))
        .send_window(settings.send_window)
        .send_fairness(false)
        .initial_rtt(INITIAL_RTT)
        .enable_segmentation_offload(settings.gso);
    if settings.ack_eliciting_threshold > 0 {
        let mut acks = AckFrequencyConfig::default();
        acks.ack_eliciting_threshold(settings.ack_eliciting_threshold.into());
        config.ack_frequency_config(Some(acks));
    }
    path(&mut config, settings, peer);
    Arc::new(config)
}

/// How large datagrams are, and become.
fn path(config: &mut TransportConfig, settings: &Settings, peer: SocketAddr) {
    let known = match settings.mtu {
        Some(mtu) => u32::from(mtu).saturating_sub(socket::headers_len(peer)),
        // A host without a route to its peer has other troubles than the size of datagrams.
        None => socket::route_payload(peer).unwrap_or(0),
    };
    // Taken for granted, it is also the size of the handshake's packets, whose length quinn writes in two bytes, and panics.
    let most = if settings.mtu_discovery {
        PAYLOAD_MAX
    } else {
        PAYLOAD_LONG_MAX
    };
    let payload = known.clamp(PAYLOAD_MIN, u32::from(most)) as u16;
    config.congestion_controller_factory(congestion(settings.congestion, payload));
    if settings.mtu_discovery {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(payload);
        config.mtu_discovery_config(Some(discovery));
    } else {
        config
            .initial_mtu(payload)
            .min_mtu(payload)
            .mtu_discovery_config(None);
    }
}

/// quinn begins with a window of 12000 bytes (`initial_window` in its `congestion/cubic.rs`) whatever the size of datagrams is,
/// where RFC 9002 7.2 asks for two of them at least. From 6000 bytes on that is not even two, and quinn sends the second one only
/// if it stays below the window: the handshake then goes on with one datagram per timeout.
fn congestion(congestion: Congestion, payload: u16) -> Arc<dyn ControllerFactory + Send + Sync> {
    let window = u64::from(payload) * INITIAL_WINDOW_DATAGRAMS;
    match congestion {
        Congestion::Bdp => Arc::new(BdpConfig {
            initial_window: window,
        }),
        Congestion::Cubic => {
            let mut config = CubicConfig::default();
            config.initial_window(window);
            Arc::new(config)
        }
        Congestion::Newreno => {
            let mut config = NewRenoConfig::default();
            config.initial_window(window);
            Arc::new(config)
        }
        Congestion::Bbr => {
            let mut config = BbrConfig::default();
            config.initial_window(window);
            Arc::new(config)
        }
    }
}

/// Makes the send window fit the path: enough for it, and not more, since what waits in it has left the processor's cache by the
/// time it is encrypted, and on a slow path keeps a guest waiting that is to be switched off. To be called after some round trips,
/// so that the shortest of them is the path's, and again while the congestion window changes.
pub(super) fn fit_send_window(connection: &quinn::Connection, send_window: u64) {
    let path = connection.stats().path;
    let held = connection.min_rtt().as_secs_f64() * SEND_BYTES_PER_S * 2.0;
    let used = path.cwnd.saturating_mul(SEND_WINDOWS);
    let window = used.min(held as u64).max(SEND_WINDOW_MIN);
    connection.set_send_window(window.min(send_window));
}

fn window(bytes: u64) -> VarInt {
    VarInt::from_u64(bytes).unwrap_or(VarInt::MAX)
}

/// Initial packets are always AES-128-GCM, whatever the stream is encrypted with.
fn initial_suite() -> Suite {
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    suite
        .and_then(rustls::Tls13CipherSuite::quic_suite)
        .expect("the provider's suites support QUIC")
}

const INITIAL_SUITE_IS_RIGHT: &str = "it is the suite that QUIC demands";
/// What both ends name as the protocol inside.
const ALPN: &[u8] = b"lmbench/2";
/// The largest payload that a datagram may have over IPv4.
pub(super) const PAYLOAD_MAX: u16 = 65507;
/// The largest that a packet of the handshake may have: a length of 14 bits.
const PAYLOAD_LONG_MAX: u16 = (1 << 14) - 1;
/// What every path of QUIC takes.
const PAYLOAD_MIN: u32 = 1200;
const INCOMING_BUFFER_LEN: u64 = 64 * 1024;
/// Beginnings of connections that are kept until they are looked at, for each that may be in the handshake. quinn ignores what comes
/// beyond, and the dialler repeats it a third of a second later.
const BURST: usize = 16;
const STREAMS_SPARE: u32 = 8;
const INITIAL_WINDOW_DATAGRAMS: u64 = 10;
/// More than one connection of quinn sends.
const SEND_BYTES_PER_S: f64 = 2.5e9;
/// In flight, acknowledged behind a gap, and about to be sent.
const SEND_WINDOWS: u64 = 3;
/// More of it waits where the processor's cache ends: 2 MiB cost 5 % more CPU on both sides.
const SEND_WINDOW_MIN: u64 = 1 << 20;
/// Before there is a sample. quinn's 333 ms, for the Internet, make the first lost packet cost a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);
