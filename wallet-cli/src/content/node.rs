//! The own node's store, and that of its peers through it.

use super::super::commands::node::client::Client;
use crate::context::GlobalArgs;
use crate::output::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::ContentId;
use gridpass_messaging::codes;
use gridpass_messaging::content::{ContentError, ContentStore, Given, Kept, PublicDocument};
use gridpass_messaging::node::control::Asked;
use serde_json::Value;

/// What the node that runs for this profile is asked.
pub(super) struct ByNode {
    client: Client,
    peers: bool,
}

impl ByNode {
    /// Connects with the node.
    pub(super) fn connect(global: &GlobalArgs, peers: bool) -> Result<Self, Failure> {
        Ok(Self { client: Client::connect(global)?, peers })
    }

    fn ask(&mut self, asked: &Asked) -> Result<Value, ContentError> {
        self.client.ask(asked).map_err(|f| ContentError::new(f.code, f.message))
    }
}

fn texts(answer: &Value, name: &str) -> Vec<String> {
    let all = answer.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl ContentStore for ByNode {
    fn name(&self) -> String {
        if self.peers { "peers".into() } else { "node".into() }
    }

    fn publish(&mut self, document: &PublicDocument) -> Result<Kept, ContentError> {
        let content = STANDARD.encode(&document.bytes);
        let answer = self.ask(&Asked::Publish { content, peers: self.peers })?;
        Ok(Kept { at: texts(&answer, "at") })
    }

    fn pin(&mut self, id: &ContentId) -> Result<Kept, ContentError> {
        let answer = self.ask(&Asked::Pin { cid: id.clone(), peers: self.peers })?;
        Ok(Kept { at: texts(&answer, "at") })
    }

    fn get(&mut self, id: &ContentId) -> Result<Given, ContentError> {
        let answer = self.ask(&Asked::Fetch { cid: id.clone(), peers: self.peers })?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = STANDARD.decode(text("content")).map_err(|_| {
            ContentError::new(codes::NODE_NOT_RUNNING, "the node's answer is not base64")
        })?;
        Ok(Given { bytes, from: text("from").to_owned(), altered: texts(&answer, "altered") })
    }

    fn status(&mut self, id: Option<&ContentId>) -> Result<Value, ContentError> {
        self.ask(&Asked::Content { cid: id.cloned() })
    }
}
