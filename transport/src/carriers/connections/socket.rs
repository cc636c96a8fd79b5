//! Sockets with the options that a migration wants.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use super::settings::Settings;

/// Listens on an address; `[::]` takes IPv4 as well.
pub(super) fn listen(address: SocketAddr, settings: &Settings) -> io::Result<TcpListener> {
    let socket = new(address, settings)?;
    // A port that a session just left is usable again; a port that is listened on stays an error.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connects to an address.
pub(super) async fn connect(address: SocketAddr, settings: &Settings) -> io::Result<TcpStream> {
    let socket = new(address, settings)?;
    let begin = Instant::now();
    let stream = socket.connect(address).await?;
    // The peer's kernel answers by itself, so this is a round trip.
    if settings.socket_buffer_bytes.is_none() && begin.elapsed() >= LONG_WAY {
        make_room(&stream)?;
    }
    prepare(&stream, settings.peer_deadline)?;
    Ok(stream)
}

/// Options of every connection, dialled or accepted.
pub(super) fn prepare(stream: &TcpStream, peer_deadline: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(deadline) = peer_deadline {
        // Keepalive counts in whole seconds: the first probe after a third of the deadline, the last missed at its end.
        let step = Duration::from_secs((deadline.as_secs() / KEEPALIVE_STEPS).max(1));
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, step)?;
        sockopt::set_tcp_keepintvl(stream, step)?;
        sockopt::set_tcp_keepcnt(stream, KEEPALIVE_STEPS as u32 - 1)?;
    }
    Ok(())
}

/// Bounds how long sent bytes may stay unacknowledged. For the control connection only, see [`Settings::peer_deadline`].
pub(super) fn limit_silence(stream: &TcpStream, deadline: Duration) -> io::Result<()> {
    sockopt::set_tcp_user_timeout(stream, deadline.as_millis().try_into().unwrap_or(u32::MAX))?;
    Ok(())
}

/// Buffer sizes have to be set before the connection exists, because they decide the window scale.
fn new(address: SocketAddr, settings: &Settings) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    }?;
    if let Some(bytes) = settings.socket_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

/// Lets more be unacknowledged than the kernel's own limit (`net.ipv4.tcp_wmem`, 4 MiB, overhead included), which is less than two
/// round trips of 20 ms hold at 1 Gbit/s; and a sender keeps what follows a lost segment until that has come, a round trip later.
fn make_room(stream: &TcpStream) -> io::Result<()> {
    // Beyond `net.core.wmem_max` only with the right to administer networks.
    sockopt::set_socket_send_buffer_size_force(stream, LONG_WAY_SEND_LEN)
        .or_else(|_| sockopt::set_socket_send_buffer_size(stream, LONG_WAY_SEND_LEN))?;
    // The room is for what is on the way. What only waits there delays the guest's last pages by as much.
    SockRef::from(stream).set_tcp_notsent_lowat(LONG_WAY_UNSENT_LEN)
}

/// A round trip on which buffers of the usual size may bound the rate.
const LONG_WAY: Duration = Duration::from_millis(4);
/// The kernel doubles it for its own overhead: 100 ms at 2 Gbit/s.
const LONG_WAY_SEND_LEN: usize = 24 << 20;
/// 8 ms at 1 Gbit/s.
const LONG_WAY_UNSENT_LEN: u32 = 1 << 20;
/// Connections that the kernel completes on its own while the process is busy. `net.core.somaxconn` caps it.
const BACKLOG: u32 = 1024;
/// The silence before the first probe and between the probes are each this part of the deadline.
const KEEPALIVE_STEPS: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_for_what_is_on_the_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let near = connect(address, &Settings::default()).await.unwrap();
        let usual = sockopt::socket_send_buffer_size(&near).unwrap();
        make_room(&near).unwrap();
        assert!(sockopt::socket_send_buffer_size(&near).unwrap() > usual);
        let unsent = SockRef::from(&near).tcp_notsent_lowat().unwrap();
        assert_eq!(unsent, LONG_WAY_UNSENT_LEN);
    }
}
