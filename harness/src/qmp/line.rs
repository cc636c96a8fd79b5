//! Cuts a byte stream into lines of bounded length. Knows nothing of what a line means.

use bytes::{Bytes, BytesMut};

/// Bytes received that are not yet taken as lines.
#[derive(Debug)]
pub(super) struct LineBuffer {
    bytes: BytesMut,
    /// How many of `bytes` are known to hold no line end, so that a long line is searched once and not once per read.
    searched: usize,
    limit: usize,
}

/// A line passed the buffer's limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineTooLong {
    pub(super) limit: usize,
}

impl LineBuffer {
    /// A buffer for lines of at most `limit` bytes, the line end not counted.
    pub(super) fn new(limit: usize) -> LineBuffer {
        LineBuffer {
            bytes: BytesMut::new(),
            searched: 0,
            limit,
        }
    }

    /// Where a reader appends.
    pub(super) fn spare(&mut self) -> &mut BytesMut {
        self.bytes.reserve(READ_SIZE);
        &mut self.bytes
    }

    /// The next whole line without its line end; `None` when more bytes are needed.
    pub(super) fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let end = self.bytes[self.searched..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map(|at| self.searched + at);
        if end.unwrap_or(self.bytes.len()) > self.limit {
            return Err(LineTooLong { limit: self.limit });
        }
        let Some(end) = end else {
            self.searched = self.bytes.len();
            return Ok(None);
        };
        self.searched = 0;
        let mut line = self.bytes.split_to(end + 1).freeze();
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        Ok(Some(line))
    }
}

const READ_SIZE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(buffer: &mut LineBuffer) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut lines = Vec::new();
        while let Some(line) = buffer.next_line()? {
            lines.push(line.to_vec());
        }
        Ok(lines)
    }

    proptest! {
        // Cutting the stream anywhere must not change the lines: that covers both split and coalesced reads.
        #[test]
        fn lines_do_not_depend_on_how_the_bytes_arrive(
            lines in prop::collection::vec("[^\r\n]{0,40}", 0..20),
            carriage_return in any::<bool>(),
            cuts in prop::collection::vec(1_usize..64, 1..40),
            rest in "[^\r\n]{0,40}",
        ) {
            let end = if carriage_return { "\r\n" } else { "\n" };
            let mut stream: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), end.as_bytes()].concat()).collect();
            stream.extend_from_slice(rest.as_bytes());
            let mut buffer = LineBuffer::new(1024);
            let mut found = Vec::new();
            let mut cuts = cuts.into_iter().cycle();
            let mut left = stream.as_slice();
            while !left.is_empty() {
                let (chunk, later) = left.split_at(cuts.next().unwrap().min(left.len()));
                buffer.spare().extend_from_slice(chunk);
                found.extend(drain(&mut buffer).unwrap());
                left = later;
            }
            let sent: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, sent);
            buffer.spare().extend_from_slice(b"\n");
            prop_assert_eq!(drain(&mut buffer).unwrap(), [rest.into_bytes()]);
        }

        // The limit holds with and without a line end in sight, exactly at the limit.
        #[test]
        fn a_line_over_the_limit_is_refused(limit in 1_usize..100, over in 0_usize..3, ended in any::<bool>()) {
            let mut buffer = LineBuffer::new(limit);
            buffer.spare().extend_from_slice(&vec![b'x'; limit + over]);
            if ended {
                buffer.spare().extend_from_slice(b"\n");
            }
            let refused = drain(&mut buffer).is_err();
            prop_assert_eq!(refused, over > 0);
        }
    }
}
