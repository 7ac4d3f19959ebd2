//! What the unit tests of this crate share: keys made of a number, and a header to bend.

use crate::envelope::Header;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::DidUrl;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::time::UnixMillis;
use serde_json::Map;

pub(crate) const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(KeyType::Ed25519, &[number; 32]).expect("a key")
}

pub(crate) fn did_of(key: &SecretKey) -> DidUrl {
    let multikey = key.public_key().to_multikey();
    DidUrl::parse(&format!("did:key:{multikey}#{multikey}")).expect("a DID URL")
}

pub(crate) fn cid(text: &str) -> ContentId {
    ContentId::of_bytes(text.as_bytes()).expect("a name")
}

/// The first message of a sender that signs itself.
pub(crate) fn header(key: &SecretKey) -> Header {
    let url = did_of(key);
    Header {
        channel: cid("channel"),
        topic: "bids".into(),
        topic_version: 1,
        schema: cid("schema"),
        media_type: "application/json".into(),
        sender: url.did().clone(),
        key: url,
        authorisation: None,
        presentation: cid("presentation"),
        sequence: 1,
        previous: None,
        issued: NOW,
        expires: NOW.plus_millis(60_000),
        recipients: Vec::new(),
        thread: None,
        attributes: Map::new(),
        epoch: None,
    }
}
