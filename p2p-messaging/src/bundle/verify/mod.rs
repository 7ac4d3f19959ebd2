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
mod known;
mod material;
mod messages;
mod payloads;
mod receipts;
mod report;
mod senders;
mod whole;

pub use report::{
    Audit, BundleSummary, Counts, Gap, MessageReport, Note, ReceiptReport, Report, Sample, Times,
    TrustSummary,
};

use super::Bundle;
use super::entries::MessageEntry;
use gridpass_credentials::trust::{Trust, TrustError};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use material::Material;
use report::{REPORT_TYPE, REPORT_VERSION, worst};
use sha2::{Digest as _, Sha256};
use std::sync::{Mutex, PoisonError};

/// Verifies a bundle that was read, by a trust pack that came another way.
///
/// # Errors
/// [`TrustError`] if the trust pack does not hold. What does not hold in the bundle is in the report.
pub fn verify(
    bundle: &Bundle<'_>,
    trust_pack: &[u8],
    at: UnixMillis,
    sample: Option<Sample>,
) -> Result<Report, TrustError> {
    let trust = Trust::open(trust_pack, None, at)?;
    let material = Material::read(bundle, trust, trust_pack, at)?;
    let index = chains::Index::of(&material);
    let (chains, receipts) =
        beside(|| chains::Chains::of(&material, &index), || receipts::judge(&material, &index));
    let senders = senders::judge(&material);
    let chosen = choose(bundle, sample);
    let context = messages::Context::new(&material, &senders, &receipts, &chains);
    let messages =
        in_parallel_with(&chosen, || context.memory(), |memory, one| context.judge(*one, memory));
    let checks = whole::checks(&material, &receipts, &chains);
    let of_messages = messages.iter().map(|m| (m.outcome, m.code, m.sentence.as_ref()));
    let of_bundle = checks.iter().map(|c| (c.outcome, c.code, c.sentence.as_ref()));
    let (outcome, code, sentence) = worst(of_bundle.chain(of_messages)).unwrap_or((
        Outcome::Indeterminate,
        crate::codes::BUNDLE_PART_MISSING,
        "nothing was verified",
    ));
    Ok(Report {
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
        gaps: chains.gaps(),
        messages,
    })
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

/// Does two things at the same time.
fn beside<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(one);
        let other = other();
        match thread.join() {
            Ok(one) => (one, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Does the same with each, on all cores; what comes out is in order.
pub(super) fn in_parallel<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    in_parallel_with(items, || (), |(), item| each(item))
}

/// The same, where each thread remembers something of its own.
pub(super) fn in_parallel_with<T: Sync, S, R: Send>(
    items: &[T],
    memory: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    /// So few are done before a thread has begun.
    const FEW: usize = 16;
    /// Into so many shares for each core the work is divided: one may be slower than another.
    const SHARES: usize = 32;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores <= 1 || items.len() <= FEW {
        let mut memory = memory();
        return items.iter().map(|item| each(&mut memory, item)).collect();
    }
    let share = items.len().div_ceil(cores.saturating_mul(SHARES)).max(1);
    let shares = Mutex::new(items.chunks(share).enumerate());
    let take = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let (mut memory, mut done) = (memory(), Vec::new());
        while let Some((number, share)) = take() {
            let made: Vec<R> = share.iter().map(|item| each(&mut memory, item)).collect();
            done.push((number, made));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        let threads = cores.min(items.len().div_ceil(share));
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect::<Vec<_>>()
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().flat_map(|(_, made)| made).collect()
}
