//! Reading what a peer says: messages with their length before them, bounded in bytes and time.

use super::desk::{Desk, Taken};
use super::message::{MAX_MESSAGE, Message};
use super::{Opened, Shared, writing};
use futures::{AsyncRead, AsyncReadExt as _};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// The longest message of a peer that nothing was asked of: only wants, of which Kubo puts 16 KiB into
/// one.
pub(super) const MAX_UNASKED: usize = 128 * 1024;
/// How long a stream may be silent between messages.
const SILENCE: Duration = Duration::from_secs(120);
/// How long a message may take from its first byte to its last.
const ONE_MESSAGE: Duration = Duration::from_secs(60);
/// The bytes for which room is made before they come.
const CHUNK: usize = 4 * 1024;
/// A message of more bytes is read on a thread of its own: hashing megabytes would keep others waiting.
const LONG: usize = 64 * 1024;

fn malformed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The length before a message: a varint of at most four bytes. Nothing at the end of the stream.
async fn length<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Option<usize>> {
    let (mut length, mut byte) = (0_usize, [0_u8; 1]);
    for shift in [0_u32, 7, 14, 21] {
        if io.read(&mut byte).await? == 0 {
            return if shift == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let [byte] = byte;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Err(malformed("the length of a message has more than four bytes"))
}

/// The bytes of a message: room is made for what came.
async fn body<T: AsyncRead + Unpin>(io: &mut T, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let from = bytes.len();
        let next = length.saturating_sub(from).min(CHUNK.max(from));
        bytes.resize(from.saturating_add(next), 0);
        let room = bytes.get_mut(from..).unwrap_or_default();
        io.read_exact(room).await?;
    }
    Ok(bytes)
}

/// Reads the messages of a stream to its end.
pub(super) async fn read(
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    opened: Opened,
    _place: OwnedSemaphorePermit,
) {
    let mut stream = opened.stream;
    // Who is silent does not keep the connection.
    stream.ignore_for_keep_alive();
    loop {
        match next(&mut stream, || desk.expects_blocks()).await {
            Ok(Some(message)) => {
                if desk.take(message) == Taken::Unasked {
                    shared.accuse(
                        desk.peer,
                        "it sent bytes that are not those that it was asked for",
                    );
                    return;
                }
                writing::wake(&shared, &desk);
            }
            Ok(None) => return,
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                tracing::debug!(peer = %desk.peer, "{e}");
                shared.accuse(desk.peer, "it sent what is no message");
                return;
            }
            Err(e) => {
                tracing::debug!(peer = %desk.peer, "a stream of block exchange ended: {e}");
                return;
            }
        }
    }
}

/// The next message of a stream, with its length before it; nothing at the stream's end. What is longer than
/// whoever was `asked` for nothing may send is refused before it is read.
///
/// # Errors
/// `InvalidData` for what is no message or too long, which counts against who sent it; `UnexpectedEof` where the
/// stream ends within a message, and what the stream says itself, which do not.
pub async fn next<T: AsyncRead + Unpin>(
    io: &mut T,
    asked: impl Fn() -> bool,
) -> io::Result<Option<Message>> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let Some(length) = tokio::time::timeout(SILENCE, length(io)).await.map_err(late)?? else {
        return Ok(None);
    };
    if length > MAX_MESSAGE || (length > MAX_UNASKED && !asked()) {
        return Err(malformed("a message is longer than it may be"));
    }
    let bytes = tokio::time::timeout(ONE_MESSAGE, body(io, length)).await.map_err(late)??;
    let message = if length > LONG {
        tokio::task::spawn_blocking(move || Message::parse(&bytes)).await.map_err(malformed)?
    } else {
        Message::parse(&bytes)
    };
    message.map(Some).map_err(malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;
    use futures::io::Cursor;

    async fn read_all(bytes: Vec<u8>) -> io::Result<Option<Message>> {
        next(&mut Cursor::new(bytes), || false).await
    }

    #[tokio::test]
    async fn lengths_are_bounded_before_anything_is_read() {
        let kind = async |bytes: &[u8]| read_all(bytes.to_vec()).await.map_err(|e| e.kind());
        let invalid = io::ErrorKind::InvalidData;
        assert_eq!(kind(&[]).await, Ok(None));
        assert_eq!(kind(&[0]).await, Ok(Some(Message::default())));
        assert_eq!(kind(&[0x80]).await, Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(kind(&[5, 0]).await, Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(kind(&[0xff, 0xff, 0xff, 0xff, 0x01]).await, Err(invalid));
        // Four MiB and a byte; and what nobody asked for is short.
        assert_eq!(kind(&[0x81, 0x80, 0x80, 0x02]).await, Err(invalid));
        assert_eq!(kind(&[0x81, 0x80, 0x08]).await, Err(invalid));
    }
}
