//! Evidence bundles: one file from which somebody without a network says what holds of messages and of
//! what was decided about them. The format, and what is verified, stand in `spec/bundle.md`.
//!
//! ```text
//! exporter:  Contents (what there is, by name) -> write -> a CAR of blocks under a signed manifest
//! auditor:   bytes, trust pack, time -> Bundle (read, hashed, in order) -> verify -> Report
//! ```
//!
//! Nothing here reads a clock, a network or a disk: bytes come in, and go out to a writer. A bundle is
//! evidence and nothing more: what it is judged by, the trust pack, is never taken from it.

mod car;
mod diff;
mod entries;
mod manifest;
mod opening;
mod reading;
mod record;
mod said;
mod verify;
mod writing;

pub use car::{BEGINNING, MAX_BLOCK, MAX_BLOCKS, MAX_BUNDLE, begins};
pub use diff::{Difference, Differences, ReceiptCounts, Sides, compare};
pub use entries::{
    ForkEntry, IdentityEntry, MessageEntry, OpenedEntry, PayloadState, ReceiptEntry,
    SignedDescriptor,
};
pub use manifest::{
    Exporter, FORMAT_VERSION, JudgedBy, Kind, Lack, MAX_MISSING, Manifest, PAGE, Pages, Selection,
    TYP, TYPE,
};
pub use opening::{Disclosed, PayloadError};
pub use reading::{Bundle, Entries};
pub(crate) use record::{Recorded, contradiction, may_be_refused};
pub use verify::{
    Audit, BundleSummary, Counts, Gap, MessageReport, Note, ReceiptReport, Report, Sample, Shown,
    Times, TrustSummary, verify, verify_beside, verify_with,
};
pub use writing::{Contents, Source, Written, write};

use crate::codes;
use gridpass_identity::code::Code;
pub use ipld_core::cid::Cid;

/// Why a file was refused as a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It is no bundle, or breaks a rule of its form.
    #[error("not an evidence bundle: {0}")]
    Malformed(String),
    /// It is of a version that is not known here.
    #[error("its format version {0} is unknown")]
    Version(u32),
    /// The bytes of a block are others than those that its name says.
    #[error("the block {cid} at byte {offset} was altered: its bytes hash to another name")]
    Block {
        /// Its name.
        cid: Cid,
        /// Where it stands.
        offset: usize,
    },
}

impl BundleError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::BUNDLE_MALFORMED,
            Self::Version(_) => codes::BUNDLE_VERSION,
            Self::Block { .. } => codes::BUNDLE_BLOCK,
        }
    }
}

fn malformed<E: std::fmt::Display>(reason: E) -> BundleError {
    // What stands in a foreign file may be long.
    BundleError::Malformed(reason.to_string().chars().take(300).collect())
}

/// The link to an envelope's block.
pub(crate) fn envelope_link(block: &[u8]) -> Option<Cid> {
    car::name_of(car::DAG_CBOR, block).ok()
}

/// The link to any other block.
pub(crate) fn raw_link(bytes: &[u8]) -> Option<Cid> {
    car::name_of(car::RAW, bytes).ok()
}
