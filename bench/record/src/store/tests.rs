//! Runs on a real file system: written, crashed, resumed, listed, found, and out of space.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::*;
use crate::record::{Outcome, Repeat, example};

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("results"));
    (directory, store)
}

fn named(mut record: Record, run_id: &str) -> Record {
    run_id.clone_into(&mut record.run_id);
    record
}

fn sample(at_ms: f64) -> Sample {
    let data = json!({ "remaining_bytes": 1 });
    Sample {
        cell: "carrier=tcp".to_owned(),
        repeat: 1,
        at_ms,
        host: "source".to_owned(),
        kind: "progress".to_owned(),
        data,
    }
}

fn status(store: &Store, run: &str) -> Status {
    let runs = store.list(&Filter::default()).unwrap();
    runs.iter()
        .find(|found| found.run_id == run)
        .unwrap()
        .status
}

#[test]
fn a_run_lives_ends_and_is_read_back() {
    let (_directory, store) = store();
    let mut record = example::empty("jvm-heavy", 1, 2);
    let id = record.run_id.clone();
    let writer = store.create_run(&record).unwrap();
    assert_eq!(status(&store, &id), Status::Running);
    record.push(
        0,
        Repeat::completed(1, 0.0, BTreeMap::from([("downtime_ms".to_owned(), 3.0)])),
    );
    writer.save(&record).unwrap();
    writer.append_samples(&[sample(1.0), sample(2.0)]).unwrap();
    writer.append_samples(&[sample(3.0)]).unwrap();
    assert_eq!(store.find(&id).unwrap().whole().unwrap(), record);
    let samples: Vec<Sample> = read_samples(&store.find(&id).unwrap().samples())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(samples, [sample(1.0), sample(2.0), sample(3.0)]);
    writer.finish().unwrap();
    assert_eq!(status(&store, &id), Status::Partial);
    let mut files: Vec<_> = fs::read_dir(store.out_dir().join(&id))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["record.json", "samples.jsonl"],
        "no temporary file and no lock stay behind"
    );
}

#[test]
fn a_crashed_run_is_interrupted_and_resumed_by_one_process_only() {
    let (_directory, store) = store();
    let mut record = example::empty("jvm-heavy", 1, 1);
    let id = record.run_id.clone();
    let writer = store.create_run(&record).unwrap();
    writer.append_samples(&[sample(1.0)]).unwrap();
    let error = store.find(&id).unwrap().resume().unwrap_err().to_string();
    assert!(
        error.contains("still going on (process ") && error.contains("hint:"),
        "{error}"
    );
    // A dropped writer leaves what a killed process leaves: the kernel has released the lock, the file is there.
    drop(writer);
    let samples = store.out_dir().join(&id).join(SAMPLES_FILE);
    fs::write(
        &samples,
        [fs::read(&samples).unwrap(), br#"{"cell":"torn"#.to_vec()].concat(),
    )
    .unwrap();
    assert_eq!(status(&store, &id), Status::Interrupted);
    assert_eq!(read_samples(&samples).unwrap().count(), 1);

    let (resumed, writer) = store.find(&id).unwrap().resume().unwrap();
    assert_eq!(resumed, record);
    assert_eq!(status(&store, &id), Status::Running);
    writer.append_samples(&[sample(2.0)]).unwrap();
    assert_eq!(
        read_samples(&samples)
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>(),
        [sample(1.0), sample(2.0)]
    );
    record.push(
        0,
        Repeat::unfinished(1, 0.0, Outcome::Failed, "no route to host"),
    );
    writer.save(&record).unwrap();
    writer.finish().unwrap();
    assert_eq!(status(&store, &id), Status::Failed);
}

#[test]
fn two_runs_never_share_a_folder() {
    let (_directory, store) = store();
    let record = example::jvm();
    let _writer = store.create_run(&record).unwrap();
    assert!(
        store
            .create_run(&record)
            .unwrap_err()
            .to_string()
            .contains("File exists")
    );
}

#[test]
fn runs_are_found_by_id_beginning_and_path() {
    let (_directory, store) = store();
    let ids = [
        "20260301-120000-jvm-heavy-1f3c",
        "20260301-130000-jvm-heavy-2a2a",
        "20260302-120000-idle-0001",
    ];
    for id in ids {
        store
            .create_run(&named(example::jvm(), id))
            .unwrap()
            .finish()
            .unwrap();
    }
    let folder = store.out_dir().join(ids[2]);
    let record = folder.join(RECORD_FILE);
    for run in [
        ids[2],
        "20260302",
        "-0001",
        "latest",
        folder.to_str().unwrap(),
        record.to_str().unwrap(),
    ] {
        assert_eq!(store.find(run).unwrap().record, record, "{run}");
    }
    let message = |run: &str| {
        store
            .find(run)
            .unwrap_err()
            .to_string()
            .replace(store.out_dir().to_str().unwrap(), "results")
    };
    insta::assert_snapshot!(
        [
            "20260301",
            "2",
            "20260302-120000-idel-0001",
            "heavy",
            "",
            "\u{1b}[2J"
        ]
        .map(message)
        .join("\n\n")
    );
    // A folder that was renamed does not hide the runs that came since, and is one all the same.
    let renamed = store.out_dir().join("that-bad-night");
    fs::rename(store.out_dir().join(ids[0]), &renamed).unwrap();
    assert_eq!(store.find("latest").unwrap().record, record);
    assert_eq!(store.find("night").unwrap().directory, renamed);
    for id in &ids[1..] {
        fs::remove_dir_all(store.out_dir().join(id)).unwrap();
    }
    assert_eq!(store.find("latest").unwrap().directory, renamed);
    let nowhere = Store::open("/nonexistent/results");
    assert!(nowhere.find("latest").is_err());
    assert!(
        nowhere
            .find("x")
            .unwrap_err()
            .to_string()
            .contains("there are no runs")
    );
    assert_eq!(nowhere.list(&Filter::default()).unwrap(), []);
}

#[test]
fn a_damaged_record_is_listed_and_hides_no_other() {
    let (_directory, store) = store();
    for (id, started) in [
        ("20260301-120000-a-0001", "2026-03-01T12:00:00Z"),
        ("20260303-120000-b-0002", "2026-03-03T12:00:00Z"),
    ] {
        let mut record = named(example::jvm(), id);
        started.clone_into(&mut record.started);
        store.create_run(&record).unwrap().finish().unwrap();
    }
    let broken = store.out_dir().join("20260302-120000-c-0003");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join(RECORD_FILE), "{\"format\": 1,").unwrap();
    // What else lies in `results` is no run.
    fs::create_dir_all(store.out_dir().join("baselines")).unwrap();
    fs::write(store.out_dir().join("README.md"), "").unwrap();

    let listed = |filter: Filter| -> Vec<String> {
        store
            .list(&filter)
            .unwrap()
            .into_iter()
            .map(|run| run.run_id[16..17].to_owned())
            .collect()
    };
    assert_eq!(listed(Filter::default()), ["b", "a", "c"]);
    assert_eq!(
        listed(Filter {
            status: Some(Status::Completed),
            ..Filter::default()
        }),
        ["b", "a"]
    );
    assert_eq!(
        listed(Filter {
            status: Some(Status::Unreadable),
            ..Filter::default()
        }),
        ["c"]
    );
    assert_eq!(
        listed(Filter {
            host: Some("rack1-node08".to_owned()),
            ..Filter::default()
        }),
        ["b", "a", "c"]
    );
    assert_eq!(
        listed(Filter {
            host: Some("elsewhere".to_owned()),
            ..Filter::default()
        }),
        ["c"]
    );
    let since = parse_since("2026-03-02", jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(
        listed(Filter {
            since: Some(since),
            ..Filter::default()
        }),
        ["b", "c"]
    );
    let problem = store.list(&Filter::default()).unwrap()[2]
        .problem
        .clone()
        .unwrap();
    assert!(
        problem.contains("c-0003/record.json") && problem.contains("line 1, column 13"),
        "{problem}"
    );
}

#[test]
fn since_is_a_time_a_date_or_an_age() {
    let now: jiff::Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
    for (text, at) in [
        ("2h", "2026-03-10T10:00:00Z"),
        ("3d", "2026-03-07T12:00:00Z"),
        ("90m", "2026-03-10T10:30:00Z"),
        ("1w", "2026-03-03T12:00:00Z"),
        ("2026-03-01", "2026-03-01T00:00:00Z"),
        ("2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00Z"),
    ] {
        assert_eq!(parse_since(text, now).unwrap().to_string(), at, "{text}");
    }
    for text in [
        "",
        "h",
        "2",
        "yesterday",
        "-1h",
        "2é",
        "99999999999d",
        "4000000000w",
    ] {
        assert!(
            parse_since(text, now)
                .unwrap_err()
                .to_string()
                .contains("hint:"),
            "{text}"
        );
    }
}

/// Whoever may write to the folder of a run, or to the one that it is in, gets nothing of theirs filled.
#[test]
fn what_is_planted_in_a_runs_folder_is_not_filled() {
    let (directory, store) = store();
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let mut record = example::empty("planted", 400, 1);
    let writer = store.create_run(&record).unwrap();
    symlink(&victim, writer.directory().join(SAMPLES_FILE)).unwrap();
    symlink(&victim, writer.directory().join("record.json.new")).unwrap();
    let error = writer.append_samples(&[sample(1.0)]).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    fs::remove_file(writer.record_path()).unwrap();
    symlink(&victim, writer.record_path()).unwrap();
    record.push(0, Repeat::completed(1, 0.0, BTreeMap::new()));
    writer.save(&record).unwrap();
    assert_eq!(store.find(&record.run_id).unwrap().whole().unwrap(), record);
    // Another folder in its place is not the run's.
    let aside = store.out_dir().join("aside");
    fs::rename(writer.directory(), &aside).unwrap();
    fs::create_dir(writer.directory()).unwrap();
    writer.save(&record).unwrap();
    assert_eq!(fs::read_dir(writer.directory()).unwrap().count(), 0);
    fs::remove_dir(writer.directory()).unwrap();
    fs::rename(&aside, writer.directory()).unwrap();
    drop(writer);
    let path = store.find(&record.run_id).unwrap().directory;
    fs::remove_file(path.join("lock")).unwrap();
    symlink(&victim, path.join("lock")).unwrap();
    assert!(store.find(&record.run_id).unwrap().resume().is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn what_a_killed_writer_left_half_written_goes() {
    let (_directory, store) = store();
    let record = example::empty("killed", 400, 1);
    let directory = store.create_run(&record).unwrap().directory().to_owned();
    let left = directory.join("record.json.0123456789abcdef.new");
    fs::write(&left, "{").unwrap();
    store.find(&record.run_id).unwrap().resume().unwrap();
    assert!(!left.exists());
}

/// Neither a list nor a reader waits for a pipe that somebody put where a file is expected.
#[test]
fn a_pipe_among_the_runs_is_not_waited_for() {
    let (_directory, store) = store();
    for name in [RECORD_FILE, "lock"] {
        let run = store.out_dir().join(format!("20260301-120000-{name}-0000"));
        fs::create_dir_all(&run).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, run.join(name), fifo, mode, 0).unwrap();
    }
    let listed = store.list(&Filter::default()).unwrap();
    assert!(listed.iter().all(|run| run.problem.is_some()), "{listed:?}");
}

/// An index that leads elsewhere is not written through, and costs no answer.
#[test]
fn an_index_that_is_a_link_is_not_followed() {
    let (directory, store) = store();
    store.create_run(&example::jvm()).unwrap().finish().unwrap();
    let victim = directory.path().join("victim");
    fs::write(&victim, "").unwrap();
    symlink(&victim, store.out_dir().join(INDEX_FILE)).unwrap();
    assert_eq!(store.list(&Filter::default()).unwrap().len(), 1);
    assert_eq!(fs::read(&victim).unwrap(), b"");
}

#[test]
fn a_run_that_can_not_begin_leaves_nothing() {
    let Some(tmpfs) = Tmpfs::mount("size=64k") else {
        eprintln!("SKIPPED a_run_that_can_not_begin_leaves_nothing: mounting a tmpfs needs root");
        return;
    };
    let store = Store::open(tmpfs.0.path());
    let mut record = example::jvm();
    record.scenario.text = "#".repeat(200_000);
    assert!(store.create_run(&record).unwrap_err().is_disk_full());
    assert_eq!(fs::read_dir(tmpfs.0.path()).unwrap().count(), 0);
}

/// The same on a file system that really is full; only root can make one.
#[test]
fn a_full_file_system_loses_nothing() {
    let Some(tmpfs) = Tmpfs::mount("size=64k") else {
        eprintln!("SKIPPED a_full_file_system_loses_nothing: mounting a tmpfs needs root");
        return;
    };
    let store = Store::open(tmpfs.0.path().join("results"));
    let mut record = example::empty("full", 4000, 1);
    let writer = store.create_run(&record).unwrap();
    let events = example::jvm().cells[0].repeats[0].events.clone();
    let (error, safe) = (1..4000)
        .find_map(|repeat| {
            let before = record.clone();
            record.push(
                0,
                Repeat {
                    events: events.clone(),
                    ..Repeat::completed(repeat, 0.0, BTreeMap::new())
                },
            );
            writer.save(&record).err().map(|error| (error, before))
        })
        .expect("64 KiB do not hold 4000 repeats");
    assert!(
        error.is_disk_full() && error.to_string().contains("B free"),
        "{error}"
    );
    assert!(safe.done() > 10, "it was full from the start");
    assert_eq!(store.find(&safe.run_id).unwrap().whole().unwrap(), safe);
    // Samples: none of a batch that does not fit whole.
    assert!(
        writer
            .append_samples(&vec![sample(1.0); 2000])
            .unwrap_err()
            .is_disk_full()
    );
    assert_eq!(
        read_samples(&store.find(&safe.run_id).unwrap().samples())
            .unwrap()
            .count(),
        0
    );
}

/// A small file system that goes away with the test.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(options).unwrap();
        rustix::mount::mount(
            "tmpfs",
            directory.path(),
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            options.as_c_str(),
        )
        .ok()?;
        Some(Tmpfs(directory))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_damaged_sample_in_the_middle_is_an_error_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(SAMPLES_FILE);
    let good = serde_json::to_string(&sample(1.0)).unwrap();
    fs::write(&path, format!("{good}\n{{\"cell\":\n{good}\n")).unwrap();
    let read: Vec<_> = read_samples(&path).unwrap().collect();
    assert!(read[0].is_ok() && read[2].is_ok());
    assert!(read[1].as_ref().unwrap_err().to_string().contains("line 2"));
}
