//! `lmbench carry sink|source`: one half of a carrier, started by an agent or by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lmbench_transport::carrier::Carrier;
use lmbench_transport::carry::{Event, Listener, Local, Options, Sink, Source};
use lmbench_transport::endpoint::{Endpoint, Scheme};
use lmbench_transport::tcp::{Settings, Tcp};
use lmbench_transport::token::Token;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

use super::run::Signals;
use super::{Exit, Failed, print, runtime};
use crate::cli::{CarryArguments, CarryEnd, Format};

pub(super) fn main(end: CarryEnd) -> Result<Exit, Failed> {
    match end {
        CarryEnd::Sink { listen, to, common } => {
            let (endpoint, local) = (endpoint(&listen)?, local(&to)?);
            let token = Token::generate().map_err(|error| {
                Failed::new(
                    Exit::Internal,
                    format!("the system gives no random bytes: {error}"),
                )
            })?;
            let sink = Sink {
                carrier: carrier(endpoint.scheme, token.clone()),
                token,
                endpoint,
                local,
                options: Options::default(),
            };
            run(&common, |events, stop| sink.run(events, stop))
        }
        CarryEnd::Source {
            from,
            dial,
            token_file,
            common,
        } => {
            let (endpoint, local) = (endpoint(&dial)?, local(&from)?);
            let carrier = carrier(endpoint.scheme, read_token(token_file.as_deref())?);
            let source = Source {
                carrier,
                endpoint,
                local,
                options: Options::default(),
            };
            run(&common, |events, stop| source.run(events, stop))
        }
    }
}

/// To add a carrier that goes by hand: its scheme here.
fn carrier(scheme: Scheme, token: Token) -> Box<dyn Carrier> {
    match scheme {
        Scheme::Tcp => Box::new(Tcp::new(token, Settings::default())),
    }
}

fn run<R>(
    common: &CarryArguments,
    half: impl FnOnce(Listener, CancellationToken) -> R,
) -> Result<Exit, Failed>
where
    R: Future<Output = Result<(), lmbench_transport::carry::CarryError>>,
{
    let stop = CancellationToken::new();
    let format = common.format;
    let events: Listener = Arc::new(move |event| tell(&event, format));
    let owned = common.owner_on_stdin;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        tokio::spawn(stop_when_asked(stop.clone(), owned, Signals::catch()?));
        half(events, stop)
            .await
            .map_err(|error| Failed::from_error(Exit::MigrationFailed, &error))
    });
    // A thread still reads the owner's pipe, which closes only when the owner has seen our end.
    runtime.shutdown_background();
    result.map(|()| Exit::Success)
}

async fn stop_when_asked(stop: CancellationToken, owned: bool, mut signals: Signals) {
    let mut byte = [0];
    let mut input = tokio::io::stdin();
    let owner_gone = async {
        // The owner never writes; any end of its pipe is its end.
        while owned && input.read(&mut byte).await.is_ok_and(|bytes| bytes > 0) {}
        if !owned {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = owner_gone => {}
        () = signals.next() => {}
    }
    stop.cancel();
}

fn tell(event: &Event, format: Format) {
    let line = match format {
        Format::Json => serde_json::to_string(event).unwrap_or_default(),
        Format::Human => words(event),
    };
    // Whoever read our lines may have gone; the stream goes on.
    let _ = print(|output| writeln!(output, "{line}"));
}

fn words(event: &Event) -> String {
    match event {
        Event::Listening { endpoint, token } => {
            format!(
                "listening at {endpoint}\non the source host:  LMBENCH_TOKEN={} lmbench carry source --dial {endpoint} --from unix:PATH",
                token.reveal()
            )
        }
        Event::Ready { peer, handshake_ms } => {
            format!("session with {peer} stands after {handshake_ms:.1} ms; QEMU may start")
        }
        Event::ChannelOpen { number, .. } => format!("channel {number} open"),
        Event::HandedOver { number } => format!("channel {number} handed over"),
        Event::ChannelClosed {
            number,
            sent_bytes,
            received_bytes,
            error,
        } => {
            let number = number.map_or_else(
                || "a channel".to_owned(),
                |number| format!("channel {number}"),
            );
            let error = error
                .as_ref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            format!("{number} closed, {sent_bytes} bytes sent, {received_bytes} received{error}")
        }
        Event::Refused { peer, reason } => format!("{peer} turned away: {reason}"),
        Event::Finished {
            channels,
            sent_bytes,
            received_bytes,
            refused,
        } => {
            format!(
                "finished: {channels} channels, {sent_bytes} bytes sent, {received_bytes} received, {refused} strangers turned away"
            )
        }
    }
}

fn endpoint(text: &str) -> Result<Endpoint, Failed> {
    text.parse()
        .map_err(|error: lmbench_transport::endpoint::ParseEndpointError| {
            Failed::from_error(Exit::Usage, &error)
        })
}

fn local(text: &str) -> Result<Local, Failed> {
    let wrong = || {
        Failed::new(
            Exit::Usage,
            format!(
                "'{text}' is no local end\nhint: write unix:PATH, or fd:PATH to hand connected sockets over"
            ),
        )
    };
    let (kind, path) = text
        .split_once(':')
        .filter(|(_, path)| !path.is_empty())
        .ok_or_else(wrong)?;
    match kind {
        "unix" => Ok(Local::Unix(PathBuf::from(path))),
        "fd" => Ok(Local::Fd(PathBuf::from(path))),
        _ => Err(wrong()),
    }
}

/// The token never stands on a command line, where every user of the host could read it.
fn read_token(file: Option<&Path>) -> Result<Token, Failed> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file).map_err(|error| Failed::new(Exit::Usage, format!("can't read the token file {}: {error}", file.display())))?,
        None => std::env::var("LMBENCH_TOKEN").map_err(|_| {
            Failed::new(Exit::Usage, "no token\nhint: set LMBENCH_TOKEN to what `lmbench carry sink` printed, or name a file with --token-file")
        })?,
    };
    text.trim()
        .parse()
        .map_err(|error: lmbench_transport::token::ParseTokenError| {
            Failed::from_error(Exit::Usage, &error)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_ends_are_read() {
        assert_eq!(
            local("unix:/run/a:b").unwrap(),
            Local::Unix("/run/a:b".into())
        );
        assert_eq!(local("fd:x").unwrap(), Local::Fd("x".into()));
        for wrong in ["unix:", "tcp:x", "/run/a", ""] {
            assert_eq!(local(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
