//! An index that is used, and one that is stale, damaged, foreign, of the future, or shared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::record::{Record, Repeat, example};
use crate::store::{Status, Store};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// With `runs` completed runs, one cell each, whose downtimes are 1, 2, … ms.
    fn with(runs: u32) -> Self {
        let place = Place::new();
        for run in 1..=runs {
            place.write(&record(run, f64::from(run)));
        }
        place
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("results")
    }

    fn write(&self, record: &Record) {
        let folder = self.out().join(&record.run_id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(RECORD_FILE), record.to_json()).unwrap();
    }

    fn index(&self) -> PathBuf {
        self.out().join(INDEX_FILE)
    }

    /// As an hour later, when what was written is settled.
    fn open(&self) -> Catalogue {
        Catalogue::open_at(&self.out(), later()).unwrap()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.index())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }
}

fn later() -> SystemTime {
    SystemTime::now() + std::time::Duration::from_hours(1)
}

fn record(run: u32, downtime_ms: f64) -> Record {
    let mut record = example::empty("jvm-heavy", 1, 1);
    record.run_id = format!("20260301-12{:02}{:02}-jvm-heavy-0000", run / 60, run % 60);
    record.started = format!("2026-03-01T12:{:02}:{:02}.000Z", run / 60, run % 60);
    let metrics = BTreeMap::from([("downtime_ms".to_owned(), downtime_ms)]);
    record.push(0, Repeat::completed(1, 0.0, metrics));
    record.finished = None;
    record
}

#[test]
fn a_run_of_which_nothing_completed_has_a_point() {
    let place = Place::with(2);
    let mut none = record(3, 0.0);
    let failed = Repeat::unfinished(1, 0.0, crate::record::Outcome::Failed, "cut");
    none.push(0, failed);
    place.write(&none);
    let points = place.open().history("downtime_ms").unwrap();
    let told: Vec<(u32, u32)> = points.iter().map(|point| (point.n, point.tried)).collect();
    assert_eq!(told, [(1, 1), (1, 1), (0, 1)]);
    assert!(points[2].median.is_nan());
    assert!(place.open().history("nothing_has_this").unwrap().is_empty());
}

fn ids(catalogue: &Catalogue) -> BTreeSet<String> {
    let runs = catalogue.runs(&Filter::default());
    runs.into_iter().map(|run| run.run_id).collect()
}

fn downtimes(catalogue: &Catalogue) -> Vec<f64> {
    let points = catalogue.history("downtime_ms").unwrap();
    points.iter().map(|point| point.median).collect()
}

fn scenarios(catalogue: &Catalogue) -> BTreeSet<Option<String>> {
    let runs = catalogue.runs(&Filter::default());
    runs.into_iter().map(|run| run.scenario).collect()
}

#[test]
fn what_the_index_says_is_what_the_records_say() {
    let place = Place::new();
    for (index, record) in [example::jvm(), example::wide(), example::troubled()]
        .iter_mut()
        .enumerate()
    {
        record.run_id = format!("20260301-120000-x-000{index}");
        place.write(record);
    }
    let read: Vec<RunSummary> = (0..3)
        .rev()
        .map(|index| {
            let folder = place.out().join(format!("20260301-120000-x-000{index}"));
            let record = Record::read_figures(&folder.join(RECORD_FILE)).unwrap();
            RunSummary::new(&record, &folder, Liveness::Ended)
        })
        .collect();
    for _ in ["made", "used"] {
        assert_eq!(place.open().runs(&Filter::default()), read);
    }
    let medians = downtimes(&place.open());
    let jvm: Vec<f64> = example::jvm()
        .cells
        .iter()
        .map(|cell| cell.summary["downtime_ms"].median)
        .collect();
    assert_eq!(medians[..3], jvm);
}

#[test]
fn a_record_is_read_again_only_when_it_changed() {
    let place = Place::with(3);
    assert_eq!(downtimes(&place.open()), [1.0, 2.0, 3.0]);
    // What only the index can know shows that no record was read.
    place.sql("UPDATE run SET scenario = 'from the index'; UPDATE value SET median = 9");
    assert_eq!(downtimes(&place.open()), [9.0, 9.0, 9.0]);
    // Of the same length, as a change within the clock's step would leave it.
    place.write(&record(2, 7.0));
    let catalogue = place.open();
    assert_eq!(downtimes(&catalogue), [9.0, 7.0, 9.0]);
    assert_eq!(scenarios(&catalogue).len(), 2);
    // Gone is gone, from lists and histories.
    fs::remove_dir_all(place.out().join(record(1, 0.0).run_id)).unwrap();
    let catalogue = place.open();
    assert_eq!(
        (downtimes(&catalogue), ids(&catalogue).len()),
        (vec![7.0, 9.0], 2)
    );
}

// The clock of files has steps: a second change within one would look like the first.
#[test]
fn what_was_written_just_now_is_not_relied_upon() {
    let place = Place::with(1);
    Catalogue::open(&place.out()).unwrap();
    place.sql("UPDATE value SET median = 9");
    assert_eq!(downtimes(&Catalogue::open(&place.out()).unwrap()), [1.0]);
}

#[test]
fn a_damaged_record_is_told_and_hides_no_other() {
    let place = Place::with(2);
    let broken = place.out().join("20260301-130000-broken-0000");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join(RECORD_FILE), "{\"format\": 1, \"seed\": NaN}").unwrap();
    for _ in ["read", "from the index"] {
        let catalogue = place.open();
        let runs = catalogue.runs(&Filter::default());
        assert_eq!(runs.len(), 3);
        let problem = runs.iter().find_map(|run| run.problem.clone()).unwrap();
        assert!(
            problem.contains("20260301-130000-broken-0000/record.json")
                && problem.contains("column"),
            "{problem}"
        );
        assert_eq!(downtimes(&catalogue), [1.0, 2.0]);
    }
    // The same folder by another name is named by that.
    let other = place.directory.path().join("x");
    std::os::unix::fs::symlink(place.out(), &other).unwrap();
    let runs = Catalogue::open_at(&other, later())
        .unwrap()
        .runs(&Filter::default());
    let problem = runs.iter().find_map(|run| run.problem.clone()).unwrap();
    assert!(problem.contains("/x/20260301-130000"), "{problem}");
}

#[test]
fn an_index_that_is_none_is_made_anew_with_a_word() {
    let place = Place::with(60);
    place.open();
    let whole = fs::read(place.index()).unwrap();
    let damages: [(&str, Vec<u8>, bool); 5] = [
        (
            "text",
            b"not a database, but longer than its head: ".repeat(20),
            true,
        ),
        ("cut off", whole[..whole.len() / 2].to_vec(), true),
        (
            "a page of noise",
            [&whole[..4096], &[0xa5; 4096], &whole[8192..]].concat(),
            true,
        ),
        ("empty", Vec::new(), false),
        ("missing", Vec::new(), false),
    ];
    for (what, bytes, told) in damages {
        fs::write(place.index(), bytes).unwrap();
        if what == "missing" {
            fs::remove_file(place.index()).unwrap();
        }
        let catalogue = place.open();
        assert_eq!(ids(&catalogue).len(), 60, "{what}");
        assert_eq!(downtimes(&catalogue).len(), 60, "{what}");
        assert_eq!(
            catalogue.notes().len(),
            usize::from(told),
            "{what}: {:?}",
            catalogue.notes()
        );
        drop(catalogue);
        // And then it is one again.
        place.sql("UPDATE value SET median = 9");
        let catalogue = place.open();
        assert_eq!(downtimes(&catalogue), [9.0; 60], "{what}");
        assert!(catalogue.notes().is_empty(), "{what}");
    }
}

#[test]
fn the_index_of_a_newer_lmbench_is_made_anew_with_a_word_and_an_older_one_without() {
    let place = Place::with(2);
    place.open();
    for (version, told) in [(99, true), (0, false)] {
        place.sql(&format!("DROP TABLE run; CREATE TABLE run (other TEXT); CREATE TABLE \"a\"\"b\" (x); PRAGMA user_version = {version}"));
        let catalogue = place.open();
        assert_eq!(downtimes(&catalogue), [1.0, 2.0]);
        assert_eq!(
            catalogue
                .notes()
                .iter()
                .any(|note| note.contains("newer lmbench")),
            told
        );
        drop(catalogue);
        assert!(place.open().notes().is_empty());
    }
    // The right version with the wrong tables is damage.
    place.sql("DROP TABLE value; CREATE TABLE value (other TEXT)");
    let catalogue = place.open();
    assert_eq!(ids(&catalogue).len(), 2);
    place.sql("DROP TABLE run; CREATE TABLE run (other TEXT)");
    assert_eq!(ids(&place.open()).len(), 2);
}

#[test]
fn another_programs_database_is_left_alone() {
    let place = Place::with(2);
    place.sql("CREATE TABLE precious (x); INSERT INTO precious VALUES (1)");
    let before = fs::read(place.index()).unwrap();
    let catalogue = place.open();
    assert_eq!(downtimes(&catalogue), [1.0, 2.0]);
    assert!(
        catalogue.notes()[0].contains("another program's"),
        "{:?}",
        catalogue.notes()
    );
    assert_eq!(fs::read(place.index()).unwrap(), before);
}

#[test]
fn where_no_index_can_be_the_answer_is_the_same() {
    let place = Place::with(2);
    // Root writes into read-only folders too; nobody opens a folder as a database.
    fs::create_dir(place.index()).unwrap();
    let catalogue = place.open();
    assert_eq!(
        (downtimes(&catalogue), ids(&catalogue).len()),
        (vec![1.0, 2.0], 2)
    );
    assert!(catalogue.notes().is_empty());
}

#[test]
fn an_index_that_another_process_writes_is_read_and_not_waited_for_in_vain() {
    let place = Place::with(2);
    place.open();
    let other = Connection::open(place.index()).unwrap();
    other
        .execute_batch("BEGIN IMMEDIATE; UPDATE value SET median = 9")
        .unwrap();
    // Nothing to write: the old state is right.
    assert_eq!(downtimes(&place.open()), [1.0, 2.0]);
    place.write(&record(3, 3.0));
    assert_eq!(downtimes(&place.open()), [1.0, 2.0, 3.0]);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(downtimes(&place.open()), [1.0, 2.0, 3.0]);
}

#[test]
fn many_at_a_time_make_one_index() {
    let place = Place::with(50);
    let expected: Vec<f64> = (1..=50).map(f64::from).collect();
    for _ in 0..3 {
        thread::scope(|scope| {
            let open = || {
                let catalogue = place.open();
                (downtimes(&catalogue), catalogue.notes().to_vec())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), (expected.clone(), Vec::new()));
            }
        });
        fs::remove_file(place.index()).unwrap();
    }
}

#[test]
fn a_folder_without_runs_gets_no_index() {
    let place = Place::new();
    assert!(place.open().runs(&Filter::default()).is_empty());
    fs::create_dir(place.out()).unwrap();
    assert!(place.open().runs(&Filter::default()).is_empty());
    assert_eq!(fs::read_dir(place.out()).unwrap().count(), 0);
}

#[test]
fn lists_are_filtered_by_scenario_carrier_and_policy() {
    let place = Place::with(1);
    let mut wide = example::wide();
    wide.run_id = "20260302-120000-everything-0000".to_owned();
    place.write(&wide);
    let catalogue = place.open();
    let listed = |filter: Filter| catalogue.runs(&filter).len();
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(
        listed(Filter {
            scenario: name("jvm-heavy"),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        listed(Filter {
            carrier: name("native-tcp"),
            ..Filter::default()
        }),
        2
    );
    assert_eq!(
        listed(Filter {
            carrier: name("quic"),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        listed(Filter {
            policy: name("post-copy"),
            scenario: name("everything"),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        listed(Filter {
            policy: name("post-copy"),
            scenario: name("jvm-heavy"),
            ..Filter::default()
        }),
        0
    );
}

#[test]
fn a_run_that_is_written_is_running_whatever_the_index_says() {
    let place = Place::with(1);
    let mut record = record(2, 2.0);
    record.complete = false;
    let writer = Store::open(place.out()).create_run(&record).unwrap();
    let status = |run: &str| {
        let runs = place.open().runs(&Filter::default());
        runs.iter()
            .find(|found| found.run_id == run)
            .unwrap()
            .status
    };
    assert_eq!(status(&record.run_id), Status::Running);
    drop(writer);
    assert_eq!(status(&record.run_id), Status::Interrupted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    // Noise in a text can't be told from a text; whatever else happens, no run is missing and nothing panics.
    #[test]
    fn no_noise_in_the_index_hides_a_run(at in any::<prop::sample::Index>(), noise in proptest::collection::vec(any::<u8>(), 1..300)) {
        let place = Place::with(4);
        place.open();
        let mut bytes = fs::read(place.index()).unwrap();
        let at = at.index(bytes.len());
        let end = (at + noise.len()).min(bytes.len());
        bytes.splice(at..end, noise);
        fs::write(place.index(), bytes).unwrap();
        let catalogue = place.open();
        prop_assert_eq!(ids(&catalogue).len(), 4);
        let _ = catalogue.history("downtime_ms");
    }
}
