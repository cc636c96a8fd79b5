//! Writes a cpio archive in the "newc" format, the one the kernel unpacks ("initramfs buffer format" in its documentation).

/// An archive under construction. Directories must come before what they hold.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inodes: u32,
}

/// The fields of a header that differ between our entries.
#[derive(Default)]
struct Entry<'a> {
    name: &'a str,
    mode: u32,
    device: (u32, u32),
    content: &'a [u8],
}

impl Archive {
    /// Adds a directory.
    pub(super) fn directory(&mut self, name: &str) -> &mut Self {
        self.entry(&Entry {
            name,
            mode: DIRECTORY | 0o755,
            ..Entry::default()
        })
    }

    /// Adds a file.
    ///
    /// # Panics
    /// If the content is 4 GiB or larger, which the format can't say.
    pub(super) fn file(&mut self, name: &str, permissions: u32, content: &[u8]) -> &mut Self {
        self.entry(&Entry {
            name,
            mode: REGULAR | permissions,
            content,
            ..Entry::default()
        })
    }

    /// Adds a character device.
    pub(super) fn character_device(&mut self, name: &str, major: u32, minor: u32) -> &mut Self {
        self.entry(&Entry {
            name,
            mode: CHARACTER_DEVICE | 0o600,
            device: (major, minor),
            ..Entry::default()
        })
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(&Entry {
            name: "TRAILER!!!",
            ..Entry::default()
        });
        self.bytes
    }

    fn entry(&mut self, entry: &Entry<'_>) -> &mut Self {
        self.inodes += 1;
        let length =
            u32::try_from(entry.content.len()).expect("files of an initramfs are below 4 GiB");
        let fields = [
            self.inodes,
            entry.mode,
            0, // owner
            0, // group
            1, // links
            0, // time of change
            length,
            0, // device that holds the file: major
            0, // and minor
            entry.device.0,
            entry.device.1,
            entry.name.len() as u32 + 1,
            0, // checksum, unused in newc
        ];
        self.bytes.extend_from_slice(MAGIC);
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(entry.name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(entry.content);
        self.align();
        self
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

const MAGIC: &[u8] = b"070701";
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Parsed = (String, u32, (u32, u32), Vec<u8>);

    /// Reads an archive by the format's description alone: name, mode, device, content.
    fn parse(mut bytes: &[u8]) -> Vec<Parsed> {
        let mut entries = Vec::new();
        let start = bytes.as_ptr() as usize;
        loop {
            assert_eq!(&bytes[..6], b"070701");
            let field = |index: usize| {
                u32::from_str_radix(
                    std::str::from_utf8(&bytes[6 + index * 8..14 + index * 8]).unwrap(),
                    16,
                )
                .unwrap()
            };
            let (mode, length, major, minor, name_length) = (
                field(1),
                field(6) as usize,
                field(9),
                field(10),
                field(11) as usize,
            );
            let aligned = |rest: &[u8], count: usize| {
                (rest.as_ptr() as usize - start + count).next_multiple_of(4)
                    - (rest.as_ptr() as usize - start)
            };
            assert_eq!(bytes[110 + name_length - 1], 0);
            let name = String::from_utf8(bytes[110..110 + name_length - 1].to_vec()).unwrap();
            bytes = &bytes[aligned(bytes, 110 + name_length)..];
            if name == "TRAILER!!!" {
                assert!(bytes.is_empty());
                return entries;
            }
            entries.push((name, mode, (major, minor), bytes[..length].to_vec()));
            bytes = &bytes[aligned(bytes, length)..];
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(files in proptest::collection::vec(("[a-z]{1,20}", proptest::collection::vec(any::<u8>(), 0..100)), 0..20)) {
            let mut archive = Archive::default();
            archive.directory("d").character_device("d/c", 5, 1);
            for (name, content) in &files {
                archive.file(name, 0o644, content);
            }
            let mut expected = vec![("d".into(), 0o040_755, (0, 0), vec![]), ("d/c".into(), 0o020_600, (5, 1), vec![])];
            expected.extend(files.into_iter().map(|(name, content)| (name, 0o100_644, (0, 0), content)));
            prop_assert_eq!(parse(&archive.finish()), expected);
        }
    }
}
