//! The index's tables: made, filled, asked, and thrown away when they are damaged.
//!
//! Two processes at a time are the rule, not the exception. `SQLite`'s own locks keep them apart; only throwing a damaged file
//! away needs more, because a journal of the old file must never be played into the new one. So whoever uses the file holds
//! a shared lock on the folder, and whoever replaces it an exclusive one.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use rusqlite::{
    Connection, Error, ErrorCode, OpenFlags, OptionalExtension as _, Transaction,
    TransactionBehavior, params,
};
use rustix::fs::{FlockOperation, flock};

use super::{INDEX_FILE, quoted};
use super::digest::{CellDigest, Digest};
use super::scan::Stamp;
use crate::store::history::HistoryPoint;

/// An index, on the disk or in memory.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) connection: Connection,
    /// The right to use the one on the disk.
    _folder: Option<File>,
}

/// What came of opening it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) index: Option<Index>,
    /// What the user should know.
    pub(super) note: Option<String>,
}

/// A run as it stands in the index.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) folder: String,
    /// `None`: to be read again in any case.
    pub(super) stamp: Option<Stamp>,
    /// Without its cells' values.
    pub(super) digest: Digest,
}

/// The index of a folder that can be written, made or made anew where that is needed.
pub(super) fn on_disk(out_dir: &Path) -> Opened {
    let path = out_dir.join(INDEX_FILE);
    let not = |note| Opened { index: None, note };
    let Some(folder) = locked(out_dir, FlockOperation::NonBlockingLockShared) else {
        return not(None);
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepared = Connection::open_with_flags(&path, flags)
        .map_err(Problem::from)
        .and_then(|mut connection| {
            let note = prepare(&mut connection, &path)?;
            Ok((connection, note))
        });
    match prepared {
        Ok((connection, note)) => Opened {
            index: Some(Index {
                connection,
                _folder: Some(folder),
            }),
            note,
        },
        Err(Problem::Sqlite(error)) if is_damage(&error) => {
            drop(folder);
            Opened {
                index: make_anew(out_dir),
                note: Some(damaged(out_dir, &error)),
            }
        }
        Err(Problem::Sqlite(error)) => {
            tracing::debug!(%error, "no index on the disk");
            not(None)
        }
        Err(Problem::Foreign) => not(Some(format!(
            "{} is another program's database, so runs are listed without an index, which is slower; move it away",
            quoted(&path)
        ))),
    }
}

/// Throws a damaged index away and begins another; `None` while another process uses it, or where nothing can be written.
pub(super) fn make_anew(out_dir: &Path) -> Option<Index> {
    let path = out_dir.join(INDEX_FILE);
    {
        let _alone = locked(out_dir, FlockOperation::NonBlockingLockExclusive)?;
        // The journal first: without its database it would be played into the next one.
        for journal in ["-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(out_dir.join(format!("{INDEX_FILE}{journal}")));
        }
        fs::remove_file(&path).ok()?;
    }
    let folder = locked(out_dir, FlockOperation::NonBlockingLockShared)?;
    let mut connection = Connection::open(&path).ok()?;
    prepare(&mut connection, &path).ok()?;
    Some(Index {
        connection,
        _folder: Some(folder),
    })
}

/// The note on a damaged index.
pub(super) fn damaged(out_dir: &Path, error: &Error) -> String {
    format!(
        "the index {} is damaged ({error}) and is made anew from the records",
        quoted(&out_dir.join(INDEX_FILE))
    )
}

/// Whether the file is not what `SQLite` or this program wrote.
pub(super) fn is_damage(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                // Two rows of what there is only one of: an index of a table that does not fit its rows.
                | ErrorCode::ConstraintViolation
        ),
        // Tables of this version with other columns, or columns with other contents.
        Error::SqlInputError { .. }
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// Empty tables in memory.
pub(super) fn memory() -> rusqlite::Result<Index> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLES)?;
    Ok(Index {
        connection,
        _folder: None,
    })
}

/// Tables in memory with what the index on the disk holds, which is not written.
pub(super) fn memory_like_disk(out_dir: &Path) -> rusqlite::Result<Index> {
    let path = out_dir.join(INDEX_FILE);
    let version = {
        let disk = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let pragma = |name| disk.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        (pragma("application_id")?, pragma("user_version")?)
    };
    if version != (APPLICATION, VERSION) {
        return Err(Error::QueryReturnedNoRows);
    }
    let index = memory()?;
    let database = &index.connection;
    database.execute("ATTACH ?1 AS disk", [path.to_string_lossy()])?;
    for table in ["run", "cell", "metric", "value"] {
        database.execute_batch(&format!(
            "INSERT INTO main.{table} SELECT * FROM disk.{table}"
        ))?;
    }
    database.execute_batch("DETACH disk")?;
    Ok(index)
}

/// Every run.
pub(super) fn rows(database: &Connection) -> rusqlite::Result<Vec<Row>> {
    let mut statement = database.prepare_cached(
        "SELECT folder, size, modified_ns, changed_ns, inode, problem, scenario, scenario_sha256, started, source, destination, \
         cells, done, planned, complete, outcomes, carriers, policies FROM run",
    )?;
    let rows = statement.query_map([], |row| {
        let size: Option<i64> = row.get(1)?;
        let stamp = match size {
            None => None,
            Some(size) => Some(Stamp {
                size,
                modified_ns: row.get(2)?,
                changed_ns: row.get(3)?,
                inode: row.get(4)?,
            }),
        };
        let planned: Option<i64> = row.get(13)?;
        Ok(Row {
            folder: row.get(0)?,
            stamp,
            digest: Digest {
                problem: row.get(5)?,
                scenario: row.get(6)?,
                scenario_sha256: row.get(7)?,
                started: row.get(8)?,
                source: row.get(9)?,
                destination: row.get(10)?,
                cells: number(row.get(11)?),
                done: number(row.get(12)?),
                planned: planned.map(number),
                complete: row.get(14)?,
                outcomes: json(15, row)?,
                carriers: json(16, row)?,
                policies: json(17, row)?,
                ..Digest::default()
            },
        })
    })?;
    rows.collect()
}

/// Replaces these runs by what their records hold now.
pub(super) fn put(
    database: &mut Connection,
    runs: &[(&str, Option<Stamp>, Digest)],
) -> rusqlite::Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (folder, stamp, digest) in runs {
        delete(&transaction, folder)?;
        insert(&transaction, folder, *stamp, digest)?;
    }
    transaction.commit()
}

/// Takes runs out whose folders are gone.
pub(super) fn forget(database: &mut Connection, folders: &[String]) -> rusqlite::Result<()> {
    if folders.is_empty() {
        return Ok(());
    }
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for folder in folders {
        delete(&transaction, folder)?;
    }
    transaction.commit()
}

/// The values of a metric, oldest run first, cells in the order of their scenario.
pub(super) fn history(database: &Connection, metric: &str) -> rusqlite::Result<Vec<HistoryPoint>> {
    // In this order of tables on purpose: a run has few cells, a metric as many values as there are cells at all.
    let mut statement = database.prepare(
        "SELECT run.folder, run.started, run.scenario, run.scenario_sha256, cell.name, cell.parameters, \
         run.accelerator, run.cpu, run.qemu, run.lmbench, run.kernel, run.cores, run.source, run.destination, \
         value.n, value.median, value.low, value.high, value.min, value.max \
         FROM run CROSS JOIN cell ON cell.run = run.id CROSS JOIN value ON value.cell = cell.id \
         WHERE value.metric = (SELECT id FROM metric WHERE name = ?1) AND run.problem IS NULL \
         ORDER BY run.started_ms, run.folder, cell.position",
    )?;
    let points = statement.query_map([metric], |row| {
        let parameters: String = row.get(5)?;
        let interval = (
            row.get::<_, Option<f64>>(16)?,
            row.get::<_, Option<f64>>(17)?,
        );
        Ok(HistoryPoint {
            run_id: row.get(0)?,
            started: row.get(1)?,
            scenario: row.get(2)?,
            scenario_sha256: row.get(3)?,
            cell: row.get(4)?,
            parameters: serde_json::from_str(&parameters).unwrap_or_else(|_| IndexMap::new()),
            accelerator: row.get(6)?,
            cpu: row.get(7)?,
            qemu: row.get(8)?,
            lmbench: row.get(9)?,
            kernel: row.get(10)?,
            cores: row.get(11)?,
            source: row.get(12)?,
            destination: row.get(13)?,
            n: row.get(14)?,
            median: row.get(15)?,
            ci95: interval.0.zip(interval.1).map(|(low, high)| [low, high]),
            min: row.get(18)?,
            max: row.get(19)?,
        })
    })?;
    points.collect()
}

/// The names of all metrics that stand in a run.
pub(super) fn metrics(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare("SELECT name FROM metric ORDER BY name")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

enum Problem {
    Sqlite(Error),
    /// Somebody else's.
    Foreign,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Problem::Sqlite(error)
    }
}

/// Makes the tables where they are not, and tells when others had to go for them.
fn prepare(connection: &mut Connection, path: &Path) -> Result<Option<String>, Problem> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(16);
    let state = |connection: &Connection| -> rusqlite::Result<(i64, i64, i64)> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let objects =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, objects))
    };
    if matches!(state(connection)?, (APPLICATION, VERSION, _)) {
        return Ok(None);
    }
    // Under the lock, so that of two processes one makes the tables and the other finds them.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let note = match state(&transaction)? {
        (APPLICATION, VERSION, _) => return Ok(None),
        (0, 0, 0) => None,
        (APPLICATION, version, _) => {
            let newer = version > VERSION;
            newer.then(|| {
                format!(
                    "the index {} is of a newer lmbench and is made anew from the records",
                    quoted(path)
                )
            })
        }
        _ => return Err(Problem::Foreign),
    };
    let mut tables = transaction.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let names: Vec<String> = tables
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    drop(tables);
    for name in names {
        transaction.execute_batch(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")))?;
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(note)
}

fn locked(out_dir: &Path, operation: FlockOperation) -> Option<File> {
    let folder = File::open(out_dir).ok()?;
    flock(&folder, operation).ok()?;
    Some(folder)
}

fn delete(transaction: &Transaction<'_>, folder: &str) -> rusqlite::Result<()> {
    let run: Option<i64> = transaction
        .prepare_cached("SELECT id FROM run WHERE folder = ?1")?
        .query_row([folder], |row| row.get(0))
        .optional()?;
    let Some(run) = run else {
        return Ok(());
    };
    for statement in [
        "DELETE FROM value WHERE cell IN (SELECT id FROM cell WHERE run = ?1)",
        "DELETE FROM cell WHERE run = ?1",
        "DELETE FROM run WHERE id = ?1",
    ] {
        transaction.prepare_cached(statement)?.execute([run])?;
    }
    Ok(())
}

fn insert(
    transaction: &Transaction<'_>,
    folder: &str,
    stamp: Option<Stamp>,
    digest: &Digest,
) -> rusqlite::Result<()> {
    let started: Option<jiff::Timestamp> = digest
        .started
        .as_deref()
        .and_then(|started| started.parse().ok());
    let run = transaction
        .prepare_cached(
            "INSERT INTO run (folder, size, modified_ns, changed_ns, inode, problem, scenario, scenario_sha256, started, started_ms, \
             source, destination, cells, done, planned, complete, outcomes, carriers, policies, lmbench, qemu, kernel, accelerator, \
             cpu, cores) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
             ?22, ?23, ?24, ?25)",
        )?
        .insert(params![
            folder,
            stamp.map(|stamp| stamp.size),
            stamp.map(|stamp| stamp.modified_ns),
            stamp.map(|stamp| stamp.changed_ns),
            stamp.map(|stamp| stamp.inode),
            digest.problem,
            digest.scenario,
            digest.scenario_sha256,
            digest.started,
            started.map(jiff::Timestamp::as_millisecond),
            digest.source,
            digest.destination,
            integer(digest.cells),
            integer(digest.done),
            digest.planned.map(integer),
            digest.complete,
            text(&digest.outcomes),
            text(&digest.carriers),
            text(&digest.policies),
            digest.lmbench,
            digest.qemu,
            digest.kernel,
            digest.accelerator,
            digest.cpu,
            digest.cores,
        ])?;
    for (position, cell) in digest.values.iter().enumerate() {
        insert_cell(transaction, run, integer(position), cell)?;
    }
    Ok(())
}

fn insert_cell(
    transaction: &Transaction<'_>,
    run: i64,
    position: i64,
    digest: &CellDigest,
) -> rusqlite::Result<()> {
    let cell = transaction
        .prepare_cached(
            "INSERT INTO cell (run, position, name, parameters) VALUES (?1, ?2, ?3, ?4)",
        )?
        .insert(params![run, position, digest.id, digest.parameters])?;
    let mut find = transaction.prepare_cached("SELECT id FROM metric WHERE name = ?1")?;
    let mut add = transaction.prepare_cached("INSERT INTO metric (name) VALUES (?1)")?;
    let mut value = transaction.prepare_cached(
        "INSERT OR REPLACE INTO value (cell, metric, n, median, low, high, min, max) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (name, summary) in &digest.summary {
        let metric = match find.query_row([name], |row| row.get(0)).optional()? {
            Some(metric) => metric,
            None => add.insert([name])?,
        };
        let [low, high] = summary
            .ci95
            .map_or([None; 2], |[low, high]| [Some(low), Some(high)]);
        value.execute(params![
            cell,
            metric,
            summary.n,
            summary.median,
            low,
            high,
            summary.min,
            summary.max
        ])?;
    }
    Ok(())
}

fn json<T: serde::de::DeserializeOwned>(
    column: usize,
    row: &rusqlite::Row<'_>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("lists of strings and maps with string keys only")
}

fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(integer: i64) -> usize {
    usize::try_from(integer).unwrap_or_default()
}

/// "lmbi": the mark in the file's head by which it is known as ours.
const APPLICATION: i64 = 0x6c6d_6269;
/// Raised with every change of the tables.
const VERSION: i64 = 1;
/// How long another process may write before this one does without the index.
const PATIENCE: Duration = Duration::from_secs(2);

const TABLES: &str = "
CREATE TABLE run (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE,
    size INTEGER, modified_ns INTEGER, changed_ns INTEGER, inode INTEGER,
    problem TEXT, scenario TEXT, scenario_sha256 TEXT, started TEXT, started_ms INTEGER, source TEXT, destination TEXT,
    cells INTEGER NOT NULL, done INTEGER NOT NULL, planned INTEGER, complete INTEGER NOT NULL,
    outcomes TEXT NOT NULL, carriers TEXT NOT NULL, policies TEXT NOT NULL,
    lmbench TEXT, qemu TEXT, kernel TEXT, accelerator TEXT, cpu TEXT, cores INTEGER
);
CREATE TABLE cell (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, parameters TEXT NOT NULL
);
CREATE INDEX cell_of_run ON cell (run);
CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE value (
    cell INTEGER NOT NULL, metric INTEGER NOT NULL, n INTEGER NOT NULL,
    median REAL NOT NULL, low REAL, high REAL, min REAL NOT NULL, max REAL NOT NULL,
    PRIMARY KEY (cell, metric)
) WITHOUT ROWID;
";
