//! The preamble, and the whole handshakes that it is a part of.

use criterion::{BenchmarkId, Criterion};
use lmbench_transport::benched::Preamble;
use lmbench_transport::{Carrier, Token, quic, tcp, tls};

pub(crate) fn bench(criterion: &mut Criterion) {
    let preamble = Preamble::new(Token::generate().expect("random bytes"));
    let mut group = criterion.benchmark_group("preamble");
    group.bench_function("messages", |bencher| {
        bencher.iter(|| assert!(std::hint::black_box(&preamble).messages()));
    });
    group.bench_function("proofs", |bencher| {
        bencher.iter(|| assert!(std::hint::black_box(&preamble).proofs()));
    });
    group.finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("session");
    group.sample_size(10);
    let carriers: [(&str, Make); 3] = [
        ("tcp", |token| {
            Box::new(tcp::Tcp::new(token, tcp::Settings::default()))
        }),
        ("tls", |token| {
            Box::new(tls::Tls::new(token, tls::Settings::default()))
        }),
        ("quic", |token| {
            Box::new(quic::Quic::new(token, quic::Settings::default()))
        }),
    ];
    for (name, carrier) in carriers {
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| runtime.block_on(handshake(carrier)));
        });
    }
}

/// Makes a carrier for one session.
type Make = fn(Token) -> Box<dyn Carrier>;

/// A token is good for one session, so each has carriers of its own, as in a migration.
async fn handshake(carrier: Make) {
    let token = Token::generate().expect("random bytes");
    let (near, far) = (carrier(token.clone()), carrier(token));
    let endpoint = format!("{}://127.0.0.1:0", far.scheme());
    let endpoint = endpoint.parse().expect("an endpoint");
    let mut listener = far.listen(&endpoint).await.expect("a listener");
    let endpoint = listener.endpoint().clone();
    let (dialled, arrived) = tokio::join!(near.dial(&endpoint), async {
        let pending = listener.accept().await.expect("a peer");
        pending.handshake().await
    });
    dialled.expect("a session");
    arrived.map(drop).expect("a session");
}
