//! Where an export goes: a file that appears whole or not at all, as a collector that may look at any moment needs it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

/// An output that was asked for.
pub struct Output {
    path: PathBuf,
    writer: BufWriter<Box<dyn Write + Send + 'static>>,
    /// What takes the file's place at the end.
    temporary: Option<PathBuf>,
}

impl Output {
    /// Begins a file, or standard output when `path` is `-`.
    pub fn create(path: &Path) -> Result<Self, ExportError> {
        let wrong = |error| ExportError::write(path, error);
        if path == Path::new("-") {
            return Ok(Output::to(path, Box::new(io::stdout()), None));
        }
        // What is no plain file, such as /dev/null or a pipe, is written to and never replaced.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let file = File::options().write(true).open(path).map_err(wrong)?;
            return Ok(Output::to(path, Box::new(file), None));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // Not `.prom` at the end, which a collector would read half-written.
        name.push(".new");
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary).map_err(wrong)?;
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
    pub fn finish(mut self) -> Result<(), ExportError> {
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
            placed => placed.map_err(|error| ExportError::write(&self.path, error)),
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
