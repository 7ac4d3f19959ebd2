//! The keys of many messages, prepared once for all cores.

use super::chains::{Index, Numbers};
use super::material::Material;
use super::receipts::key_at;
use crate::checking::Chain;
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
    pub(super) fn of(material: &Material<'_>, index: &Index<'_>) -> Self {
        let many = |(chain, numbers): &(&Chain, &Numbers<'_>)| {
            numbers.len() >= MESSAGES && is_own_proof(&chain.key)
        };
        let mut chains: Vec<_> = index.chains.iter().filter(many).collect();
        chains.sort_by_key(|(_, numbers)| Reverse(numbers.len()));
        let resolver = material.resolver();
        let prepared = chains.iter().take(MAX_KEYS).filter_map(|(chain, numbers)| {
            let (_, envelope) = numbers.values().flatten().next()?;
            // What cannot be resolved is told message by message.
            let key = key_at(&resolver, &chain.key, envelope.header().issued).ok()?;
            Some((chain.key.clone(), PreparedKey::new(&key)?))
        });
        Self(prepared.collect())
    }

    pub(super) fn of_url(&self, url: &DidUrl) -> Option<&PreparedKey> {
        self.0.get(url)
    }
}
