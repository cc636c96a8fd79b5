//! Lines of bounded length from whoever may write without an end: a guest, or a child that repeats what a peer said.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// Reads lines, of each no more than a limit.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    /// What there is of the next one. It stays when a read is given up.
    line: Vec<u8>,
    limit: usize,
}

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// As it came.
    Whole(Vec<u8>),
    /// It was longer than the limit and has been passed over.
    TooLong,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R, limit: usize) -> Self {
        Lines {
            input: BufReader::with_capacity(1 << 16, input),
            line: Vec::new(),
            limit,
        }
    }

    /// The next line; one that is cut off by the end of the input counts. Nothing is lost when this is dropped and called again.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        let mut too_long = false;
        loop {
            // One byte more than a line may have, and its end.
            let room = (self.limit + 2).saturating_sub(self.line.len()) as u64;
            let read = (&mut self.input)
                .take(room)
                .read_until(b'\n', &mut self.line)
                .await?;
            let ended = self.line.ends_with(b"\n");
            if !ended && read > 0 && self.line.len() <= self.limit {
                continue;
            }
            if !ended && read > 0 {
                too_long = true;
                self.line.clear();
                continue;
            }
            let mut line = std::mem::take(&mut self.line);
            if ended {
                line.pop();
            }
            too_long |= line.len() > self.limit;
            return Ok(match (too_long, ended || !line.is_empty()) {
                (true, _) => Some(Line::TooLong),
                (false, true) => Some(Line::Whole(line)),
                (false, false) => None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn lines_within_the_limit_come_whole_and_others_are_passed_over() {
        assert_eq!(all(b"", 4).await, []);
        assert_eq!(
            all(b"a\n\nbcde\nf", 4).await,
            [whole("a"), whole(""), whole("bcde"), whole("f")]
        );
        for long in ["12345", "123456", "1234567", "123456789012345678"] {
            let text = format!("a\n{long}\nb\n{long}");
            let lines = all(text.as_bytes(), 4).await;
            let expected = [whole("a"), Line::TooLong, whole("b"), Line::TooLong];
            assert_eq!(lines, expected, "{long}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_takes_no_memory() {
        let endless = tokio::io::repeat(b'x').take(32 << 20);
        let mut lines = Lines::new(endless.chain(&b"\nb\n"[..]), 1000);
        assert_eq!(lines.next().await.unwrap(), Some(Line::TooLong));
        assert!(lines.line.capacity() < 10_000);
        assert_eq!(lines.next().await.unwrap(), Some(whole("b")));
    }

    #[tokio::test]
    async fn what_was_read_of_a_line_stays_when_its_reader_gives_up() {
        use tokio::io::AsyncWriteExt as _;
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut lines = Lines::new(reader, 100);
        writer.write_all(b"be").await.unwrap();
        let given_up = tokio::time::timeout(std::time::Duration::ZERO, lines.next()).await;
        assert!(given_up.is_err());
        writer.write_all(b"gun\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap(), Some(whole("begun")));
    }
}
