//! What the operator asks about files, and what messages say of them.

use super::here::FileHere;
use super::library::{MAX_FILES, STAGED};
use super::{Offer, fetching};
use crate::checking::Known as _;
use crate::codes;
use crate::envelope::Envelope;
use crate::files::held::{Held, MANIFEST, Part, read_bounded};
use crate::files::{FileError, Reference};
use crate::node::control::Answered;
use crate::node::worker::Worker;
use crate::sealing::Opening;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

type Failed = (Code, String);

fn failed(e: &FileError) -> Failed {
    (e.code(), e.to_string())
}

/// A file of an own message that is about to be sent.
pub(in crate::node) struct Sending {
    here: Arc<FileHere>,
    reference: Reference,
}

impl Worker {
    /// Takes over a file that was staged in the folder. Nobody is given it before a message refers to it.
    pub(in crate::node) fn file_add(&self, staged: &str) -> Answered {
        let unknown = |what: &str| (codes::FILE_UNKNOWN, what.to_owned());
        let fine = staged.starts_with(STAGED)
            && staged.len() <= 64
            && staged.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !fine {
            return Err(unknown("it was not staged here"));
        }
        let from = self.files.folder.join(staged);
        let bytes = read_bounded(&from.join(MANIFEST), 1 << 20).map_err(|e| failed(&e))?;
        let id = ContentId::of_bytes(&bytes).map_err(|e| (e.code(), e.to_string()))?;
        if let Some(here) = self.files.get(&id) {
            if here.is_whole() {
                let _ = std::fs::remove_dir_all(&from);
                return Ok(json!({"file": id, "new": false}));
            }
            return Err((codes::FILE_UNKNOWN, format!("{id} is being fetched")));
        }
        if self.files.len() >= MAX_FILES {
            return Err((codes::NODE_FULL, format!("it keeps {MAX_FILES} files")));
        }
        let held = Held::open(&from, &id).map_err(|e| failed(&e))?;
        if !held.is_whole()
            || !self.knowledge.material.channels.contains_key(&held.manifest().channel)
        {
            return Err(unknown("it is not whole, or of a channel that the node has not"));
        }
        // With its state, so that under its name it is whole or not there.
        FileHere::new(&from, &id, Some(held)).change(|_| ()).map_err(|e| failed(&e))?;
        let folder = self.files.folder.join(id.as_str());
        if folder.exists() {
            // What is there could not be read when the node began.
            self.files.take_away(&folder).map_err(|e| failed(&e))?;
        }
        let renamed = std::fs::rename(&from, &folder).and_then(|()| self.files.sync());
        renamed.map_err(|e| failed(&FileError::io(&folder, &e)))?;
        let here = FileHere::open(&folder, &id).map_err(|e| failed(&e))?;
        self.files.insert(here);
        Ok(json!({"file": id, "new": true}))
    }

    /// The file that an own payload refers to, where it is here.
    ///
    /// # Errors
    /// Why it must not be sent so.
    pub(in crate::node) fn file_in(
        &self,
        channel: &ContentId,
        payload: &[u8],
    ) -> Result<Option<Sending>, Failed> {
        if !Reference::is_one(payload) {
            return Ok(None);
        }
        let reference = Reference::parse(payload).map_err(|e| failed(&e))?;
        if self.seals(channel) != reference.key.is_some() {
            let sentence = "a file has a key where its channel seals, and nowhere else";
            return Err((codes::FILE_SEALING, sentence.to_owned()));
        }
        let Some(here) = self.files.get(&reference.manifest) else { return Ok(None) };
        let held = here.held();
        let manifest = held.as_ref().map(|h| h.manifest());
        let other =
            manifest.is_some_and(|m| &m.channel != channel || m.sealed != reference.key.is_some());
        if other {
            let sentence = format!("{} was made for another channel", here.id);
            return Err((codes::FILE_SEALING, sentence));
        }
        Ok(Some(Sending { here, reference }))
    }

    /// An own message is about to be kept: who may read it may have its file.
    pub(in crate::node) fn offer_file(
        &self,
        sending: &Sending,
        envelope: &Envelope,
    ) -> Result<(), Failed> {
        let offered = sending.here.offered(Offer::of(envelope), &sending.reference, false);
        offered.and_then(|()| sending.here.vouch(envelope.id())).map_err(|e| failed(&e))
    }

    /// Fetches the file that a message refers to, from now on.
    pub(in crate::node) fn file_fetch(&self, message: &EnvelopeId) -> Answered {
        let unknown = |what: &str| (codes::FILE_UNKNOWN, what.to_owned());
        let kept = self.knowledge.store.envelope(message).map(|(_, kept)| kept);
        let kept = kept.ok_or_else(|| unknown("the node has no such message"))?;
        let envelope = kept.envelope().map_err(|e| (e.code(), e.to_string()))?;
        let header = envelope.header();
        let own = header.sender == self.me.participant;
        let to = &header.recipients;
        let mine = own || to.is_empty() || to.contains(&self.me.participant);
        let delivered = kept.deliver || own || self.knowledge.store.opened(message);
        if !kept.allowed || !mine || !delivered {
            return Err(unknown("the message was not delivered here"));
        }
        let opened = match self.knowledge.open(&envelope) {
            _ if !header.is_sealed() => None,
            Opening::Open(payload) => Some(payload),
            // Nobody is asked for it.
            Opening::NoKey if own && header.key != self.me.key_id => {
                let sentence =
                    "another node of this participant sent the message: it is not opened here";
                return Err(unknown(sentence));
            }
            Opening::NoKey => {
                let sentence = "the message cannot be opened yet".to_owned();
                return Err((codes::SEALING_NO_KEY, sentence));
            }
            Opening::Broken(e) => return Err((e.code(), e.to_string())),
        };
        let payload = opened.as_ref().map(|p| p.as_slice()).or(envelope.payload());
        let payload = payload.ok_or_else(|| unknown("its payload was forgotten"))?;
        if !Reference::is_one(payload) {
            return Err(unknown("the message refers to no file"));
        }
        let reference = Reference::parse(payload).map_err(|e| failed(&e))?;
        if header.is_sealed() != reference.key.is_some() {
            let sentence = "it has a key and came in the open, or came sealed and has none";
            return Err((codes::FILE_SEALING, sentence.to_owned()));
        }
        let id = &reference.manifest;
        let here = match self.files.get(id) {
            Some(here) => here,
            None if self.files.len() >= MAX_FILES => {
                return Err((codes::NODE_FULL, format!("it keeps {MAX_FILES} files")));
            }
            None => {
                let folder = self.files.folder.join(id.as_str());
                let made = std::fs::create_dir_all(&folder).and_then(|()| self.files.sync());
                made.map_err(|e| failed(&FileError::io(&folder, &e)))?;
                // What is there could not be read when the node began.
                let held = Held::open(&folder, id).ok();
                self.files.insert(FileHere::new(&folder, id, held))
            }
        };
        let offer = Offer::of(&envelope);
        let mut vouched = own;
        if let Some(held) = here.held() {
            let manifest = held.manifest();
            if manifest.channel != offer.channel {
                let sentence = format!("{} was made for another channel", here.id);
                return Err((codes::FILE_SEALING, sentence));
            }
            let fits = manifest.fits(reference.key.is_some(), reference.size);
            fits.map_err(|e| failed(&e))?;
            // Who may have it may pass it on.
            let entitled = |offers: &mut dyn Iterator<Item = &Offer>| {
                self.files.rights.entitled(&offer.sender, offers)
            };
            vouched |= here.given_by(&manifest.channel, entitled);
        }
        here.offered(offer, &reference, true).map_err(|e| failed(&e))?;
        if vouched {
            here.vouch(message).map_err(|e| failed(&e))?;
        }
        fetching::start(&self.files, &self.exchange, &here);
        fetching::vouch(&self.files, &self.exchange, &here);
        let folder = &here.folder;
        let reference = reference.to_payload(serde_json::Map::new());
        Ok(json!({"file": id, "reference": reference, "folder": folder, "status": here.show()}))
    }

    /// A file by its name or by a message that refers to it.
    fn file_named(&self, name: &str) -> Result<Arc<FileHere>, Failed> {
        let of = |here: &Arc<FileHere>| {
            here.id.as_str() == name
                || here.with_offers(|all| all.iter().any(|o| o.message.as_str() == name))
        };
        let found = self.files.all().into_iter().find(of);
        found.ok_or_else(|| (codes::FILE_UNKNOWN, format!("the node has no file {name}")))
    }

    /// How it stands with one file, or with all.
    pub(in crate::node) fn files_shown(&self, file: Option<&str>) -> Answered {
        let all = match file {
            Some(name) => vec![self.file_named(name)?],
            None => self.files.all(),
        };
        Ok(json!({"files": all.iter().map(|f| f.show()).collect::<Vec<_>>()}))
    }

    /// Looks whether a block is damaged, and gets it again if it is.
    pub(in crate::node) fn file_check(&self, file: &str, block: u64) -> Answered {
        let here = self.file_named(file)?;
        let held = here.held().filter(|h| block < h.manifest().blocks());
        let damaged = held.is_some_and(|h| h.read(Part::Block(block)).is_err());
        fetching::start(&self.files, &self.exchange, &here);
        Ok(json!({"file": here.id, "damaged": damaged}))
    }

    /// Lets a file stand, or goes on with it.
    pub(in crate::node) fn file_pause(&self, file: &str, paused: bool) -> Answered {
        let here = self.file_named(file)?;
        here.change(|state| state.paused = paused).map_err(|e| failed(&e))?;
        if !paused {
            // Who gave other bytes is asked once more.
            here.live().altered.clear();
        }
        fetching::start(&self.files, &self.exchange, &here);
        Ok(json!({"file": here.id, "paused": paused}))
    }

    /// Keeps and gives a file no more.
    pub(in crate::node) fn file_remove(&self, file: &str) -> Answered {
        let here = self.file_named(file)?;
        self.files.remove(&here.id).map_err(|e| failed(&e))?;
        Ok(json!({"file": here.id}))
    }

    /// Goes on with what was being fetched when the node ended, and removes what was not sent.
    pub(in crate::node) fn go_on_with_files(&self) {
        self.files.remove_unsent();
        for here in self.files.all() {
            fetching::start(&self.files, &self.exchange, &here);
        }
    }

    /// Forgets files with the last message that refers to them, and those that nobody sent.
    pub(in crate::node) fn forget_files(
        &self,
        now: UnixMillis,
        retentions: &HashMap<ContentId, u64>,
    ) {
        self.files.clear_away();
        for here in self.files.all() {
            fetching::vouch(&self.files, &self.exchange, &here);
        }
        self.files.forget(now, retentions);
    }
}
