//! The samples of a few migrations out of a file that may hold thousands: found, not searched for.
//!
//! A run appends the samples of its migrations one after the other, so in a large file a migration is found by halving. What
//! can't be found or read is left out and counted: a report shows what is there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use lmbench_os::files::open_plain;
use lmbench_record::record::Record;
use lmbench_record::store::Sample;
use serde::Deserialize;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By position of the cell and number of the repeat.
    pub(super) samples: HashMap<(usize, u32), Vec<Sample>>,
    /// Lines that are no samples.
    pub(super) damaged: usize,
}

/// Reads the samples of the wanted migrations, each by the position of its cell and its number; no file means none.
pub(super) fn read(path: &Path, record: &Record, wanted: &[(usize, u32)]) -> io::Result<Found> {
    let file = match open_plain(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        file => file?,
    };
    let length = file.metadata()?.len();
    let mut lines = Lines {
        file: BufReader::with_capacity(1 << 16, file),
        at: 0,
    };
    let index = Index::new(record);
    let mut found = Found::default();
    if length <= SCANNED {
        collect(&mut lines, &index, wanted, None, &mut found)?;
        return Ok(found);
    }
    for one in wanted {
        let Some(order) = index.order.get(one).copied() else {
            continue;
        };
        let start = halve(&mut lines, &index, length, order)?;
        lines.seek(start)?;
        collect(
            &mut lines,
            &index,
            std::slice::from_ref(one),
            Some(order),
            &mut found,
        )?;
    }
    Ok(found)
}

/// Which migration a line belongs to, and when that came.
struct Index<'a> {
    cells: HashMap<&'a str, usize>,
    /// Position in the order of the run.
    order: HashMap<(usize, u32), usize>,
}

impl<'a> Index<'a> {
    fn new(record: &'a Record) -> Self {
        let cells = record.cells.iter().enumerate();
        let mut all: Vec<(f64, usize, u32)> = cells
            .clone()
            .flat_map(|(cell, found)| {
                let repeats = found.repeats.iter();
                repeats.map(move |repeat| (repeat.started_ms, cell, repeat.repeat))
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        Index {
            cells: cells
                .map(|(index, cell)| (cell.id.as_str(), index))
                .collect(),
            order: all
                .into_iter()
                .enumerate()
                .map(|(order, (_, cell, repeat))| ((cell, repeat), order))
                .collect(),
        }
    }

    fn migration(&self, line: &[u8]) -> Option<((usize, u32), Head)> {
        let head: Head = serde_json::from_slice(line).ok()?;
        let cell = self.cells.get(head.cell.as_str())?;
        Some(((*cell, head.repeat), head))
    }
}

/// What of a line tells whether it is wanted.
#[derive(Deserialize)]
struct Head {
    cell: String,
    repeat: u32,
    kind: String,
}

/// Takes lines to the end, or, in an ordered file, up to the first migration later than `last`.
fn collect(
    lines: &mut Lines,
    index: &Index<'_>,
    wanted: &[(usize, u32)],
    last: Option<usize>,
    found: &mut Found,
) -> io::Result<()> {
    while let Some(line) = lines.next()? {
        let Some((migration, head)) = index.migration(&line) else {
            // Warm-ups are in no record; what is no JSON at all is damage.
            let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok();
            found.damaged += usize::from(!whole);
            continue;
        };
        if wanted.contains(&migration) {
            if !UNUSED.contains(&head.kind.as_str()) {
                match serde_json::from_slice(&line) {
                    Ok(sample) => found.samples.entry(migration).or_default().push(sample),
                    Err(_) => found.damaged += 1,
                }
            }
        } else if last.is_some_and(|last| index.order.get(&migration).is_some_and(|o| *o > last)) {
            return Ok(());
        }
    }
    Ok(())
}

/// Where the lines of the migration at `order` begin, or a little before.
fn halve(lines: &mut Lines, index: &Index<'_>, length: u64, order: usize) -> io::Result<u64> {
    let (mut low, mut high) = (0, length);
    while high - low > STEP {
        let middle = low + (high - low) / 2;
        lines.seek_to_line(middle)?;
        let mut at = middle;
        // The first line from there on whose migration is known.
        let known = loop {
            let Some(line) = lines.next()? else {
                break None;
            };
            if let Some((migration, _)) = index.migration(&line)
                && let Some(found) = index.order.get(&migration)
            {
                break Some(*found);
            }
            at = lines.at;
            if at >= high {
                break None;
            }
        };
        match known {
            Some(found) if found < order => low = at.max(low + 1),
            _ => high = middle,
        }
    }
    // `low` may lie within a line of an earlier migration; reading goes on from the next.
    lines.seek_to_line(low)?;
    Ok(lines.at)
}

struct Lines {
    file: BufReader<File>,
    /// Where the next line begins.
    at: u64,
}

impl Lines {
    fn seek(&mut self, at: u64) -> io::Result<()> {
        self.at = self.file.seek(SeekFrom::Start(at))?;
        Ok(())
    }

    /// To the first line that begins at `at` or later.
    fn seek_to_line(&mut self, at: u64) -> io::Result<()> {
        if at == 0 {
            return self.seek(0);
        }
        self.seek(at - 1)?;
        self.skip_line()
    }

    /// Of a line without end no more than the longest: halving would read the rest of a file of nothing again and again.
    fn skip_line(&mut self) -> io::Result<()> {
        let skipped = self.file.by_ref().take(LONGEST).skip_until(b'\n')?;
        self.at += skipped as u64;
        Ok(())
    }

    /// The next line; a torn one at the end is none, and of one that is too long only the beginning is kept.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self
            .file
            .by_ref()
            .take(LONGEST)
            .read_until(b'\n', &mut line)?;
        self.at += read as u64;
        if line.last() == Some(&b'\n') {
            return Ok(Some(line));
        }
        if read as u64 == LONGEST {
            self.skip_line()?;
            return Ok(Some(line));
        }
        Ok(None)
    }
}

/// Files up to this size are read from beginning to end, in whatever order they are.
const SCANNED: u64 = 32 << 20;
/// Halving ends here: what is left is read.
const STEP: u64 = 64 << 10;
/// No sample is longer; a line that is must not fill the memory.
const LONGEST: u64 = 32 << 20;
/// Kinds that no time line shows, and that are long.
const UNUSED: &[&str] = &["heartbeats", "tenant"];

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::*;
    use lmbench_record::record::example;

    /// Three cells of three repeats, `bytes` of samples each, a warm-up before.
    fn file(record: &Record, bytes: usize) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut write = |cell: &str, repeat: u32| {
            for at_ms in 0..4 {
                let sample = Sample {
                    cell: cell.to_owned(),
                    repeat,
                    at_ms: f64::from(at_ms),
                    host: "source".to_owned(),
                    kind: "cpu".to_owned(),
                    data: json!({ "filler": "x".repeat(bytes / 4) }),
                };
                writeln!(file, "{}", serde_json::to_string(&sample).unwrap()).unwrap();
            }
        };
        write(&record.cells[0].id, 0);
        for repeat in 1..=3 {
            for cell in &record.cells {
                write(&cell.id, repeat);
            }
        }
        file
    }

    #[test]
    fn halving_finds_what_reading_all_finds() {
        let record = example::jvm();
        for bytes in [400, 4 << 20] {
            let file = file(&record, bytes);
            let large = file.path().metadata().unwrap().len() > SCANNED;
            assert_eq!(large, bytes > 400, "one file of each way");
            for cell in 0..3 {
                for repeat in 1..=3 {
                    let found = read(file.path(), &record, &[(cell, repeat)]).unwrap();
                    assert_eq!(found.samples[&(cell, repeat)].len(), 4, "{cell} {repeat}");
                    assert_eq!(found.samples.len(), 1);
                }
            }
        }
    }

    #[test]
    fn damage_is_counted_and_costs_nothing_else() {
        let record = example::jvm();
        let mut file = file(&record, 400);
        writeln!(file, "{{\"cell\": \"torn").unwrap();
        writeln!(
            file,
            "{{\"cell\":\"unknown\",\"repeat\":1,\"kind\":\"cpu\"}}"
        )
        .unwrap();
        write!(file, "no end").unwrap();
        let found = read(file.path(), &record, &[(0, 1), (2, 3)]).unwrap();
        assert_eq!((found.damaged, found.samples.len()), (1, 2));
    }

    #[test]
    fn no_file_is_no_samples() {
        let found = read(
            Path::new("/nonexistent/samples.jsonl"),
            &example::jvm(),
            &[(0, 1)],
        );
        assert!(found.unwrap().samples.is_empty());
    }
}
