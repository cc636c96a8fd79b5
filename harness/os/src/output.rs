//! Standard output, and files that users ask for: each appears whole or not at all. A collector may look at any moment, a report that broke
//! off would look like one of fewer charts, and a baseline that is being replaced must be there until the new one is.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::files::{ANYBODY, Folder, InPlace, Replacement};

/// Writes a whole file, or to standard output when `path` is `-`.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(text.as_bytes())?;
    output.finish()
}

/// Standard output. That its reader has gone (`| head`) is no error: what comes after that goes nowhere.
#[derive(Debug, Default)]
pub struct Stdout {
    is_unheard: bool,
}

/// An output that was asked for.
pub struct Output {
    writer: BufWriter<Target>,
}

enum Target {
    Stdout(Stdout),
    /// What is no plain file, such as /dev/null or a pipe of ours, is written to and never replaced.
    Special(File),
    File(Replacement),
}

impl Output {
    /// Begins a file, or standard output when `path` is `-`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let target = if path == Path::new("-") {
            Target::Stdout(Stdout::default())
        } else {
            let (folder, name) = Folder::of(path)?;
            match folder.special(name)? {
                Some(file) => Target::Special(file),
                None => Target::File(folder.replace(name, ANYBODY)?),
            }
        };
        let writer = BufWriter::new(target);
        Ok(Output { writer })
    }

    /// Puts the file in its place.
    pub fn finish(self) -> io::Result<()> {
        match self.writer.into_inner() {
            Ok(Target::File(replacement)) => replacement.finish().map(drop),
            Ok(Target::Stdout(mut stdout)) => stdout.flush(),
            Ok(Target::Special(_)) => Ok(()),
            Err(error) => Err(error.into_error()),
        }
    }
}

impl Stdout {
    /// What was done, or `otherwise` if nobody listens any more.
    fn heard<T>(
        &mut self,
        otherwise: T,
        write: impl FnOnce(&mut io::Stdout) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_unheard {
            return Ok(otherwise);
        }
        match write(&mut io::stdout()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_unheard = true;
                Ok(otherwise)
            }
            done => done,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard(bytes.len(), |stdout| stdout.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.heard((), io::Stdout::flush)
    }
}

/// Opens a file that others may have written to before, such as the summary of a job, and whose end we write.
pub fn append(path: &Path) -> io::Result<File> {
    let (folder, name) = Folder::of(path)?;
    match folder.special(name)? {
        Some(file) => Ok(file),
        None => folder.in_place(name, InPlace::Append, ANYBODY),
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

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Stdout(stdout) => stdout.write(bytes),
            Target::Special(file) => file.write(bytes),
            Target::File(replacement) => replacement.file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Stdout(stdout) => stdout.flush(),
            Target::Special(_) | Target::File(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

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

    // What others plant is the matter of `files`; this is that outputs go that way.
    #[test]
    fn a_second_name_of_a_file_keeps_what_it_holds() {
        let directory = tempfile::tempdir().unwrap();
        let [victim, out] = ["victim", "out"].map(|name| directory.path().join(name));
        fs::write(&victim, "precious").unwrap();
        for plant in [
            |victim: &Path, out: &Path| symlink(victim, out).unwrap(),
            |victim: &Path, out: &Path| fs::hard_link(victim, out).unwrap(),
        ] {
            plant(&victim, &out);
            write(&out, "report").unwrap();
            assert_eq!(fs::read_to_string(&out).unwrap(), "report");
            fs::remove_file(&out).unwrap();
            plant(&victim, &out);
            assert!(append(&out).is_err());
            fs::remove_file(&out).unwrap();
        }
        append(&out).unwrap().write_all(b"one ").unwrap();
        append(&out).unwrap().write_all(b"two").unwrap();
        assert_eq!(fs::read_to_string(&out).unwrap(), "one two");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
