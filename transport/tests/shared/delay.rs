//! A network of some delay, made by a proxy on loopback. Over TCP it connects at once and only the bytes come later, which is harder
//! for whoever listens than a real one, where the first bytes come together with the connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Where to connect to instead. Every byte takes that long, each way.
pub(crate) async fn over_tcp(target: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::new(target.ip(), 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(delay_stream(near, target, delay));
        }
    });
    address
}

/// The same for datagrams.
pub(crate) async fn over_udp(target: SocketAddr, delay: Duration) -> SocketAddr {
    let front = UdpSocket::bind(SocketAddr::new(target.ip(), 0))
        .await
        .unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(delay_datagrams(Arc::new(front), target, delay));
    address
}

async fn delay_stream(near: TcpStream, target: SocketAddr, delay: Duration) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(
        delay_bytes(near_in, far_out, delay),
        delay_bytes(far_in, near_out, delay)
    );
}

async fn delay_bytes(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay: Duration,
) {
    let (sender, mut line) = tokio::sync::mpsc::unbounded_channel();
    let take = async move {
        loop {
            let mut buffer = vec![0; 4096];
            let read = from.read(&mut buffer).await.unwrap_or(0);
            buffer.truncate(read);
            if sender
                .send((tokio::time::Instant::now() + delay, buffer))
                .is_err()
                || read == 0
            {
                break;
            }
        }
    };
    let give = async move {
        while let Some((due, bytes)) = line.recv().await {
            tokio::time::sleep_until(due).await;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(take, give);
}

async fn delay_datagrams(front: Arc<UdpSocket>, target: SocketAddr, delay: Duration) {
    let mut backs = HashMap::new();
    let mut buffer = vec![0; 65536];
    while let Ok((length, client)) = front.recv_from(&mut buffer).await {
        if let Entry::Vacant(new) = backs.entry(client) {
            let back = UdpSocket::bind(SocketAddr::new(target.ip(), 0))
                .await
                .unwrap();
            back.connect(target).await.unwrap();
            let back = Arc::new(back);
            let (front, answers) = (Arc::clone(&front), Arc::clone(&back));
            tokio::spawn(async move {
                let mut buffer = vec![0; 65536];
                while let Ok(length) = answers.recv(&mut buffer).await {
                    let (front, datagram) = (Arc::clone(&front), buffer[..length].to_vec());
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        let _ = front.send_to(&datagram, client).await;
                    });
                }
            });
            new.insert(back);
        }
        let (back, datagram) = (Arc::clone(&backs[&client]), buffer[..length].to_vec());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = back.send(&datagram).await;
        });
    }
}
