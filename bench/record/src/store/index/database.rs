//! The index's file: made, opened, and thrown away when it is damaged. What stands in its tables is the matter of `rows`.
//!
//! Two processes at a time are the rule, not the exception. `SQLite`'s own locks keep them apart; only throwing a damaged file
//! away needs more, because a journal of the old file must never be played into the new one. So whoever uses the file holds
//! a shared lock on the folder, and whoever replaces it an exclusive one.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};

use super::{INDEX_FILE, quoted};

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

/// The index of a folder that can be written, made or made anew where that is needed.
pub(super) fn on_disk(out_dir: &Path) -> Opened {
    let path = out_dir.join(INDEX_FILE);
    let not = |note| Opened { index: None, note };
    let Some(folder) = locked(out_dir, FlockOperation::NonBlockingLockShared) else {
        return not(None);
    };
    if !is_ours(&folder) {
        return not(None);
    }
    let prepared = connect(out_dir)
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
    let mut connection = connect(out_dir).ok()?;
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

/// `SQLite` follows no link with this flag, neither to the file nor to a journal. Links on the way to the folder it would refuse, too.
fn connect(out_dir: &Path) -> rusqlite::Result<Connection> {
    let whole = fs::canonicalize(out_dir).unwrap_or_else(|_| out_dir.to_owned());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Connection::open_with_flags(whole.join(INDEX_FILE), flags)
}

/// Only a folder's owner keeps its index: to look at another's runs fills nothing of theirs, and leaves them no file that they can't write.
fn is_ours(folder: &File) -> bool {
    let own = rustix::process::geteuid().as_raw();
    folder.metadata().is_ok_and(|found| found.uid() == own)
}

fn locked(out_dir: &Path, operation: FlockOperation) -> Option<File> {
    let folder = File::open(out_dir).ok()?;
    flock(&folder, operation).ok()?;
    Some(folder)
}

/// "lmbi": the mark in the file's head by which it is known as ours.
const APPLICATION: i64 = 0x6c6d_6269;
/// Raised with every change of the tables.
const VERSION: i64 = 2;
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
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, parameters TEXT NOT NULL,
    tried INTEGER NOT NULL
);
CREATE INDEX cell_of_run ON cell (run);
CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE value (
    cell INTEGER NOT NULL, metric INTEGER NOT NULL, n INTEGER NOT NULL,
    median REAL NOT NULL, low REAL, high REAL, min REAL NOT NULL, max REAL NOT NULL,
    PRIMARY KEY (cell, metric)
) WITHOUT ROWID;
";
