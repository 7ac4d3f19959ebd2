//! Keys on their way: handed to nodes that may read, and taken of senders, within bounds.

use super::worker::Worker;
use crate::checking::{Chain, Known as _};
use crate::codes;
use crate::sealing::allowance::{self, Allowance};
use crate::sealing::{Grant, HandedKey, MAX_GRANTED, Member, Statement, leaves_out};
use crate::store::Entry;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use hashlink::LruCache;
use serde_bytes::ByteBuf;

/// How often at most one node is handed keys where nothing changed, in milliseconds.
const HAND_MILLIS: u64 = 5_000;
/// The most grants to one node at once.
const MAX_GRANTS: usize = 16;
/// The most nodes and senders of which is remembered what was handed over and taken.
const MAX_REMEMBERED: usize = 8192;

/// What was handed to a node.
#[derive(Clone, Copy, Default)]
struct Handed {
    last: Option<UnixMillis>,
    bytes: Allowance,
}

/// What was handed over, and what was taken.
pub(super) struct Grants {
    handed: LruCache<(ContentId, Did), Handed>,
    taken: LruCache<(ContentId, Did), Allowance>,
    taken_of_all: Allowance,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            handed: LruCache::new(MAX_REMEMBERED),
            taken: LruCache::new(MAX_REMEMBERED),
            taken_of_all: Allowance::default(),
        }
    }
}

impl Grants {
    /// What was handed over may not have been kept: it may be handed over again at once.
    pub(super) fn forget_what_was_handed(&mut self) {
        for (_, handed) in &mut self.handed {
            handed.last = None;
        }
    }

    /// Whether there is room for what a sender hands over; then it is taken.
    fn take(&mut self, sender: (ContentId, Did), now: UnixMillis, bytes: u64) -> bool {
        let of_it = self.taken.entry(sender).or_insert_with(Allowance::default);
        let room = of_it.has_room(now, bytes, allowance::GRANTED_AN_HOUR)
            && self.taken_of_all.has_room(now, bytes, allowance::ALL_GRANTED_AN_HOUR);
        if room {
            of_it.take(now, bytes);
            self.taken_of_all.take(now, bytes);
        }
        room
    }
}

fn as_bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Worker {
    /// Hands a node the keys of own epochs that it may have, and was not handed by their documents: of
    /// those that it lacks, or of all.
    pub(super) fn grant(
        &mut self,
        channel: &ContentId,
        member: &Member,
        lacks: Option<&Vec<ContentId>>,
    ) {
        let (now, place) = (self.uptime(), (channel.clone(), member.node.clone()));
        let grants = &mut self.sealing.statements.grants;
        let mut handed = grants.handed.get(&place).copied().unwrap_or_default();
        let lately = handed.last.is_some_and(|at| now.millis_since(at) < HAND_MILLIS);
        let most = allowance::HANDED_AN_HOUR;
        if lately || !handed.bytes.has_room(now, 0, most) || lacks.is_some_and(Vec::is_empty) {
            return;
        }
        let chain = self.own_chain(channel);
        let mut epochs = self.knowledge.store.own_epochs(&chain);
        epochs.retain(|(_, id)| lacks.is_none_or(|lacks| lacks.contains(id)));
        if epochs.is_empty() {
            return;
        }
        handed.last = Some(now);
        self.sealing.statements.grants.handed.insert(place.clone(), handed);
        let keys = self.keys_for(channel, member, epochs);
        if keys.is_empty() {
            return;
        }
        if let Some(circle) = self.sealing.circles.get_mut(channel) {
            for epoch in keys.iter().filter_map(|k| k.epoch.as_ref()) {
                circle.granted(epoch, member);
            }
        }
        let issued = self.now();
        let newest_first: Vec<HandedKey> = keys.into_iter().rev().collect();
        for (n, some) in newest_first.chunks(MAX_GRANTED).take(MAX_GRANTS).enumerate() {
            if !handed.bytes.has_room(now, 0, most) {
                tracing::warn!(node = %member.node, "it is handed the rest in an hour");
                break;
            }
            match Grant::new(&chain, &member.node, some) {
                Ok(grant) => {
                    // Each is news to those who pass them on.
                    let at = issued.plus_millis(u64::try_from(n).unwrap_or_default());
                    let bytes = self.state(&Statement::Grant(grant, at));
                    handed.bytes.take(now, as_bytes(bytes));
                }
                Err(e) => tracing::error!(node = %member.node, "not handed over: {e}"),
            }
        }
        self.sealing.statements.grants.handed.insert(place, handed);
    }

    /// The keys of these own epochs from where on a member may read.
    fn keys_for(
        &self,
        channel: &ContentId,
        member: &Member,
        epochs: Vec<(u64, ContentId)>,
    ) -> Vec<HandedKey> {
        let chain = self.own_chain(channel);
        let since = self.readable_from(channel, &member.participant, &member.presentation);
        let Some(first) = self.knowledge.store.first_since(&chain, since) else {
            return Vec::new();
        };
        // Those that began before the first message that it may have, and may reach to it.
        let most = MAX_GRANTED.saturating_mul(MAX_GRANTS);
        let reach = first.saturating_sub(crate::sealing::MAX_STEPS);
        let near = epochs.into_iter().rev().take_while(|(begins, _)| *begins >= reach);
        let mut keys = Vec::new();
        for (begins, id) in near.take(most) {
            let Some(bytes) = self.knowledge.document(&id) else { continue };
            if !leaves_out(&bytes, &member.participant, &member.node) {
                continue;
            }
            let from = first.max(begins);
            keys.extend(self.knowledge.opener.chain_key((&id, &bytes), &chain, from));
        }
        keys.reverse();
        keys
    }

    /// This node was handed keys.
    pub(super) fn granted(&mut self, statement: &Statement, data: &[u8]) {
        let Some((chain, keys)) = self.knowledge.opener.take(statement) else {
            tracing::warn!("keys came that do not open");
            return;
        };
        tracing::info!(sender = %chain.sender, keys = keys.len(), "keys came");
        let keys: Vec<_> = keys.iter().filter(|k| self.may_be_news(&chain, k)).collect();
        if keys.is_empty() {
            return;
        }
        let sender = (chain.channel.clone(), chain.sender.clone());
        let (now, bytes) = (self.uptime(), as_bytes(data.len()));
        if !self.sealing.statements.grants.take(sender, now, bytes) {
            let (code, most) = (codes::SEALING_GRANTS, allowance::GRANTED_AN_HOUR);
            let sender = &chain.sender;
            tracing::warn!(%code, %sender, "keys are not taken: {most} bytes an hour are, at most");
            return;
        }
        let news: Vec<_> =
            keys.into_iter().filter(|k| self.knowledge.opener.hold(&chain, k)).collect();
        if news.is_empty() {
            return;
        }
        self.stage(Entry::Grant {
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            epochs: news.iter().filter_map(|k| k.epoch.clone()).collect(),
            statement: ByteBuf::from(data.to_vec()),
        });
        self.open_what_waited(&chain);
    }

    /// Whether a key opens something that none did before, and is of an epoch of which not too many were
    /// handed over.
    fn may_be_news(&self, chain: &Chain, key: &HandedKey) -> bool {
        const MOST: usize = allowance::MAX_GRANTS_OF_EPOCH;
        let Some(epoch) = key.epoch.as_ref().filter(|_| key.is_possible()) else { return false };
        let known = self.knowledge.opener.has(epoch, chain, key.from);
        !known && self.knowledge.store.count_grants(epoch, chain, MOST) < MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::allowance::{ALL_GRANTED_AN_HOUR, GRANTED_AN_HOUR};
    use crate::test_kit::{NOW, cid, did_of, key};

    #[test]
    fn so_much_is_taken_of_a_sender_in_an_hour_and_of_all_together() {
        let mut grants = Grants::default();
        let sender = |n: u64| (cid(&n.to_string()), did_of(&key(1)).did().clone());
        assert!(grants.take(sender(0), NOW, GRANTED_AN_HOUR));
        assert!(!grants.take(sender(0), NOW, 1));
        let hour = NOW.plus_millis(3_600_000);
        assert!(grants.take(sender(0), hour, 1), "an hour later");
        let mut grants = Grants::default();
        let many = ALL_GRANTED_AN_HOUR / GRANTED_AN_HOUR;
        for n in 0..many {
            assert!(grants.take(sender(n), NOW, GRANTED_AN_HOUR), "another's is untouched");
        }
        assert!(!grants.take(sender(many), NOW, 1));
        assert!(grants.take(sender(many), hour, 1));
    }
}
