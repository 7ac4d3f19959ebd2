//! What an operator is shown, and what it can ask of the worker.

use super::control::{Answered, Asked, ControlResult};
use super::group::After;
use super::own_rights::OwnRight;
use super::readers::check_number;
use super::ticket::{Invitation, MAX_ADDRESSES};
use super::typed::AskError;
use super::worker::Worker;
use crate::checking::{Missing, Right};
use crate::codes;
use crate::net::{Command, NetworkView, peer_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::trust::LogPin;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use libp2p::{Multiaddr, PeerId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// The lists (name, signer, of when) that are older than a channel takes, of those that something rests on
/// which is shown here: of others it is nobody's trouble how old they are.
fn too_old<'l>(
    lists: impl Iterator<Item = (&'l str, &'l Did, UnixMillis)>,
    wanted: impl Fn(&str, &Did) -> bool,
    most_seconds: u64,
    now: UnixMillis,
) -> BTreeSet<&'l str> {
    let old = |dated: UnixMillis| now.millis_since(dated) / 1000 > most_seconds;
    lists.filter(|(list, by, dated)| old(*dated) && wanted(list, by)).map(|(l, ..)| l).collect()
}

fn decoded(content: &str) -> Result<Vec<u8>, (Code, String)> {
    let wrong = |_| (codes::NODE_REQUEST, "the content is not base64".to_owned());
    STANDARD.decode(content).map_err(wrong)
}

impl Worker {
    pub(super) fn control(&mut self, asked: Asked, reply: oneshot::Sender<ControlResult>) {
        let answer = match asked {
            Asked::Send(new) => return self.send_when_sure(new, reply),
            Asked::Peers => return self.show_peers(reply),
            Asked::Publish { content, peers } => return self.publish(&content, peers, reply),
            Asked::Pin { cid, peers } => return self.pin(cid, peers, reply),
            Asked::Fetch { cid, peers } => return self.show_block(cid, peers, reply),
            Asked::Content { cid } => return self.show_content(cid, reply),
            Asked::Done { reader, channel, number } => {
                return self.done((reader.as_str(), channel.as_deref()), number, reply);
            }
            Asked::Sent { channel, reference } => {
                return drop(reply.send(self.sent_under(&channel, &reference)));
            }
            Asked::Add { content } => self.add(&content, &[], None),
            Asked::Replace { content, logs, pin, confirmed: true } => {
                self.add(&content, &logs, pin.as_ref())
            }
            Asked::Replace { content, logs, .. } => self.would_replace(&content, &logs),
            Asked::FileAdd { staged } => self.file_add(&staged),
            Asked::FileFetch { message } => self.file_fetch(&message),
            Asked::Files { file } => self.files_shown(file.as_deref()),
            Asked::FileCheck { file, block } => self.file_check(&file, block),
            Asked::FilePause { file, paused } => self.file_pause(&file, paused),
            Asked::FileRemove { file } => self.file_remove(&file),
            Asked::Join { ticket } => self.use_ticket(&ticket),
            Asked::Leave { channel } => self.leave(&channel),
            Asked::Invite { channels } => self.invite(channels),
            Asked::Status => Ok(self.status()),
            Asked::Lists => Ok(self.lists()),
            Asked::Metrics => {
                self.metrics.verified(self.checker.verified());
                Ok(Value::String(self.metrics.text()))
            }
            Asked::Inbox { after, most } => {
                let last = self.knowledge.store.last_number();
                check_number(after, last).map(|()| self.inbox(after, most))
            }
            Asked::Given { after, most } => {
                let last = self.knowledge.store.last_number();
                check_number(after, last).map(|()| self.given(after, most))
            }
            Asked::Refused { after, most } => {
                let last = self.knowledge.store.last_number();
                check_number(after, last).map(|()| self.refused(after, most))
            }
            // The server asks again and again from here.
            Asked::Listen { after, reader, channel } => {
                self.listen_from(after, reader.as_deref(), channel.as_deref())
            }
            // The server says when something happened.
            Asked::Watch => Ok(json!({})),
            Asked::Outbox { most, before } => self.outbox(most, before.as_ref()),
            Asked::Envelope { envelope } => self.signed(&envelope),
            Asked::Receipts { envelope } => match self.knowledge.store.envelope(&envelope) {
                Some((number, kept)) => match kept.envelope() {
                    Ok(envelope) if envelope.header().sender == self.me.participant => {
                        let mut fate = self.fate(&envelope, kept.caught_up);
                        // Whoever looks for an answer begins there.
                        if let Some(map) = fate.as_object_mut() {
                            map.insert("number".into(), number.into());
                        }
                        Ok(fate)
                    }
                    _ => Err((codes::NODE_REQUEST, "it is not this participant's".to_owned())),
                },
                None => Err((
                    gridpass_credentials::codes::NOT_KEPT,
                    format!("there is no message {envelope}"),
                )),
            },
            Asked::Block { node, blocked } => match peer_of(&node) {
                Some(peer) => {
                    if blocked {
                        self.peers.shut.insert(peer);
                    } else {
                        self.peers.shut.remove(&peer);
                    }
                    self.tell(Command::Block(peer, blocked));
                    Ok(json!({"node": node, "blocked": blocked}))
                }
                None => Err((codes::NODE_REQUEST, "a node is an Ed25519 did:key".to_owned())),
            },
            Asked::Stop => {
                Err((codes::NODE_REQUEST, "the server stops, not the worker".to_owned()))
            }
        };
        // What could not be read is left out of it.
        let answer = match self.knowledge.store.failure() {
            None => answer,
            Some(why) => Err((why.code(), why.to_string())),
        };
        let _ = reply.send(answer.map_err(AskError::from));
    }

    /// What would change where logs took the place of others.
    fn would_replace(&self, content: &str, logs: &[LogPin]) -> Answered {
        let bytes = decoded(content)?;
        let replaced = self.knowledge.material.replaces(&bytes, logs, self.now());
        Ok(json!({"replaces": replaced.map_err(|e| (e.code(), e.to_string()))?}))
    }

    pub(super) fn add(
        &mut self,
        content: &str,
        logs: &[LogPin],
        pin: Option<&ContentId>,
    ) -> Answered {
        let bytes = decoded(content)?;
        let now = self.now();
        let before = std::sync::Arc::clone(&self.knowledge.trust);
        let given = match (logs, pin) {
            ([], None) => self.knowledge.material.give(&bytes, now),
            (logs, pin) => self.knowledge.material.give_pinned(&bytes, logs, pin, now),
        };
        let taken = match given {
            Ok(taken) => taken,
            Err(e) => {
                // A part of it may have been taken, such as a list beside one that is none.
                self.lists_may_have_changed();
                self.owner_changed(None);
                return Err((e.code(), e.to_string()));
            }
        };
        let mut names = Vec::new();
        let (mut greet, mut joins) = (false, Vec::new());
        for taken in &taken {
            use super::material::Taken;
            names.push(taken.to_string());
            match taken {
                Taken::Trust => {
                    self.trust_changed(&before);
                    let pack = self.knowledge.material.trust_bytes().to_vec();
                    let pack = serde_bytes::ByteBuf::from(pack);
                    self.after.push(After::Announce(crate::sync::Announcement::Charter(pack)));
                    greet = true;
                }
                Taken::Channel(id) => joins.push(id.clone()),
                Taken::Document(id) => {
                    self.compile_schemas(None);
                    self.came(&Missing::Document(id.clone()));
                }
                Taken::Presentation(id) => {
                    joins.push(id.clone());
                    greet = true;
                }
                Taken::Authorisation => greet = true,
                Taken::List(id, signer) => {
                    self.checker.status_list_came(id, signer);
                }
                Taken::Identity(did) => {
                    self.checker.did_changed(did);
                    self.owner_changed(Some(did));
                    self.came(&Missing::Did(did.clone()));
                }
            }
        }
        if taken.iter().any(|t| matches!(t, super::material::Taken::List(..))) {
            self.announce_lists(&taken);
            self.evidence_came();
        }
        for channel in joins {
            self.join_if_signed(channel);
        }
        if greet {
            self.greet_again();
        }
        self.fill_shelf();
        self.rejudge();
        Ok(json!({"taken": names}))
    }

    fn lists_may_have_changed(&mut self) {
        let lists = &self.knowledge.material.lists;
        let all: Vec<_> = lists.iter().map(|l| (l.id.clone(), l.issuer.clone())).collect();
        for (id, signer) in all {
            self.checker.status_list_came(&id, &signer);
        }
        self.evidence_came();
        self.rejudge();
    }

    /// Status lists that the operator gave are told to everybody.
    fn announce_lists(&mut self, taken: &[super::material::Taken]) {
        for taken in taken {
            let super::material::Taken::List(id, signer) = taken else { continue };
            let lists = &self.knowledge.material.lists;
            if let Some(list) = lists.iter().find(|l| &l.id == id && &l.issuer == signer) {
                let bytes = serde_bytes::ByteBuf::from(list.secured().text().as_bytes().to_vec());
                let announcement = crate::sync::Announcement::StatusList(bytes);
                self.after.push(After::Announce(announcement));
            }
        }
    }

    fn invite(&self, channels: Vec<ContentId>) -> Answered {
        for channel in &channels {
            if !self.knowledge.material.channels.contains_key(channel) {
                return Err((codes::CHANNEL_UNKNOWN, format!("the node has no channel {channel}")));
            }
        }
        let peer = self.me.peer;
        let known = self.settings.network.external.iter().chain(&self.listening);
        // An address at a relay ends in the peer already.
        let ended = |a: &Multiaddr| a.clone().with_p2p(peer).ok().map(|a| a.to_string());
        let addresses: Vec<String> = known.filter_map(ended).take(MAX_ADDRESSES).collect();
        let invitation = Invitation { framework: self.framework(), addresses, channels };
        let ticket = invitation.to_ticket().map_err(|e| (e.code(), e.to_string()))?;
        Ok(json!({"ticket": ticket, "addresses": invitation.addresses}))
    }

    fn use_ticket(&mut self, ticket: &str) -> Answered {
        let invitation = Invitation::parse(ticket).map_err(|e| (e.code(), e.to_string()))?;
        if invitation.framework != self.framework() {
            let sentence = "it invites to another trust framework than the node's".to_owned();
            return Err((gridpass_credentials::codes::CHARTER_UNRELATED, sentence));
        }
        for address in invitation.addresses() {
            self.tell(Command::Befriend(address));
        }
        let answer = json!({"addresses": invitation.addresses, "channels": invitation.channels});
        let peer = invitation.peer();
        let new = self.invitations.note(invitation).map_err(|e| (e.code(), e.to_string()))?;
        if let Some(peer) = peer.filter(|p| new && self.peers.is_open(p)) {
            self.ask_what_was_invited_to(peer);
        }
        Ok(answer)
    }

    /// Asks a peer for the channels that it invited to.
    pub(super) fn ask_what_was_invited_to(&mut self, peer: PeerId) {
        let mut wanted = Vec::new();
        for invitation in self.invitations.all().iter().filter(|i| i.peer() == Some(peer)) {
            wanted.extend(invitation.channels.iter().cloned());
        }
        for channel in wanted {
            let known = self.knowledge.material.channel(&channel).is_some();
            if !known {
                self.ask(Missing::Document(channel), Some(peer));
            }
        }
    }

    fn show_peers(&self, reply: oneshot::Sender<ControlResult>) {
        let (asked, view) = oneshot::channel::<NetworkView>();
        self.tell(Command::Peers(asked));
        // The network answers at once: it waits for nobody.
        let Ok(view) = view.blocking_recv() else {
            let _ =
                reply.send(Err((codes::NODE_NETWORK, "the network has ended".to_owned()).into()));
            return;
        };
        let framework = self.framework();
        let of = |peer: &str, all: &BTreeSet<ContentId>, right: Right| {
            let has = |c: &&ContentId| self.guests.right(peer, c) == Some(right);
            all.iter().filter(has).cloned().collect::<Vec<_>>()
        };
        let peers = view.peers.iter().map(|p| {
            let id = p.peer.parse::<PeerId>().ok();
            let info = id.and_then(|id| self.peers.info(&id));
            json!({
                "peer": p.peer,
                "address": p.address,
                "participant": self.guests.participant(&p.peer),
                "stage": info.as_ref().map(|i| i.stage),
                "agent": info.as_ref().and_then(|i| i.agent),
                "mayRead": info.as_ref().map(|i| of(&p.peer, i.may, Right::Read)),
                "keeps": info.as_ref().map(|i| of(&p.peer, i.may, Right::Keep)),
                "behaviour": info.as_ref().map(|i| i.score),
                "gossipScore": p.score,
                "subscribed": p.channels.iter().filter(|c| **c != framework).collect::<Vec<_>>(),
                "pending": p.pending,
            })
        });
        let answer = json!({
            "peers": peers.collect::<Vec<_>>(),
            "listening": view.listening,
            "external": view.external,
            "reachable": view.reachable,
            "shortOfMemory": view.short_of_memory,
        });
        let _ = reply.send(Ok(answer));
    }

    fn status(&self) -> Value {
        let now = self.now();
        let material = &self.knowledge.material;
        let lists = material.lists.iter().map(|l| (l.id.as_str(), &l.issuer, l.order().1));
        let wanted = |list: &str, signer: &Did| self.checker.wants_list(list, signer);
        // Asked once, and not for each channel.
        let shortest =
            material.channels.values().map(|c| c.descriptor().max_status_age_seconds).min();
        let old = too_old(lists.clone(), wanted, shortest.unwrap_or(u64::MAX), now);
        let channels = material.channels.iter().map(|(id, signed)| {
            let descriptor = signed.descriptor();
            let heads = self.knowledge.store.heads(id);
            let (gaps, not_given) = self.gaps_of(id, now);
            let most = descriptor.max_status_age_seconds;
            // On a list that nothing here rests on, what is delivered here does not wait.
            let wanted =
                |l: &str, by: &Did| old.contains(l) && self.checker.wants_list_in(id, l, by);
            let old = too_old(lists.clone(), wanted, most, now);
            let right = self.right_of(id, now);
            json!({
                "id": id,
                "name": descriptor.name,
                "version": descriptor.version,
                "joined": self.checker.policy(id).is_some(),
                "notSigned": self.not_signed(id),
                "elsewhere": self.elsewhere(id),
                "schemasMissing": self.schemas_missing(id),
                "keeps": material.presentations.contains_key(id) && !self.checker.reads(id),
                "presentationExpires": self.expiry_of(id),
                "right": right.as_ref().map(OwnRight::shown),
                "ends": self.ends_of(id, right.as_ref(), now),
                "sealing": self.sealing_of(id),
                "senders": heads.len(),
                "gaps": gaps,
                "notGiven": not_given,
                "listsTooOld": old,
                "contradictions": self.contradictions(id),
                "silent": self.silence_of(id),
            })
        });
        let authorisation = material.authorisation.as_ref();
        json!({
            "participant": self.me.participant,
            "node": self.me.node,
            "peer": self.me.peer.to_string(),
            "agent": format!("gridpass/{}", env!("CARGO_PKG_VERSION")),
            "started": self.started,
            "framework": self.framework(),
            "charterVersion": self.knowledge.trust.charter().charter().version,
            "authorisation": self.authorisation_shown(),
            "authorisedUntil": authorisation.map(|a| a.authorisation.valid_until),
            "authorisationEnds": self.authorisation_end(now),
            "listening": self.listening,
            "peers": self.peers.len(),
            "open": self.peers.open().count(),
            "waiting": self.checker.waiting(),
            "statusLists": material.lists.len(),
            "logBytes": self.knowledge.store.bytes(),
            "lastNumber": self.knowledge.store.last_number(),
            "damage": self.damage,
            "keeps": self.metrics.keeps(),
            "manyFiles": self.many_files,
            "shortOfDisk": self.is_short_of_disk(),
            "clockBehind": self.ranges.looked.clock_behind(self.uptime()).is_some(),
            "channels": channels.collect::<Vec<_>>(),
        })
    }

    /// A message as it travels, or its block where the payload is not kept any more.
    fn signed(&self, id: &EnvelopeId) -> Answered {
        let Some((_, kept)) = self.knowledge.store.envelope(id) else {
            let message = format!("there is no message {id}");
            return Err((gridpass_credentials::codes::NOT_KEPT, message));
        };
        Ok(json!({"id": id, "whole": kept.whole, "allowed": kept.allowed,
                  "envelope": STANDARD.encode(&kept.envelope)}))
    }

    /// The status lists that count here.
    fn lists(&self) -> Value {
        let material = &self.knowledge.material;
        let all = material.lists.iter().map(|list| {
            let (version, dated) = list.order();
            let since = material.since.get(&(list.id.clone(), list.issuer.clone()));
            json!({"list": list.id, "signer": list.issuer, "version": version, "dated": dated,
                   "since": since})
        });
        json!({"lists": all.collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_nothing_rests_on_is_not_too_old() {
        let signer = Did::parse("did:web:regulator.example").expect("a DID");
        let (now, hour) = (UnixMillis::new(100_000_000), 3_600_000);
        let dated = |hours: u64| UnixMillis::new(now.get() - hours * hour);
        let lists = || {
            [("old", &signer, dated(5)), ("other", &signer, dated(5)), ("new", &signer, dated(1))]
                .into_iter()
        };
        let named = |list: &str, _: &Did| list != "other";
        assert_eq!(too_old(lists(), named, 4 * 3600, now), BTreeSet::from(["old"]));
        assert!(too_old(lists(), |_, _| false, 4 * 3600, now).is_empty());
    }
}
