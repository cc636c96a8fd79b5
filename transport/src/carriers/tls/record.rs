//! TLS 1.3 records after the handshake (RFC 8446, section 5): seals and opens them in place, and renews keys. No sockets.
//!
//! rustls does the handshake and hands its traffic secrets over; from then on the stream passes here, because here nothing is
//! allocated and nothing is copied: a payload is read from the local socket straight into the place that it has in its record,
//! encrypted there, and written from there; on the way in, it is decrypted where the peer's bytes arrived.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::kernel::KernelConnection;
use rustls::{AlertDescription, ConnectionTrafficSecrets, ExtractedSecrets};

/// Seals what this end sends.
pub(super) struct Sealer {
    cipher: Cipher,
    renewal: Renewal,
    renew_after_records: u64,
}

/// Opens what the peer sends.
pub(super) struct Opener {
    cipher: Cipher,
    renewal: Renewal,
}

/// What a record turned out to hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Bytes of the stream: this many, right behind the record's header.
    Data(usize),
    /// The peer sends nothing more.
    Close,
    /// Nothing that concerns the stream.
    Nothing,
}

/// Where keys come from when they have to be renewed.
pub(super) trait KeySource: Send {
    fn next_sending(&mut self) -> Result<ConnectionTrafficSecrets, rustls::Error>;
    fn next_receiving(&mut self) -> Result<ConnectionTrafficSecrets, rustls::Error>;
}

/// What both directions share for the rare case of a key update.
#[derive(Clone)]
struct Renewal {
    source: Arc<Mutex<Box<dyn KeySource>>>,
    /// The peer wants this end to renew its key as well.
    asked: Arc<AtomicBool>,
}

/// One direction's key and the number of the next record.
struct Cipher {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

/// Both directions of a connection whose handshake is done.
pub(super) fn split(
    secrets: ExtractedSecrets,
    source: Box<dyn KeySource>,
) -> Result<(Sealer, Opener), rustls::Error> {
    let renewal = Renewal {
        source: Arc::new(Mutex::new(source)),
        asked: Arc::default(),
    };
    let (sending, receiving) = (secrets.tx, secrets.rx);
    let sealer = Sealer {
        cipher: Cipher::new(&sending.1, sending.0)?,
        renewal: renewal.clone(),
        renew_after_records: RENEW_AFTER_RECORDS,
    };
    let opener = Opener {
        cipher: Cipher::new(&receiving.1, receiving.0)?,
        renewal,
    };
    Ok((sealer, opener))
}

impl Sealer {
    /// Seals the record whose payload lies behind its header's place. The slice ends where the record does.
    pub(super) fn seal_data(&mut self, record: &mut [u8]) -> io::Result<()> {
        self.cipher.seal(record, DATA)
    }

    /// Makes a record that says that nothing follows.
    pub(super) fn seal_close(&mut self, record: &mut [u8; CLOSE_LEN]) -> io::Result<()> {
        const WARNING: u8 = 1;
        record[HEADER_LEN..][..2]
            .copy_from_slice(&[WARNING, u8::from(AlertDescription::CloseNotify)]);
        self.cipher.seal(record, ALERT)
    }

    /// Whether the key has to be renewed before anything else is sealed: it is worn out, or the peer asked for it.
    pub(super) fn is_due(&self) -> bool {
        self.cipher.sequence >= self.renew_after_records
            || self.renewal.asked.load(Ordering::Relaxed)
    }

    /// Makes a record that announces the next key, and goes over to it.
    pub(super) fn renew(&mut self, record: &mut [u8; KEY_UPDATE_LEN]) -> io::Result<()> {
        const NOT_REQUESTED: u8 = 0;
        record[HEADER_LEN..][..5].copy_from_slice(&[KEY_UPDATE, 0, 0, 1, NOT_REQUESTED]);
        self.cipher.seal(record, HANDSHAKE)?;
        self.renewal.asked.store(false, Ordering::Relaxed);
        self.cipher = self.renewal.next(|source| source.next_sending())?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn renew_after(&mut self, records: u64) {
        self.renew_after_records = records;
    }
}

impl Opener {
    /// Opens one whole record in place.
    pub(super) fn open(&mut self, record: &mut [u8]) -> io::Result<Content> {
        let (header, body) = record.split_at_mut(HEADER_LEN);
        if header[0] != DATA {
            // Alerts that were sent before the peer had its keys, and what is left of older versions of TLS.
            return Err(broken("a record that is not encrypted"));
        }
        let plain = self.cipher.open(header, body)?;
        // Zeros behind the type are padding.
        let Some(type_at) = plain.iter().rposition(|byte| *byte != 0) else {
            return Err(broken("a record without a type"));
        };
        if type_at > PAYLOAD_MAX {
            return Err(broken("a record of more than 16 KiB"));
        }
        match (plain[type_at], &plain[..type_at]) {
            // An empty record is no end. A listener may offer tickets for later sessions; there are none.
            (DATA, []) | (HANDSHAKE, [NEW_SESSION_TICKET, ..]) => Ok(Content::Nothing),
            (DATA, data) => Ok(Content::Data(data.len())),
            (ALERT, &[_, description]) => match AlertDescription::from(description) {
                AlertDescription::CloseNotify => Ok(Content::Close),
                alert => Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    rustls::Error::AlertReceived(alert),
                )),
            },
            (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, request @ (0 | 1)]) => {
                if request == 1 {
                    self.renewal.asked.store(true, Ordering::Relaxed);
                }
                self.cipher = self.renewal.next(|source| source.next_receiving())?;
                Ok(Content::Nothing)
            }
            _ => Err(broken("an unexpected message")),
        }
    }
}

impl Renewal {
    fn next(
        &self,
        secrets: impl FnOnce(&mut dyn KeySource) -> Result<ConnectionTrafficSecrets, rustls::Error>,
    ) -> io::Result<Cipher> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = secrets(source.as_mut()).map_err(io::Error::other)?;
        Cipher::new(&secrets, 0).map_err(io::Error::other)
    }
}

impl Cipher {
    fn new(secrets: &ConnectionTrafficSecrets, sequence: u64) -> Result<Self, rustls::Error> {
        use ConnectionTrafficSecrets::{Aes128Gcm, Aes256Gcm, Chacha20Poly1305};
        let unsupported = || rustls::Error::General("unsupported traffic secrets".to_owned());
        let (algorithm, key, iv) = match secrets {
            Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(unsupported()),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| unsupported())?;
        Ok(Self {
            key: LessSafeKey::new(key),
            iv: iv.as_ref().try_into().map_err(|_| unsupported())?,
            sequence,
        })
    }

    /// Writes header, type and tag around the payload and encrypts it.
    fn seal(&mut self, record: &mut [u8], content: u8) -> io::Result<()> {
        let nonce = self.nonce()?;
        let body_len = record.len() - HEADER_LEN;
        let header = header(body_len);
        record[..HEADER_LEN].copy_from_slice(&header);
        let (plain, tag) = record[HEADER_LEN..].split_at_mut(body_len - TAG_LEN);
        plain[body_len - TAG_LEN - 1] = content;
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(header), plain);
        tag.copy_from_slice(
            sealed
                .map_err(|_| io::Error::other("a record could not be encrypted"))?
                .as_ref(),
        );
        Ok(())
    }

    fn open<'body>(&mut self, header: &[u8], body: &'body mut [u8]) -> io::Result<&'body [u8]> {
        let nonce = self.nonce()?;
        match self.key.open_in_place(nonce, Aad::from(header), body) {
            Ok(plain) => Ok(plain),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                rustls::Error::DecryptError,
            )),
        }
    }

    fn nonce(&mut self) -> io::Result<Nonce> {
        let mut nonce = self.iv;
        for (byte, number) in nonce[NONCE_LEN - 8..]
            .iter_mut()
            .zip(self.sequence.to_be_bytes())
        {
            *byte ^= number;
        }
        let next = self.sequence.checked_add(1);
        self.sequence = next.ok_or_else(|| broken("more records than can be numbered"))?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

impl<Side> KeySource for KernelConnection<Side>
where
    KernelConnection<Side>: Send,
{
    fn next_sending(&mut self) -> Result<ConnectionTrafficSecrets, rustls::Error> {
        self.update_tx_secret().map(|(_, secrets)| secrets)
    }

    fn next_receiving(&mut self) -> Result<ConnectionTrafficSecrets, rustls::Error> {
        self.update_rx_secret().map(|(_, secrets)| secrets)
    }
}

/// The length of the whole record that begins here, once its header is there.
pub(super) fn record_len(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(&[_, _, _, high, low]) = bytes.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let body_len = usize::from(u16::from_be_bytes([high, low]));
    if (TAG_LEN + 1..=BODY_MAX).contains(&body_len) {
        Ok(Some(HEADER_LEN + body_len))
    } else {
        Err(broken("a record of an impossible length"))
    }
}

/// The header of an encrypted record, which always claims to be data of TLS 1.2.
fn header(body_len: usize) -> [u8; HEADER_LEN] {
    let [high, low] = (body_len as u16).to_be_bytes();
    [DATA, 3, 3, high, low]
}

fn broken(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the peer broke the rules of TLS with {what}"),
    )
}

pub(super) const HEADER_LEN: usize = 5;
/// What follows a payload in its record: its type and its tag.
pub(super) const TRAILER_LEN: usize = 1 + TAG_LEN;
/// The largest payload of a record.
pub(super) const PAYLOAD_MAX: usize = 1 << 14;
/// The largest body that a peer may send, padding included.
pub(super) const BODY_MAX: usize = PAYLOAD_MAX + 256;
pub(super) const CLOSE_LEN: usize = HEADER_LEN + 2 + TRAILER_LEN;
pub(super) const KEY_UPDATE_LEN: usize = HEADER_LEN + 5 + TRAILER_LEN;
const TAG_LEN: usize = 16;
const NONCE_LEN: usize = 12;
/// Types of content.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
/// Types of handshake messages that can follow the handshake.
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// AES-GCM is safe for 2^24.5 full records under one key (RFC 8446, section 5.5); this is a third of it, or 128 GiB.
const RENEW_AFTER_RECORDS: u64 = 1 << 23;

#[cfg(test)]
mod tests;
