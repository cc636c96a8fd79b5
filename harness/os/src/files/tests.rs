//! What others plant is neither followed nor filled.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::PathBuf;

use super::*;

/// A folder that everybody writes to, and somebody else.
struct Shared {
    folder: tempfile::TempDir,
    victim: PathBuf,
}

impl Shared {
    fn new() -> Shared {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        Shared { folder, victim }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As we see it: root gives what it plants away, anybody else takes itself for another.
    fn open(&self) -> Folder {
        let mut folder = Folder::open(self.folder.path()).unwrap();
        folder.user = us();
        folder
    }

    fn planted(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        if is_root() {
            lchown(&path, Some(STRANGER), None).unwrap();
        }
        path
    }

    fn is_untouched(&self) -> bool {
        fs::read_to_string(&self.victim).unwrap() == "precious"
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn us() -> u32 {
    let user = rustix::process::geteuid().as_raw();
    if user == ROOT { user } else { user + 1 }
}

fn name(name: &str) -> &OsStr {
    OsStr::new(name)
}

#[test]
fn a_planted_link_is_neither_filled_nor_appended_to() {
    let shared = Shared::new();
    symlink(&shared.victim, shared.path("out")).unwrap();
    shared.planted("out");
    let folder = shared.open();
    for how in [InPlace::Append, InPlace::ReadWrite] {
        let error = folder.in_place(name("out"), how, ANYBODY).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    assert!(folder.new_file(name("out"), ANYBODY).is_err());
    assert!(folder.replace(name("out"), ANYBODY).is_err());
    assert!(folder.special(name("out")).is_err());
    assert!(shared.is_untouched());
}

#[test]
fn a_file_of_another_is_neither_filled_nor_replaced() {
    let shared = Shared::new();
    fs::write(shared.path("out"), "theirs").unwrap();
    let path = shared.planted("out");
    let folder = shared.open();
    for how in [InPlace::Append, InPlace::ReadWrite] {
        let error = folder.in_place(name("out"), how, ANYBODY).unwrap_err();
        assert!(error.to_string().contains("belongs to user"), "{error}");
    }
    assert!(folder.replace(name("out"), ANYBODY).is_err());
    assert_eq!(fs::read_to_string(path).unwrap(), "theirs");
}

#[test]
fn a_file_that_another_plants_meanwhile_is_not_replaced() {
    let shared = Shared::new();
    let folder = Folder::open(shared.folder.path()).unwrap();
    let mut replacement = folder.replace(name("out"), ANYBODY).unwrap();
    replacement.folder_for_test(us());
    fs::write(shared.path("out"), "theirs").unwrap();
    let path = shared.planted("out");
    let error = replacement.finish().unwrap_err();
    assert!(error.to_string().contains("belongs to user"), "{error}");
    assert_eq!(fs::read_to_string(path).unwrap(), "theirs");
    // Neither is the temporary file left.
    assert_eq!(fs::read_dir(shared.folder.path()).unwrap().count(), 2);
}

#[test]
fn the_folders_owner_may_have_made_the_file() {
    let shared = Shared::new();
    fs::write(shared.path("summary"), "before\n").unwrap();
    fs::set_permissions(shared.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        lchown(shared.folder.path(), Some(STRANGER), None).unwrap();
    }
    let path = shared.planted("summary");
    let folder = shared.open();
    let mut file = folder
        .in_place(name("summary"), InPlace::Append, ANYBODY)
        .unwrap();
    file.write_all(b"after\n").unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "before\nafter\n");
}

#[test]
fn a_planted_pipe_is_not_waited_for() {
    let shared = Shared::new();
    let fifo = shared.path("out");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        FileType::Fifo,
        Mode::from_raw_mode(0o666),
        0,
    )
    .unwrap();
    // Before it is anybody's: even one of our own is no file.
    let error = Folder::open(shared.folder.path())
        .unwrap()
        .in_place(name("out"), InPlace::Append, ANYBODY)
        .unwrap_err();
    assert!(error.to_string().contains("no plain file"), "{error}");
    shared.planted("out");
    let folder = shared.open();
    let error = folder.special(name("out")).unwrap_err();
    assert!(error.to_string().contains("belongs to user"), "{error}");
    assert!(folder.replace(name("out"), ANYBODY).is_err());
    assert!(open_plain(&fifo).is_err());
}

#[test]
fn a_hard_link_is_replaced_and_never_written_through() {
    let shared = Shared::new();
    fs::hard_link(&shared.victim, shared.path("out")).unwrap();
    let folder = Folder::open(shared.folder.path()).unwrap();
    let error = folder
        .in_place(name("out"), InPlace::Append, ANYBODY)
        .unwrap_err();
    assert!(error.to_string().contains("second name"), "{error}");
    let replacement = folder.replace(name("out"), ANYBODY).unwrap();
    replacement.file().write_all(b"new").unwrap();
    replacement.finish().unwrap();
    assert_eq!(fs::read_to_string(shared.path("out")).unwrap(), "new");
    assert!(shared.is_untouched());
}

#[test]
fn a_strangers_link_on_the_way_is_not_followed_and_ours_is() {
    let shared = Shared::new();
    fs::create_dir(shared.path("real")).unwrap();
    symlink("real", shared.path("ours")).unwrap();
    symlink(shared.path("real"), shared.path("theirs")).unwrap();
    shared.planted("theirs");
    let walk = Walk {
        user: rustix::process::geteuid().as_raw(),
    };
    let there = walk
        .folder(&shared.path("ours/../ours/./new"), Missing::Make)
        .unwrap();
    assert_eq!(
        fstat(there).unwrap().st_ino,
        fs::metadata(shared.path("real/new")).unwrap().ino()
    );
    let walk = Walk { user: us() };
    for missing in [Missing::Make, Missing::Refuse] {
        let error = walk
            .folder(&shared.path("theirs/out"), missing)
            .unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    symlink("loop", shared.path("loop")).unwrap();
    let walk = Walk {
        user: rustix::process::geteuid().as_raw(),
    };
    assert!(walk.folder(&shared.path("loop"), Missing::Refuse).is_err());
    assert!(walk.folder(&shared.path("victim"), Missing::Make).is_err());
}

#[test]
fn what_is_made_is_ours_alone_where_that_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let at = Folder::make(&folder.path().join("a/b")).unwrap();
    let mode = |name: &str| {
        fs::metadata(folder.path().join("a/b").join(name))
            .unwrap()
            .mode()
    };
    at.new_file(name("new"), OWNER_ONLY).unwrap();
    at.in_place(name("log"), InPlace::Append, OWNER_ONLY)
        .unwrap();
    at.replace(name("out"), OWNER_ONLY)
        .unwrap()
        .finish()
        .unwrap();
    at.make_new(name("sub"), 0o700).unwrap();
    for made in ["new", "log", "out"] {
        assert_eq!(mode(made) & 0o7777, 0o600, "{made}");
    }
    assert_eq!(mode("sub") & 0o7777, 0o700);
    assert!(at.make_new(name("sub"), 0o700).is_err());
    at.sync().unwrap();
}

#[test]
fn devices_and_standard_streams_are_written_to() {
    let devices = Folder::open(Path::new("/dev")).unwrap();
    let mut null = devices.special(name("null")).unwrap().unwrap();
    null.write_all(b"gone").unwrap();
    let shared = Shared::new();
    symlink("/dev/null", shared.path("ours")).unwrap();
    let own = Folder::open(shared.folder.path()).unwrap();
    assert!(own.special(name("ours")).unwrap().is_some());
    assert!(own.special(name("victim")).unwrap().is_none());
    assert!(own.special(name("nothing")).unwrap().is_none());
    let mut text = String::new();
    open_plain(&shared.victim)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "precious");
    assert!(open_plain(Path::new("/dev/null")).is_err());
}

/// Nobody on this machine.
const STRANGER: u32 = 424_242;
