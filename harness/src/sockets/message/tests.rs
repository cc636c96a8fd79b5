//! Messages as the kernel makes them, and as it never would.

use proptest::prelude::*;

use super::*;

/// An answer about one socket, as kernel 6.18 lays it out.
fn answer(inode: u32, cookie: u32, info: &[u8]) -> Vec<u8> {
    let mut body = vec![FAMILY_V4, 1, 0, 0];
    let mut id = [0; ID_BYTES];
    id[..4].copy_from_slice(&[0x1f, 0x90, 0xd4, 0x31]);
    id[4..8].copy_from_slice(&[192, 0, 2, 1]);
    id[20..24].copy_from_slice(&[192, 0, 2, 2]);
    id[40..44].copy_from_slice(&cookie.to_ne_bytes());
    body.extend(id);
    body.extend([0; 16]);
    body.extend(inode.to_ne_bytes());
    // An attribute of another kind, padded to four bytes, comes first.
    body.extend(5_u16.to_ne_bytes());
    body.extend(8_u16.to_ne_bytes());
    body.extend([7, 0, 0, 0]);
    body.extend(((4 + info.len()) as u16).to_ne_bytes());
    body.extend(ATTRIBUTE_INFO.to_ne_bytes());
    body.extend(info);
    let mut message = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(body);
    message
}

fn info() -> Vec<u8> {
    let mut info = vec![0; 232];
    info[5] = 0b111;
    let mut put = |at: usize, value: u64, bytes: usize| {
        info[at..at + bytes].copy_from_slice(&value.to_ne_bytes()[..bytes]);
    };
    put(68, 250, 4);
    put(100, 3, 4);
    put(120, 1 << 40, 8);
    put(128, 77, 8);
    put(136, 9_000, 4);
    put(140, 4_000, 4);
    put(148, u64::from(u32::MAX), 4);
    put(200, (1 << 40) + 5, 8);
    info
}

#[test]
fn a_connection_is_read_with_its_addresses_and_counters() {
    let bytes = answer(4711, 9, &info());
    let [Part::Found(found)] = parts(&bytes)[..] else {
        panic!("{:?}", parts(&bytes))
    };
    assert_eq!(found.inode, 4711);
    assert_eq!(found.id.cookie(), 9);
    assert_eq!(found.id.local(), "192.0.2.1:8080".parse().unwrap());
    assert_eq!(found.id.remote(), "192.0.2.2:54321".parse().unwrap());
    let expected = TcpCounters {
        sent_bytes: (1 << 40) + 5,
        acked_bytes: 1 << 40,
        received_bytes: 77,
        retransmits: 3,
        segments_sent: 9_000,
        segments_received: 4_000,
        rtt_us: 250,
        rtt_us_min: None,
        timestamps: true,
    };
    assert_eq!(found.counters, Some(expected));
}

// What an old kernel does not count is not there, instead of 0.
#[test]
fn a_short_tcp_info_has_no_counters() {
    let bytes = answer(1, 1, &info()[..200]);
    let [Part::Found(found)] = parts(&bytes)[..] else {
        panic!()
    };
    assert_eq!(found.counters, None);
}

#[test]
fn several_messages_of_a_datagram_are_read_to_the_end_of_the_dump() {
    let mut bytes = answer(1, 1, &info());
    bytes.extend(answer(2, 2, &[]));
    let done = [20_u32.to_ne_bytes(), [3, 0, 0, 0]].concat();
    bytes.extend(done);
    bytes.extend([0; 12]);
    let parts = parts(&bytes);
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert_eq!(parts[2], Part::Done);
}

#[test]
fn a_refusal_is_its_error_number() {
    let mut bytes = 20_u32.to_ne_bytes().to_vec();
    bytes.extend(KIND_ERROR.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend((-2_i32).to_ne_bytes());
    assert_eq!(parts(&bytes), [Part::Error(2)]);
}

proptest! {
    // A wrong length must neither panic nor go round in circles.
    #[test]
    fn garbage_is_passed_over(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = parts(&bytes);
    }

    #[test]
    fn a_damaged_answer_is_passed_over(at in 0_usize..330, value: u8, length in 0_usize..330) {
        let mut bytes = answer(4711, 9, &info());
        let last = bytes.len() - 1;
        bytes[at.min(last)] = value;
        bytes.truncate(length.max(1));
        prop_assert!(parts(&bytes).len() <= 330);
    }
}
