//! Writing an evidence bundle from a node's folder, whether or not the node runs.
//!
//! The log is read as it is when this begins, without its lock: it is only ever appended to, and files
//! that are written anew are renamed over the old ones ([`crate::log::LogSnapshot`]). Material files are
//! whole under their names. So nothing of the node is waited for, and a large export does not hold up
//! its worker, as one through its control socket would.
//!
//! ```text
//! log, once     -> Gathered: which messages, where they stand, what they name
//! material, log -> Contents: everything that verifying them needs, by name; what is missing
//! log, again    -> the file, block by block
//! ```

mod blocks;
mod contents;
mod gathering;
mod keys;

use super::NodeKey;
use super::material::{Material, MaterialError};
use crate::bundle::{
    Exporter, FORMAT_VERSION, JudgedBy, Kind, Lack, MAX_MISSING, Manifest, PayloadState, Recorded,
    Selection, TYPE, contradiction, write,
};
use crate::codes;
use crate::log::{LogError, LogSnapshot};
use crate::store::Entry;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What the node was given cannot be read.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// A record was written by another version of the program: what it says would be left out.
    #[error("record {0} of the log is of a version that is not known here")]
    Version(u64),
    /// The node does not know the channel.
    #[error("the node has no channel {0}")]
    Channel(String),
    /// The file cannot be written, or something to be put into it not be read.
    #[error("writing the bundle failed: {0}")]
    Io(#[from] std::io::Error),
}

impl ExportError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Log(e) => e.code(),
            Self::Material(e) => e.code(),
            Self::Version(_) => codes::LOG_VERSION,
            Self::Channel(_) => codes::CHANNEL_UNKNOWN,
            Self::Io(_) => codes::LOG_IO,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Export {
    /// Which messages.
    pub selection: Selection,
    /// The time that the bundle says it was made at.
    pub made: UnixMillis,
    /// Whether payloads are left out.
    pub payloads: Payloads,
    /// Whether the keys of sealed messages are put in, where they are had.
    pub keys: Keys,
}

/// What becomes of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payloads {
    /// They are in the bundle, as they travelled.
    Include,
    /// They are left out; their hashes stay.
    Withhold,
}

/// What becomes of the keys of sealed messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// They stay with the node.
    Keep,
    /// Those of the messages in the bundle are in it: who has it can read them, and no others.
    Disclose,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// So many records of the log were looked at, and so many messages selected.
    Read {
        /// Records.
        records: u64,
        /// Messages.
        messages: u64,
    },
    /// So many messages were written, of so many.
    Written {
        /// Written.
        messages: u64,
        /// Of.
        of: u64,
    },
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The root.
    pub root: String,
    /// How many messages.
    pub messages: u64,
    /// How many receipts.
    pub receipts: u64,
    /// How many blocks.
    pub blocks: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many keys were disclosed.
    pub keys: u64,
    /// What was looked for and is not here.
    pub missing: Vec<Lack>,
    /// How many places of the log are damaged: what stood there is not in the bundle.
    pub damaged: usize,
    /// The numbers of records that are whole and cannot be read: what they say is not in the bundle.
    pub unread: Vec<u64>,
    /// What the log says against itself, in a sentence, as after a clock that was wrong: whoever verifies the
    /// bundle finds it in its check `record` (`GP-BUNDLE-RECORD`).
    pub contradiction: Option<String>,
}

/// What may be messages, and cannot be read.
fn unread(damaged: usize, records: &[u64]) -> impl Iterator<Item = Lack> {
    let places = (damaged > 0).then(|| format!("{damaged} damaged places of the log"));
    let records = records.iter().map(|number| format!("record {number} of the log"));
    places.into_iter().chain(records).map(|name| Lack { kind: Kind::Messages, name })
}

/// How many messages a node recorded of each channel. Blocks: the whole log is read.
///
/// # Errors
/// [`ExportError`].
pub fn messages_by_channel(folder: &Path) -> Result<BTreeMap<ContentId, u64>, ExportError> {
    let log = LogSnapshot::open(&folder.join("store"))?;
    let mut counts: BTreeMap<ContentId, u64> = BTreeMap::new();
    log.each(&mut |_, record| {
        if let Some(Entry::Envelope(kept)) = Entry::decode(&record.body)
            && let Ok(envelope) = kept.envelope()
        {
            let count = counts.entry(envelope.header().channel.clone()).or_default();
            *count = count.saturating_add(1);
        }
    })?;
    Ok(counts)
}

/// Writes a bundle. Blocks: the whole log is read.
///
/// # Errors
/// [`ExportError`]. What is needed and not here is none: the bundle says so.
pub fn export(
    folder: &Path,
    key: &NodeKey,
    asked: &Export,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<Exported, ExportError> {
    let node = key.key_id.did().clone();
    let (material, _) = Material::open(&super::material_of(folder), node.clone(), asked.made)?;
    let channel = &asked.selection.channel;
    if material.channel(channel).is_none() {
        return Err(ExportError::Channel(channel.to_string()));
    }
    let trust = std::sync::Arc::clone(material.trust()?);
    let log = LogSnapshot::open(&folder.join("store"))?;
    let mut gathered = gathering::Gathered::new(asked);
    let damaged = gathered.read(&log, progress)?;
    if let Some(number) = gathered.of_another_version {
        return Err(ExportError::Version(number));
    }
    let mut keys = 0_u64;
    if asked.keys == Keys::Disclose {
        keys = keys::disclose(&mut gathered, &log, key);
    }
    let (contents, mut source, mut missing) =
        contents::Finding::new(folder, &material, &log, &gathered).find(asked)?;
    // Whoever reads the bundle is told that messages may be left out of it.
    missing.extend(unread(damaged, &gathered.unread));
    missing.sort();
    let authorisation = material.authorisation.as_ref();
    let participant =
        authorisation.map_or_else(|| node.clone(), |a| a.authorisation.principal.clone());
    let framework = trust.history().first().unwrap_or_else(|| trust.charter()).id().clone();
    let manifest = Manifest {
        document_type: TYPE.into(),
        format_version: FORMAT_VERSION,
        framework,
        trust: JudgedBy { pack: trust.id().clone(), charter: trust.charter().id().clone() },
        exporter: Exporter {
            authorisation: authorisation.filter(|_| participant != node).map(|a| a.id.clone()),
            participant,
        },
        made: asked.made,
        last: gathered.last,
        selection: asked.selection.clone(),
        payloads: match asked.payloads {
            Payloads::Include => PayloadState::Here,
            Payloads::Withhold => PayloadState::Withheld,
        },
        pages: crate::bundle::Pages::default(),
        missing: missing.iter().take(MAX_MISSING).cloned().collect(),
    };
    let headers = gathered.messages.iter().map(|m| Some(&m.header));
    let messages: Vec<_> = contents.messages.iter().zip(headers).collect();
    let own = gathered.receipts.iter().filter(|r| r.own).map(|r| &r.receipt);
    let own: Vec<_> = own.collect();
    let contradiction = contradiction(&Recorded {
        participant: &manifest.exporter.participant,
        made: asked.made,
        last: gathered.last,
        messages: &messages,
        receipts: &contents.receipts,
        own: &own,
        identities: &contents.identities,
    });
    source.of = u64::try_from(contents.messages.len()).unwrap_or(u64::MAX);
    source.progress = Some(progress);
    let written = write(manifest, &contents, (&key.key, &key.key_id), &mut source, out)?;
    Ok(Exported {
        root: written.root.to_string(),
        messages: u64::try_from(contents.messages.len()).unwrap_or(u64::MAX),
        receipts: u64::try_from(contents.receipts.len()).unwrap_or(u64::MAX),
        blocks: written.blocks,
        bytes: written.bytes,
        keys,
        missing,
        damaged,
        unread: gathered.unread.clone(),
        contradiction,
    })
}
