//! What becomes durable together, and what waits for that.

use super::control::ControlResult;
use super::worker::Worker;
use crate::codes;
use crate::envelope::Envelope;
use crate::log::LogError;
use crate::net::{Command, topic_of};
use crate::store::{Entry, StoreError};
use crate::sync::{Announcement, pack};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Own messages of each channel, in order.
type Outgoing = BTreeMap<ContentId, Vec<(EnvelopeId, Vec<u8>)>>;

/// What is done once the group is durable, or not.
pub(super) enum After {
    /// Answer an operator whose message it is, and send it.
    Sent {
        reply: oneshot::Sender<ControlResult>,
        envelope: Box<Envelope>,
        /// What whoever asked named it by.
        reference: Option<String>,
    },
    /// Answer an operator.
    Answer(oneshot::Sender<ControlResult>, ControlResult),
    /// Tell everybody.
    Announce(Announcement),
    /// Answer a peer.
    Respond { reply: crate::net::Reply, response: Box<crate::sync::Response> },
}

impl Worker {
    pub(super) fn stage(&mut self, entry: Entry) {
        if let Err(e) = self.knowledge.store.stage(entry) {
            tracing::error!(code = %e.code(), "not staged: {e}");
        }
    }

    /// Gives the group to the disk, once the one before it is there, and goes on.
    pub(super) fn commit(&mut self) {
        self.state_again();
        let to_confirm = std::mem::take(&mut self.to_confirm);
        self.sign_receipts(to_confirm);
        let kept_before = self.finish();
        let after = std::mem::take(&mut self.after);
        if let Err(why) = kept_before {
            // It rests on what was not kept, and was not on its way to the disk itself.
            let why = self.knowledge.store.failure().map_or(why, |failed| failed.to_string());
            self.do_after(after, Some((codes::NOT_DURABLE, &why)));
        } else if let Some(why) = self.knowledge.store.failure() {
            // What could not be read was taken for what is not there.
            self.nothing_kept(after, &why);
        } else if self.knowledge.store.staged() == 0 {
            self.do_after(after, None);
        } else {
            match self.knowledge.store.begin_commit(self.now()) {
                Ok(appending) => {
                    self.disk.give(appending);
                    self.under_way = Some(after);
                }
                Err(e) => self.nothing_kept(after, &e),
            }
        }
    }

    /// Waits until the group that is on its way to the disk is there, and does what was waiting for
    /// that. An error says why nothing of it was kept, nor of what was taken in since.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        let Some(after) = self.under_way.take() else { return Ok(()) };
        let ended = match self.disk.wait() {
            Some(appended) => self.knowledge.store.end_commit(appended),
            None => Err(self.knowledge.store.lost()),
        };
        match ended {
            Ok(numbers) => {
                self.metrics.kept(numbers.len());
                self.metrics.logged(self.knowledge.store.bytes());
                if let Some(last) = numbers.last() {
                    self.newest.send_replace(*last);
                }
                self.do_after(after, None);
                Ok(())
            }
            Err(e) => {
                self.nothing_kept(after, &e);
                Err(e.to_string())
            }
        }
    }

    fn nothing_kept(&mut self, after: Vec<After>, why: &StoreError) {
        tracing::error!(code = %why.code(), "this group is not acknowledged: {why}");
        self.checker.nothing_was_kept();
        // What peers gave is asked of them again.
        self.ranges.looked.again();
        self.seal_anew();
        self.metrics.failed();
        let code = match why {
            StoreError::Log(LogError::InDoubt(_)) => codes::MAY_BE_KEPT,
            _ => codes::NOT_DURABLE,
        };
        self.do_after(after, Some((code, &why.to_string())));
    }

    fn do_after(&mut self, after: Vec<After>, failed: Option<(Code, &str)>) {
        let mut outgoing = Outgoing::new();
        for after in after {
            match (after, failed) {
                (After::Sent { reply, .. } | After::Answer(reply, _), Some((code, why))) => {
                    let _ = reply.send(Err((code, why.to_owned()).into()));
                }
                (After::Sent { reply, envelope, reference }, None) => {
                    if let Some(wire) = envelope.to_wire() {
                        let channel = outgoing.entry(envelope.header().channel.clone());
                        channel.or_default().push((envelope.id().clone(), wire));
                    }
                    self.acknowledge(reply, &envelope, reference.as_deref());
                }
                (After::Answer(reply, answer), None) => {
                    let _ = reply.send(answer);
                }
                (After::Announce(announcement), _) => {
                    // What was said before it goes out before it.
                    self.send_out(std::mem::take(&mut outgoing));
                    self.announce(&announcement);
                }
                (After::Respond { reply, response }, None) => {
                    self.tell(Command::Answer { reply, response });
                }
                // Who gets no answer asks again.
                (After::Respond { .. }, Some(_)) => {}
            }
        }
        self.send_out(outgoing);
    }

    /// What became durable together goes out together.
    fn send_out(&self, outgoing: Outgoing) {
        for (channel, envelopes) in outgoing {
            match pack(envelopes) {
                Ok(messages) => {
                    for message in messages {
                        let (topic, data) = (topic_of(&channel), message.bytes);
                        let envelopes = message.envelopes;
                        self.tell(Command::Publish { topic, data, envelopes });
                    }
                }
                Err(e) => tracing::error!("not sent by gossip: {e}"),
            }
        }
    }

    pub(super) fn announce(&self, announcement: &Announcement) {
        match announcement.encode() {
            Ok(data) => {
                let topic = topic_of(&self.framework());
                self.tell(Command::Publish { topic, data, envelopes: Vec::new() });
            }
            Err(e) => tracing::error!("not announced: {e}"),
        }
    }
}
