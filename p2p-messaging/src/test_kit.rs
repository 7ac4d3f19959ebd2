//! What the unit tests of this crate share: keys made of a number, a header and a receipt to bend.

use crate::envelope::Header;
use crate::receipt::{FORMAT_VERSION, Receipt, Refusal};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
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

/// A receipt by the participant of the second key for messages of the first.
pub(crate) fn receipt() -> Receipt {
    Receipt {
        format_version: FORMAT_VERSION,
        channel: cid("channel"),
        sender: did_of(&key(1)).did().clone(),
        key: did_of(&key(1)).as_str().to_owned(),
        recipient: did_of(&key(2)).did().clone(),
        authorisation: None,
        issued: NOW,
        delivered: vec![(1, 3), (5, 5)],
        kept: Vec::new(),
        refused: vec![Refusal { sequence: 4, reasons: vec!["GP-POLICY-UNMET".into()] }],
        newest: EnvelopeId::of_block(b"a block").expect("a name"),
    }
}
