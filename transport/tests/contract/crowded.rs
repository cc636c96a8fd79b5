//! A session with all its channels comes in through any crowd of strangers, in every state that they can be in before they would
//! have to show the token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lmbench_transport::carrier::Session;
use lmbench_transport::endpoint::Scheme;
use lmbench_transport::{Endpoint, Token, quic};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::delay;
use crate::flood::Flood;
use crate::quic_crowd::{self, STOPS};
use crate::rig::{self, Rig, Serving};
use crate::rows;

/// What a stranger says over TCP before it falls silent.
const STATES: [(&str, &[u8]); 6] = [
    ("silent", b""),
    ("half a header", b"LMB"),
    ("a header and half a knock", b"LMBT\0\x02\0\0half"),
    ("a knock of its own", b"LMBT\0\x02\0\0twelve and eight.."),
    ("another version", b"LMBT\0\x09\0\0"),
    ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
];

#[tokio::test]
async fn strangers_in_any_state_over_tcp() {
    for name in ["tcp", "tls"] {
        let rig = named(name);
        for (state, says) in STATES {
            let crowd = |target, _: &Token| Flood::over_tcp(target, says, 1000);
            let result = all_come_in(&rig, crowd, Duration::ZERO).await;
            result.unwrap_or_else(|error| panic!("{name}, {state}: {error}"));
        }
    }
}

#[tokio::test]
async fn strangers_in_any_state_over_udp() {
    for name in ["quic", "quic per channel"] {
        let rig = named(name);
        let beginnings = beginnings(&rig).await;
        let crowd = |target, _: &Token| Flood::over_udp(target, beginnings.clone(), 1000);
        let result = all_come_in(&rig, crowd, Duration::ZERO).await;
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        for stops in STOPS {
            // Each of these is work for both ends, and one machine does it here.
            let crowd = |target, token: &Token| quic_crowd::flood(target, token, stops, 100);
            let result = all_come_in(&rig, crowd, Duration::ZERO).await;
            result.unwrap_or_else(|error| panic!("{name}, {stops:?}: {error}"));
        }
    }
}

/// Each carrier, rate and round trip so many times, as a table: `LMBENCH_TIMES=100 cargo test -p lmbench-transport --test contract
/// every_rate -- --ignored --nocapture`, with `--test ssh` for that carrier. `LMBENCH_ONLY="quic,4000,40"` is one row of it: carrier,
/// strangers a second, and the round trip in ms, which is made on loopback, see `delay.rs`.
#[tokio::test]
#[ignore = "takes minutes"]
async fn every_rate_and_round_trip() {
    let mut failed = 0;
    for name in ["tcp", "tls", "quic per channel", "quic"] {
        for rtt in [0, 40] {
            for rate in [0, 50, 1000, 4000] {
                if rows::is_chosen(name, rate, rtt) {
                    failed += row(name, rate, rtt).await;
                }
            }
        }
    }
    assert_eq!(failed, 0);
}

/// How many of them failed.
async fn row(name: &str, rate: u32, rtt: u64) -> usize {
    let times = rows::times();
    let rig = named(name);
    let over_udp = rig.endpoint().scheme == Scheme::Quic;
    let beginnings = if over_udp {
        beginnings(&rig).await
    } else {
        Vec::new()
    };
    let mut took = Vec::new();
    for round in 0..times {
        let crowd = |target, token: &Token| match round % (STOPS.len() + 1) {
            _ if !over_udp => Flood::over_tcp(target, STATES[round % STATES.len()].1, rate),
            0 => Flood::over_udp(target, beginnings.clone(), rate),
            state => quic_crowd::flood(target, token, STOPS[state - 1], rate),
        };
        match all_come_in(&rig, crowd, Duration::from_millis(rtt)).await {
            Ok(time) => took.push(time.as_millis()),
            Err(error) => eprintln!("{name}, {rate}/s, {rtt} ms, round {round}: {error}"),
        }
    }
    took.sort_unstable();
    let (came_in, median, longest) = (took.len(), took.get(took.len() / 2), took.last());
    eprintln!(
        "{name}, {rate}/s, {rtt} ms: {came_in} of {times}, median {median:?} ms, longest {longest:?} ms"
    );
    times - came_in
}

/// A dial and then all 64 channels at once. How long that took, or what failed.
async fn all_come_in(
    rig: &Rig,
    crowd: impl FnOnce(SocketAddr, &Token) -> Flood,
    rtt: Duration,
) -> Result<Duration, String> {
    let token = Token::generate().unwrap();
    let mut serving = rig.listen(&token).await;
    let endpoint = delayed(&serving, rtt).await;
    let mut flood = crowd(serving.address(), &token);
    flood.is_there().await;
    let begin = Instant::now();
    let exchange = async {
        let dialled = rig.carrier(&token).dial(&endpoint).await;
        let dialled: Arc<dyn Session> = dialled.map_err(|error| format!("{error:?}"))?.into();
        let accepted = serving.sessions.recv().await.unwrap();
        let mut opening = JoinSet::new();
        for _ in 0..CHANNELS {
            let dialled = Arc::clone(&dialled);
            opening.spawn(async move { dialled.open_channel().await });
        }
        let (mut near, mut far) = (Vec::new(), Vec::new());
        while let Some(opened) = opening.join_next().await {
            near.push(opened.unwrap().map_err(|error| format!("{error:?}"))?);
            let arrived = accepted.accept_channel().await;
            far.push(arrived.map_err(|error| format!("{error:?}"))?.unwrap());
        }
        let mut numbers: Vec<_> = far.iter().map(lmbench_transport::Channel::number).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..CHANNELS));
        Ok::<_, String>(begin.elapsed())
    };
    let result = tokio::time::timeout(PATIENCE, exchange).await;
    drop(flood);
    result.unwrap_or_else(|_| Err("it took too long".to_owned()))
}

/// The listener as it is seen over a network of that round trip.
async fn delayed(serving: &Serving, rtt: Duration) -> Endpoint {
    let (target, scheme) = (serving.address(), serving.endpoint.scheme);
    if rtt.is_zero() {
        return serving.endpoint.clone();
    }
    let address = match scheme {
        Scheme::Tcp | Scheme::Tls => delay::over_tcp(target, rtt / 2).await,
        Scheme::Quic => delay::over_udp(target, rtt / 2).await,
        Scheme::Ssh => unreachable!("its test is elsewhere"),
    };
    Endpoint::new(scheme, address)
}

/// The first datagrams of diallers that hold another token.
async fn beginnings(rig: &Rig) -> Vec<Vec<u8>> {
    let trap = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(rig.endpoint().scheme, trap.local_addr().unwrap());
    let mut beginnings = Vec::new();
    let carrier = quic::Quic::new(Token::generate().unwrap(), quic::Settings::default());
    while beginnings.len() < BEGINNINGS {
        let mut datagram = vec![0; 2000];
        let length = tokio::select! {
            received = trap.recv(&mut datagram) => received.unwrap(),
            _ = lmbench_transport::Carrier::dial(&carrier, &endpoint) => unreachable!("nobody answers"),
        };
        datagram.truncate(length);
        beginnings.push(datagram);
    }
    beginnings
}

fn named(name: &str) -> Rig {
    let mut rigs = rig::all().into_iter();
    rigs.find(|rig| rig.name == name).expect("it has that name")
}

const CHANNELS: u32 = 64;
/// More than are let in before they have to show that they receive: the listener tells them apart by their connection IDs alone.
const BEGINNINGS: usize = 300;
/// Far longer than it takes on any machine, and shorter than the deadline of the handshakes.
const PATIENCE: Duration = Duration::from_secs(30);
