//! What of carriers × modes × trials is not tried, and why.

use super::trial::{Mode, Part, Trial, Unlike};

/// Why a combination is left out; `None` if it is tried.
pub(super) fn left_out(carrier: &str, mode: Mode, trial: &Trial) -> Option<&'static str> {
    let native = carrier.starts_with("native-");
    let name = trial.name;
    if mode == Mode::MultifdPostCopy && trial.part != Part::Whole {
        return Some("QEMU 10.0 refuses multifd with post-copy: it is asked once, by ok");
    }
    if trial.part == Part::PostCopy && !mode.has_post_copy() {
        return Some("this mode has no post-copy");
    }
    if native && name.contains("carrier") {
        return Some("QEMU itself is the carrier: the destination's death and the cut link try it");
    }
    if trial.unlike == Unlike::Identity {
        return match (carrier, mode) {
            ("native-tcp", _) => Some("native-tcp knows no identities"),
            (_, Mode::PreCopy) | ("native-tls", Mode::Multifd) => None,
            _ => Some("one session for all channels, and it is pre-copy that dials it"),
        };
    }
    if trial.unlike != Unlike::Nothing {
        let tried = mode == Mode::PreCopy && matches!(carrier, "native-tcp" | "tls");
        return (!tried).then_some(
            "two guests that differ: the carrier has no part in it, native-tcp and tls try it",
        );
    }
    let of_qemu = name.starts_with("source-dies") || name.ends_with("-frozen");
    if of_qemu && !matches!(carrier, "native-tcp" | "quic") {
        return Some("its end, or its silence, is QEMU's: native-tcp and quic try it");
    }
    let of_both = matches!(name, "cancel-active" | "destination-dies-pass-1");
    if trial.part == Part::PreCopy && mode.has_post_copy() && !of_both {
        return Some("over before post-copy begins: pre-copy tries it");
    }
    if mode == Mode::Multifd && name == "cancel-pre-switchover" {
        return Some("its channels are silent by then: pre-copy tries it");
    }
    None
}
