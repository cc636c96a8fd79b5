//! What single records hold, good and bad. `tls/tests.rs` holds the proof that rustls reads and writes the same.

use proptest::prelude::*;
use rustls::crypto::cipher::{AeadKey, Iv};

use super::*;

/// The sending and the receiving end of one direction.
struct Wire {
    sealer: Sealer,
    opener: Opener,
}

/// Gives out one key after the other, the same ones for both directions.
#[derive(Clone, Default)]
struct Keys {
    sending: u8,
    receiving: u8,
}

impl KeySource for Keys {
    fn next_sending(&mut self) -> Result<ConnectionTrafficSecrets, rustls::Error> {
        self.sending += 1;
        Ok(secrets(self.sending))
    }

    fn next_receiving(&mut self) -> Result<ConnectionTrafficSecrets, rustls::Error> {
        self.receiving += 1;
        Ok(secrets(self.receiving))
    }
}

impl Wire {
    fn new() -> Self {
        let keys = || ExtractedSecrets {
            tx: (0, secrets(0)),
            rx: (0, secrets(0)),
        };
        let (sealer, _) = split(keys(), Box::new(Keys::default())).unwrap();
        let (_, opener) = split(keys(), Box::new(Keys::default())).unwrap();
        Self { sealer, opener }
    }

    fn seal(&mut self, payload: &[u8], content: u8) -> Vec<u8> {
        let mut record = vec![0; HEADER_LEN + payload.len() + TRAILER_LEN];
        record[HEADER_LEN..][..payload.len()].copy_from_slice(payload);
        self.sealer.cipher.seal(&mut record, content).unwrap();
        record
    }

    /// What the opener says to a record that was sealed as it should be, but holds this.
    fn refusal(payload: &[u8], content: u8) -> String {
        let mut wire = Self::new();
        let mut record = wire.seal(payload, content);
        wire.opener.open(&mut record).unwrap_err().to_string()
    }
}

#[test]
fn padding_is_taken_off() {
    let mut wire = Wire::new();
    let mut record = wire.seal(b"stream\x17\0\0\0", 0);
    assert_eq!(wire.opener.open(&mut record).unwrap(), Content::Data(6));
    assert_eq!(&record[HEADER_LEN..][..6], b"stream");
    // An empty record is allowed, and is not the end.
    let mut record = wire.seal(b"", DATA);
    assert_eq!(wire.opener.open(&mut record).unwrap(), Content::Nothing);
}

#[test]
fn a_full_record_fits_and_one_byte_more_does_not() {
    let mut wire = Wire::new();
    let mut record = wire.seal(&vec![7; PAYLOAD_MAX], DATA);
    assert_eq!(record_len(&record).unwrap(), Some(record.len()));
    assert_eq!(
        wire.opener.open(&mut record).unwrap(),
        Content::Data(PAYLOAD_MAX)
    );
    let error = Wire::refusal(&vec![7; PAYLOAD_MAX + 1], DATA);
    assert_eq!(
        error,
        "the peer broke the rules of TLS with a record of more than 16 KiB"
    );
}

#[test]
fn lengths_are_checked_before_anything_is_waited_for() {
    assert_eq!(record_len(&[DATA, 3, 3, 0]).unwrap(), None);
    for len in [0, TAG_LEN, BODY_MAX + 1, 0xffff] {
        let error = record_len(&header(len)).unwrap_err().to_string();
        assert_eq!(
            error,
            "the peer broke the rules of TLS with a record of an impossible length"
        );
    }
}

#[test]
fn what_the_peer_may_not_send_is_an_error() {
    assert!(Wire::refusal(b"\0\0", 0).ends_with("a record without a type"));
    assert!(Wire::refusal(b"x", 99).ends_with("an unexpected message"));
    assert!(Wire::refusal(&[1, 0, 0, 0], HANDSHAKE).ends_with("an unexpected message"));
    assert!(Wire::refusal(&[KEY_UPDATE, 0, 0, 1, 2], HANDSHAKE).ends_with("an unexpected message"));
    assert!(Wire::refusal(&[1], ALERT).ends_with("an unexpected message"));
    assert_eq!(
        Wire::refusal(&[2, 42], ALERT),
        "received fatal alert: BadCertificate"
    );
    let mut bare = [21, 3, 3, 0, 2, 2, 42];
    let error = Wire::new().opener.open(&mut bare).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a record that is not encrypted")
    );
}

#[test]
fn records_are_good_once_and_in_their_order() {
    let mut wire = Wire::new();
    let (first, second) = (wire.seal(b"1", DATA), wire.seal(b"2", DATA));
    assert!(wire.opener.open(&mut second.clone()).is_err());
    let mut wire = Wire {
        opener: Wire::new().opener,
        ..wire
    };
    assert!(wire.opener.open(&mut first.clone()).is_ok());
    assert!(wire.opener.open(&mut first.clone()).is_err());
}

/// A worn out key is replaced, and the peer follows; asked to, this end replaces its own.
#[test]
fn keys_are_renewed_and_both_ends_follow() {
    let mut wire = Wire::new();
    wire.sealer.renew_after(2);
    for number in 0..7u8 {
        if wire.sealer.is_due() {
            let mut record = [0; KEY_UPDATE_LEN];
            wire.sealer.renew(&mut record).unwrap();
            assert_eq!(wire.opener.open(&mut record).unwrap(), Content::Nothing);
        }
        let mut record = wire.seal(&[number], DATA);
        assert_eq!(wire.opener.open(&mut record).unwrap(), Content::Data(1));
    }
    assert_eq!(
        wire.sealer.cipher.sequence, 1,
        "three renewals, then one record"
    );
    let mut record = wire.seal(&[KEY_UPDATE, 0, 0, 1, 1], HANDSHAKE);
    assert_eq!(wire.opener.open(&mut record).unwrap(), Content::Nothing);
    assert!(wire.opener.renewal.asked.load(Ordering::Relaxed));
}

proptest! {
    #[test]
    fn payloads_survive_and_every_flipped_bit_is_noticed(payload in prop::collection::vec(any::<u8>(), 1..600), bit: prop::sample::Index) {
        let mut wire = Wire::new();
        let record = wire.seal(&payload, DATA);
        let mut damaged = record.clone();
        let bit = bit.index((record.len() - HEADER_LEN) * 8);
        damaged[HEADER_LEN + bit / 8] ^= 1 << (bit % 8);
        let mut other = Wire::new().opener;
        prop_assert!(other.open(&mut damaged).is_err());
        let mut whole = record;
        prop_assert_eq!(wire.opener.open(&mut whole).unwrap(), Content::Data(payload.len()));
        prop_assert_eq!(&whole[HEADER_LEN..][..payload.len()], &payload[..]);
    }

    #[test]
    fn whatever_arrives_is_no_panic(bytes in prop::collection::vec(any::<u8>(), HEADER_LEN..80)) {
        let mut bytes = bytes;
        bytes[0] = DATA;
        prop_assert!(Wire::new().opener.open(&mut bytes).is_err());
    }
}

fn secrets(generation: u8) -> ConnectionTrafficSecrets {
    ConnectionTrafficSecrets::Chacha20Poly1305 {
        key: AeadKey::from([generation; 32]),
        iv: Iv::from([generation ^ 1; NONCE_LEN]),
    }
}
