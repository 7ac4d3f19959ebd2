//! The keys of many messages, prepared once for all cores.

use super::material::Material;
use super::receipts::key_at;
use crate::bundle::entries::MessageEntry;
use gridpass_identity::did::DidUrl;
use gridpass_identity::prepared::PreparedKey;
use std::cmp::Reverse;
use std::collections::HashMap;

/// From how many messages on a key is worth preparing: it costs some six verifications, and halves each.
const MESSAGES: usize = 16;
/// As many as that, each of 130 KiB; those of the most messages.
const MAX_KEYS: usize = 256;

/// Whether a DID is the proof of its own keys, which then are the same at all times.
pub(super) fn is_own_proof(url: &DidUrl) -> bool {
    matches!(url.did().method(), "key" | "jwk")
}

/// Keys of DIDs that are their own proof, with their multiples.
pub(super) struct Keys(HashMap<DidUrl, PreparedKey>);

impl Keys {
    /// Of the messages that are looked at.
    pub(super) fn of(material: &Material<'_>, chosen: &[(usize, &MessageEntry)]) -> Self {
        let mut counts: HashMap<&DidUrl, (usize, &MessageEntry)> = HashMap::new();
        for (index, entry) in chosen {
            let Some(Some(envelope)) = material.envelopes.get(*index) else { continue };
            let (count, _) = counts.entry(&envelope.header().key).or_insert((0, entry));
            *count = count.saturating_add(1);
        }
        let mut keys: Vec<_> = counts.into_iter().filter(|(_, (n, _))| *n >= MESSAGES).collect();
        keys.sort_by_key(|(url, (count, _))| (Reverse(*count), *url));
        let resolver = material.resolver();
        let own = keys.iter().filter(|(url, _)| is_own_proof(url)).take(MAX_KEYS);
        let prepared = own.filter_map(|(url, (_, entry))| {
            // What cannot be resolved is told message by message.
            let key = key_at(&resolver, url, entry.at).ok()?;
            Some(((*url).clone(), PreparedKey::new(&key)?))
        });
        Self(prepared.collect())
    }

    pub(super) fn of_url(&self, url: &DidUrl) -> Option<&PreparedKey> {
        self.0.get(url)
    }
}
