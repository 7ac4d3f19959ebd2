//! The verification of a bundle: bytes, a trust pack and a time in, a report out.
//!
//! ```text
//! Bundle -> Material (lists, identities, policy: read once)
//!        -> Senders  (each admission made again from its evidence)      the node's own verifier
//!        -> messages, on all cores                                      the node's own policy engine
//!        -> Report
//! ```
//!
//! What is shared, such as a presentation that a thousand messages name, is judged once.

mod chains;
mod facts;
mod keys;
mod known;
mod links;
mod material;
mod messages;
mod payloads;
mod problems;
mod receipts;
mod report;
mod room;
mod senders;
mod signatures;
mod told;
mod whole;

pub use report::{
    Audit, BundleSummary, Counts, Gap, MessageReport, Note, ReceiptReport, Report, Sample, Times,
    TrustSummary,
};

use super::Bundle;
use super::entries::MessageEntry;
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_credentials::trust::{Trust, TrustError};
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use material::Material;
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};
use report::{REPORT_TYPE, REPORT_VERSION, worst};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What somebody shows beside the bundle. Payloads that an exporter left out: by their hash they are what was
/// signed, or are of none of its messages. And the channel's descriptor, which its owner signed anew.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    payloads: BTreeMap<ContentId, Vec<u8>>,
    channel: Option<SignedChannel>,
}

impl Shown {
    /// Takes a payload, as it was signed: of a sealed message the sealed bytes.
    ///
    /// # Errors
    /// None that can occur; the type is the hash's.
    pub fn add(&mut self, payload: Vec<u8>) -> Result<ContentId, ContentIdError> {
        let id = ContentId::of_bytes(&payload)?;
        self.payloads.insert(id.clone(), payload);
        Ok(id)
    }

    /// Takes the descriptor of the bundle's channel. Its content is the same by its CID; its signatures may be
    /// newer than those in the bundle, as after a key of the owner's was marked. One of another channel is of no
    /// use.
    pub fn add_channel(&mut self, channel: SignedChannel) {
        self.channel = Some(channel);
    }

    fn get(&self, id: &ContentId) -> Option<&[u8]> {
        self.payloads.get(id).map(Vec::as_slice)
    }

    fn channel(&self, id: &ContentId) -> Option<&SignedChannel> {
        self.channel.as_ref().filter(|channel| channel.id() == id)
    }
}

/// Verifies a bundle that was read, by a trust pack that came another way. Blocks, and uses all cores.
///
/// # Errors
/// [`TrustError`] if the trust pack does not hold. What does not hold in the bundle is in the report.
pub fn verify(
    bundle: &Bundle<'_>,
    trust_pack: &[u8],
    at: UnixMillis,
    sample: Option<Sample>,
) -> Result<Report, TrustError> {
    verify_with(bundle, trust_pack, at, sample, &Shown::default())
}

/// The same, with what is shown beside the bundle.
///
/// # Errors
/// As those of [`verify`].
pub fn verify_with(
    bundle: &Bundle<'_>,
    trust_pack: &[u8],
    at: UnixMillis,
    sample: Option<Sample>,
    shown: &Shown,
) -> Result<Report, TrustError> {
    verify_beside(bundle, trust_pack, at, sample, shown, &NoSnapshots)
}

/// The same, with what its reader knows of DIDs: a log there that goes on from one of the trust pack, or of the
/// bundle, counts, and the report names it among what it rests on.
///
/// # Errors
/// As those of [`verify`].
pub fn verify_beside(
    bundle: &Bundle<'_>,
    trust_pack: &[u8],
    at: UnixMillis,
    sample: Option<Sample>,
    shown: &Shown,
    known: &dyn SnapshotStore,
) -> Result<Report, TrustError> {
    let trust = Trust::open(trust_pack, None, at)?;
    let material = Material::read(bundle, trust, (trust_pack, known), (at, shown))?;
    let signatures = signatures::judge(&material);
    let (index, senders) =
        rayon::join(|| chains::Index::of(&material, &signatures), || senders::judge(&material));
    let (chains, receipts) = rayon::join(
        || chains::Chains::of(&material, &index),
        || receipts::judge(&material, &index),
    );
    let chosen = choose(bundle, sample);
    let beside = (&chains, &signatures);
    let context = messages::Context::new(&material, &senders, &receipts, beside, shown);
    let messages =
        in_parallel_with(&chosen, || context.memory(), |memory, one| context.judge(*one, memory));
    let checks = whole::checks(&material, &receipts, &chains);
    let gaps = chains.gaps(receipts.gaps);
    let of_messages = messages.iter().map(|m| (m.outcome, m.code, m.sentence.as_ref()));
    let of_bundle = checks.iter().map(|c| (c.outcome, c.code, c.sentence.as_ref()));
    let (outcome, code, sentence) = worst(of_bundle.chain(of_messages)).unwrap_or((
        Outcome::Indeterminate,
        crate::codes::BUNDLE_PART_MISSING,
        "nothing was verified",
    ));
    let report = Report {
        document_type: REPORT_TYPE,
        format_version: REPORT_VERSION,
        outcome,
        code,
        sentence: sentence.to_owned(),
        at,
        bundle: whole::summary(&material),
        trust: whole::trust(&material),
        sample,
        ages: whole::ages(&material),
        counts: whole::counts(&material, &messages),
        checks,
        gaps,
        messages,
    };
    // Some hundred thousand headers of a dozen texts each.
    material.envelopes.into_par_iter().for_each(drop);
    Ok(report)
}

/// Which messages are looked at: all, or those whose hashes with the seed are the smallest.
fn choose<'b>(bundle: &'b Bundle<'_>, sample: Option<Sample>) -> Vec<(usize, &'b MessageEntry)> {
    let all = bundle.entries().messages.iter().enumerate();
    let Some(Sample { size, seed }) = sample else { return all.collect() };
    let rank = |entry: &MessageEntry| {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(entry.envelope.to_bytes());
        <[u8; 32]>::from(hash.finalize())
    };
    let mut ranked: Vec<_> = all.map(|one| (rank(one.1), one)).collect();
    ranked.sort_unstable_by_key(|(rank, (index, _))| (*rank, *index));
    ranked.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let mut chosen: Vec<_> = ranked.into_iter().map(|(_, one)| one).collect();
    chosen.sort_unstable_by_key(|(index, _)| *index);
    chosen
}

/// Does the same with each, on all cores; what comes out is in order.
pub(super) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    each: impl Fn(&T) -> R + Sync + Send,
) -> Vec<R> {
    in_parallel_with(items, || (), |(), item| each(item))
}

/// The same, where what is done one after the other remembers something of its own.
pub(super) fn in_parallel_with<T: Sync, S, R: Send>(
    items: &[T],
    memory: impl Fn() -> S + Sync + Send,
    each: impl Fn(&mut S, &T) -> R + Sync + Send,
) -> Vec<R> {
    /// Into so many shares for each core the work is divided at most: one may be slower than another, and
    /// each has to learn what it remembers.
    const SHARES: usize = 32;
    let shares = rayon::current_num_threads().saturating_mul(SHARES);
    let share = items.len().div_ceil(shares).max(1);
    items.par_iter().with_min_len(share).map_init(memory, each).collect()
}
