//! Unit tests of the runtime directory.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

#[test]
fn directories_are_private_locked_and_stale_once_dropped() {
    let base = tempfile::tempdir().unwrap();
    let root = Root::open(base.path()).unwrap();
    let lab = LabDirectory::create(&root).unwrap();
    for path in [&root.path, &lab.path, &lab.source, &lab.destination] {
        assert_eq!(
            fs::metadata(path).unwrap().mode() & 0o7777,
            0o700,
            "{}",
            path.display()
        );
    }
    assert_eq!(root.stale().unwrap(), Vec::<PathBuf>::new());
    let path = lab.path.clone();
    drop(lab);
    // Dropping the lock is what the kernel does for a killed owner.
    assert_eq!(root.stale().unwrap(), [path]);
}

#[test]
fn only_directories_with_a_labs_name_are_ever_stale() {
    let base = tempfile::tempdir().unwrap();
    let root = Root::open(base.path()).unwrap();
    fs::create_dir(root.path.join("lab-precious")).unwrap();
    fs::create_dir(root.path.join("results")).unwrap();
    symlink("/", root.path.join("lab-01234567")).unwrap();
    assert_eq!(root.stale().unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn symlinks_and_open_directories_are_refused() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join(format!("lmbench-{}", outer_uid()));
    symlink("/tmp", &path).unwrap();
    assert!(matches!(
        Root::open(base.path()),
        Err(LabError::Insecure { .. })
    ));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let error = Root::open(base.path()).unwrap_err().to_string();
    assert!(error.contains("mode 0755 instead of 0700"), "{error}");
}

// `mkdir /tmp/lmbench-0` by anybody must not keep root from its labs.
#[test]
fn a_name_that_another_user_took_is_passed_over() {
    let base = tempfile::tempdir().unwrap();
    let taken = base.path().join(format!("lmbench-{}", outer_uid()));
    let us = rustix::process::geteuid().as_raw();
    for plant in [
        |path: &Path| fs::create_dir(path).unwrap(),
        |path: &Path| fs::write(path, "").unwrap(),
        |path: &Path| symlink("/tmp", path).unwrap(),
    ] {
        plant(&taken);
        // As another user: whatever this one made is a stranger's, so its own spare is another each time.
        let root = Root::open_as(base.path(), us + 1).unwrap();
        assert_ne!(root.path, taken);
        assert!(is_private(&root.path), "{}", root.path.display());
        let _ = fs::remove_file(&taken).or_else(|_| fs::remove_dir(&taken));
    }
    fs::create_dir(&taken).unwrap();
    let name = taken.file_name().unwrap().to_str().unwrap();
    // The first by name, whatever the three before it were called.
    let spare = base.path().join(format!("{name}-00000000"));
    for odd in ["00000000-", "0000000", "x"] {
        fs::create_dir(base.path().join(format!("{name}-{odd}"))).unwrap();
    }
    private_builder().create(&spare).unwrap();
    // What an earlier start made is found again, so that its dead labs are.
    let found = spares(base.path(), name, us).unwrap();
    assert_eq!(found.first(), Some(&spare));
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(
        spares(base.path(), name, us + 1).unwrap(),
        [] as [PathBuf; 0]
    );
}

fn is_private(path: &Path) -> bool {
    fs::metadata(path).unwrap().mode() & 0o7777 == 0o700
}

#[test]
fn a_path_too_long_for_unix_sockets_is_refused_and_leaves_nothing() {
    let base = tempfile::tempdir().unwrap();
    let deep = base.path().join("x".repeat(60));
    fs::create_dir(&deep).unwrap();
    let root = Root::open(&deep).unwrap();
    let error = LabDirectory::create(&root).unwrap_err();
    assert!(matches!(error, LabError::PathTooLong { .. }), "{error}");
    assert_eq!(root.stale().unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn processes_of_another_boot_and_torn_lines_are_ignored() {
    let text = "12 34 boot\n56 78 other\n90 1\nnonsense\n5 6 boot\n";
    let found = parse_processes(text, "boot");
    assert_eq!(
        found,
        [Process { pid: 12, start: 34 }, Process { pid: 5, start: 6 }]
    );
}

#[test]
fn recorded_processes_come_back() {
    let lab = tempfile::tempdir().unwrap();
    record_process(lab.path(), std::process::id()).unwrap();
    assert_eq!(
        recorded_processes(lab.path()),
        [Process::of_pid(std::process::id()).unwrap()]
    );
}

#[test]
fn the_uid_outside_comes_from_the_map() {
    assert_eq!(
        outer_uid_in("         0      65534          1\n", 0),
        Some(65534)
    );
    assert_eq!(outer_uid_in("0 0 4294967295\n", 1000), Some(1000));
    assert_eq!(outer_uid_in("0 1000 1\n1 100000 65536\n", 5), Some(100_004));
    assert_eq!(outer_uid_in("", 5), None);
}
