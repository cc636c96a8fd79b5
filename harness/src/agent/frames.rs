//! JSON documents with a 32-bit length before each.

use futures::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

/// Reads documents of one type.
pub(super) struct Reader<R>(FramedRead<R, LengthDelimitedCodec>);

/// Writes documents.
pub(super) struct Writer<W>(FramedWrite<W, LengthDelimitedCodec>);

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder()
        .max_frame_length(FRAME_BYTES_MAX)
        .new_codec()
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Reader(FramedRead::new(input, codec()))
    }

    /// The next document; `None` when the other end has closed.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> std::io::Result<Option<T>> {
        let Some(frame) = self.0.next().await.transpose()? else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_slice(&frame)?))
    }
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(output: W) -> Self {
        Writer(FramedWrite::new(output, codec()))
    }

    pub(super) async fn send<T: Serialize>(&mut self, document: &T) -> std::io::Result<()> {
        let frame = bytes::Bytes::from(serde_json::to_vec(document)?);
        self.0.send(frame).await
    }
}

/// A collection after an hour's migration (heartbeats, samples of 2 KiB) stays below this.
const FRAME_BYTES_MAX: usize = 512 << 20;
