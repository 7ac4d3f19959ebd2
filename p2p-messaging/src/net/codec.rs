//! Requests and responses on a stream: one message to the end of it, bounded. `spec/sync.md`.

use crate::sync::{MAX_REQUEST, MAX_RESPONSE, PROTOCOL, Request, Response, WireError};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response;
use std::io;

/// The protocol, for libp2p.
pub(super) const SYNC: StreamProtocol = StreamProtocol::new(PROTOCOL);

/// A request as it came, or why it is none: that is answered, too.
pub(super) type Incoming = Result<Request, WireError>;

/// Reads and writes the messages of [`crate::sync`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SyncCodec;

fn invalid(e: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e)
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than allowed, so that what is too long is seen to be.
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    io.take(limit).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.close().await
}

impl request_response::Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Incoming;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Incoming>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(Request::decode(&read(io, MAX_REQUEST).await?))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        Response::decode(&read(io, MAX_RESPONSE).await?).map_err(invalid)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Incoming,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let bytes = request.and_then(|request| request.encode()).map_err(invalid)?;
        write(io, &bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response.encode().map_err(invalid)?).await
    }
}
