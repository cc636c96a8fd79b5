//! The terminal of standard error, taken over and given back.
//!
//! While it is taken, standard error of this process and of those it starts is a file in memory: a line that anybody wrote there would
//! tear the picture and vanish with it. Given back, the terminal is as before, and what was written is handed out. The signals that its
//! keys send stay as they were, but for Ctrl-Z: a controller that stands still spoils what it measures.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use ratatui::layout::{Rect, Size};
use rustix::fs::{MemfdFlags, OFlags};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcgetwinsize, tcsetattr,
};

use super::NoDashboard;

/// The terminal while it is ours.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: File,
    /// Where standard error goes meanwhile.
    written: File,
    /// The terminal's modes as they were; `None` once it was given back.
    before: Mutex<Option<Termios>>,
}

impl Screen {
    /// Takes the terminal: the alternate screen, no cursor, no echo of keys.
    pub(super) fn take() -> Result<Self, NoDashboard> {
        let terminal = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), FIRST_FREE)
            .map_err(std::io::Error::from)?;
        // A job in the background that changes the terminal's modes is stopped by the kernel.
        if tcgetpgrp(&terminal).ok() != Some(rustix::process::getpgrp()) {
            return Err(NoDashboard::Background);
        }
        let screen = Self::of(terminal)?;
        rustix::stdio::dup2_stderr(&screen.written).map_err(std::io::Error::from)?;
        Ok(screen)
    }

    /// Takes a terminal, and leaves standard error alone.
    fn of(terminal: OwnedFd) -> Result<Self, std::io::Error> {
        let written = rustix::fs::memfd_create("standard error", MemfdFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&written, OFlags::APPEND)?;
        let before = tcgetattr(&terminal)?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        // Ctrl-S would stop the picture, and the end of the run with it.
        modes.input_modes.remove(InputModes::IXON);
        modes.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
        tcsetattr(&terminal, OptionalActions::Now, &modes)?;
        let screen = Screen {
            terminal: File::from(terminal),
            written: File::from(written),
            before: Mutex::new(Some(before)),
        };
        (&screen.terminal).write_all(ENTER)?;
        Ok(screen)
    }

    /// Gives the terminal back, and hands out what was written to standard error meanwhile; nothing the second time.
    pub(super) fn give_back(&self) -> String {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(modes) = before.take() else {
            return String::new();
        };
        // A terminal that has gone needs nothing back.
        let _ = (&self.terminal).write_all(LEAVE);
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &modes);
        if is_same(&self.written, rustix::stdio::stderr()) {
            let _ = rustix::stdio::dup2_stderr(&self.terminal);
        }
        self.written()
    }

    /// The window's size; of a terminal that does not know it, the size that all once had.
    pub(super) fn area(&self) -> Rect {
        let size = tcgetwinsize(&self.terminal).map(|size| Size::new(size.ws_col, size.ws_row));
        match size {
            Ok(size) if size.width > 0 && size.height > 0 => {
                Rect::from((ratatui::layout::Position::ORIGIN, size))
            }
            _ => Rect::new(0, 0, 80, 24),
        }
    }

    /// The last [`WRITTEN_MAX`] of what was written.
    fn written(&self) -> String {
        let length = self.written.metadata().map_or(0, |file| file.len());
        let skipped = length.saturating_sub(WRITTEN_MAX);
        let mut bytes = Vec::new();
        let mut file = &self.written;
        let read = file
            .seek(SeekFrom::Start(skipped))
            .and_then(|_| file.take(WRITTEN_MAX).read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match read {
            Ok(_) if skipped > 0 => format!("({skipped} earlier bytes not kept)\n…{text}"),
            _ => text,
        }
    }

    /// Frees the memory of what nobody will read: called now and then.
    pub(super) fn trim(&self) {
        let length = self.written.metadata().map_or(0, |file| file.len());
        if length > 4 * WRITTEN_MAX {
            let last = self.written();
            // Who writes in between loses a line of a flood.
            let _ = self.written.set_len(0);
            let _ = (&self.written).write_all(last.as_bytes());
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Writes to a screen as long as it is ours.
#[derive(Debug, Clone)]
pub(super) struct Gate(pub(super) Arc<Screen>);

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let before = self.0.before.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_some() {
            (&self.0.terminal).write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn is_same(one: impl AsFd, other: impl AsFd) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

/// Alternate screen (xterm's 1049, which keeps the cursor's place), no cursor, everything erased.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
/// Plain letters, cursor, the screen of before.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
/// `_POSIX_VDISABLE` of Linux.
const NO_KEY: u8 = 0;
/// Above standard input, output and error.
const FIRST_FREE: i32 = 3;
/// Bytes of standard error that are kept.
const WRITTEN_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// The two ends of a new terminal.
    fn terminal() -> (OwnedFd, OwnedFd) {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let program = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
        (user, program)
    }

    #[test]
    fn a_terminal_is_given_back_as_it_was() {
        let (user, program) = terminal();
        let modes = |fd: &OwnedFd| {
            let all = tcgetattr(fd).unwrap();
            let suspend = all.special_codes[SpecialCodeIndex::VSUSP];
            (all.local_modes, all.input_modes, suspend)
        };
        let before = modes(&program);
        let screen = Arc::new(Screen::of(program.try_clone().unwrap()).unwrap());
        let taken = modes(&program);
        assert!(!taken.0.contains(LocalModes::ECHO) && taken.0.contains(LocalModes::ISIG));
        Gate(screen.clone()).write_all(b"picture").unwrap();
        (&screen.written).write_all(b"a word\n").unwrap();
        assert_eq!(screen.give_back(), "a word\n");
        assert_eq!(screen.give_back(), "");
        // Too late to be seen.
        Gate(screen.clone()).write_all(b"another").unwrap();
        assert_eq!(modes(&program), before);
        let expected = [ENTER, b"picture", LEAVE].concat();
        // Closed, it is read to its end, however the kernel has cut it into pieces.
        drop((screen, program));
        let mut seen = Vec::new();
        let mut piece = [0; 100];
        while let Ok(length @ 1..) = rustix::io::read(&user, &mut piece) {
            seen.extend_from_slice(&piece[..length]);
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_flood_of_words_is_cut_to_its_end() {
        let screen = Screen::of(terminal().1).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..6 {
            (&screen.written).write_all(&line).unwrap();
            screen.trim();
        }
        (&screen.written).write_all(b"the end").unwrap();
        let written = screen.give_back();
        assert!(written.ends_with("xxthe end") && written.contains("not kept"));
        assert!(written.len() < 2 << 20, "{}", written.len());
    }

    #[test]
    fn a_terminal_without_a_size_has_the_usual_one() {
        let (_user, program) = terminal();
        let screen = Screen::of(program).unwrap();
        assert_eq!(screen.area(), Rect::new(0, 0, 80, 24));
    }
}
