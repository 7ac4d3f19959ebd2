//! What becomes durable together, and what waits for that.

use super::control::ControlResult;
use super::worker::Worker;
use crate::codes;
use crate::envelope::Envelope;
use crate::net::{Command, topic_of};
use crate::store::Entry;
use crate::sync::Announcement;
use tokio::sync::oneshot;

/// What is done once the group is durable, or not.
pub(super) enum After {
    /// Answer an operator whose message it is, and send it.
    Sent { reply: oneshot::Sender<ControlResult>, envelope: Box<Envelope> },
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

    /// Makes the group durable, and does what was waiting for that.
    pub(super) fn commit(&mut self) {
        self.state_again();
        let to_confirm = std::mem::take(&mut self.to_confirm);
        self.sign_receipts(to_confirm);
        let after = std::mem::take(&mut self.after);
        let mut failed = None;
        if self.knowledge.store.staged() > 0 {
            match self.knowledge.store.commit(self.now()) {
                Ok(numbers) => {
                    self.metrics.kept(numbers.len());
                    if let Some(last) = numbers.last() {
                        self.newest.send_replace(*last);
                    }
                }
                Err(e) => {
                    tracing::error!(code = %e.code(), "nothing of this group was kept: {e}");
                    self.checker.nothing_was_kept();
                    self.seal_anew();
                    self.metrics.failed();
                    failed = Some(e.to_string());
                }
            }
        }
        for after in after {
            match (after, &failed) {
                (After::Sent { reply, .. }, Some(why)) => {
                    let _ = reply.send(Err((codes::NOT_DURABLE, why.clone())));
                }
                (After::Answer(reply, _), Some(why)) => {
                    let _ = reply.send(Err((codes::NOT_DURABLE, why.clone())));
                }
                (After::Sent { reply, envelope }, None) => self.send_out(reply, &envelope),
                (After::Answer(reply, answer), None) => {
                    let _ = reply.send(answer);
                }
                (After::Announce(announcement), _) => self.announce(&announcement),
                (After::Respond { reply, response }, None) => {
                    self.tell(Command::Answer { reply, response });
                }
                // Who gets no answer asks again.
                (After::Respond { .. }, Some(_)) => {}
            }
        }
    }

    pub(super) fn announce(&self, announcement: &Announcement) {
        match announcement.encode() {
            Ok(data) => {
                let topic = topic_of(&self.framework());
                self.tell(Command::Publish { topic, data, envelope: None });
            }
            Err(e) => tracing::error!("not announced: {e}"),
        }
    }
}
