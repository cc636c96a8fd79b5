//! UDP sockets for QUIC: what the kernel is asked for, and what quinn is told about it.
//!
//! quinn hands over up to ten datagrams at a time, to be cut apart by the kernel (GSO). It does so whatever their size is, and
//! `quinn-udp` takes the `EMSGSIZE` that follows for a lost MTU probe and says nothing: with datagrams above 6550 bytes, ten of
//! them exceed the 65507 bytes that one UDP send may have, every batch vanishes, and the connection stands still. So this socket
//! counts itself how many datagrams of the size in use fit.
//!
//! Where more than ten fit, ten are few: the kernel's work per send, here and at the receiver, is most of its work. So a batch
//! that leaves room for another waits until the connection that sent it has had its next turn.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use rustix::net::{AddressFamily, SocketType, sockopt};
use tokio::io::Interest;
use tokio::sync::Notify;
use tokio_util::sync::ReusableBoxFuture;

use super::settings::Settings;

/// A UDP socket as quinn wants it.
#[derive(Debug)]
pub(super) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    /// The largest datagram that was part of a batch so far, in bytes.
    segment_len: AtomicUsize,
    fault: Fault,
    batch: Mutex<Batch>,
    /// Told when a batch begins to wait.
    waiting: Arc<Notify>,
}

/// Datagrams of one connection that wait for more of their kind. All but the last have the segment's length.
#[derive(Debug, Default)]
struct Batch {
    kind: Option<Kind>,
    contents: Vec<u8>,
}

/// What datagrams must have in common to be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    src_ip: Option<IpAddr>,
    segment_len: usize,
}

/// What the network said about the peer's port, if it said anything.
#[derive(Debug, Default)]
struct Fault {
    last: Mutex<Option<io::Error>>,
    told: Notify,
}

/// Binds a port to listen on; `[::]` takes IPv4 as well.
pub(super) fn listen(address: SocketAddr, settings: &Settings) -> io::Result<Arc<Socket>> {
    Socket::new(bind(address, settings)?)
}

/// A socket for one peer. It is connected, so that the kernel passes on what routers and the peer's host have to say.
pub(super) fn dial(peer: SocketAddr, settings: &Settings) -> io::Result<Arc<Socket>> {
    let socket = bind(unspecified(peer), settings)?;
    socket.connect(peer)?;
    Socket::new(socket)
}

/// The largest UDP payload that the route to this peer takes in one piece, as far as this host knows.
pub(super) fn route_payload(peer: SocketAddr) -> io::Result<u32> {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let socket = UdpSocket::bind(unspecified(peer))?;
    // Connecting a UDP socket looks the route up and sends nothing.
    socket.connect(peer)?;
    let mtu = match peer {
        SocketAddr::V4(_) => sockopt::ip_mtu(&socket),
        SocketAddr::V6(_) => sockopt::ipv6_mtu(&socket),
    }?;
    Ok(mtu.saturating_sub(headers_len(peer)))
}

/// Bytes of the IP and UDP headers in front of a payload.
pub(super) fn headers_len(peer: SocketAddr) -> u32 {
    match peer.ip().to_canonical() {
        IpAddr::V4(_) => 20 + 8,
        IpAddr::V6(_) => 40 + 8,
    }
}

fn unspecified(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn bind(address: SocketAddr, settings: &Settings) -> io::Result<UdpSocket> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    if let Some(bytes) = settings.socket_buffer {
        let bytes = bytes as usize;
        // Root may exceed `net.core.rmem_max`; for others the kernel silently takes what it allows.
        sockopt::set_socket_recv_buffer_size_force(&socket, bytes)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, bytes))?;
        sockopt::set_socket_send_buffer_size_force(&socket, bytes)
            .or_else(|_| sockopt::set_socket_send_buffer_size(&socket, bytes))?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket.into())
}

impl Socket {
    fn new(socket: UdpSocket) -> io::Result<Arc<Self>> {
        let waiting = Arc::new(Notify::new());
        let socket = Arc::new(Self {
            // It makes the socket non-blocking, which tokio asks for.
            state: UdpSocketState::new((&socket).into())?,
            io: tokio::net::UdpSocket::from_std(socket)?,
            segment_len: AtomicUsize::new(0),
            fault: Fault::default(),
            batch: Mutex::default(),
            waiting: Arc::clone(&waiting),
        });
        tokio::spawn(flush_batches(Arc::downgrade(&socket), waiting));
        Ok(socket)
    }

    /// Waits until the network reports that the peer cannot be reached.
    pub(super) async fn fault(&self) -> io::Error {
        loop {
            let told = self.fault.told.notified();
            if let Some(error) = self.fault.lock().take() {
                return error;
            }
            told.await;
        }
    }

    /// Sends what waits. `WouldBlock` leaves it waiting.
    fn flush(&self, batch: &mut Batch) -> io::Result<()> {
        let Some(kind) = batch.kind else {
            return Ok(());
        };
        self.send(&Transmit {
            destination: kind.destination,
            ecn: kind.ecn,
            contents: &batch.contents,
            segment_size: Some(kind.segment_len),
            src_ip: kind.src_ip,
        })?;
        batch.contents.clear();
        batch.kind = None;
        Ok(())
    }

    /// Only the first batch after the datagrams have grown, since `max_transmit_segments` knows their size from here on.
    fn send_in_parts(&self, transmit: &Transmit<'_>, len_max: usize) -> io::Result<()> {
        let mut first = true;
        for contents in transmit.contents.chunks(len_max) {
            let part = Transmit {
                destination: transmit.destination,
                ecn: transmit.ecn,
                contents,
                segment_size: transmit.segment_size,
                src_ip: transmit.src_ip,
            };
            match self.send(&part) {
                // The caller will offer everything again.
                Err(error) if first => return Err(error),
                // There is no telling the caller about the rest, which will be found missing.
                Err(_) => return Ok(()),
                Ok(()) => first = false,
            }
        }
        Ok(())
    }

    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.io.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.io).into(), transmit)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                // Whatever else went wrong, the datagram counts as lost, and QUIC knows what to do about that.
                self.fault.tell(error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller {
            writable: ReusableBoxFuture::new(writable(Arc::clone(&self))),
            socket: self,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(segment_len) = transmit.segment_size else {
            self.flush(&mut batch)?;
            return self.send(transmit);
        };
        self.segment_len.fetch_max(segment_len, Ordering::Relaxed);
        let kind = Kind {
            destination: transmit.destination,
            ecn: transmit.ecn,
            src_ip: transmit.src_ip,
            segment_len,
        };
        let (len, len_max) = (transmit.contents.len(), kind.len_max());
        if !batch.takes(kind, len) {
            self.flush(&mut batch)?;
            if len > len_max {
                return self.send_in_parts(transmit, len_max);
            }
            if len * 2 > len_max {
                return self.send(transmit);
            }
            batch.kind = Some(kind);
            self.waiting.notify_one();
        }
        batch.contents.extend_from_slice(transmit.contents);
        if !batch.takes(kind, len) && self.flush(&mut batch).is_err() {
            self.waiting.notify_one();
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(context))?;
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), buffers, meta)
            });
            match received {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An error here would end the endpoint and every connection on it, and anybody can forge the messages behind it.
                Err(error) => self.fault.tell(error),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        let fit = SEND_LEN_MAX / self.segment_len.load(Ordering::Relaxed).max(1);
        self.state.max_gso_segments().min(fit).max(1)
    }

    fn max_receive_segments(&self) -> usize {
        // quinn multiplies it with the largest payload, which is set so that one receive of the kernel's largest size fits.
        1
    }
}

impl Batch {
    /// Whether so many bytes more may join.
    fn takes(&self, kind: Kind, len: usize) -> bool {
        let whole = self.contents.len().is_multiple_of(kind.segment_len);
        self.kind == Some(kind) && whole && self.contents.len() + len <= kind.len_max()
    }
}

impl Kind {
    /// How many bytes one send may have.
    fn len_max(&self) -> usize {
        (SEND_LEN_MAX / self.segment_len).clamp(1, SEGMENTS_MAX) * self.segment_len
    }
}

/// Sends batches that have waited for one turn of the connections. Ends with the socket.
async fn flush_batches(socket: Weak<Socket>, waiting: Arc<Notify>) {
    loop {
        waiting.notified().await;
        tokio::task::yield_now().await;
        let Some(socket) = socket.upgrade() else {
            return;
        };
        loop {
            let flushed = {
                let mut batch = socket.batch.lock().unwrap_or_else(PoisonError::into_inner);
                socket.flush(&mut batch)
            };
            if flushed.is_ok() || socket.io.writable().await.is_err() {
                break;
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.waiting.notify_one();
    }
}

/// Waits for room in the send buffer on behalf of one connection.
struct Poller {
    socket: Arc<Socket>,
    writable: ReusableBoxFuture<'static, io::Result<()>>,
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(self.writable.poll(context));
        let socket = Arc::clone(&self.socket);
        self.writable.set(writable(socket));
        Poll::Ready(result)
    }
}

async fn writable(socket: Arc<Socket>) -> io::Result<()> {
    socket.io.writable().await
}

impl fmt::Debug for Poller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Poller")
    }
}

impl Fault {
    fn tell(&self, error: io::Error) {
        // A datagram that is too long is a probe for the path's MTU and says nothing about the peer.
        let too_long = rustix::io::Errno::MSGSIZE.raw_os_error();
        if error.raw_os_error() != Some(too_long) {
            *self.lock() = Some(error);
            self.told.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the kernel cuts one send into at most (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 64;
/// What one send may have after the IPv4 and UDP headers; IPv6 allows 20 bytes more.
const SEND_LEN_MAX: usize = 65535 - 28;
