//! The disk image of a guest of the user's own: whether QEMU opens it, and whether it migrates a guest that has it.
//!
//! Which formats those are is QEMU's to say: it opens the image, for reading only, and tells what would block a migration.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::super::disk;
use super::refusals::words;
use super::scratch::Scratch;
use super::{Case, Problem};
use crate::qmp::QmpError;
use crate::spec::Boot;

impl Scratch {
    /// What is wrong with a cell's image; one that can't be read is told of elsewhere.
    pub(super) async fn unfit_disk(&self, case: &Case) -> Option<Problem> {
        let Boot::Image { image } = &case.guest.boot else {
            return None;
        };
        let path = std::fs::canonicalize(image).ok()?;
        let is_device = std::fs::File::open(&path)
            .and_then(|file| file.metadata())
            .ok()?
            .file_type()
            .is_block_device();
        let shown = image.display();
        let problem = |text: String, hint: String| {
            Some(Problem::of_machine(text, hint).key("guest.image", "names it"))
        };
        let format = match disk::format(&path).await {
            Ok(format) => format,
            Err(why) => {
                let text = format!("qemu-img can't read {shown}: {why}");
                return problem(text, "name a disk image that it can read".to_owned());
            }
        };
        match self.blockers(path.to_str()?, &format, is_device).await {
            Ok(blockers) if blockers.is_empty() => None,
            Ok(blockers) => problem(
                format!(
                    "{shown} is a {format} image, and {} migrates no guest that has it: {}",
                    self.short(),
                    blockers.join("; ")
                ),
                convert(image),
            ),
            Err(error) => problem(
                format!(
                    "{} can't open {shown}, a {format} image: {}",
                    self.short(),
                    words(&error)
                ),
                convert(image),
            ),
        }
    }

    /// Why a guest with this disk could not be migrated; an error if QEMU does not open it.
    async fn blockers(
        &self,
        path: &str,
        format: &str,
        is_device: bool,
    ) -> Result<Vec<String>, QmpError> {
        let protocol = if is_device { "host_device" } else { "file" };
        let disk = json!({
            "driver": format, "node-name": NODE, "read-only": true,
            "file": { "driver": protocol, "filename": path, "read-only": true },
        });
        self.qmp
            .execute_within("blockdev-add", disk, PATIENCE)
            .await?;
        let blockers = self.qmp.query_migrate().await?.stats.blocked_reasons;
        let node = json!({ "node-name": NODE });
        self.qmp
            .execute_within("blockdev-del", node, PATIENCE)
            .await?;
        Ok(blockers)
    }
}

fn convert(image: &Path) -> String {
    let qcow2 = image.with_extension("qcow2");
    let qcow2 = if qcow2 == image {
        image.with_extension("converted.qcow2")
    } else {
        qcow2
    };
    format!(
        "convert it, and name what comes of that: qemu-img convert -O qcow2 {} {}",
        image.display(),
        qcow2.display()
    )
}

const NODE: &str = "image";
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_not_converted_onto_itself() {
        assert!(convert(Path::new("a/disk.vmdk")).ends_with("a/disk.vmdk a/disk.qcow2"));
        assert!(convert(Path::new("disk.qcow2")).ends_with("disk.qcow2 disk.converted.qcow2"));
    }
}
