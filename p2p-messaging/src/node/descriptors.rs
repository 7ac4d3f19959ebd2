//! Whether the descriptors of channels count: their owners must have signed them, by all that is known now. What is
//! learned later changes that: an owner marks a key as stolen, or signs anew.

use super::worker::Worker;
use crate::checking::Missing;
use crate::net::{Command, keys_topic_of, topic_of};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Why a descriptor does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotSigned {
    pub(super) check: Check,
    /// Its owner's signature is only dated ahead of the clock here.
    early: bool,
}

impl NotSigned {
    pub(super) fn refused(&self) -> bool {
        self.check.outcome == Outcome::Failed
    }

    fn next(&self) -> &'static str {
        if self.early {
            "Nothing, if the clock here is right: the node takes part by itself once that time has \
             come. Else set the clock."
        } else if self.refused() {
            "Ask the channel's owner whether it is theirs. If so, to sign it anew (`gridpass channel \
             sign`), and `gridpass node add` that file: what is stored here stays, and the node takes \
             part again at once. Else `gridpass node leave CID`."
        } else {
            "What proves its owner is asked for. Where the owner marked a key as stolen, ask whether \
             it is theirs: if so for the descriptor signed anew (`gridpass channel sign`), and \
             `gridpass node add` that file: what is stored here stays, and the node takes part again \
             at once; else `gridpass node leave CID`."
        }
    }

    fn shown(&self) -> Value {
        json!({
            "state": if self.refused() { "refused" } else { "undecided" },
            "code": self.check.code,
            "sentence": self.check.sentence,
            "next": self.next(),
        })
    }
}

impl Worker {
    /// Takes part in a channel that was given, if its owner signed it, also anew with another presentation. Else it
    /// is looked at again: what the owner's DID says may come, or the time of the signature.
    pub(super) fn join_if_signed(&mut self, channel: ContentId) {
        let joined = self.checker.policy(&channel).is_some();
        self.look_at(vec![channel.clone()]);
        if joined && self.checker.policy(&channel).is_some() {
            self.join(channel);
        } else {
            self.ask_for_owners(Some(&channel));
        }
    }

    /// Looks again at the descriptors that do not count.
    pub(super) fn join_if_signed_now(&mut self) {
        self.look_at(self.unsigned.keys().cloned().collect());
    }

    /// Asks for what proves the owners of channels of which it cannot be said who signed them: of this one, or of
    /// all. Not whenever such a proof came: where nobody has another, messages that wait for the same proof would
    /// be given up just then.
    pub(super) fn ask_for_owners(&mut self, of: Option<&ContentId>) {
        let undecided = self.unsigned.iter().filter(|(_, found)| !found.refused());
        let undecided = undecided.filter(|(id, _)| of.is_none_or(|channel| channel == *id));
        let channels = undecided.filter_map(|(id, _)| self.knowledge.material.channels.get(id));
        let owners: BTreeSet<Did> = channels.map(|c| c.descriptor().owner.clone()).collect();
        for owner in owners {
            self.ask(Missing::Did(owner), None);
        }
    }

    /// What is known of an owner changed, or of any where none is named: its descriptors are judged by that, as they
    /// would be after a restart.
    pub(super) fn owner_changed(&mut self, owner: Option<&Did>) {
        let channels = self.knowledge.material.channels.values();
        let of = |c: &&SignedChannel| owner.is_none_or(|did| &c.descriptor().owner == did);
        let channels: Vec<_> = channels.filter(of).map(|c| c.id().clone()).collect();
        self.look_at(channels);
    }

    fn look_at(&mut self, channels: Vec<ContentId>) {
        let mut aside = false;
        for channel in channels {
            let joined = self.checker.policy(&channel).is_some();
            match (joined, self.counts(&channel)) {
                (true, false) => {
                    self.unhear(&channel);
                    aside = true;
                }
                (false, true) => {
                    // What peers gave of it meanwhile was left aside, and is asked for again.
                    self.ranges.looked.again();
                    self.join(channel);
                }
                (true, true) | (false, false) => {}
            }
        }
        // Once for all: an owner has many channels, and whoever greets too often is taken for restless.
        if aside {
            self.parted();
        }
    }

    /// Whether a descriptor counts. One that counted and does not now is not acted on any more by whoever asked this, as it
    /// would not be after a restart: peers that know the same decide the same.
    fn counts(&mut self, channel: &ContentId) -> bool {
        let joined = self.checker.policy(channel).is_some();
        let Some(signed) = self.knowledge.material.channels.get(channel) else { return false };
        let identities = &self.knowledge.material.identities;
        // Its signature was there before: a clock that was set back takes no channel away.
        let now = if joined { UnixMillis::MAX } else { self.now() };
        let check = signed.check_owner(identities, now);
        if check.outcome == Outcome::Passed {
            if self.unsigned.remove(channel).is_some() {
                tracing::info!(%channel, "its descriptor counts: {}", check.sentence);
            }
            return true;
        }
        let early = signed.check_owner(identities, UnixMillis::MAX).outcome == Outcome::Passed;
        let found = NotSigned { check, early };
        let (refused, before) = (found.refused(), self.unsigned.get(channel));
        if before.is_none_or(|before| before.check != found.check) {
            let (code, sentence, next) = (found.check.code, &found.check.sentence, found.next());
            if joined {
                tracing::error!(%channel, %code, next, "not taken part in any more: {sentence}");
            } else if refused {
                tracing::error!(%channel, %code, next, "not taken part in: {sentence}");
            } else {
                tracing::info!(%channel, %code, next, "not taken part in yet: {sentence}");
            }
        }
        self.unsigned.insert(channel.clone(), found);
        false
    }

    /// Takes part in a channel no more. Whatever is stored of it, and was given for it, stays.
    pub(super) fn stand_aside(&mut self, channel: &ContentId) {
        self.unhear(channel);
        self.parted();
    }

    fn unhear(&mut self, channel: &ContentId) {
        self.tell(Command::Unsubscribe(topic_of(channel)));
        self.tell(Command::Unsubscribe(keys_topic_of(channel)));
        self.checker.leave(channel);
        self.leave_circle(channel);
        self.unready.retain(|(c, _)| c != channel);
    }

    fn parted(&mut self) {
        self.greet_again();
        // Nobody reads it here any more: those who did are parted with, and come again without it.
        self.rejudge();
    }

    /// Why a channel's descriptor does not count, for an operator; null where it does.
    pub(super) fn not_signed(&self, channel: &ContentId) -> Value {
        self.unsigned.get(channel).map_or(Value::Null, NotSigned::shown)
    }
}
