//! Where each message stands among those of its chain: gaps, and contradictions.

use super::links::Links;
use super::material::Material;
use super::receipts::key_at;
use super::report::{Audit, Gap};
use super::signatures::Signatures;
use crate::bundle::ForkEntry;
use crate::checking::Chain;
use crate::codes;
use crate::envelope::{Envelope, Header};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::Resolver;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

const NAME: &str = "sequence";

/// What there is to say of every message's place.
pub(super) struct Chains {
    places: Vec<Option<Arc<Audit>>>,
    gaps: Vec<Gap>,
    /// Each proof that a sender contradicts itself.
    pub(super) forks: Vec<Audit>,
    /// The chains in which one holds.
    contradicted: BTreeSet<Chain>,
    /// Messages that stand in the bundle before, under another number.
    twice: BTreeSet<usize>,
}

/// The messages of a chain: by number, where they stand in the bundle.
pub(super) type Numbers<'m> = BTreeMap<u64, Vec<(usize, &'m Envelope)>>;

/// The messages that are there, by chain and by name.
pub(super) struct Index<'m> {
    pub(super) chains: BTreeMap<Chain, Numbers<'m>>,
    names: HashMap<&'m str, (usize, &'m Envelope)>,
    twice: BTreeSet<usize>,
    /// Whose signature does not hold: anybody can write such a message, and it takes no place in a chain.
    forged: BTreeSet<usize>,
    /// Of whose signature nothing can be said.
    doubtful: BTreeSet<usize>,
    links: Links,
}

impl<'m> Index<'m> {
    pub(super) fn of(material: &'m Material<'_>, signatures: &Signatures) -> Self {
        let of = |outcome: Outcome| -> BTreeSet<usize> {
            let all = signatures.iter().enumerate();
            let found = all.filter(|(_, s)| s.as_ref().is_some_and(|s| s.outcome == outcome));
            found.map(|(index, _)| index).collect()
        };
        let (forged, doubtful) = (of(Outcome::Failed), of(Outcome::Indeterminate));
        // By what a chain is made of: not copied for each message.
        let mut chains: HashMap<_, Numbers<'m>> = HashMap::new();
        let mut names = HashMap::with_capacity(material.envelopes.len());
        let mut twice = BTreeSet::new();
        for (index, envelope) in material.envelopes.iter().enumerate() {
            let Some(envelope) = envelope else { continue };
            if names.contains_key(envelope.id().as_str()) {
                twice.insert(index);
                continue;
            }
            names.insert(envelope.id().as_str(), (index, envelope));
            if forged.contains(&index) {
                continue;
            }
            let header = envelope.header();
            let chain = (&header.channel, &header.sender, &header.key);
            let numbers = chains.entry(chain).or_default();
            numbers.entry(header.sequence).or_default().push((index, envelope));
        }
        let owned = |((channel, sender, key), numbers): ((&ContentId, &Did, &DidUrl), _)| {
            let (channel, sender, key) = (channel.clone(), sender.clone(), key.clone());
            (Chain { channel, sender, key }, numbers)
        };
        let chains = chains.into_iter().map(owned).collect();
        let links = Links::of(material.envelopes.len());
        let mut found = Self { chains, names, twice, forged, doubtful, links };
        found.link();
        found
    }

    /// Ties each message to the one before it.
    fn link(&mut self) {
        let mut links = std::mem::take(&mut self.links);
        // A chain after the other, each by its numbers: what is before a message has its place already.
        for (number, all) in self.chains.values().flatten() {
            for (index, envelope) in all {
                let before = self.before(envelope.header()).map(|(before, _)| before);
                links.put(*index, *number, before);
            }
        }
        self.links = links;
    }

    /// A message by its name.
    pub(super) fn message(&self, id: &str) -> Option<&'m Envelope> {
        self.names.get(id).map(|(_, envelope)| *envelope)
    }

    /// The message that another names as the one before it, where it is that by its chain and number.
    fn before(&self, header: &Header) -> Option<(usize, &'m Envelope)> {
        let (index, before) = *self.names.get(header.previous.as_ref()?.as_str())?;
        let one = before.header();
        let same =
            (&one.channel, &one.sender, &one.key) == (&header.channel, &header.sender, &header.key);
        let follows = same && one.sequence.checked_add(1) == Some(header.sequence);
        (follows && !self.forged.contains(&index)).then_some((index, before))
    }

    /// Whether a message goes back to another, each naming the one before it.
    pub(super) fn leads_back(&self, newest: &str, message: usize) -> bool {
        let newest = self.names.get(newest);
        newest.is_some_and(|(newest, _)| self.links.steps(*newest, message).is_some())
    }
}

impl Chains {
    pub(super) fn of(material: &Material<'_>, index: &Index<'_>) -> Self {
        let Forks { audits: forks, proven, chains: contradicted } = forks(material);
        let (places, twice) = (vec![None; material.envelopes.len()], index.twice.clone());
        let mut found = Self { places, gaps: Vec::new(), forks, contradicted, twice };
        let proven = |e: &Envelope| proven.contains(e.id().as_str());
        for (chain, numbers) in &index.chains {
            found.follow((material, index), chain, numbers, &proven);
        }
        for place in index.forged.difference(&index.twice) {
            let envelope = material.envelopes.get(*place).and_then(Option::as_ref);
            let audit = match envelope.is_some_and(proven) {
                true => contradicted_elsewhere(),
                false => {
                    let sentence = "its signature does not hold, so it takes no place in the chain";
                    Audit::passed(NAME, codes::NOTHING_ASKED, sentence)
                }
            };
            if let Some(place) = found.places.get_mut(*place) {
                *place = Some(Arc::new(audit));
            }
        }
        found
    }

    /// What there is to say of a message's place.
    pub(super) fn place(&self, index: usize) -> Option<&Arc<Audit>> {
        self.places.get(index)?.as_ref()
    }

    /// Whether a message stands in the bundle before.
    pub(super) fn is_twice(&self, index: usize) -> bool {
        self.twice.contains(&index)
    }

    /// Whether it is proven that the sender contradicts itself in a chain.
    pub(super) fn is_contradicted(&self, chain: &Chain) -> bool {
        self.contradicted.contains(chain)
    }

    /// What is missing, and what is missing at the ends: chain by chain.
    pub(super) fn gaps(self, tails: Vec<Gap>) -> Vec<Gap> {
        let mut all = self.gaps;
        all.extend(tails);
        all.sort_by(|a, b| (&a.sender, &a.key, a.from).cmp(&(&b.sender, &b.key, b.from)));
        all
    }

    fn follow(
        &mut self,
        (material, known): (&Material<'_>, &Index<'_>),
        chain: &Chain,
        numbers: &Numbers<'_>,
        proven: &dyn Fn(&Envelope) -> bool,
    ) {
        let sure = |place: &usize| !known.doubtful.contains(place);
        let selection = &material.bundle.manifest().selection;
        let whole = selection.takes_whole_chains_of(&chain.sender);
        let mut last = 0_u64;
        for (number, all) in numbers {
            let before = number.checked_sub(1).and_then(|n| numbers.get(&n));
            // What lies before a time that was asked for was not asked for.
            let begins = !whole || (last == 0 && material.selected_from().is_some());
            let gap = last.saturating_add(1) < *number && !begins;
            if gap {
                self.gaps.push(Gap {
                    sender: chain.sender.clone(),
                    key: chain.key.clone(),
                    from: last.saturating_add(1),
                    until: number.saturating_sub(1),
                });
            }
            // Two are enough to contradict whichever it is.
            let sure_ones: Vec<_> = all.iter().filter(|(i, _)| sure(i)).take(2).collect();
            for (index, envelope) in all {
                let mut others = all.iter().filter(|(i, _)| i != index);
                let signed = sure_ones.iter().find(|(i, _)| i != index && sure(index));
                let audit = if let Some((_, other)) = signed {
                    let sentence = format!("{} has the same number", other.id());
                    Audit::failed(NAME, codes::SEQUENCE_FORK, sentence).on([other.id()])
                } else if proven(envelope) {
                    contradicted_elsewhere()
                } else if let Some((_, other)) = others.next() {
                    let id = other.id();
                    let sentence =
                        format!("{id} has the same number, and whether both were signed is open");
                    Audit::open(NAME, codes::SEQUENCE_FORK, sentence).on([id])
                } else if let Some(before) = before {
                    let named = known.before(envelope.header()).map(|(_, named)| named);
                    follows(envelope.header(), named, before)
                } else if gap {
                    let (from, until) = (last.saturating_add(1), number.saturating_sub(1));
                    let sentence = format!("{from} to {until} of its chain are not there");
                    Audit::open(NAME, codes::SEQUENCE_GAP, sentence)
                } else if *number == 1 {
                    let sentence = "it is the first of its chain";
                    Audit::passed(NAME, codes::SEQUENCE_KEPT, sentence)
                } else {
                    let sentence = "the one before it is none of those that were selected";
                    Audit::passed(NAME, codes::SEQUENCE_KEPT, sentence)
                };
                if let Some(place) = self.places.get_mut(*index) {
                    *place = Some(Arc::new(audit));
                }
            }
            last = *number;
        }
    }
}

fn contradicted_elsewhere() -> Audit {
    let sentence = "the sender signed another one that contradicts it";
    Audit::failed(NAME, codes::SEQUENCE_FORK, sentence)
}

/// What there is to say of a message by the one that it names, or those that have the number before it.
fn follows(header: &Header, named: Option<&Envelope>, before: &[(usize, &Envelope)]) -> Audit {
    match (named, before.first()) {
        (Some(before), _) if before.header().issued > header.issued => {
            let sentence = format!("{}, before it, says that it was made later", before.id());
            Audit::failed(NAME, codes::ENVELOPE_ORDER, sentence).on([before.id()])
        }
        (Some(before), _) => {
            let sentence = "it follows the one before it";
            Audit::passed(NAME, codes::SEQUENCE_KEPT, sentence).on_names([before.id().to_text()])
        }
        (None, Some((_, other))) => {
            let sentence = format!("the one before it is {}, and it names another", other.id());
            Audit::failed(NAME, codes::SEQUENCE_BROKEN, sentence).on([other.id()])
        }
        (None, None) => Audit::open(NAME, codes::SEQUENCE_GAP, "the one before it is not there"),
    }
}

/// Each proof; and of those that hold the names of the messages that they speak against, and the chains.
#[derive(Default)]
struct Forks {
    audits: Vec<Audit>,
    proven: BTreeSet<String>,
    chains: BTreeSet<Chain>,
}

fn forks(material: &Material<'_>) -> Forks {
    let resolver = material.resolver();
    let mut found = Forks::default();
    for entry in &material.bundle.entries().forks {
        let audit = proof(material, entry, &resolver);
        if audit.code == codes::SEQUENCE_FORK {
            found.proven.extend([entry.first.to_string(), entry.second.to_string()]);
            let block = material.bundle.block(&entry.first);
            let first = block.and_then(|block| Envelope::parse_block(block).ok());
            found.chains.extend(first.map(|first| Chain::of(first.header())));
        }
        found.audits.push(audit.on([entry.first, entry.second]));
    }
    found
}

fn proof(material: &Material<'_>, entry: &ForkEntry, resolver: &dyn Resolver) -> Audit {
    let name = "forks";
    let mut both = Vec::new();
    for cid in [&entry.first, &entry.second] {
        let Some(block) = material.bundle.block(cid) else {
            let sentence = format!("the envelope {cid} is not there");
            return Audit::open(name, codes::BUNDLE_PART_MISSING, sentence);
        };
        match Envelope::parse_block(block) {
            Ok(envelope) => both.push(envelope),
            Err(e) => return Audit::failed(name, e.code(), e.to_string()),
        }
    }
    let [first, second] = both.as_slice() else {
        return Audit::open(name, codes::BUNDLE_PART_MISSING, "an envelope is not there");
    };
    let (a, b) = (first.header(), second.header());
    if first.id() == second.id() || Chain::of(a) != Chain::of(b) || !contradict(first, second) {
        let sentence = "they are of two chains, or stand well beside each other";
        return Audit::failed(name, codes::BUNDLE_FORK, sentence);
    }
    for envelope in &both {
        let header = envelope.header();
        let key = match key_at(resolver, &header.key, header.issued) {
            Ok(key) => key,
            Err(judged) => {
                return Audit::new(name, (judged.outcome, judged.code), judged.sentence);
            }
        };
        if envelope.verify(&key).is_err() {
            let sentence = format!("{} is not signed by {}", envelope.id(), header.key);
            return Audit::failed(name, identity_codes::SIGNATURE_INVALID, sentence);
        }
    }
    let sentence = format!("{} signed two that contradict each other, as {}", a.sender, a.key);
    Audit::passed(name, codes::SEQUENCE_FORK, sentence)
}

/// One number; or the later one names another before it, or says that it was made earlier.
fn contradict(first: &Envelope, second: &Envelope) -> bool {
    let (a, b) = (first.header(), second.header());
    let (before, after) = if a.sequence <= b.sequence { (first, second) } else { (second, first) };
    let (earlier, later) = (before.header(), after.header());
    earlier.sequence == later.sequence
        || (earlier.sequence.checked_add(1) == Some(later.sequence)
            && (later.previous.as_ref() != Some(before.id()) || later.issued < earlier.issued))
}
