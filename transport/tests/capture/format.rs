//! What is written is read again, and nothing else is ever taken for it.

use lmbench_transport::capture::{
    CHANNELS_MAX, Direction, Entry, LoadError, ReadError, Reader, Recording, What, Writer,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// An entry of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Open,
    Bytes(Direction, Vec<u8>),
    End(Direction, bool),
}

type Script = Vec<(u64, u32, Owned)>;

#[test]
fn a_small_capture_is_what_the_format_says() {
    let file = written(&[
        (5, 0, Owned::Open),
        (9, 0, Owned::Bytes(Direction::ToSource, b"ok".to_vec())),
    ]);
    let mut expected = b"\x89LMBCAP\n\x01\0\0\0".to_vec();
    expected.extend_from_slice(b"\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    expected.extend_from_slice(&file[36..40]);
    expected.extend_from_slice(b"\x02\x01\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x02\0\0\0\x02\0\0\0");
    expected.extend_from_slice(&file[64..68]);
    expected.extend_from_slice(b"ok");
    assert_eq!(&file[..expected.len()], expected);
    // The trailer: one channel, nothing there, two bytes back, two entries; in LZ4 it may be shorter.
    assert!(file.len() <= expected.len() + 28 + 28, "{}", file.len());
    let (script, whole) = read(&file).unwrap();
    assert_eq!((script.len(), whole), (2, true));
}

#[test]
fn guest_memory_gets_smaller_and_noise_hardly_larger() {
    let size = |bytes: Vec<u8>| {
        let bytes = Owned::Bytes(Direction::ToDestination, bytes);
        written(&[(0, 0, Owned::Open), (0, 0, bytes)]).len()
    };
    assert!(size(vec![0; 1 << 20]) < 10_000);
    let mut state = 1_u64;
    let noise = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..1 << 20).map(noise).collect();
    assert!(size(noise) < (1 << 20) + 200);
}

#[test]
fn long_bytes_become_several_entries_and_time_never_goes_back() {
    let long = Owned::Bytes(Direction::ToDestination, vec![7; (2 << 20) + 1]);
    let file = written(&[(9, 0, Owned::Open), (4, 0, long)]);
    let (script, whole) = read(&file).unwrap();
    let lengths = script[1..].iter().map(|(at_ns, _, what)| match what {
        Owned::Bytes(_, bytes) => (*at_ns, bytes.len()),
        other => panic!("{other:?}"),
    });
    let lengths: Vec<_> = lengths.collect();
    assert_eq!(lengths, [(9, 1 << 20), (9, 1 << 20), (9, 1)]);
    assert!(whole);
}

#[test]
fn other_files_are_told_apart() {
    let text = |file: &[u8]| Reader::new(file).err().unwrap().to_string();
    assert_eq!(text(b""), "not a capture of lmbench");
    assert_eq!(text(b"QEVM and so on and on"), "not a capture of lmbench");
    assert_eq!(
        text(b"\x89LMBCAP\n\x02\0\0\0"),
        "capture of version 2, this lmbench reads version 1"
    );
}

/// Each is written as somebody would who wants to do harm, with sound checksums.
#[test]
fn entries_that_make_no_sense_are_refused() {
    let bytes = || Owned::Bytes(Direction::ToDestination, vec![1]);
    let end = || Owned::End(Direction::ToDestination, false);
    let too_many: Script = (0..=CHANNELS_MAX as u32)
        .map(|number| (0, number, Owned::Open))
        .collect();
    for (script, expected) in [
        (vec![(0, 0, bytes())], "a channel that never opened"),
        (vec![(0, 1, Owned::Open)], "channels open out of order"),
        (
            vec![(0, 0, Owned::Open), (0, 0, Owned::Open)],
            "channels open out of order",
        ),
        (
            vec![(0, 0, Owned::Open), (0, 0, end()), (0, 0, bytes())],
            "a direction goes on after its end",
        ),
    ] {
        match read(&written(&script)) {
            Err(ReadError::Damaged { what, .. }) => assert_eq!(what, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
    let mut writer = Writer::new(Vec::new()).unwrap();
    let result = too_many
        .iter()
        .try_for_each(|entry| writer.write(&lent(entry)));
    assert!(result.is_err());
}

/// A gigabyte is promised; memory is taken for what may be true only.
#[test]
fn huge_lengths_are_refused_before_anything_is_read() {
    let sound = written(&[(0, 0, Owned::Open)]);
    for at in [12 + 16, 12 + 20] {
        let mut file = sound.clone();
        file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        match read(&file) {
            Err(ReadError::Damaged { offset: 12, what }) => assert_eq!(what, "impossible length"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_recording_takes_no_more_memory_than_it_may() {
    let bytes = Owned::Bytes(Direction::ToSource, vec![0; 1000]);
    let file = written(&[(0, 0, Owned::Open), (0, 0, bytes)]);
    assert!(Recording::read(&file[..], 999).unwrap().is_none());
    let recording = Recording::read(&file[..], 2000).unwrap().unwrap();
    assert_eq!(recording.totals().to_source_bytes, 1000);
    assert_eq!(recording.totals().file_bytes, file.len() as u64);
}

#[test]
fn files_that_cannot_be_loaded_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    assert!(matches!(
        Recording::load(&path),
        Err(LoadError::Open { .. })
    ));
    std::fs::write(&path, "no").unwrap();
    assert!(matches!(
        Recording::load(&path),
        Err(LoadError::Read { .. })
    ));
    std::fs::write(&path, written(&[])).unwrap();
    assert!(matches!(
        Recording::load(&path),
        Err(LoadError::Empty { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(script in script()) {
        let (read, whole) = read(&written(&script)).unwrap();
        prop_assert!(whole);
        prop_assert_eq!(read, script);
    }

    /// Wherever the file ends, what stands before is read, and the end is known to be wrong.
    #[test]
    fn what_is_cut_off_is_read_up_to_there(script in script()) {
        let file = written(&script);
        for len in 12..file.len() {
            let (read, whole) = read(&file[..len]).unwrap();
            prop_assert!(!whole, "{} of {}", len, file.len());
            prop_assert_eq!(&read[..], &script[..read.len()]);
        }
        for len in 0..12 {
            prop_assert!(matches!(read(&file[..len]), Err(ReadError::NotACapture)));
        }
    }

    /// A flipped length may look like a file that was cut off; nothing wrong is ever read.
    #[test]
    fn what_is_flipped_is_found(script in script(), at: prop::sample::Index, bit in 0..8_u32) {
        let mut file = written(&script);
        let at = at.index(file.len());
        file[at] ^= 1_u8 << bit;
        if let Ok((read, whole)) = read(&file) {
            prop_assert!(!whole);
            prop_assert_eq!(&read[..], &script[..read.len()]);
        }
    }

    #[test]
    fn noise_is_survived(noise in vec(any::<u8>(), 0..300), script in script()) {
        let mut file = written(&script);
        file.truncate(12);
        file.extend_from_slice(&noise);
        drop(read(&file));
        drop(Recording::read(&file[..], u64::MAX));
    }
}

/// Entries as a tee may write them.
fn script() -> impl Strategy<Value = Script> {
    let direction = || prop_oneof![Just(Direction::ToDestination), Just(Direction::ToSource)];
    let bytes = prop_oneof![
        vec(any::<u8>(), 1..100),
        (any::<u8>(), 1..500_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let step = prop_oneof![
        1 => Just(Owned::Open),
        4 => (direction(), bytes).prop_map(|(direction, bytes)| Owned::Bytes(direction, bytes)),
        1 => (direction(), any::<bool>()).prop_map(|(direction, broken)| Owned::End(direction, broken)),
    ];
    vec(
        (0..1_000_000_u64, any::<prop::sample::Index>(), step),
        0..12,
    )
    .prop_map(|steps| {
        let (mut now, mut ended, mut script) = (0, Vec::<[bool; 2]>::new(), Vec::new());
        for (later, channel, what) in steps {
            now += later;
            if what == Owned::Open || ended.is_empty() {
                script.push((now, ended.len() as u32, Owned::Open));
                ended.push([false; 2]);
                continue;
            }
            let channel = channel.index(ended.len());
            let (Owned::Bytes(direction, _) | Owned::End(direction, _)) = what else {
                continue;
            };
            let side = &mut ended[channel][direction as usize];
            if !*side {
                *side = matches!(what, Owned::End(..));
                script.push((now, channel as u32, what));
            }
        }
        script
    })
}

fn written(script: &[(u64, u32, Owned)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    for entry in script {
        writer.write(&lent(entry)).unwrap();
    }
    let (file, totals) = writer.finish().unwrap();
    assert_eq!(totals.file_bytes, file.len() as u64);
    file
}

fn lent((at_ns, channel, what): &(u64, u32, Owned)) -> Entry<'_> {
    let what = match what {
        Owned::Open => What::Open,
        Owned::Bytes(direction, bytes) => What::Bytes {
            direction: *direction,
            bytes,
        },
        Owned::End(direction, broken) => What::End {
            direction: *direction,
            broken: *broken,
        },
    };
    Entry {
        at_ns: *at_ns,
        channel: *channel,
        what,
    }
}

/// Everything that is there, and whether that is all.
fn read(file: &[u8]) -> Result<(Script, bool), ReadError> {
    let mut reader = Reader::new(file)?;
    let mut script = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let what = match entry.what {
            What::Open => Owned::Open,
            What::Bytes { direction, bytes } => Owned::Bytes(direction, bytes.to_vec()),
            What::End { direction, broken } => Owned::End(direction, broken),
        };
        script.push((entry.at_ns, entry.channel, what));
    }
    let whole = reader.is_whole();
    Ok((script, whole))
}
