//! Files that users ask for: each appears whole or not at all. A collector may look at any moment, a report that broke off would look like
//! one of fewer charts, and a baseline that is being replaced must be there until the new one is.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a whole file, or to standard output when `path` is `-`.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(text.as_bytes())?;
    output.finish()
}

/// An output that was asked for.
pub struct Output {
    path: PathBuf,
    writer: BufWriter<Box<dyn Write + Send + 'static>>,
    /// What takes the file's place at the end.
    temporary: Option<PathBuf>,
}

impl Output {
    /// Begins a file, or standard output when `path` is `-`.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Output::to(path, Box::new(io::stdout()), None));
        }
        // What is no plain file, such as /dev/null or a pipe, is written to and never replaced.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let file = File::options().write(true).open(path)?;
            return Ok(Output::to(path, Box::new(file), None));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // Not `.prom` at the end, which a collector would read half-written; and another process has another name.
        name.push(format!(".{}.new", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary)?;
        Ok(Output::to(path, Box::new(file), Some(temporary)))
    }

    fn to(path: &Path, file: Box<dyn Write + Send>, temporary: Option<PathBuf>) -> Self {
        Output {
            path: path.to_owned(),
            writer: BufWriter::new(file),
            temporary,
        }
    }

    /// Puts the file in its place.
    pub fn finish(mut self) -> io::Result<()> {
        let flushed = self.writer.flush();
        let placed = flushed.and_then(|()| match self.temporary.take() {
            Some(temporary) => fs::rename(&temporary, &self.path).inspect_err(|_| {
                let _ = fs::remove_file(&temporary);
            }),
            None => Ok(()),
        });
        match placed {
            // A reader that has gone (`| head`) is no error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            placed => placed,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.prom");
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"half").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(output);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        write(&path, "newer").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(write(&directory.path().join("no/such/folder"), "x").is_err());
        // A device is written to, never replaced.
        let mut output = Output::create(Path::new("/dev/null")).unwrap();
        output.write_all(b"gone").unwrap();
        output.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let mut full = Output::create(Path::new("/dev/full")).unwrap();
        full.write_all(b"x").unwrap();
        assert!(full.finish().is_err());
    }
}
