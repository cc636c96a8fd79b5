//! Strangers: peers that connect and do not hold the token, some at the same time and more of them every second.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;

/// They come until this is dropped.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    first: oneshot::Receiver<()>,
}

impl Flood {
    /// Over TCP: each says this and no more.
    pub(crate) fn over_tcp(target: SocketAddr, says: &'static [u8], per_second: u32) -> Self {
        allow_descriptors(12_000);
        let mut strangers = VecDeque::new();
        Self::start(per_second, move || {
            let socket = Socket::new(Domain::for_address(target), Type::STREAM, None).unwrap();
            // Nobody waits for anything: neither for a place in the kernel's queue, nor for ports to be free again.
            socket.set_nonblocking(true).unwrap();
            socket.set_linger(Some(Duration::ZERO)).unwrap();
            let _ = socket.connect(&target.into());
            let _ = (&socket).write(says);
            strangers.push_back(socket);
            if strangers.len() > CONNECTED_MAX {
                strangers.pop_front();
            }
        })
    }

    /// Over UDP: the beginnings of connections that nobody goes on with.
    pub(crate) fn over_udp(target: SocketAddr, beginnings: Vec<Vec<u8>>, per_second: u32) -> Self {
        let local = SocketAddr::new(target.ip(), 0);
        let sockets: Vec<_> = (0..SOURCES)
            .map(|_| std::net::UdpSocket::bind(local).unwrap())
            .collect();
        let mut number = 0;
        Self::start(per_second, move || {
            // Both numbers are prime to each other, so that every source sends every beginning.
            let beginning = &beginnings[number % beginnings.len()];
            let _ = sockets[number % SOURCES].send_to(beginning, target);
            number += 1;
        })
    }

    fn start(per_second: u32, mut knock: impl FnMut() + Send + 'static) -> Self {
        Self::on_its_own(move |ready, stopped| {
            for _ in 0..AT_ONCE {
                knock();
            }
            let _ = ready.send(());
            let (begin, mut came) = (Instant::now(), 0);
            while !stopped() {
                let due = begin.elapsed().as_secs_f64() * f64::from(per_second);
                // What a busy machine delayed is not made up for: nobody asked for more at a time.
                came = came.max(due as u64 - (due as u64).min(BURST));
                while came < due as u64 {
                    knock();
                    came += 1;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    }

    /// Whatever comes on a thread of its own, which tells when the first of them are there and asks whether it is to stop.
    pub(crate) fn on_its_own(
        come: impl FnOnce(oneshot::Sender<()>, &dyn Fn() -> bool) + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, first) = oneshot::channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || come(ready, &|| stopped.load(Ordering::Relaxed)));
        Self {
            stop,
            thread: Some(thread),
            first,
        }
    }

    /// Waits until as many are there as come at once.
    pub(crate) async fn is_there(&mut self) {
        (&mut self.first).await.unwrap();
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn allow_descriptors(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(count),
                ..limit
            },
        )
        .expect("the hard limit allows the crowd's descriptors");
    }
}

/// As many as the listener has places for.
pub(crate) const AT_ONCE: usize = 256;
/// The listener closes them long before they do it themselves.
const CONNECTED_MAX: usize = 2000;
const SOURCES: usize = 61;
pub(crate) const BURST: u64 = 400;
