//! Unit tests of cutting: what comes out must be what the sender's own segmentation would have put on the wire.

use proptest::prelude::*;

use super::*;

/// A GSO packet as Linux hands it to a TAP device.
fn gso(version: u8, udp: bool, payload: usize, segment: u16, flags: u8) -> Vec<u8> {
    let ip = if version == 4 { 20 } else { 40 };
    let transport = if udp { 8 } else { 32 };
    let mut bytes = vec![0; VNET_BYTES + IP + ip + transport];
    bytes.extend((0..payload).map(|index| (index * 31 % 251) as u8));
    bytes[FLAGS] = NEEDS_CHECKSUM;
    bytes[GSO_TYPE] = match (udp, version) {
        (true, _) => GSO_UDP,
        (false, 4) => GSO_TCP4 | GSO_ECN,
        (false, _) => GSO_TCP6 | GSO_ECN,
    };
    write_native(&mut bytes, GSO_SIZE, segment);
    write_native(&mut bytes, HEADER_LEN, (IP + ip + transport) as u16);
    write_native(&mut bytes, CSUM_START, (IP + ip) as u16);
    write_native(&mut bytes, CSUM_OFFSET, if udp { 6 } else { 16 });
    let frame = &mut bytes[VNET_BYTES..];
    if version == 4 {
        write(frame, ETHERTYPE, ETHERTYPE_IPV4);
        frame[IP] = 0x45;
        write(frame, IP + 4, 0xfffe);
        frame[IP + 9] = if udp { 17 } else { 6 };
        frame[IP + 12..IP + 20].copy_from_slice(&[198, 18, 1, 1, 198, 18, 1, 2]);
    } else {
        write(frame, ETHERTYPE, ETHERTYPE_IPV6);
        frame[IP] = 0x60;
        frame[IP + 6] = if udp { 17 } else { 6 };
        frame[IP + 8..IP + 40].copy_from_slice(&[0xfd; 32]);
    }
    if !udp {
        let start = IP + ip;
        frame[start + 4..start + 8].copy_from_slice(&0xffff_f000_u32.to_be_bytes());
        frame[start + TCP_DATA_OFFSET] = 0x80;
        frame[start + TCP_FLAGS] = flags;
    }
    bytes
}

fn payload_of(bytes: &[u8], packet: Packet) -> &[u8] {
    &bytes[VNET_BYTES + packet.header as usize..]
}

#[test]
fn what_is_not_gso_or_not_whole_is_one_frame() {
    let mut plain = gso(4, false, 3000, 1448, 0);
    plain[GSO_TYPE] = 0;
    assert_eq!(packet_of(&plain).frames(), 1);
    assert_eq!(packet_of(&gso(4, false, 3000, 0, 0)).frames(), 1);
    let whole = gso(6, true, 3000, 1000, 0);
    for len in 0..80 {
        assert_eq!(packet_of(&whole[..len]).frames(), 1, "{len} bytes");
    }
    assert_eq!(packet_of(&whole).frames(), 3);
}

#[test]
fn flags_stay_with_the_frames_they_belong_to() {
    let whole = gso(4, false, 4 * 1448, 1448, TCP_FIN | TCP_PSH | TCP_CWR | 0x10);
    let packet = packet_of(&whole);
    let mut out = vec![0; whole.len()];
    let flags_at = VNET_BYTES + IP + 20 + TCP_FLAGS;
    cut_out(&whole, packet, 0..1, &mut out);
    assert_eq!(out[flags_at], TCP_CWR | 0x10);
    assert_eq!((out[GSO_TYPE], read_native(&out, GSO_SIZE)), (0, Some(0)));
    cut_out(&whole, packet, 1..3, &mut out);
    assert_eq!(out[flags_at], 0x10);
    assert_eq!(
        (out[GSO_TYPE], read_native(&out, GSO_SIZE)),
        (GSO_TCP4, Some(1448))
    );
    cut_out(&whole, packet, 3..4, &mut out);
    assert_eq!(out[flags_at], TCP_FIN | TCP_PSH | 0x10);
}

proptest! {
    #[test]
    fn pieces_hold_every_byte_once_under_sound_headers(
        six in any::<bool>(),
        udp in any::<bool>(),
        payload in 1_usize..65_000,
        segment in 500_u16..9000,
        cuts in proptest::collection::btree_set(0_u32..130, 0..6),
    ) {
        let version = if six { 6 } else { 4 };
        let whole = gso(version, udp, payload, segment, 0x18);
        let packet = packet_of(&whole);
        prop_assert_eq!(packet.frames() as usize, payload.div_ceil(segment.into()));
        let mut edges: Vec<u32> = cuts.into_iter().filter(|cut| *cut < packet.frames()).collect();
        edges.insert(0, 0);
        edges.dedup();
        edges.push(packet.frames());
        let mut collected = Vec::new();
        for pair in edges.windows(2) {
            let mut out = vec![0; whole.len()];
            let len = cut_out(&whole, packet, pair[0]..pair[1], &mut out);
            let piece = &out[..len];
            let frame = &piece[VNET_BYTES..];
            let skipped = collected.len();
            collected.extend_from_slice(payload_of(piece, packet));
            // A piece of a piece is what the kernel does with it next.
            prop_assert_eq!(packet_of(piece).frames(), if pair[1] - pair[0] == 1 { 1 } else { pair[1] - pair[0] });
            let transport = transport(piece).unwrap();
            let bytes = (frame.len() - transport) as u64;
            let (addresses, protocol) = if six {
                prop_assert_eq!(usize::from(read(frame, IP + 4).unwrap()), frame.len() - IP - 40);
                (IP + 8..IP + 40, frame[IP + 6])
            } else {
                prop_assert_eq!(usize::from(read(frame, IP + 2).unwrap()), frame.len() - IP);
                prop_assert_eq!(fold(sum(&frame[IP..IP + 20])), 0xffff);
                prop_assert_eq!(read(frame, IP + 4).unwrap(), 0xfffe_u16.wrapping_add(pair[0] as u16));
                (IP + 12..IP + 20, frame[IP + 9])
            };
            let checksum = transport + usize::from(read_native(piece, CSUM_OFFSET).unwrap());
            let pseudo = fold(sum(&frame[addresses]) + u64::from(protocol) + bytes);
            prop_assert_eq!(read(frame, checksum).unwrap(), pseudo);
            if udp {
                prop_assert_eq!(u64::from(read(frame, transport + 4).unwrap()), bytes);
            } else {
                let sequence = u32::from_be_bytes(frame[transport + 4..transport + 8].try_into().unwrap());
                prop_assert_eq!(sequence, 0xffff_f000_u32.wrapping_add(skipped as u32));
            }
        }
        prop_assert_eq!(&collected[..], payload_of(&whole, packet));
    }
}
