//! Whoever does not know whether a message was sent asks for it again, under the same reference: it is sent
//! once.

use super::control::{ControlResult, NewMessage};
use super::typed::AskError;
use super::worker::Worker;
use crate::checking::{Known as _, Link};
use crate::codes;
use crate::envelope::Envelope;
use crate::files::Reference;
use crate::sealing::Opening;
use crate::store::Unnamed;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The longest reference, in bytes.
const MAX_REFERENCE: usize = 128;

fn check(reference: &str) -> Result<(), (Code, String)> {
    let fits = (1..=MAX_REFERENCE).contains(&reference.len());
    if fits && !reference.contains(char::is_control) {
        return Ok(());
    }
    let sentence = "a `ref` has 1 to 128 bytes and no control characters";
    Err((codes::NODE_REQUEST, sentence.to_owned()))
}

/// The reference to a file that a payload is, if it is one.
fn file_of(payload: &[u8]) -> Option<Value> {
    let file = Reference::parse(payload).ok()?;
    Some(file.to_payload(Map::new()))
}

/// Numbers may be written in several ways.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|one| other.as_f64() == Some(one))
}

/// In whatever order they are named.
fn same_recipients(one: &[Did], other: &[Did]) -> bool {
    let sorted = |all: &[Did]| {
        let mut all = all.to_vec();
        all.sort_unstable();
        all
    };
    sorted(one) == sorted(other)
}

/// What differs between a message that is asked for and the one that was sent; nothing where they are the
/// same, as far as can be said. What was sent can be opened as long as it is kept.
fn difference(new: &NewMessage, sent: &Envelope, opened: Option<&Opening>) -> Option<&'static str> {
    let header = sent.header();
    let has = |(name, value): (&String, &Value)| {
        header.attributes.get(name).is_some_and(|sent| is_same(sent, value))
    };
    let is_payload = || match opened {
        Some(Opening::Open(sent)) => **sent == new.payload,
        Some(Opening::NoKey | Opening::Broken(_)) => true,
        None => ContentId::of_bytes(&new.payload).is_ok_and(|id| id == *sent.payload_id()),
    };
    let lifetime = new.lifetime_millis.map(|millis| header.issued.plus_millis(millis));
    let checks: [(&str, bool); 7] = [
        ("topic", header.topic == new.topic),
        ("version", new.version.is_none_or(|version| version == header.topic_version)),
        ("recipients", same_recipients(&header.recipients, &new.recipients)),
        ("thread", header.thread == new.thread),
        ("lifetimeMillis", lifetime.is_none_or(|expires| expires == header.expires)),
        ("attributes", new.attributes.iter().all(has)),
        ("payload", is_payload()),
    ];
    checks.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}

/// Whether a message may be the one that is asked for, although nothing says under which reference it was sent:
/// it is the same, or it is not over yet, and then also whoever asks for another under its reference is to hear of
/// it. Of one that is lost as well nobody knows what it said, nor for how long: no longer than its channel allows.
fn may_be_it(
    unnamed: &Unnamed,
    new: &NewMessage,
    opened: Option<&Opening>,
    (now, longest_millis): (UnixMillis, u64),
) -> bool {
    match unnamed {
        Unnamed::Message(sent) => {
            now < sent.header().expires || difference(new, sent, opened).is_none()
        }
        Unnamed::Before(next) => now < next.issued.plus_millis(longest_millis),
    }
}

impl Worker {
    /// The message that was sent under a reference in a channel, or in another version of it.
    fn under(&self, channel: &str, reference: &str) -> Result<Option<Envelope>, AskError> {
        check(reference)?;
        let store = &self.knowledge.store;
        for channel in self.versions_of(channel) {
            let Some((id, sequence)) = store.sent(channel, reference) else { continue };
            let Some(kept) = store.seen(&id) else {
                if self.never_went_out(channel, &id, sequence) {
                    continue;
                }
                let sentence = format!("{id} was sent under this `ref`, and its record is damaged");
                return Err((codes::LOG_DAMAGED, sentence).into());
            };
            let sent = kept.envelope().map_err(|e| (e.code(), e.to_string()))?;
            return Ok(Some(sent));
        }
        Ok(None)
    }

    /// What was sent under a reference: a file is cut anew with the key that it had, so that whoever asks for it
    /// again asks for the same.
    pub(super) fn sent_under(&self, channel: &str, reference: &str) -> ControlResult {
        let Some(sent) = self.under(channel, reference)? else { return Ok(json!({"id": null})) };
        let (id, channel, sealed) = (sent.id(), &sent.header().channel, sent.header().is_sealed());
        let file = match sealed.then(|| self.knowledge.open(&sent)) {
            Some(Opening::Open(payload)) => file_of(&payload),
            Some(Opening::NoKey | Opening::Broken(_)) => None,
            None => sent.payload().and_then(file_of),
        };
        Ok(json!({"id": id, "channel": channel, "sealed": sealed, "file": file}))
    }

    /// The message that was sent under the reference of a new one, if one was.
    pub(super) fn sent_before(&self, new: &NewMessage) -> Result<Option<Envelope>, AskError> {
        let Some(reference) = &new.reference else { return Ok(None) };
        if let Some(sent) = self.under(&new.channel, reference)? {
            let opened = sent.header().is_sealed().then(|| self.knowledge.open(&sent));
            if let Some(what) = difference(new, &sent, opened.as_ref()) {
                let id = sent.id();
                let sentence = format!("{id} was sent under this `ref`, with other `{what}`");
                return Err((codes::NODE_REFERENCE, sentence).into());
            }
            return Ok(Some(sent));
        }
        for channel in self.versions_of(&new.channel) {
            self.check_unnamed(channel, new)?;
        }
        Ok(None)
    }

    /// Refuses a reference that nobody knows while it may be that of a message whose record of it is lost: what was
    /// ordered is not ordered twice because the log is damaged.
    fn check_unnamed(&self, channel: &ContentId, new: &NewMessage) -> Result<(), AskError> {
        let (store, material) = (&self.knowledge.store, &self.knowledge.material);
        let signed = material.channels.get(channel).or_else(|| material.left.get(channel));
        let longest = signed.map_or(0, |s| s.descriptor().limits.max_lifetime_seconds);
        let times = (self.now(), longest.saturating_mul(1000));
        for unnamed in store.unnamed(&self.own_chain(channel)) {
            let opened = match &unnamed {
                // Only where nothing else differs: opening takes longer.
                Unnamed::Message(sent)
                    if sent.header().is_sealed()
                        && difference(new, sent, Some(&Opening::NoKey)).is_none() =>
                {
                    Some(self.knowledge.open(sent))
                }
                Unnamed::Message(_) | Unnamed::Before(_) => None,
            };
            if !may_be_it(&unnamed, new, opened.as_ref(), times) {
                continue;
            }
            let which = match &unnamed {
                Unnamed::Message(sent) => sent.id().to_string(),
                Unnamed::Before(Link { previous: Some(id), .. }) => id.to_string(),
                Unnamed::Before(next) => format!("the one before {}", next.id),
            };
            let sentence = format!(
                "records of the log are lost that may have said that {which} was sent under this `ref`: nothing was \
                 sent; look at that message (gridpass outbox) or ask its recipients, and where it is another \
                 one, send without a `ref`"
            );
            return Err((codes::LOG_DAMAGED, sentence).into());
        }
        Ok(())
    }

    /// How far a message came that was sent before, or that it is over.
    pub(super) fn state_of(&self, envelope: &Envelope) -> Value {
        if self.now() >= envelope.header().expires {
            return Value::from("over");
        }
        let kept = self.knowledge.store.seen(envelope.id());
        let fate = self.fate(envelope, kept.is_some_and(|kept| kept.caught_up));
        fate.get("state").cloned().unwrap_or_default()
    }

    /// Whether that is so, and the same was asked for.
    pub(super) fn was_sent(&self, new: &NewMessage) -> bool {
        matches!(self.sent_before(new), Ok(Some(_)))
    }

    /// Whether a message that is not here was cut off as it was written. Where its number is missing among
    /// later ones, it was lost.
    fn never_went_out(&self, channel: &ContentId, id: &EnvelopeId, sequence: u64) -> bool {
        let (chain, store) = (self.own_chain(channel), &self.knowledge.store);
        match store.at(&chain, sequence) {
            Some(link) => link.id != *id,
            None => store.newest(&chain).is_none_or(|newest| newest < sequence),
        }
    }

    /// All versions of the channel that is named, by its CID or its name: what was sent in one of them is not
    /// sent again in the next. One that was left counts where none of that name is here.
    fn versions_of(&self, name: &str) -> Vec<&ContentId> {
        let material = &self.knowledge.material;
        let of = |channel: &SignedChannel| {
            let descriptor = channel.descriptor();
            (descriptor.owner.clone(), descriptor.name.as_str().to_owned())
        };
        let named = |(id, channel): &(&ContentId, &SignedChannel)| {
            id.as_str() == name || channel.descriptor().name.as_str() == name
        };
        let mut meant: BTreeSet<_> =
            material.channels.iter().filter(named).map(|(_, c)| of(c)).collect();
        if meant.is_empty() {
            meant = material.left.iter().filter(named).map(|(_, c)| of(c)).collect();
        }
        let all = material.channels.iter().chain(&material.left);
        all.filter(|(_, channel)| meant.contains(&of(channel))).map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Header;
    use crate::files::FileKey;
    use crate::test_kit::{cid, header, key};

    #[test]
    fn a_reference_is_a_short_text() {
        let (longest, longer) = ("x".repeat(MAX_REFERENCE), "x".repeat(MAX_REFERENCE + 1));
        assert!(["b", "bid 17/é", longest.as_str()].iter().all(|r| check(r).is_ok()));
        for reference in ["", "a\nb", "\u{7f}", longer.as_str()] {
            let refused = check(reference).expect_err("refused");
            assert_eq!(refused.0, codes::NODE_REQUEST, "{reference:?}");
        }
    }

    #[test]
    fn what_is_told_of_a_file_has_its_key_and_nothing_of_the_channels_own() {
        let file = Reference {
            manifest: cid("manifest"),
            size: 5,
            name: "model.xml".into(),
            media_type: "application/xml".into(),
            key: Some(FileKey::new([7; 32])),
        };
        let own = Map::from_iter([("zone".to_owned(), json!("GB-1"))]);
        let told = file_of(file.to_payload(own).to_string().as_bytes()).expect("a file");
        assert_eq!(told.get("zone"), None);
        assert_eq!(Reference::parse(told.to_string().as_bytes()), Ok(file));
        assert_eq!(file_of(b"{}"), None);
    }

    #[test]
    fn another_message_under_the_same_reference_is_told_by_what_differs() {
        let key = key(1);
        let attributes = json!({"zone": "GB-1", "quantityKw": 5});
        let attributes = attributes.as_object().expect("an object").clone();
        let header = Header { attributes, ..header(&key) };
        let sent = Envelope::sign(header, b"{}".to_vec(), &key).expect("signs");
        let new = NewMessage::new("channel", "bids", b"{}");
        let of = |new: &NewMessage| difference(new, &sent, None);
        assert_eq!(of(&new), None);
        let said = new.clone().with("quantityKw", 5).for_millis(60_000);
        assert_eq!(of(&said), None);
        assert_eq!(of(&new.clone().with("zone", "GB-2")), Some("attributes"));
        assert_eq!(of(&new.clone().for_millis(60_001)), Some("lifetimeMillis"));
        assert_eq!(of(&NewMessage::new("channel", "bids", b"{ }")), Some("payload"));
        assert_eq!(of(&NewMessage::new("channel", "orders", b"{}")), Some("topic"));
        let to = sent.header().sender.clone();
        assert_eq!(of(&new.clone().to(to)), Some("recipients"));
        assert_eq!(of(&new.clone().in_thread(sent.id().clone())), Some("thread"));
        assert_eq!(of(&NewMessage { version: Some(2), ..new.clone() }), Some("version"));
        // Of one that is sealed, what it says counts, and nothing where that cannot be said.
        let open = Opening::Open(b"{ }".to_vec().into());
        assert_eq!(difference(&new, &sent, Some(&open)), Some("payload"));
        assert_eq!(difference(&new, &sent, Some(&Opening::NoKey)), None);
    }

    #[test]
    fn recipients_are_the_same_in_whatever_order() {
        let did = |number: u8| crate::test_kit::did_of(&key(number)).did().clone();
        let header = Header { recipients: vec![did(2), did(3)], ..header(&key(1)) };
        let sent = Envelope::sign(header, b"{}".to_vec(), &key(1)).expect("signs");
        let new = NewMessage::new("channel", "bids", b"{}");
        let to = |all: [u8; 2]| all.into_iter().fold(new.clone(), |new, n| new.to(did(n)));
        assert_eq!(difference(&to([2, 3]), &sent, None), None);
        assert_eq!(difference(&to([3, 2]), &sent, None), None);
        assert_eq!(difference(&to([2, 4]), &sent, None), Some("recipients"));
        assert_eq!(difference(&to([2, 2]), &sent, None), Some("recipients"));
    }

    #[test]
    fn a_message_without_a_known_reference_stands_in_the_way_while_it_counts_or_is_the_same() {
        let key = key(1);
        let sent = Envelope::sign(header(&key), b"{}".to_vec(), &key).expect("signs");
        let (issued, expires) = (sent.header().issued, sent.header().expires);
        let link = Link { id: sent.id().clone(), previous: None, issued };
        let message = Unnamed::Message(Box::new(sent));
        let same = NewMessage::new("channel", "bids", b"{}");
        let other = NewMessage::new("channel", "bids", b"{ }");
        let of = |unnamed: &Unnamed, new: &NewMessage, now: UnixMillis| {
            may_be_it(unnamed, new, None, (now, 10))
        };
        assert!(of(&message, &same, issued) && of(&message, &other, issued));
        assert!(of(&message, &same, expires), "it is not sent twice, also when it is over");
        assert!(!of(&message, &other, expires), "and blocks nothing else for ever");
        let lost = Unnamed::Before(link);
        assert!(of(&lost, &other, issued.plus_millis(9)));
        assert!(!of(&lost, &same, issued.plus_millis(10)));
    }
}
