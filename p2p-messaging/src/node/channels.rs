//! Taking part in channels, and no more.

use super::control::Answered;
use super::own::not_found;
use super::worker::Worker;
use crate::checking::{Known as _, Missing, Right};
use crate::codes;
use crate::net::{Command, keys_topic_of, topic_of};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::{Class, Code};
use gridpass_policy::keeping;
use gridpass_policy::payload::{PayloadSchema, SchemaError};
use gridpass_policy::policy::Policy;
use libp2p::PeerId;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

impl Worker {
    /// Takes part in everything that it was given.
    pub(super) fn join_all(&mut self) {
        self.fill_shelf();
        let channels: Vec<_> = self.knowledge.material.channels.keys().cloned().collect();
        self.tell(Command::Subscribe(topic_of(&self.framework())));
        for channel in channels {
            self.join_if_signed(channel);
        }
    }

    /// The channel that a message is sent in. Of several versions of a name it is the newest that this node
    /// can send in: a descriptor that was only just given, without a presentation for it, ends nothing, nor one
    /// whose date has not come. Of two that are one version neither is, whatever their CIDs.
    pub(super) fn channel_to_send(&self, name: &str) -> Result<ContentId, (Code, String)> {
        let named = self.channels_to_send(name);
        let newest = keeping::newest(&named, name).map_err(not_found)?.id().clone();
        let (material, now) = (&self.knowledge.material, self.now());
        let can = |id: &ContentId| {
            self.checker.policy(id).is_some_and(|p| p.descriptor().dated <= now)
                && material.presentations.get(id).is_some_and(|p| p.expires > now)
        };
        if newest.as_str() == name || can(&newest) {
            return Ok(newest);
        }
        let usable: Vec<_> = named.into_iter().filter(|c| can(c.id())).collect();
        if usable.is_empty() {
            return Ok(newest);
        }
        Ok(keeping::newest(&usable, name).map_err(not_found)?.id().clone())
    }

    /// Where a presentation or the authorisation has ended, another that was given may count.
    pub(super) fn choose_presentations(&mut self) {
        let now = self.now();
        let authorised = self.knowledge.material.choose_authorisation(now);
        let changed = self.knowledge.material.choose_presentations(now);
        if changed.is_empty() && !authorised {
            return;
        }
        if authorised {
            tracing::info!("another authorisation of this node counts from now on");
        }
        for channel in changed {
            tracing::info!(%channel, "another presentation counts from now on");
        }
        self.greet_again();
        self.rejudge();
    }

    /// Takes part in a channel no more. What was said there stays, until it is forgotten as the
    /// channel says.
    pub(super) fn leave(&mut self, name: &str) -> Answered {
        let channel = self.channel_named(name)?;
        self.knowledge.material.leave(&channel).map_err(|e| (e.code(), e.to_string()))?;
        self.unsigned.remove(&channel);
        self.stand_aside(&channel);
        tracing::info!(%channel, "left");
        self.invitations.leave(&channel).map_err(|e| (e.code(), e.to_string()))?;
        Ok(json!({"channel": channel}))
    }

    /// Takes part in a channel.
    pub(super) fn join(&mut self, channel: ContentId) {
        let Some(signed) = self.knowledge.material.channels.get(&channel) else { return };
        let policy = match Policy::compile(signed.descriptor().clone()) {
            Ok(policy) => policy,
            Err(e) => {
                tracing::error!(%channel, code = %e.code(), "{e}");
                return;
            }
        };
        let versions = policy.descriptor().topics.iter().flat_map(|t| &t.versions);
        self.unready.extend(versions.map(|v| (channel.clone(), v.schema.clone())));
        let reads = self.takes_part(&channel);
        self.checker.join(policy, BTreeMap::new(), reads);
        self.judge_self();
        self.begin(&channel);
        self.compile_schemas(None);
        self.begin_sealing(&channel);
        if reads {
            self.tell(Command::Subscribe(topic_of(&channel)));
            if self.seals(&channel) {
                self.tell(Command::Subscribe(keys_topic_of(&channel)));
            }
            // Who says that it takes part is expected to subscribe.
            self.greet_again();
        }
        self.fill_shelf();
        tracing::info!(%channel, reads, "joined");
    }

    /// Finds out whether this node reads or only keeps, where a channel has keepers. As long as that
    /// cannot be said it counts as reading: nothing that it may read is lost to it.
    pub(super) fn judge_self(&mut self) {
        let now = self.now();
        let material = &self.knowledge.material;
        let kept = |id: &ContentId| {
            self.checker.policy(id).is_some_and(|p| !p.descriptor().keep.is_empty())
        };
        let own: Vec<_> = (material.presentations.iter())
            .filter(|(channel, _)| kept(channel))
            .map(|(channel, own)| (channel.clone(), own.id.clone()))
            .collect();
        for (channel, presentation) in own {
            let (right, reads) = self.own_right(&channel, &presentation, now);
            match right {
                Some(Right::Read) => self.checker.set_reads(&channel, true),
                // Only where it is certain: what it may read and does not take is lost to it.
                Some(Right::Keep) if reads.code.class() != Class::Indeterminate => {
                    self.checker.set_reads(&channel, false);
                }
                _ => {}
            }
        }
    }

    /// Compiles the schemas of channels whose documents are all here, and asks for those that are
    /// not: of this peer first, which has come or is known to have some.
    pub(super) fn compile_schemas(&mut self, peer: Option<PeerId>) {
        for (channel, id) in self.unready.clone() {
            let read = RefCell::new(BTreeSet::new());
            let documents = |id: &ContentId| {
                read.borrow_mut().insert(id.clone());
                self.knowledge.document(id)
            };
            match PayloadSchema::compile(&id, &documents) {
                Ok(schema) => {
                    // They are needed again after a restart.
                    for part in read.into_inner() {
                        self.keep_document(&part);
                        self.shelve_schema(&part);
                    }
                    self.unready.remove(&(channel.clone(), id.clone()));
                    self.checker.schema_came(&channel, id.clone(), schema);
                    self.came(&Missing::Document(id));
                }
                Err(SchemaError::Missing(part)) => {
                    tracing::info!(%channel, schema = %id, %part, "a schema is not here yet");
                    self.ask(Missing::Document(part), peer);
                }
                Err(e) => {
                    tracing::error!(%channel, schema = %id, code = %e.code(), "{e}");
                    self.unready.remove(&(channel, id));
                }
            }
        }
    }

    /// Why there is nothing yet by which a payload is held against a schema: what is missing of it, or why it
    /// cannot be used.
    pub(super) fn schema_lacks(&self, schema: &ContentId) -> (Code, String) {
        let documents = |id: &ContentId| self.knowledge.document(id);
        match PayloadSchema::compile(schema, &documents) {
            Err(SchemaError::Missing(part)) => not_here(schema, &part),
            Err(e) => (e.code(), format!("the schema {schema}: {e}")),
            Ok(_) => not_here(schema, schema),
        }
    }

    /// The schemas of a channel's topics by which nothing can be checked here yet, each with what is missing.
    pub(super) fn schemas_missing(&self, channel: &ContentId) -> Vec<Value> {
        let Some(policy) = self.checker.policy(channel) else { return Vec::new() };
        let versions = policy.descriptor().topics.iter().flat_map(|t| &t.versions);
        let all: BTreeSet<&ContentId> = versions.map(|v| &v.schema).collect();
        let missing = all.into_iter().filter(|id| self.checker.schema(channel, id).is_none());
        let shown = |id: &ContentId| {
            let (code, sentence) = self.schema_lacks(id);
            json!({"schema": id, "code": code.id(), "sentence": sentence})
        };
        missing.map(shown).collect()
    }

    /// Whether a schema of a channel is not read yet for want of this document.
    pub(super) fn is_schema_part(&self, id: &ContentId) -> bool {
        let documents = |id: &ContentId| self.knowledge.document(id);
        self.unready.iter().any(|(_, schema)| match PayloadSchema::compile(schema, &documents) {
            Err(SchemaError::Missing(part)) => &part == id,
            _ => false,
        })
    }

    fn keep_document(&mut self, id: &ContentId) {
        let Some(bytes) = self.knowledge.arrived.get(id).cloned() else { return };
        if let Err(e) = self.knowledge.material.keep_document(id.clone(), bytes) {
            tracing::error!(document = %id, code = %e.code(), "{e}");
        }
    }
}

/// What is said of a schema of which this is missing.
fn not_here(schema: &ContentId, part: &ContentId) -> (Code, String) {
    let what = match part == schema {
        true => format!("the schema {schema} is"),
        false => format!("{part}, which the schema {schema} names, is"),
    };
    let sentence = format!(
        "{what} not here, so that no payload can be checked; it is asked for of peers, where any are connected"
    );
    (codes::SCHEMA_NOT_HERE, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_of_a_schema_is_named_first() {
        let part = ContentId::of_bytes(b"an XSD").expect("a CID");
        let schema = ContentId::of_nothing();
        let (code, whole) = not_here(&schema, &schema);
        assert_eq!(code, codes::SCHEMA_NOT_HERE);
        assert!(whole.starts_with(&format!("the schema {schema} is not here")), "{whole}");
        let (_, of_it) = not_here(&schema, &part);
        assert!(of_it.starts_with(part.as_str()) && of_it.contains(schema.as_str()), "{of_it}");
        assert!(of_it.contains("asked for of peers"), "{of_it}");
    }
}
