//! A Kubo node as content store, by its RPC. The only place that uses `ipfs-api-backend-hyper`.
//!
//! Whoever can speak with that RPC can do everything with the Kubo node: it belongs on the loopback
//! interface, and so is spoken to without TLS. What comes from it is bounded in time and, where it is
//! a document, in bytes.

use crate::codes;
use crate::output::Failure;
use futures::StreamExt as _;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_messaging::content::{
    ContentError, ContentStore, Given, Kept, MAX_DOCUMENT, PublicDocument,
};
use ipfs_api_backend_hyper::request::BlockPut;
use ipfs_api_backend_hyper::{
    BackendWithGlobalOptions, Error, GlobalOptions, IpfsApi, IpfsClient, TryFromUri as _,
};
use serde_json::{Value, json};
use std::io::Cursor;
use std::time::Duration;

/// How long an answer may take that the Kubo node has itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one may take that it has to look for.
const SEARCHING: Duration = Duration::from_secs(60);

/// A Kubo node.
pub(super) struct Kubo {
    address: String,
    client: IpfsClient,
    runtime: tokio::runtime::Runtime,
}

fn error(code: Code, message: impl std::fmt::Display) -> ContentError {
    ContentError::new(code, message.to_string())
}

impl Kubo {
    /// A Kubo node by the address of its RPC. Nothing is asked yet.
    pub(super) fn at(address: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::new(codes::KUBO_ADDRESS, format!("{address:?}: {why}"));
        let url = url::Url::parse(address).map_err(|e| refuse(&e.to_string()))?;
        // The library's own reader panics where there is no host.
        let host = url.host_str().ok_or_else(|| refuse("it names no host"))?;
        if url.scheme() != "http" {
            return Err(refuse("it begins with http://, since the RPC speaks nothing else"));
        }
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        if !bare || url.password().is_some() || url.fragment().is_some() {
            return Err(refuse("it has more than a host and a port"));
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let address = format!("http://{host}:{port}");
        let client = IpfsClient::from_str(&address).map_err(|e| refuse(&e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| refuse(&e.to_string()))?;
        Ok(Self { address, client, runtime })
    }

    fn wait<T>(
        &self,
        patience: Duration,
        asking: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ContentError> {
        let waiting = async { tokio::time::timeout(patience, asking).await };
        match self.runtime.block_on(waiting) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => Err(self.refused(&e)),
            Err(_) => {
                let message =
                    format!("{} did not answer within {} s", self.address, patience.as_secs());
                Err(error(codes::KUBO_TIMEOUT, message))
            }
        }
    }

    fn refused(&self, e: &Error) -> ContentError {
        let code = match e {
            Error::Api(_) => codes::KUBO_REFUSED,
            _ => codes::KUBO_UNREACHABLE,
        };
        error(code, format!("{}: {e}", self.address))
    }

    /// The same, asked for what it has itself: else it would look for it everywhere.
    fn offline(&self) -> BackendWithGlobalOptions<IpfsClient> {
        let options = GlobalOptions { offline: Some(true), ..GlobalOptions::default() };
        BackendWithGlobalOptions::new(self.client.clone(), options)
    }

    fn is_pinned(&self, id: &ContentId) -> Result<bool, ContentError> {
        let listing = self.client.pin_ls(Some(id.as_str()), None);
        match self.wait(PATIENCE, listing) {
            Ok(pins) => Ok(!pins.keys.is_empty()),
            // It says so by an error.
            Err(e) if e.code == codes::KUBO_REFUSED => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl ContentStore for Kubo {
    fn name(&self) -> String {
        format!("kubo {}", self.address)
    }

    fn publish(&mut self, document: &PublicDocument) -> Result<Kept, ContentError> {
        let options = BlockPut {
            // It has no `cid-codec`, by which Kubo asks for this today.
            format: Some("raw"),
            mhtype: Some("sha2-256"),
            mhlen: None,
            pin: Some(true),
        };
        let bytes = Cursor::new(document.bytes.clone());
        let putting = self.client.block_put_with_options(bytes, options);
        let put = self.wait(PATIENCE, putting)?;
        if put.key != document.id.as_str() {
            let message = format!(
                "{} keeps it as {}, and its name is {}",
                self.address, put.key, document.id
            );
            return Err(error(gridpass_credentials::codes::CID_OTHER, message));
        }
        Ok(Kept { at: vec![self.name()] })
    }

    fn pin(&mut self, id: &ContentId) -> Result<Kept, ContentError> {
        // A block without links is all that this pins, and what was pinned so before stays so.
        self.wait(SEARCHING, self.client.pin_add(id.as_str(), true))?;
        Ok(Kept { at: vec![self.name()] })
    }

    fn get(&mut self, id: &ContentId) -> Result<Given, ContentError> {
        let mut blocks = self.client.block_get(id.as_str());
        let mut bytes = Vec::new();
        let mut too_long = false;
        self.wait(SEARCHING, async {
            while let Some(part) = blocks.next().await {
                bytes.extend_from_slice(&part?);
                if bytes.len() > MAX_DOCUMENT {
                    too_long = true;
                    break;
                }
            }
            Ok(())
        })?;
        if too_long {
            let message = format!("{}: it has more than {MAX_DOCUMENT} bytes", self.address);
            return Err(error(gridpass_messaging::codes::CONTENT_KIND, message));
        }
        Ok(Given { bytes, from: self.name(), altered: Vec::new() })
    }

    fn status(&mut self, id: Option<&ContentId>) -> Result<Value, ContentError> {
        let version = self.wait(PATIENCE, self.client.version())?;
        // `id` says less than the library wants to read of it.
        let me = self.wait(PATIENCE, self.client.config_get_string("Identity.PeerID"))?;
        let addresses = self.wait(PATIENCE, self.client.swarm_addrs_local())?;
        let peers = self.wait(PATIENCE, self.client.swarm_peers())?;
        let peers: Vec<_> = peers.peers.iter().map(|p| p.peer.clone()).collect();
        let mut status = json!({
            "kubo": version.version,
            "peer": me.value,
            "addresses": addresses.strings,
            "peers": peers,
        });
        if let (Some(id), Some(map)) = (id, status.as_object_mut()) {
            let here = self.wait(PATIENCE, self.offline().block_stat(id.as_str()));
            let here = match here {
                Ok(_) => true,
                Err(e) if e.code == codes::KUBO_REFUSED => false,
                Err(e) => return Err(e),
            };
            map.insert("cid".into(), json!(id));
            map.insert("here".into(), json!(here));
            map.insert("pinned".into(), json!(self.is_pinned(id)?));
        }
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, read) in [
            ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
            ("http://localhost:5001/", "http://localhost:5001"),
            ("http://[::1]:5001", "http://[::1]:5001"),
            ("http://kubo.example", "http://kubo.example:80"),
        ] {
            assert_eq!(Kubo::at(text).expect(text).address, read);
        }
        for text in [
            "",
            "localhost:5001",
            "127.0.0.1:5001",
            "/ip4/127.0.0.1/tcp/5001",
            "https://localhost:5001",
            "http://",
            "http://a:b@localhost",
            "http://localhost:5001/api/v0",
            "http://localhost:99999",
        ] {
            let refused = Kubo::at(text).err().unwrap_or_else(|| panic!("{text:?} is taken"));
            assert_eq!(refused.code, codes::KUBO_ADDRESS, "{text}");
        }
    }
}
