//! Builds the guest's PID 1 as a static binary and hands its path to `src/image.rs`, which embeds it.
//!
//! A build of its own, because cargo can't give one package of a build another profile, other flags and static linking.
//! `LMBENCH_GUEST_INIT` names a ready binary instead, for packagers who build offline or for another C library.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Static, and without vector code: QEMU's translator executes a vector multiplication by a call per element, which made filling and comparing
/// memory four times as slow as word by word.
const RUSTFLAGS: &str = "-C target-feature=+crt-static -C relocation-model=static -C no-vectorize-loops -C no-vectorize-slp";
const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROFILE: &str = "guest";
const PACKAGE: &str = "lmbench-guest";
/// Settings of the user's that say where packages come from; every other `CARGO_*` belongs to the outer build.
const KEPT: [&str; 7] = [
    "CARGO_HOME",
    "CARGO_SOURCE_",
    "CARGO_REGISTRY_",
    "CARGO_REGISTRIES_",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_RESOLVER_",
];
/// What the outer build or its tools set for their own compiler calls.
const DROPPED: [&str; 6] = [
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
    "MAKEFLAGS",
    "MFLAGS",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=LMBENCH_GUEST_INIT");
    let init = if let Some(path) = env::var_os("LMBENCH_GUEST_INIT") {
        let path = std::path::absolute(path)?;
        println!("cargo::rerun-if-changed={}", path.display());
        path
    } else {
        build_guest()?
    };
    println!(
        "cargo::rustc-env=LMBENCH_GUEST_INIT_PATH={}",
        init.display()
    );
    Ok(())
}

fn build_guest() -> Result<PathBuf, Box<dyn Error>> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = package
        .parent()
        .ok_or("the package is not inside the workspace")?;
    for source in ["harness/guest", "Cargo.lock", "Cargo.toml"] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    let target_directory = PathBuf::from(variable("OUT_DIR")?).join("guest-target");
    let status = nested_cargo(workspace, &target_directory)?.status()?;
    if !status.success() {
        return Err(format!(
            "building {PACKAGE} failed ({status}); it needs the target {TARGET} and a static C library (Debian: libc6-dev), \
             or name a ready binary with LMBENCH_GUEST_INIT"
        )
        .into());
    }
    Ok(target_directory.join(TARGET).join(PROFILE).join(PACKAGE))
}

fn nested_cargo(workspace: &Path, target_directory: &Path) -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(variable("CARGO")?);
    command
        .current_dir(workspace)
        .args([
            "build",
            "--locked",
            "--offline",
            "--package",
            PACKAGE,
            "--bin",
            PACKAGE,
        ])
        .args(["--profile", PROFILE, "--target", TARGET, "--target-dir"])
        .arg(target_directory);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let kept = KEPT.iter().any(|kept| text.starts_with(kept));
        if DROPPED.contains(&text) || text.starts_with("CARGO_") && !kept {
            command.env_remove(&name);
        }
    }
    command
        .env("RUSTFLAGS", RUSTFLAGS)
        // A build directory from the user's configuration is locked by the outer build, which waits for this one.
        .env("CARGO_BUILD_BUILD_DIR", target_directory);
    Ok(command)
}

fn variable(name: &str) -> Result<OsString, Box<dyn Error>> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}").into())
}
