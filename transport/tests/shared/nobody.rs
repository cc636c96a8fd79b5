//! A second user, whom only root can be.

use std::os::unix::fs::PermissionsExt;

use lmbench_testing::Need;
use tempfile::TempDir;

/// What a process of another user does; the kernel remembers whose thread listened or connected. `None` without root, who alone can be two.
pub(crate) fn as_nobody<T: Send + 'static>(deed: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if !lmbench_testing::available(&[Need::Root]) {
        return None;
    }
    let nobody = rustix::thread::Uid::from_raw(NOBODY);
    let thread = std::thread::spawn(move || {
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        deed()
    });
    Some(thread.join().unwrap())
}

/// A folder that everybody can write to, as `/tmp` is.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    folder
}

/// The user of whom every host knows.
pub(crate) const NOBODY: u32 = 65534;
