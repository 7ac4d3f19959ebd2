//! Keys on their way to nodes: in an epoch's document to all of its members, in a grant to one node.

use super::ratchet::{ChainKey, MAX_STEPS};
use crate::checking::Chain;
use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jwe::{self, JweIn, Recipient, SealHeader};
use gridpass_identity::key::SecretKey;
use gridpass_identity::method;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// The most keys in one grant.
pub const MAX_GRANTED: usize = 64;
/// The version of the format.
const FORMAT_VERSION: u32 = 1;
/// The media type of what is in the JWE.
pub(super) const CONTENT: &str = "gridpass-keys+json";

/// Why keys were not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keys were not handed over: {0}")]
pub struct GrantError(String);

impl GrantError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::SEALING_MALFORMED
    }
}

pub(super) fn failed<E: std::fmt::Display>(e: E) -> GrantError {
    GrantError(e.to_string())
}

/// A chain key that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedKey {
    /// The epoch; in the epoch's own document it stands for itself.
    pub epoch: Option<ContentId>,
    /// The number of the message that begins the epoch.
    pub first: u64,
    /// The number of the message from which on this key opens.
    pub from: u64,
    /// The key of that message.
    pub key: ChainKey,
}

impl HandedKey {
    /// Whether it can be what it says.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let steps = self.from.checked_sub(self.first);
        self.first > 0 && steps.is_some_and(|s| s < MAX_STEPS)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Content {
    format_version: u32,
    channel: ContentId,
    sender: Did,
    key: String,
    keys: Vec<KeyRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KeyRow {
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    epoch: Option<ContentId>,
    first: u64,
    from: u64,
    chain_key: SecretText,
}

/// Text that is wiped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl SecretText {
    /// 32 bytes, in base64url.
    fn of(key: &ChainKey) -> Self {
        Self(URL_SAFE_NO_PAD.encode(key.expose()))
    }

    fn read(&self) -> Option<ChainKey> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(self.0.as_bytes(), bytes.as_mut());
        (length == Ok(32)).then(|| ChainKey::new(*bytes))
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The key that a node is handed keys under: its did:key's own.
fn recipient(node: &Did) -> Result<Recipient, GrantError> {
    let key = method::key::to_public_key(node).map_err(failed)?;
    let public_key = key.key_agreement_key().map_err(failed)?;
    let key_id = node.with_fragment(&public_key.to_multikey()).map_err(failed)?;
    Ok(Recipient { key_id, public_key })
}

/// Seals keys of a chain to nodes.
pub(super) fn hand_over(
    chain: &Chain,
    keys: &[HandedKey],
    nodes: &[&Did],
) -> Result<String, GrantError> {
    let rows = keys.iter().map(|k| KeyRow {
        epoch: k.epoch.clone(),
        first: k.first,
        from: k.from,
        chain_key: SecretText::of(&k.key),
    });
    let content = Content {
        format_version: FORMAT_VERSION,
        channel: chain.channel.clone(),
        sender: chain.sender.clone(),
        key: chain.key.as_str().to_owned(),
        keys: rows.collect(),
    };
    let content = Zeroizing::new(json::canonicalize(&content).map_err(failed)?);
    let recipients = nodes.iter().map(|n| recipient(n)).collect::<Result<Vec<_>, _>>()?;
    let header = SealHeader { typ: None, cty: Some(CONTENT.into()) };
    jwe::seal(&content, &recipients, &header).map_err(failed)
}

/// Opens what was sealed to a node, for a chain.
pub(super) fn take(
    jwe: &JweIn,
    chain: &Chain,
    node: &Did,
    secret: &SecretKey,
) -> Result<Vec<HandedKey>, GrantError> {
    let to = recipient(node)?;
    let content = jwe.open(&to.key_id, &secret.key_agreement_key()).map_err(failed)?;
    let content: Content =
        json::from_slice_strict(content.expose_secret(), Limits::DOCUMENT).map_err(failed)?;
    let same = content.channel == chain.channel
        && content.sender == chain.sender
        && content.key == chain.key.as_str();
    if content.format_version != FORMAT_VERSION || !same || content.keys.len() > MAX_GRANTED {
        return Err(failed("they are of another sender, or too many, or of another version"));
    }
    let read = |row: KeyRow| {
        let key = row.chain_key.read().ok_or_else(|| failed("a key in it is none"))?;
        let read = HandedKey { epoch: row.epoch, first: row.first, from: row.from, key };
        let possible = read.is_possible().then_some(read);
        possible.ok_or_else(|| failed("a key in it is none"))
    };
    content.keys.into_iter().map(read).collect()
}

/// Keys for one node, beside the documents of their epochs: it was not known when they began, or
/// may read a part of them only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose keys.
    pub chain: Chain,
    /// The node that they are for.
    pub to: Did,
    /// The keys, sealed to it.
    pub jwe: String,
}

impl Grant {
    /// Seals keys to a node.
    ///
    /// # Errors
    /// [`GrantError`] for none or too many, or a node that is no did:key.
    pub fn new(chain: &Chain, to: &Did, keys: &[HandedKey]) -> Result<Self, GrantError> {
        if keys.is_empty() || keys.len() > MAX_GRANTED || keys.iter().any(|k| k.epoch.is_none()) {
            return Err(failed("it has no keys, or more than 64, or does not say for what"));
        }
        let jwe = hand_over(chain, keys, &[to])?;
        Ok(Self { chain: chain.clone(), to: to.clone(), jwe })
    }

    /// Opens it. `secret` is the node's.
    ///
    /// # Errors
    /// [`GrantError`].
    pub fn take(&self, secret: &SecretKey) -> Result<Vec<HandedKey>, GrantError> {
        let jwe = JweIn::parse(&self.jwe).map_err(failed)?;
        let keys = take(&jwe, &self.chain, &self.to, secret)?;
        if keys.iter().any(|k| k.epoch.is_none()) {
            return Err(failed("a key in it is of no epoch"));
        }
        Ok(keys)
    }
}

#[cfg(test)]
pub(super) fn chain_of(number: u8) -> Chain {
    use crate::test_kit::{cid, did_of, key};
    let key = did_of(&key(number));
    Chain { channel: cid("channel"), sender: key.did().clone(), key: key.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{cid, did_of, key};

    fn handed(from: u64) -> HandedKey {
        let epoch = Some(cid("epoch"));
        HandedKey { epoch, first: 3, from, key: ChainKey::new([9; 32]) }
    }

    #[test]
    fn only_the_node_that_it_is_for_takes_it_and_only_for_its_chain() {
        let chain = chain_of(1);
        let (to, other) = (did_of(&key(2)), did_of(&key(3)));
        let grant = Grant::new(&chain, to.did(), &[handed(3), handed(9)]).expect("sealed");
        assert_eq!(grant.take(&key(2)).expect("opens"), [handed(3), handed(9)]);
        assert!(grant.take(&key(3)).is_err());
        let stolen = Grant { chain: chain_of(4), ..grant.clone() };
        assert!(stolen.take(&key(2)).is_err(), "as if they were another sender's");
        let another = Grant { to: other.did().clone(), ..grant };
        assert!(another.take(&key(3)).is_err());
    }

    #[test]
    fn what_nobody_could_use_is_not_handed_over_nor_taken() {
        let chain = chain_of(1);
        let to = did_of(&key(2));
        assert!(Grant::new(&chain, to.did(), &[]).is_err());
        assert!(Grant::new(&chain, to.did(), &vec![handed(3); 65]).is_err());
        for from in [0, 2, 3 + MAX_STEPS] {
            let grant = Grant::new(&chain, to.did(), &[handed(from)]).expect("sealed");
            assert!(grant.take(&key(2)).is_err(), "{from}");
        }
        let web = Did::parse("did:webvh:abc:example.org").expect("a DID");
        assert!(Grant::new(&chain, &web, &[handed(3)]).is_err(), "a node is a did:key");
    }
}
