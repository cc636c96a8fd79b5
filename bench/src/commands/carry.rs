//! `lmbench carry sink|source`: one half of a carrier, started by an agent or by hand.

mod local;

use std::path::Path;
use std::sync::Arc;

use lmbench_transport::carrier::{Carrier, CarrierError};
use lmbench_transport::carry::{
    CarryError, Event, Listener, Options, ReplayError, Replayed, Sink, Source,
};
use lmbench_transport::endpoint::{Endpoint, ParseEndpointError, Scheme};
use lmbench_transport::identity::Identity;
use lmbench_transport::secret::{self, SecretError, Zeroizing};
use lmbench_transport::ssh;
use lmbench_transport::token::Token;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use super::{Exit, Failed, peer_user, print, runtime};
use crate::carrier::CarrierSpec;
use crate::cli::{CarryArguments, CarryEnd, Format};
use crate::scenario;

pub(super) fn main(end: CarryEnd) -> Result<Exit, Failed> {
    match end {
        CarryEnd::Sink { listen, to, common } => {
            let (endpoint, local) = (endpoint(&listen)?, local::sink(&to)?);
            let spec = settings(endpoint.scheme, &common)?;
            let identity = identity(&spec, &common, None)?;
            let options = options(&common)?;
            let token = Token::generate().map_err(|error| {
                Failed::new(
                    Exit::Internal,
                    format!("the system gives no random bytes: {error}"),
                )
            })?;
            let sink = Sink {
                carrier: carrier(&spec, token.clone(), identity)?,
                token,
                endpoint,
                local,
                options,
            };
            run(&common, |events, stop| sink.run(events, stop))
        }
        CarryEnd::Source {
            from,
            replay,
            pace,
            dial,
            token_file,
            peer_name,
            common,
        } => {
            let (endpoint, local) = (
                endpoint(&dial)?,
                local::source(from.as_deref(), replay.as_deref(), pace)?,
            );
            let spec = settings(endpoint.scheme, &common)?;
            let identity = identity(&spec, &common, peer_name.as_deref())?;
            let token = read_token(token_file.as_deref())?;
            let options = options(&common)?;
            if options.peer_uid.is_some() && listens_for_itself(&spec) {
                return Err(Failed::new(
                    Exit::Usage,
                    "one ssh for all channels listens for your own QEMU only",
                )
                .hint("add --set connections=per-channel on both ends, or run as the user of your QEMU"));
            }
            let carrier = carrier(&spec, token, identity)?;
            let source = Source {
                carrier,
                endpoint,
                local,
                options: Options {
                    path: spec.relay_path(),
                    ..options
                },
            };
            run(&common, |events, stop| source.run(events, stop))
        }
    }
}

fn options(common: &CarryArguments) -> Result<Options, Failed> {
    Ok(Options {
        peer_uid: peer_user::uid(common.peer_user.as_deref())?,
        ..Options::default()
    })
}

/// The carrier of the endpoint's scheme, with the settings that were given.
fn settings(scheme: Scheme, common: &CarryArguments) -> Result<CarrierSpec, Failed> {
    let spec = match &common.settings {
        Some(json) => serde_json::from_str(json).map_err(|error| {
            Failed::new(Exit::Usage, format!("--settings is not ours: {error}"))
        })?,
        None => scenario::carrier(&scheme.to_string(), &common.set).map_err(|error| {
            let said = error.to_string();
            Failed::new(Exit::Usage, said.trim_start_matches("error: "))
        })?,
    };
    if spec.scheme() == Some(scheme) {
        Ok(spec)
    } else {
        let name = spec.name();
        Err(Failed::new(
            Exit::Usage,
            format!("the settings are of carrier {name}, the endpoint is of {scheme}"),
        ))
    }
}

/// Certificates that a carrier would not look at are an error: whoever gives them counts on them.
fn identity(
    spec: &CarrierSpec,
    common: &CarryArguments,
    peer: Option<&str>,
) -> Result<Option<Identity>, Failed> {
    let (Some(ca), Some(certificate), Some(key)) = (&common.ca, &common.certificate, &common.key)
    else {
        return Ok(None);
    };
    if !spec.shows_certificates() {
        let name = spec.name();
        return Err(Failed::new(
            Exit::Usage,
            format!(
                "carrier {name} shows no certificates\nhint: use tls:// or quic://, or leave --ca, --certificate and --key out"
            ),
        ));
    }
    Identity::from_files(ca, certificate, key, peer)
        .map(Some)
        .map_err(|error| Failed::from_error(Exit::Usage, &error))
}

/// The carrier that the settings are of.
fn carrier(
    spec: &CarrierSpec,
    token: Token,
    identity: Option<Identity>,
) -> Result<Box<dyn Carrier>, Failed> {
    spec.carrier(token, identity).ok_or_else(|| {
        let name = spec.name();
        Failed::new(
            Exit::Usage,
            format!("with carrier {name} QEMU itself is the carrier"),
        )
    })
}

/// Whether not this process but its `ssh` listens at the local socket.
fn listens_for_itself(spec: &CarrierSpec) -> bool {
    matches!(spec, CarrierSpec::Ssh { settings, .. } if settings.connections == ssh::Connections::Shared)
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
    secret::forbid_core_dumps().map_err(|error| no_limit(&error))?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        tokio::spawn(stop_when_asked(stop.clone(), owned, Signals::catch()?));
        half(events, stop).await.map_err(|error| failed(&error))
    });
    // A thread still reads the owner's pipe, which closes only when the owner has seen our end.
    runtime.shutdown_background();
    result.map(|()| Exit::Success)
}

/// Lowering a limit is refused nowhere but in a sandbox that forbids the call.
pub(super) fn no_limit(error: &std::io::Error) -> Failed {
    Failed::new(
        Exit::Environment,
        format!("can't forbid core dumps, which would hold keys and guest memory: {error}"),
    )
    .hint("allow setrlimit (prlimit64) to this process")
}

/// What a half broke on, sorted: wrong words, a thing in the way, or a stream that broke.
fn failed(error: &CarryError) -> Failed {
    let of = |exit, hint: &str| Failed::from_error(exit, error).hint(hint);
    match error {
        CarryError::PathTooLong { .. } => of(
            Exit::Usage,
            "choose a shorter path, such as one below /run or /tmp",
        ),
        CarryError::NoDescriptors(_) => of(Exit::Usage, "use unix:PATH instead of fd:PATH"),
        CarryError::PathTaken { .. } => of(Exit::Environment, "remove it, or choose another path"),
        CarryError::Listen { .. } => of(
            Exit::Environment,
            "the socket's folder must exist and be writable",
        ),
        CarryError::WrongHalf => of(Exit::Usage, "use --replay, discard: and verify:FILE"),
        CarryError::Replay(ReplayError::Stopped) => of(
            Exit::Interrupted,
            "play it again to its end; nothing was measured",
        ),
        CarryError::Replay(ReplayError::Socket(_) | ReplayError::Thread { .. }) => of(
            Exit::Environment,
            "check the limits on processes and open files (`ulimit -a`), and that the temporary directory is writable",
        ),
        CarryError::Replay(_) => of(
            Exit::MigrationFailed,
            "look at what the other end says; both ends need the same file, and each capture is played once per session",
        ),
        CarryError::Carrier(error) => match error {
            CarrierError::Scheme { .. } => of(Exit::Usage, "use an endpoint of this carrier"),
            CarrierError::Identity(_) => of(
                Exit::Usage,
                "check the certificate, the key and the authority",
            ),
            CarrierError::Resolve { .. } => of(
                Exit::Environment,
                "check the name, or write the address in numbers",
            ),
            CarrierError::Listen { .. } => of(
                Exit::Environment,
                "the address must be this host's and the port free; port 0 lets the kernel choose",
            ),
            CarrierError::Connect { .. } => of(
                Exit::Environment,
                "start `lmbench carry sink` there first, and use the endpoint that it prints",
            ),
            CarrierError::Handshake { .. } => of(
                Exit::Environment,
                "both ends must be the same lmbench and hold the same token: use the command that `lmbench carry sink` printed",
            ),
            CarrierError::Unequipped(_) => of(
                Exit::Environment,
                "the carrier ssh runs this host's own OpenSSH: its ssh and sshd must work here",
            ),
            CarrierError::Broke(_) => of(
                Exit::MigrationFailed,
                "look at what the other end says, then start both ends anew",
            ),
        },
        CarryError::Broke { .. } => of(
            Exit::MigrationFailed,
            "part of the stream is lost, whatever the QEMUs say: look at what both ends and both QEMUs say, then migrate again",
        ),
        CarryError::Channel(_)
        | CarryError::Accept { .. }
        | CarryError::Handover { .. }
        | CarryError::PeerLost(_) => of(
            Exit::MigrationFailed,
            "look at what the other end says, then start both ends anew",
        ),
    }
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
            // A wildcard address means every address of this host; the source must dial one of them.
            let dial = endpoint
                .to_string()
                .replace("//[::]:", "//DESTINATION:")
                .replace("//0.0.0.0:", "//DESTINATION:");
            format!(
                "listening at {endpoint}\non the source host:  LMBENCH_TOKEN={} lmbench carry source --dial {dial} --from unix:PATH",
                token.reveal()
            )
        }
        Event::Ready {
            peer,
            handshake_ms,
            details,
        } => {
            let details = details
                .as_ref()
                .map(|details| format!(" ({details})"))
                .unwrap_or_default();
            format!(
                "session with {peer}{details} stands after {handshake_ms:.1} ms; QEMU may start"
            )
        }
        Event::ChannelOpen { number, .. } => format!("channel {number} open"),
        Event::HandedOver { number } => format!("channel {number} handed over"),
        Event::ChannelClosed {
            number,
            sent_bytes,
            received_bytes,
            error,
            ..
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
        Event::Replayed {
            what,
            channels,
            sent_bytes,
            received_bytes,
            seconds,
            differs,
        } => {
            let what = match what {
                Replayed::Played => "played",
                Replayed::Discarded => "discarded",
                Replayed::Verified => "verified",
            };
            let speed = |bytes: u64| bytes as f64 / 1e6 / seconds.max(1e-9);
            let differs = differs.map(|place| {
                let (channel, offset) = (place.channel, place.offset);
                format!(
                    "; the answer differs from the capture on channel {channel} at byte {offset}"
                )
            });
            format!(
                "{what}: {channels} channels in {seconds:.3} s, {sent_bytes} bytes sent ({:.1} MB/s), {received_bytes} received ({:.1} MB/s){}",
                speed(*sent_bytes),
                speed(*received_bytes),
                differs.unwrap_or_default()
            )
        }
        Event::Finished {
            channels,
            sent_bytes,
            received_bytes,
            refused,
            ..
        } => {
            let sums = match (channels, sent_bytes, received_bytes) {
                (Some(channels), Some(sent), Some(received)) => {
                    format!("{channels} channels, {sent} bytes sent, {received} received")
                }
                _ => "ssh carried the stream and tells no sums".to_owned(),
            };
            format!("finished: {sums}, {refused} strangers turned away")
        }
    }
}

fn endpoint(text: &str) -> Result<Endpoint, Failed> {
    text.parse().map_err(|error: ParseEndpointError| {
        // What stands behind the semicolon is what to do.
        let said = error.to_string().replacen("; ", "\nhint: ", 1);
        Failed::new(Exit::Usage, said).hint("write for example tcp://198.18.1.2:7000")
    })
}

/// The token never stands on a command line, where every user of the host could read it.
fn read_token(file: Option<&Path>) -> Result<Token, Failed> {
    let text = match file {
        Some(file) => read_secret(file)?,
        None => Zeroizing::new(std::env::var("LMBENCH_TOKEN").map_err(|_| {
            Failed::new(Exit::Usage, "no token\nhint: set LMBENCH_TOKEN to what `lmbench carry sink` printed, or name a file with --token-file")
        })?),
    };
    text.trim()
        .parse()
        .map_err(|error: lmbench_transport::token::ParseTokenError| {
            Failed::from_error(Exit::Usage, &error)
                .hint("copy the whole token that `lmbench carry sink` printed")
        })
}

fn read_secret(file: &Path) -> Result<Zeroizing<String>, Failed> {
    let text = secret::read(file).map_err(|error| match &error {
        SecretError::Read { source, .. } => Failed::new(Exit::Usage, format!("can't read the token file {}: {source}\nhint: name a file that holds what `lmbench carry sink` printed as LMBENCH_TOKEN", file.display())),
        SecretError::Exposed { .. } => Failed::from_error(Exit::Usage, &error),
    })?;
    // What is no text is no token either, and is not repeated.
    Ok(Zeroizing::new(
        std::str::from_utf8(&text).unwrap_or_default().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With one ssh for all channels no byte passes either half: nothing was counted, which is not zero.
    #[test]
    fn sums_that_nobody_counted_are_absent() {
        let finished = Event::Finished {
            channels: None,
            sent_bytes: None,
            received_bytes: None,
            refused: 0,
            statistics: None,
        };
        assert_eq!(
            words(&finished),
            "finished: ssh carried the stream and tells no sums, 0 strangers turned away"
        );
        let json = serde_json::to_value(&finished).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "event": "finished", "refused": 0 })
        );
    }
}
