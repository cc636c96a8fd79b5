//! Names that some QEMU knows or knew: a cell that asks for one is honest, whatever the QEMU at hand.
//!
//! From QEMU's `qapi/migration.json`, versions 2.12 to 11.0.

/// Whether any QEMU has a capability or parameter of this name.
pub(super) fn knows(name: &str) -> bool {
    CAPABILITIES.contains(&name)
        || PARAMETERS.contains(&name)
        || VALUES.iter().any(|(of, _)| *of == name)
}

/// Whether any QEMU takes this word for a parameter; `found` as JSON, quotes and all.
pub(super) fn knows_value(name: &str, found: &str) -> bool {
    let word = found.trim_matches('"');
    VALUES
        .iter()
        .any(|(of, words)| *of == name && words.contains(&word))
}

const CAPABILITIES: [&str; 25] = [
    "auto-converge",
    "background-snapshot",
    "block",
    "compress",
    "dirty-bitmaps",
    "dirty-limit",
    "events",
    "late-block-activate",
    "mapped-ram",
    "multifd",
    "pause-before-switchover",
    "postcopy-blocktime",
    "postcopy-preempt",
    "postcopy-ram",
    "rdma-pin-all",
    "release-ram",
    "return-path",
    "switchover-ack",
    "validate-uuid",
    "x-colo",
    "x-ignore-shared",
    "x-multifd",
    "xbzrle",
    "zero-blocks",
    "zero-copy-send",
];

const PARAMETERS: [&str; 38] = [
    "announce-initial",
    "announce-max",
    "announce-rounds",
    "announce-step",
    "avail-switchover-bandwidth",
    "block-bitmap-mapping",
    "block-incremental",
    "compress-level",
    "compress-threads",
    "compress-wait-thread",
    "cpr-exec-command",
    "cpu-throttle-increment",
    "cpu-throttle-initial",
    "cpu-throttle-tailslow",
    "decompress-threads",
    "direct-io",
    "downtime-limit",
    "max-bandwidth",
    "max-cpu-throttle",
    "max-postcopy-bandwidth",
    "multifd-channels",
    "multifd-qatzip-level",
    "multifd-zlib-level",
    "multifd-zstd-level",
    "throttle-trigger-threshold",
    "tls-authz",
    "tls-creds",
    "tls-hostname",
    "vcpu-dirty-limit",
    "x-checkpoint-delay",
    "x-multifd-channels",
    "x-multifd-page-count",
    "x-rdma-chunk-size",
    "x-vcpu-dirty-limit-period",
    "x-vfio-load-queue",
    "x-multifd-vfio-transfer",
    "xbzrle-cache-size",
    "x-block-bitmap-mapping",
];

const VALUES: [(&str, &[&str]); 3] = [
    (
        "multifd-compression",
        &["none", "zlib", "zstd", "qatzip", "qpl", "uadk"],
    ),
    ("zero-page-detection", &["none", "legacy", "multifd"]),
    (
        "mode",
        &["normal", "cpr-reboot", "cpr-transfer", "cpr-exec"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_told_from_what_never_was() {
        for (name, known) in [
            ("compress", true),
            ("compress-threads", true),
            ("multifd-compression", true),
            ("xbzrel", false),
            ("max-bandwith", false),
        ] {
            assert_eq!(knows(name), known, "{name}");
        }
        for (value, known) in [("\"qpl\"", true), ("\"zstdd\"", false), ("3", false)] {
            assert_eq!(knows_value("multifd-compression", value), known, "{value}");
        }
    }
}
