//! What stands in the index's tables: put in, taken out, asked.

use std::collections::HashSet;

use indexmap::IndexMap;
use rusqlite::{
    Connection, Error, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

use super::digest::{CellDigest, Digest};
use super::scan::Stamp;
use crate::store::history::HistoryPoint;

/// A run as it stands in the index.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) folder: String,
    /// `None`: to be read again in any case.
    pub(super) stamp: Option<Stamp>,
    /// Without its cells' values.
    pub(super) digest: Digest,
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

/// The values of a metric, oldest run first, cells in the order of their scenario; and the cells of which nothing completed, if another run has the
/// metric in the same cell.
pub(super) fn history(database: &Connection, metric: &str) -> rusqlite::Result<Vec<HistoryPoint>> {
    // In this order of tables on purpose: a run has few cells, a metric as many values as there are cells at all.
    let mut statement = database.prepare(
        "SELECT run.folder, run.started, run.scenario, run.scenario_sha256, cell.name, cell.parameters, \
         run.accelerator, run.cpu, run.qemu, run.lmbench, run.kernel, run.cores, run.source, run.destination, \
         value.n, value.median, value.low, value.high, value.min, value.max, cell.tried \
         FROM run CROSS JOIN cell ON cell.run = run.id LEFT JOIN value ON value.cell = cell.id \
         AND value.metric = (SELECT id FROM metric WHERE name = ?1) \
         WHERE run.problem IS NULL AND (value.metric IS NOT NULL \
         OR cell.tried > 0 AND NOT EXISTS (SELECT 1 FROM value AS other WHERE other.cell = cell.id)) \
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
            n: row.get::<_, Option<u32>>(14)?.unwrap_or(0),
            median: row.get::<_, Option<f64>>(15)?.unwrap_or(f64::NAN),
            ci95: interval.0.zip(interval.1).map(|(low, high)| [low, high]),
            min: row.get::<_, Option<f64>>(18)?.unwrap_or(f64::NAN),
            max: row.get::<_, Option<f64>>(19)?.unwrap_or(f64::NAN),
            tried: row.get(20)?,
        })
    })?;
    let mut points: Vec<HistoryPoint> = points.collect::<rusqlite::Result<_>>()?;
    let cell = |point: &HistoryPoint| (point.scenario.clone(), point.cell.clone());
    let valued: HashSet<_> = points.iter().filter(|p| p.n > 0).map(cell).collect();
    points.retain(|point| point.n > 0 || valued.contains(&cell(point)));
    Ok(points)
}

/// The names of all metrics that stand in a run.
pub(super) fn metrics(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare("SELECT name FROM metric ORDER BY name")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
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
            "INSERT INTO cell (run, position, name, parameters, tried) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .insert(params![
            run,
            position,
            digest.id,
            digest.parameters,
            integer(digest.tried)
        ])?;
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
