//! Own messages: what was sent, a page at a time, and what became of it.

use super::control::Answered;
use super::inbox::{MAX_INBOX, MAX_INBOX_BYTES, fitting};
use super::said::{Said, SaidByNodes};
use super::worker::Worker;
use crate::checking::Chain;
use crate::codes;
use crate::envelope::Envelope;
use crate::receipt::covers;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The most messages that are looked at beyond those of a page, of all channels alike but so few of each at
/// least: their payloads are forgotten, and mostly those of all before them.
const MORE_LOOKED_AT: usize = 1000;
const FEW_LOOKED_AT: usize = 16;

/// Where a message stands in the outbox: the greatest comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    issued: UnixMillis,
    channel: ContentId,
    sequence: u64,
    id: EnvelopeId,
}

impl Place {
    fn of(envelope: &Envelope) -> Self {
        let header = envelope.header();
        Self {
            issued: header.issued,
            channel: header.channel.clone(),
            sequence: header.sequence,
            id: envelope.id().clone(),
        }
    }
}

impl Worker {
    /// Own messages, the newest first: of every channel that is here, or was left.
    pub(super) fn outbox(&self, most: u32, before: Option<&EnvelopeId>) -> Answered {
        let most = usize::try_from(most).unwrap_or(MAX_INBOX).min(MAX_INBOX);
        let before = before.map(|id| self.own_place(id)).transpose()?;
        let (material, store) = (&self.knowledge.material, &self.knowledge.store);
        let channels: BTreeSet<_> = material.channels.keys().chain(material.left.keys()).collect();
        let more = MORE_LOOKED_AT.checked_div(channels.len()).unwrap_or_default();
        let looked_at = most.saturating_add(more.max(FEW_LOOKED_AT));
        let mut all = Vec::new();
        for channel in channels {
            let chain = self.own_chain(channel);
            let Some(last) = self.last_before(&chain, before.as_ref()) else { continue };
            let (mut room, mut found) = (looked_at, 0_usize);
            // One more than is shown tells whether there are more.
            let _ = store.look_down(&chain, (1, last), &mut room, |_, kept| {
                all.push(Place::of(&kept.envelope().ok()?));
                found = found.saturating_add(1);
                (found > most).then_some(())
            });
        }
        all.sort_unstable();
        all.reverse();
        let read = |place: &Place| {
            let (_, kept) = store.envelope(&place.id)?;
            Some(self.fate(&kept.envelope().ok()?, kept.caught_up))
        };
        let shown = fitting(all.iter().take(most).filter_map(read), MAX_INBOX_BYTES);
        // Of a page that could not be read there is no next one.
        let more = (most == 0 || !shown.is_empty()) && shown.len() < all.len();
        Ok(json!({"messages": shown, "more": more}))
    }

    /// Where an own message stands.
    fn own_place(&self, id: &EnvelopeId) -> Result<Place, (Code, String)> {
        let kept = self.knowledge.store.envelope(id);
        let own = kept.and_then(|(_, kept)| kept.envelope().ok());
        let own = own.filter(|e| Chain::of(e.header()) == self.own_chain(&e.header().channel));
        let none = || (codes::NODE_REQUEST, format!("{id} is no message of this node"));
        own.as_ref().map(Place::of).ok_or_else(none)
    }

    /// The greatest number of an own chain that comes after a place in the outbox.
    fn last_before(&self, chain: &Chain, before: Option<&Place>) -> Option<u64> {
        let store = &self.knowledge.store;
        let newest = store.newest(chain)?;
        let Some(place) = before else { return Some(newest) };
        let until = |time: UnixMillis| {
            store.first_since(chain, time).map_or(newest, |first| first.saturating_sub(1))
        };
        // Of what was made at the same moment, that of the greater channel comes first.
        let last = match chain.channel.cmp(&place.channel) {
            Ordering::Equal => place.sequence.saturating_sub(1),
            Ordering::Less => until(place.issued.plus_millis(1)),
            Ordering::Greater => until(place.issued),
        };
        Some(last).filter(|last| *last > 0)
    }

    /// What became of an own message, as far as is known; and whether a peer gave it back, which so had it.
    pub(super) fn fate(&self, envelope: &Envelope, came_back: bool) -> Value {
        /// The most receipts that are looked through for one message.
        const MOST: usize = 256;
        let header = envelope.header();
        let chain = Chain::of(header);
        let mut said = SaidByNodes::default();
        let mut keepers = Map::new();
        for signed in self.knowledge.store.receipts(&chain, header.sequence, MOST) {
            let receipt = signed.receipt();
            if covers(&receipt.kept, header.sequence) {
                keepers.insert(receipt.recipient.to_string(), json!({"at": receipt.issued}));
                continue;
            }
            let refusal = receipt.refused.iter().find(|r| r.sequence == header.sequence);
            let refused = refusal.map(|refusal| refusal.reasons.clone());
            let of_it = Said { at: receipt.issued, refused };
            said.take(&receipt.recipient, signed.key().did(), of_it);
        }
        let mut told = said.together();
        let handed = came_back
            || self.handed.contains_key(envelope.id())
            || !told.is_empty()
            || !keepers.is_empty();
        let way = on_its_way(handed, header.issued, self.started);
        let over = self.now() >= header.expires;
        for recipient in &header.recipients {
            let state = if over { "overdue" } else { way };
            told.entry(recipient.to_string()).or_insert_with(|| json!({"state": state}));
        }
        json!({
            "id": envelope.id(),
            "channel": header.channel,
            "topic": header.topic,
            "version": header.topic_version,
            "thread": header.thread,
            "attributes": header.attributes,
            "payloadCid": envelope.payload_id(),
            "ref": self.knowledge.store.reference(envelope.id()),
            "sequence": header.sequence,
            "issued": header.issued,
            "expires": header.expires,
            "state": if keepers.is_empty() { way } else { "stored" },
            "keepers": keepers,
            "recipients": told,
        })
    }
}

/// How far a message came of which nobody says anything. What was handed to the network is remembered as long
/// as a node runs: of what it made in an earlier run it cannot be said whether that went out.
fn on_its_way(handed: bool, issued: UnixMillis, started: UnixMillis) -> &'static str {
    match (handed, issued < started) {
        (true, _) => "sent",
        (false, true) => "unknown",
        (false, false) => "queued",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_run_made_is_said_to_wait() {
        let (before, started) = (UnixMillis::new(4_000), UnixMillis::new(5_000));
        assert_eq!(on_its_way(false, started, started), "queued");
        assert_eq!(on_its_way(true, started, started), "sent");
        assert_eq!(on_its_way(true, before, started), "sent", "a peer gave it back");
        assert_eq!(on_its_way(false, before, started), "unknown");
    }
}
