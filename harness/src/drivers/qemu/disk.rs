//! A guest's disk: the user's image, which is never written, and the overlay of it that both QEMUs open, as they would a disk on shared storage.

use std::ffi::OsStr;
use std::path::Path;

/// The image's format, as `qemu-img` finds it; its words if it can't.
pub(super) async fn format(image: &Path) -> Result<String, String> {
    let info = qemu_img(&[
        "info".as_ref(),
        // Another QEMU may have it open, which does not change its format.
        "--force-share".as_ref(),
        "--output=json".as_ref(),
        image.as_os_str(),
    ])
    .await?;
    let info: serde_json::Value =
        serde_json::from_slice(&info).map_err(|error| error.to_string())?;
    Ok(info["format"].as_str().unwrap_or("raw").to_owned())
}

/// Makes an overlay of the image; `qemu-img`'s words if it can't.
pub(super) async fn overlay(image: &Path, overlay: &Path) -> Result<(), String> {
    let image = std::fs::canonicalize(image).map_err(|error| error.to_string())?;
    let format = format(&image).await?;
    let _ = std::fs::remove_file(overlay);
    qemu_img(&[
        "create".as_ref(),
        "-q".as_ref(),
        "-f".as_ref(),
        "qcow2".as_ref(),
        "-b".as_ref(),
        image.as_os_str(),
        "-F".as_ref(),
        format.as_ref(),
        overlay.as_os_str(),
    ])
    .await?;
    Ok(())
}

async fn qemu_img(arguments: &[&OsStr]) -> Result<Vec<u8>, String> {
    let output = tokio::process::Command::new("qemu-img")
        .args(arguments)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
