//! Receipts, each judged once; and whether a node acted for a participant at a time.

use super::chains::Index;
use super::in_parallel_with;
use super::material::Material;
use super::report::Gap;
use super::room::Room;
use crate::checking::Chain;
use crate::codes;
use crate::envelope::Envelope;
use crate::receipt::{CLOCKS_DIFFER_MILLIS, MAX_STATUS_AGE_SECONDS, Receipt, SignedReceipt};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::verify::{
    AuthorisationExpectation, Evidence, SeenLists, verify_authorisation,
};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::PublicKey;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Resolver, TimeBasis};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use gridpass_policy::channel::Mode;
use std::collections::{BTreeMap, HashMap};

/// What came out for one receipt.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    pub(super) code: Code,
    pub(super) sentence: String,
}

impl Judged {
    fn new((outcome, code): (Outcome, Code), sentence: impl Into<String>) -> Self {
        Self { outcome, code, sentence: sentence.into() }
    }

    fn failed(code: Code, sentence: impl Into<String>) -> Self {
        Self::new((Outcome::Failed, code), sentence)
    }

    fn open(code: Code, sentence: impl Into<String>) -> Self {
        Self::new((Outcome::Indeterminate, code), sentence)
    }
}

/// That a receipt speaks of a message, by its number.
pub(super) struct Spoken {
    /// Which, in the order of the bundle.
    pub(super) receipt: usize,
    /// Whether the message that it names goes back to this one, name by name: else it may speak of another one
    /// with the same number.
    pub(super) linked: bool,
}

/// Every receipt, in the order of the bundle; and of each message those that speak of it.
pub(super) struct Receipts {
    pub(super) judged: Vec<Judged>,
    speaking: Vec<Vec<Spoken>>,
    /// What the ends of chains lack that receipts speak of.
    pub(super) gaps: Vec<Gap>,
}

impl Receipts {
    /// Those that speak of a message.
    pub(super) fn of(&self, message: usize) -> &[Spoken] {
        self.speaking.get(message).map_or(&[], Vec::as_slice)
    }
}

/// Whether a receipt names the message with the greatest number that it speaks of, as far as that one or the
/// one with that number is there.
fn names_its_newest(receipt: &Receipt, index: &Index<'_>) -> bool {
    let (chain, until) = (receipt.chain().ok(), receipt.until());
    if let Some(named) = index.message(receipt.newest.as_str()).map(Envelope::header)
        && (named.sequence != until || chain != Some(Chain::of(named)))
    {
        return false;
    }
    // What somebody forged has no number there.
    let there = chain.and_then(|chain| index.chains.get(&chain)?.get(&until));
    there.is_none_or(|all| all.iter().any(|(_, one)| one.id() == &receipt.newest))
}

pub(super) fn judge(material: &Material<'_>, index: &Index<'_>) -> Receipts {
    let all: Vec<usize> = (0..material.receipts.len()).collect();
    let judged: Vec<Judged> = in_parallel_with(
        &all,
        || (material.resolver(), SignatureMemo::default()),
        |(resolver, memo), place| match material.receipts.get(*place).and_then(Option::as_ref) {
            Some(signed) => one(material, (*place, signed), index, resolver, memo),
            None => Judged::open(codes::BUNDLE_PART_MISSING, "the receipt is not there"),
        },
    );
    let mut speaking: Vec<Vec<Spoken>> = Vec::new();
    speaking.resize_with(material.envelopes.len(), Vec::new);
    let mut tails: BTreeMap<Chain, (u64, u64)> = BTreeMap::new();
    let mut missing: BTreeMap<Chain, Vec<(u64, u64)>> = BTreeMap::new();
    let mut rooms = HashMap::new();
    for (place, signed) in material.receipts.iter().enumerate() {
        let Some(receipt) = signed.as_ref().map(SignedReceipt::receipt) else { continue };
        let open = judged.get(place).is_some_and(|j| j.code == codes::SEQUENCE_GAP);
        if let Some((chain, last)) = missing_after(material, receipt, index).filter(|_| open) {
            let tail = tails.entry(chain).or_insert((last, last));
            tail.1 = tail.1.max(receipt.until());
        }
        if let Some((chain, ranges)) = left_out(material, receipt, index).filter(|_| open) {
            missing.entry(chain).or_default().extend(ranges);
        }
        let Some(known) = receipt.chain().ok().and_then(|c| index.chains.get(&c)) else {
            continue;
        };
        // As far as the messages are here: a range may be of any length.
        let ranges = receipt.delivered.iter().chain(&receipt.kept).copied();
        let refused = receipt.refused.iter().map(|r| (r.sequence, r.sequence));
        let by = (signed.as_ref().map(SignedReceipt::key), &receipt.sender, receipt.key.as_str());
        let room: &mut Room = rooms.entry((by, &receipt.channel)).or_default();
        let counting = ranges.chain(refused).flat_map(|(from, until)| room.take(from, until));
        for (from, until) in counting {
            let there = known.range(from..=until.max(from));
            for (message, _) in there.flat_map(|(_, all)| all) {
                if let Some(of) = speaking.get_mut(*message) {
                    let linked = index.leads_back(receipt.newest.as_str(), *message);
                    of.push(Spoken { receipt: place, linked });
                }
            }
        }
    }
    let gap = |(Chain { sender, key, .. }, (last, until)): (Chain, (u64, u64))| Gap {
        sender,
        key,
        from: last.saturating_add(1),
        until,
    };
    let mut gaps: Vec<Gap> = tails.into_iter().map(gap).collect();
    for (Chain { sender, key, .. }, ranges) in missing {
        let gap = |(from, until)| Gap { sender: sender.clone(), key: key.clone(), from, until };
        gaps.extend(merged(ranges).into_iter().map(gap));
    }
    Receipts { judged, speaking, gaps }
}

/// The last message of a chain that is there, where the bundle says that it has the whole of it and a receipt
/// speaks of later ones.
fn missing_after(
    material: &Material<'_>,
    receipt: &Receipt,
    index: &Index<'_>,
) -> Option<(Chain, u64)> {
    let selection = &material.bundle.manifest().selection;
    if material.selected_until().is_some() || !selection.takes_whole_chains_of(&receipt.sender) {
        return None;
    }
    let chain = receipt.chain().ok()?;
    let last = match index.chains.get(&chain).and_then(|numbers| numbers.last_key_value()) {
        Some((last, _)) => *last,
        // Before a time that was asked for there may have been all of them.
        None if material.selected_from().is_some() => return None,
        None => 0,
    };
    (receipt.until() > last).then_some((chain, last))
}

/// Numbers of a chain that a selection of somebody's messages has by its own receipt, and that are not there:
/// what is delivered to somebody where messages name recipients names it.
fn left_out(
    material: &Material<'_>,
    receipt: &Receipt,
    index: &Index<'_>,
) -> Option<(Chain, Vec<(u64, u64)>)> {
    let selection = &material.bundle.manifest().selection;
    let mode = material.policy.as_ref().map(|policy| policy.descriptor().mode);
    let names = mode.is_some_and(|mode| mode != Mode::Broadcast);
    let its_own = selection.participant.as_ref() == Some(&receipt.recipient);
    if !names || !its_own || selection.thread.is_some() || receipt.sender == receipt.recipient {
        return None;
    }
    let chain = receipt.chain().ok()?;
    let there = index.chains.get(&chain);
    // Beyond times that were asked for there may have been any.
    let low = match material.selected_from() {
        Some(_) => *there?.first_key_value()?.0,
        None => 1,
    };
    let high = match material.selected_until() {
        Some(_) => *there?.last_key_value()?.0,
        None => u64::MAX,
    };
    let mut missing = Vec::new();
    for (from, until) in &receipt.delivered {
        let (mut next, end) = ((*from).max(low), (*until).min(high));
        if next > end {
            continue;
        }
        let range = next..=end;
        for (number, _) in there.into_iter().flat_map(|numbers| numbers.range(range.clone())) {
            if *number > next {
                missing.push((next, number.saturating_sub(1)));
            }
            next = number.saturating_add(1);
        }
        if next <= end {
            missing.push((next, end));
        }
    }
    (!missing.is_empty()).then_some((chain, missing))
}

/// As few ranges as say the same.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (from, until) in ranges {
        match all.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = until.max(*end),
            _ => all.push((from, until)),
        }
    }
    all
}

/// Whether a message that it says to be delivered or kept was made after it was signed.
fn is_early(receipt: &Receipt, index: &Index<'_>) -> bool {
    let numbers = receipt.chain().ok().and_then(|chain| index.chains.get(&chain));
    let limit = receipt.issued.plus_millis(CLOCKS_DIFFER_MILLIS);
    let taken = receipt.delivered.iter().chain(&receipt.kept);
    let of = |(from, until): &(u64, u64)| {
        let there = numbers.map(|n| n.range(*from..=(*until).max(*from)));
        there.into_iter().flatten().flat_map(|(_, all)| all)
    };
    taken.flat_map(of).any(|(_, envelope)| envelope.header().issued > limit)
}

fn one(
    material: &Material<'_>,
    (place, signed): (usize, &SignedReceipt),
    index: &Index<'_>,
    resolver: &dyn Resolver,
    memo: &mut SignatureMemo,
) -> Judged {
    let receipt = signed.receipt();
    let key = match key_at(resolver, signed.key(), receipt.issued) {
        Ok(key) => key,
        Err(judged) => return judged,
    };
    if let Err(e) = signed.verify(&key) {
        return Judged::failed(identity_codes::SIGNATURE_INVALID, e.to_string());
    }
    if receipt.channel != material.bundle.manifest().selection.channel {
        return Judged::failed(codes::BUNDLE_SELECTION, "it is of another channel");
    }
    if !names_its_newest(receipt, index) {
        let sentence = "it names another message than the one with that number";
        return Judged::failed(codes::RECEIPT_MALFORMED, sentence);
    }
    if is_early(receipt, index) {
        let sentence = format!("it was signed at {}, before a message of it", receipt.issued);
        return Judged::failed(codes::RECEIPT_EARLY, sentence);
    }
    let logged = material.bundle.entries().receipts.get(place).map(|entry| entry.logged);
    if logged.is_some_and(|logged| receipt.issued > logged.plus_millis(CLOCKS_DIFFER_MILLIS)) {
        let sentence = format!("it was signed at {}, after it was written down", receipt.issued);
        return Judged::failed(identity_codes::SIGNED_IN_FUTURE, sentence);
    }
    if let Some(authorisation) = &receipt.authorisation {
        let acting = Acting {
            participant: &receipt.recipient,
            node: signed.key().did(),
            authorisation,
            at: receipt.issued,
        };
        if let Err(judged) = acting.check(material, resolver, memo) {
            return judged;
        }
    }
    if let Some((_, last)) = missing_after(material, receipt, index) {
        let until = receipt.until();
        let sentence = format!("it speaks of messages up to {until}, and {last} is the last there");
        return Judged::open(codes::SEQUENCE_GAP, sentence);
    }
    let left_out = left_out(material, receipt, index);
    if let Some((from, until)) = left_out.as_ref().and_then(|(_, ranges)| ranges.first()) {
        let sentence =
            format!("{from} to {until} were delivered, are of the selection, and are not there");
        return Judged::open(codes::SEQUENCE_GAP, sentence);
    }
    let sentence = format!("signed by {}", signed.key());
    Judged::new((Outcome::Passed, codes::RECEIPT_HOLDS), sentence)
}

/// The key of a DID at a time, where it is one for acting.
pub(super) fn key_at(
    resolver: &dyn Resolver,
    url: &DidUrl,
    at: UnixMillis,
) -> Result<PublicKey, Judged> {
    let resolution = resolver.resolve(url.did()).map_err(|e| {
        let outcome = match e.is_missing_evidence() {
            true => Outcome::Indeterminate,
            false => Outcome::Failed,
        };
        Judged::new((outcome, e.code()), e.to_string())
    })?;
    let purpose = Relationship::CapabilityInvocation;
    let (check, key) = resolution.key_at(url, purpose, at, TimeBasis::Claimed);
    match key.filter(|_| check.outcome == Outcome::Passed) {
        Some(key) => Ok(key),
        None => Err(Judged::new((check.outcome, check.code), check.sentence)),
    }
}

/// That a node acts for a participant at a time.
pub(super) struct Acting<'a> {
    pub(super) participant: &'a Did,
    pub(super) node: &'a Did,
    pub(super) authorisation: &'a ContentId,
    pub(super) at: UnixMillis,
}

impl Acting<'_> {
    pub(super) fn check(
        &self,
        material: &Material<'_>,
        resolver: &dyn Resolver,
        memo: &mut SignatureMemo,
    ) -> Result<(), Judged> {
        let id = self.authorisation;
        let Some(bytes) = material.bundle.document(id) else {
            let sentence = format!("the authorisation {id} of its node is not there");
            return Err(Judged::open(codes::AUTHORISATION_MISSING, sentence));
        };
        let lists = lists_as_of(material, self.participant, self.at);
        let clock = lists.iter().map(|l| l.dated).max().map_or(self.at, |d| d.max(self.at));
        let seen = SeenLists::new();
        let trust = &material.trust;
        let evidence = Evidence { trust, lists: &lists, resolver, seen: &seen };
        let expect = AuthorisationExpectation {
            now: self.at,
            clock,
            principal: self.participant,
            node: self.node,
            purpose: NodePurpose::Messages,
            channel: Some(&material.bundle.manifest().selection.channel),
            max_status_age_seconds: MAX_STATUS_AGE_SECONDS,
        };
        let found = verify_authorisation(bytes, &evidence, &expect, memo);
        let (report, status) = (found.report, found.authorisation.map(|a| a.status));
        let Some(check) = report.deciding().filter(|_| report.outcome() != Outcome::Passed) else {
            return Ok(());
        };
        // A list of later says that it was revoked later: nobody can tell what this one knew.
        let since = status.and_then(|entry| {
            let list = lists.iter().find(|l| l.id == entry.list)?;
            list.changes(entry.index).last().map(|c| c.at)
        });
        let later = check.code == credential_codes::VISA_REVOKED
            && clock > self.at.plus_millis(MAX_CLOCK_SKEW_MILLIS)
            && since.is_some_and(|since| since > self.at);
        let outcome = if later { Outcome::Indeterminate } else { report.outcome() };
        Err(Judged::new((outcome, check.code), check.sentence.clone()))
    }
}

/// The states of somebody's own lists that count for a time: of each the newest up to then, else the
/// oldest after.
fn lists_as_of(material: &Material<'_>, signer: &Did, at: UnixMillis) -> Vec<StatusList> {
    let mut chosen: BTreeMap<&str, &StatusList> = BTreeMap::new();
    let limit = at.plus_millis(MAX_CLOCK_SKEW_MILLIS);
    for list in material.lists.values().filter(|l| &l.issuer == signer) {
        let held = chosen.entry(&list.id).or_insert(list);
        let better = match (list.dated <= limit, held.dated <= limit) {
            (true, true) => list.order() > held.order(),
            (true, false) => true,
            (false, true) => false,
            (false, false) => list.order() < held.order(),
        };
        if better {
            *held = list;
        }
    }
    chosen.into_values().cloned().collect()
}
