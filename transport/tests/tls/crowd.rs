//! Handshakes that nobody ends.

use super::*;

/// Ten thousand peers begin a handshake and never go on. No more than the 256 places are ever taken, so that is the bound of
/// memory and descriptors; the running session goes on all the while, and a new channel finds its way through the crowd.
#[tokio::test]
async fn ten_thousand_unfinished_handshakes_disturb_nobody() {
    let tls = Tls::new(Token::generate().unwrap(), Settings::default());
    let at = "tls://127.0.0.1:0".parse().unwrap();
    let mut listener = tls.listen(&at).await.unwrap();
    let endpoint = listener.endpoint().clone();
    let (refused_sender, mut refused) = mpsc::unbounded_channel();
    let (session_sender, mut sessions) = mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        loop {
            let pending = listener.accept().await.unwrap();
            let (refused, sessions) = (refused_sender.clone(), session_sender.clone());
            tokio::spawn(async move {
                match pending.handshake().await {
                    Ok(Admitted::Session(session)) => drop(sessions.send(session)),
                    Ok(Admitted::Joined { .. }) => {}
                    Err(error) => drop(refused.send(error)),
                }
            });
        }
    });
    let dialled = tls.dial(&endpoint).await.unwrap();
    let accepted = sessions.recv().await.unwrap();
    let open = async || {
        let (near, far) = tokio::join!(dialled.open_channel(), accepted.accept_channel());
        (near.unwrap(), far.unwrap().unwrap())
    };
    let (mut near, mut far) = open().await;
    let mut crowd = VecDeque::new();
    for number in 0..CROWD {
        let mut stranger = TcpStream::connect(address(&endpoint)).await.unwrap();
        stranger.write_all(b"LMBT\0\x02\0\0knock").await.unwrap();
        crowd.push_back(stranger);
        // Their own descriptors are not what this is about: the oldest were dropped by the listener long ago.
        if crowd.len() > 2 * PLACES {
            crowd.pop_front();
        }
        if number % 500 == 0 {
            near.write_all(b"ping").await.unwrap();
            far.read_exact(&mut [0; 4]).await.unwrap();
        }
    }
    for _ in 0..CROWD - PLACES {
        let error = refused.recv().await.unwrap();
        // Some hang up before their turn.
        assert!(
            matches!(error, HandshakeError::Evicted | HandshakeError::Closed),
            "{error:?}"
        );
    }
    let _late = open().await;
    serving.abort();
}

const CROWD: usize = 10_000;
/// As many as may be in the handshake at a time.
const PLACES: usize = 256;
