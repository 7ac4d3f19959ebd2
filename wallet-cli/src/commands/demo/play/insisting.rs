//! A node whose own checks were taken out: it signs and sends what its participant may not send, so that
//! it is the others' policy engines that refuse it.

use super::super::cast::wrong;
use super::super::copyist::Copyist;
use super::{Play, Seen, list};
use crate::context::{now, rng};
use crate::output::Failure;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_examples::scenario::{Expect, SendMessage, Step};
use gridpass_examples::schemas;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::envelope::{Envelope, Header};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sealing::{ChainKey, Epoch, Member, Place, SealedPayload};
use gridpass_policy::channel::Sealing;
use rand_core::Rng as _;
use serde_json::{Map, Value};

/// For how long the message would count.
const LIFETIME_MILLIS: u64 = 600_000;

/// A message, with the epoch that it is sealed in, if it is.
type Made = (Envelope, Option<Vec<u8>>);

impl Play<'_> {
    /// After its own node refused a message: the same key signs it all the same, and it goes to all who
    /// read the channel. Each must refuse it with the same code, and nobody be delivered it.
    pub(super) fn insist(
        &mut self,
        step: &SendMessage,
        payload: Vec<u8>,
        thread: Option<EnvelopeId>,
        seen: Seen,
    ) -> Result<Seen, Failure> {
        let Some(code) = seen.code.clone() else { return Ok(seen) };
        let readers: Vec<String> =
            self.readers(step).into_iter().filter(|n| self.nodes.runs(n)).collect();
        if readers.is_empty() || self.goes_on(step) || !self.nodes.runs(&step.from) {
            return Ok(seen);
        }
        let Some((envelope, epoch)) = self.made_all_the_same(step, payload, thread)? else {
            return Ok(seen);
        };
        let wire = envelope.to_wire().ok_or_else(|| wrong(&"it has no payload"))?;
        let mut before = Vec::new();
        for name in &readers {
            before.push((name.clone(), self.nodes.times(name, &code)?));
        }
        let addresses: Vec<String> = readers.iter().filter_map(|n| self.nodes.address(n)).collect();
        let header = envelope.header();
        let framework = self.cast.channel(&step.channel)?.descriptor().framework.clone();
        let mut changed = Copyist::connect(&addresses)?;
        if let Some(epoch) = epoch {
            changed.holds(epoch)?;
        }
        changed.send(&header.channel, &framework, addresses.len(), vec![wire])?;
        changed.linger(|| {
            for (name, times) in &before {
                if self.nodes.times(name, &code)? <= *times {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        let place = (step.from.clone(), step.channel.clone());
        self.insisted.insert(place, (header.sequence, envelope.id().clone()));
        for name in &readers {
            self.look_into(name)?;
            if self.times(name, envelope.id()) != 0 {
                return Ok(Seen::failed(format!("{name} was delivered it from a changed node")));
            }
        }
        let also = format!("; sent all the same by a changed node, {} refused it", list(&readers));
        Ok(Seen { detail: seen.detail + &also, ..seen })
    }

    /// Who reads a channel, as the other steps say.
    fn readers(&self, step: &SendMessage) -> Vec<String> {
        let mut readers: Vec<String> = Vec::new();
        for (_, other) in self.scenario().steps() {
            let (channel, expect) = match other {
                Step::Send(s) => (&s.channel, &s.expect),
                Step::SendFile(s) => (&s.channel, &s.expect),
                _ => continue,
            };
            if let (true, Expect::Delivered(to)) = (channel == &step.channel, expect) {
                readers.extend(to.iter().filter(|n| **n != step.from).cloned());
            }
        }
        readers.sort();
        readers.dedup();
        readers
    }

    /// Whether its own node sends more there later: that would contradict what a changed one sends.
    fn goes_on(&self, step: &SendMessage) -> bool {
        let steps = self.scenario().steps().map(|(_, step)| step);
        steps.skip_while(|s| s.id() != step.id).skip(1).any(|later| match later {
            Step::Send(s) => {
                (&s.from, &s.channel) == (&step.from, &step.channel)
                    && matches!(s.expect, Expect::Delivered(_))
            }
            Step::SendFile(s) => (&s.from, &s.channel) == (&step.from, &step.channel),
            _ => false,
        })
    }

    /// The message as its node would have signed it; nothing where somebody without its checks could not make it either.
    fn made_all_the_same(
        &self,
        step: &SendMessage,
        payload: Vec<u8>,
        thread: Option<EnvelopeId>,
    ) -> Result<Option<Made>, Failure> {
        let channel = self.cast.channel(&step.channel)?;
        let descriptor = channel.descriptor();
        let topic = descriptor.topic(&step.topic);
        let version = topic.and_then(|t| t.versions.last());
        let (Some(topic), Some(version)) = (topic, version) else { return Ok(None) };
        let (Some(node), Some(presentation)) =
            (self.cast.node(&step.from), self.cast.presented(&step.from, &step.channel))
        else {
            return Ok(None);
        };
        let schema = schemas::find(step.document.schema()).ok_or_else(|| wrong(&"no schema"))?;
        let schema = schema.and_then(|s| s.compile()).map_err(|e| wrong(&e))?;
        let mut attributes: Map<String, Value> =
            self.cast.names.resolve_all(&step.attributes).map_err(|e| wrong(&e))?;
        for (name, attribute) in &topic.attributes {
            let Some(from) = &attribute.from else { continue };
            if let Some(value) = schema.read(&payload, from, attribute.value_type) {
                attributes.entry(name.clone()).or_insert_with(|| value.to_json());
            }
        }
        let last = self.last_of(step)?;
        let issued = now();
        let mut header = Header {
            channel: channel.id().clone(),
            topic: topic.name.clone(),
            topic_version: version.version,
            schema: version.schema.clone(),
            media_type: version.media_type.clone(),
            sender: self.cast.did(&step.from)?.clone(),
            key: node.key_id.clone(),
            authorisation: Some(node.authorisation.clone()),
            presentation: presentation.clone(),
            sequence: last.as_ref().map_or(1, |(n, _)| n.saturating_add(1)),
            previous: last.map(|(_, id)| id),
            issued,
            expires: issued.plus_millis(LIFETIME_MILLIS),
            recipients: self.dids(&step.to)?,
            thread,
            attributes,
            epoch: None,
        };
        let (payload, epoch) = match descriptor.sealing {
            Sealing::None => (payload, None),
            Sealing::Members => {
                let (payload, epoch) = self.sealed(step, &mut header, &payload)?;
                (payload, Some(epoch))
            }
        };
        let made = Envelope::sign(header, payload, &node.key);
        made.map(|e| Some((e, epoch))).map_err(|e| Failure::new(e.code(), e.to_string()))
    }

    /// Seals to the nodes of those who may read it, as an honest node does.
    fn sealed(
        &self,
        step: &SendMessage,
        header: &mut Header,
        payload: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let mut members = Vec::new();
        for name in self.readers(step) {
            let participant = self.cast.did(&name)?.clone();
            if !header.recipients.is_empty() && !header.recipients.contains(&participant) {
                continue;
            }
            let (node, shown) = (self.cast.node(&name), self.cast.presented(&name, &step.channel));
            if let (Some(node), Some(presentation)) = (node, shown) {
                members.push(Member {
                    node: node.key_id.did().clone(),
                    participant,
                    authorisation: Some(node.authorisation.clone()),
                    presentation: presentation.clone(),
                });
            }
        }
        let (mut secret, mut nonce) = ([0; 32], [0; 12]);
        rng().fill_bytes(&mut secret);
        rng().fill_bytes(&mut nonce);
        let (chain, key) = (Chain::of(header), ChainKey::new(secret));
        let (first, to) = (header.sequence, &header.recipients);
        let (epoch, document) = Epoch::begin(&chain, first, header.issued, to, &members, &key)
            .map_err(|e| wrong(&e))?;
        header.recipients = epoch.recipients().to_vec();
        header.epoch = Some(epoch.id().clone());
        let place = Place {
            channel: &header.channel,
            sender: &header.sender,
            key: &header.key,
            sequence: first,
            epoch: epoch.id(),
        };
        let sealed = SealedPayload::seal(payload, &key.message(), &place, nonce);
        let sealed = sealed.and_then(|s| s.encode()).map_err(|e| wrong(&e))?;
        Ok((sealed, document))
    }

    /// The last message of a sender in a channel.
    fn last_of(&self, step: &SendMessage) -> Result<Option<(u64, EnvelopeId)>, Failure> {
        let place = (step.from.clone(), step.channel.clone());
        if let Some(last) = self.insisted.get(&place) {
            return Ok(Some(last.clone()));
        }
        let channel = self.cast.channel(&step.channel)?.id().as_str();
        let outbox = self.nodes.ask(&step.from, &Asked::Outbox { most: 1000, before: None })?;
        let own = outbox.get("messages").and_then(Value::as_array).into_iter().flatten();
        let own = own.filter(|m| m.get("channel").and_then(Value::as_str) == Some(channel));
        let newest = own.max_by_key(|m| m.get("sequence").and_then(Value::as_u64));
        let Some(newest) = newest else { return Ok(None) };
        let id = newest.get("id").and_then(Value::as_str).unwrap_or_default();
        let sequence = newest.get("sequence").and_then(Value::as_u64).unwrap_or_default();
        Ok(Some((sequence, EnvelopeId::parse(id).map_err(|e| wrong(&e))?)))
    }
}
