//! The second reading of the log: the bytes of each block, when its turn comes.

use super::Progress;
use super::gathering::At;
use crate::bundle::{MessageEntry, PayloadState, Source};
use crate::envelope::Envelope;
use crate::log::LogSnapshot;
use crate::store::Entry;
use ipld_core::cid::Cid;
use std::collections::HashMap;
use std::io;

/// Where the bytes of a bundle come from.
pub(super) struct Blocks<'f> {
    log: &'f LogSnapshot,
    messages: HashMap<u64, At>,
    held: HashMap<Cid, Vec<u8>>,
    logged: HashMap<Cid, At>,
    written: u64,
    pub(super) of: u64,
    pub(super) progress: Option<&'f mut dyn FnMut(Progress)>,
}

impl<'f> Blocks<'f> {
    pub(super) fn new(
        log: &'f LogSnapshot,
        messages: HashMap<u64, At>,
        held: HashMap<Cid, Vec<u8>>,
        logged: HashMap<Cid, At>,
    ) -> Self {
        Self { log, messages, held, logged, written: 0, of: 0, progress: None }
    }
}

impl Source for Blocks<'_> {
    fn message(&mut self, entry: &MessageEntry) -> io::Result<(Vec<u8>, Option<Vec<u8>>)> {
        let gone = || io::Error::other(format!("record {} cannot be read", entry.number));
        let at = self.messages.get(&entry.number).ok_or_else(gone)?;
        let envelope = envelope_of(self.log, *at).ok_or_else(gone)?;
        let block = envelope.to_block().map_err(io::Error::other)?;
        let here = entry.payload == PayloadState::Here;
        let payload = envelope.payload().filter(|_| here).map(<[u8]>::to_vec);
        self.written = self.written.saturating_add(1);
        if self.written.checked_rem(4096) == Some(0)
            && let Some(progress) = &mut self.progress
        {
            progress(Progress::Written { messages: self.written, of: self.of });
        }
        Ok((block, payload))
    }

    fn block(&mut self, cid: &Cid) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.held.get(cid) {
            return Ok(bytes.clone());
        }
        let gone = || io::Error::other(format!("the block {cid} cannot be read any more"));
        let at = self.logged.get(cid).ok_or_else(gone)?;
        match read_entry(self.log, *at).ok_or_else(gone)? {
            Entry::Document(bytes) | Entry::Epoch(bytes) => Ok(bytes.into_vec()),
            Entry::Receipt { receipt, .. } => Ok(receipt.into_vec()),
            _ => Err(gone()),
        }
    }
}

pub(super) fn read_entry(log: &LogSnapshot, at: At) -> Option<Entry> {
    Entry::decode(&log.read(at.number, at.place).ok()?.body)
}

pub(super) fn read_document(log: &LogSnapshot, at: At) -> Option<Vec<u8>> {
    match read_entry(log, at)? {
        Entry::Document(bytes) | Entry::Epoch(bytes) => Some(bytes.into_vec()),
        _ => None,
    }
}

pub(super) fn envelope_of(log: &LogSnapshot, at: At) -> Option<Envelope> {
    match read_entry(log, at)? {
        Entry::Envelope(kept) => kept.envelope().ok(),
        _ => None,
    }
}

pub(super) fn block_of(log: &LogSnapshot, at: At) -> Option<Vec<u8>> {
    envelope_of(log, at)?.to_block().ok()
}
