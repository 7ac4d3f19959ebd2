//! What came out, and what must hold whatever was set.

use super::node::Node;
use super::rules::MAX_FETCHES;
use super::setting::{Kind, REVOKED};
use super::{Setting, What, World};
use gridpass_messaging::checking::{Limits, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// An envelope that somebody sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// By whom.
    pub author: usize,
    /// When, in milliseconds.
    pub at: u64,
    /// How large.
    pub bytes: usize,
}

/// What came out.
#[derive(Default)]
pub struct Outcome {
    /// What was set.
    pub setting: Option<Setting>,
    /// The nodes at the end.
    pub nodes: Vec<Node>,
    /// All envelopes by number.
    pub sent: BTreeMap<u32, Sent>,
    /// Those that were dated before they were made.
    pub backdated: BTreeSet<u32>,
    /// How many of each kind had which verdict.
    pub verdicts: BTreeMap<(Kind, &'static str), u64>,
    /// How many were asked of the core.
    pub checked: u64,
    /// Envelopes that honest nodes gave to somebody who may not read.
    pub leaks: u64,
    /// Envelopes that were delivered more than once.
    pub twice: u64,
    /// Envelopes of the revoked that were delivered by a node that had the list.
    pub late: u64,
    /// Who shut out whom first, and when.
    pub shut_out: BTreeMap<(usize, usize), u64>,
    /// When each adversary's own messages began to come at each node, and how many came.
    pub borne: BTreeMap<(usize, usize), (u64, u64)>,
    /// When each equivocator began.
    pub twins: BTreeMap<usize, u64>,
    /// How long honest nodes that had been down took to have an honest peer again.
    pub reconnected: Vec<u64>,
    /// Those that have none yet, and since when.
    pub came_back: BTreeMap<usize, u64>,
    /// Connections of honest nodes that found no place.
    pub turned_away: u64,
    /// Connections that were ended since their participant had too many.
    pub crowded_out: u64,
    /// How many of a hundred places in each victim's mesh adversaries held when they left.
    pub held: Vec<u64>,
    /// The most peers of a node.
    pub most_peers: u64,
    /// The most envelopes that waited at a node.
    pub waited: u64,
    /// The most documents that a node asked for.
    pub fetched: u64,
    /// The most messages on their way from one node to another.
    pub queued: u64,
    /// Messages for which there was no room on the way.
    pub overflowed: u64,
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Admit => "admit",
        Verdict::Refuse => "refuse",
        Verdict::Wait => "wait",
        Verdict::Fault => "fault",
        Verdict::Ignore => "ignore",
    }
}

impl World {
    pub(super) fn finish(self) -> Outcome {
        let envelope = |i: &super::Item| matches!(i.what, What::Envelope { .. });
        let sent = self.items.iter().enumerate().filter(|(_, i)| envelope(i)).map(|(n, i)| {
            let number = u32::try_from(n).expect("few enough");
            (number, Sent { author: i.author, at: i.at, bytes: i.bytes })
        });
        let sent = sent.collect();
        Outcome { setting: Some(self.setting), nodes: self.nodes, sent, ..self.outcome }
    }
}

impl Outcome {
    pub(super) fn judged(&mut self, author: &Node, verdict: Verdict) {
        *self.verdicts.entry((author.kind, name(verdict))).or_default() += 1;
    }

    pub(super) fn bore(&mut self, to: usize, from: usize, now: u64) {
        self.borne.entry((to, from)).or_insert((now, 0)).1 += 1;
    }

    fn setting(&self) -> &Setting {
        self.setting.as_ref().expect("a run has a setting")
    }

    /// Who reads, keeps to the rules, and keeps its visa.
    pub fn readers(&self) -> impl Iterator<Item = (usize, &Node)> {
        let setting = self.setting();
        let revoked = setting.aggregators + setting.operators - 1;
        let all = self.nodes.iter().enumerate();
        all.filter(move |(n, node)| node.kind == Kind::Operator && *n != revoked)
    }

    /// The operators that were crowded.
    #[must_use]
    pub fn victims(&self) -> std::ops::Range<usize> {
        let first = self.setting().aggregators;
        first..first + super::setting::VICTIMS
    }

    /// Whether an envelope must come to everybody: of an honest aggregator that kept its visa. What
    /// the revoked sent before is not taken up late: who was away then never gets it.
    fn is_accepted(&self, sent: &Sent) -> bool {
        let aggregator = self.nodes.get(sent.author).is_some_and(|n| n.kind == Kind::Aggregator);
        aggregator && sent.author != 0
    }

    /// The peers of a node at the end that read too and give what they have.
    #[must_use]
    pub fn honest_readers_of(&self, index: usize) -> Vec<usize> {
        let honest = |n: &usize| self.nodes.get(*n).is_some_and(|n| n.kind == Kind::Operator);
        let peers = self.nodes.get(index).map(|n| &n.peers);
        peers.into_iter().flatten().map(|(id, _)| *id).filter(honest).collect()
    }

    /// The most readers that are connected with each other through honest readers alone.
    #[must_use]
    pub fn main_land(&self) -> BTreeSet<usize> {
        let (mut main, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for (index, _) in self.readers() {
            let (mut land, mut next) = (BTreeSet::new(), vec![index]);
            while let Some(one) = next.pop().filter(|_| !seen.contains(&index)) {
                if land.insert(one) {
                    next.extend(self.honest_readers_of(one));
                }
            }
            seen.extend(land.iter().copied());
            if land.len() > main.len() {
                main = land;
            }
        }
        main
    }

    /// What must come to everybody.
    pub fn accepted(&self) -> impl Iterator<Item = (u32, &Sent)> {
        self.sent.iter().filter(|(_, s)| self.is_accepted(s)).map(|(n, s)| (*n, s))
    }

    /// Envelopes of the revoked, made after that, that a node delivered before it knew.
    pub fn taken_of_the_revoked<'o>(&'o self, node: &'o Node) -> impl Iterator<Item = u32> + 'o {
        let of = |n: &u32| self.sent.get(n).is_some_and(|s| s.author == 0 && s.at > REVOKED);
        node.delivered.keys().copied().filter(of)
    }

    /// How many messages of flooders a node kept.
    #[must_use]
    pub fn kept_of_floods(&self, node: &Node) -> usize {
        let flooder = |author: &usize| {
            self.nodes.get(*author).is_some_and(|n| matches!(n.kind, Kind::Flooder(_)))
        };
        let chains = node.chains.iter().filter(|(author, _)| flooder(author));
        chains.map(|(_, chain)| chain.items.len()).sum()
    }

    /// Of a thousand deliveries that there could be of what the revoked sent in time, how many there
    /// are not.
    #[must_use]
    pub fn lost_with_the_revoked(&self) -> u64 {
        let before = self.sent.iter().filter(|(_, s)| s.author == 0 && s.at < REVOKED);
        let before: Vec<u32> = before.map(|(n, _)| *n).collect();
        let lacks = |n: &Node| before.iter().filter(|b| !n.delivered.contains_key(b)).count();
        let (readers, lacking) =
            self.readers().fold((0, 0), |(r, l), (_, n)| (r + 1, l + lacks(n)));
        (lacking * 1000 / (readers * before.len()).max(1)) as u64
    }

    /// What does not hold and must, a sentence each; none, if all is well.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let accepted: Vec<u32> = self.accepted().map(|(n, _)| n).collect();
        must(!accepted.is_empty(), "nothing was sent".into());
        for (index, node) in self.readers() {
            let lacks = accepted.iter().filter(|n| !node.delivered.contains_key(n)).count();
            must(lacks == 0, format!("node {index} lacks {lacks} of {}", accepted.len()));
            let cheats = node.delivered.keys().filter(|n| self.is_cheat(**n)).count();
            must(cheats == 0, format!("node {index} delivered {cheats} of cheats"));
            must(node.informed.is_some(), format!("node {index} never heard of the revocation"));
            let equivocators = self.twins.keys().filter(|e| !node.forks.contains_key(e)).count();
            must(equivocators == 0, format!("node {index} missed {equivocators} equivocators"));
        }
        must(self.leaks == 0, format!("{} were given to who may not read", self.leaks));
        must(self.twice == 0, format!("{} were delivered twice", self.twice));
        must(self.late == 0, format!("{} of the revoked were delivered by who knew", self.late));
        let honest = |n: &usize| self.nodes.get(*n).is_some_and(|n| n.kind.is_honest());
        let wronged = self.shut_out.keys().filter(|(a, b)| honest(a) && honest(b) && *b != 0);
        let wronged = wronged.count();
        must(wronged == 0, format!("{wronged} honest peers were shut out"));
        let limits = Limits::default();
        must(self.waited <= limits.waiting as u64, format!("{} envelopes waited", self.waited));
        must(self.fetched <= MAX_FETCHES as u64, format!("{} were asked for", self.fetched));
        must(self.overflowed == 0, format!("no room for {} on the way", self.overflowed));
        broken
    }

    /// Whether it should be delivered nowhere. Of two with one number, one may be.
    fn is_cheat(&self, number: u32) -> bool {
        let author = self.sent.get(&number).and_then(|s| self.nodes.get(s.author));
        author.is_some_and(|a| {
            matches!(a.kind, Kind::Eavesdropper | Kind::Vandal | Kind::Flooder(_) | Kind::Sybil)
        })
    }

    /// Everything that a run shows, as text: two runs of one setting have the same.
    #[must_use]
    pub fn transcript(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Node { kind, list, delivered, forks, informed, copies, bytes, .. } = node;
            let _ = writeln!(
                text,
                "{index} {kind:?} {list} {informed:?} {bytes} {delivered:?} {forks:?} {copies:?}"
            );
        }
        let _ = writeln!(text, "{:?} {:?} {:?}", self.sent, self.verdicts, self.shut_out);
        let _ = writeln!(text, "{:?} {:?} {}", self.borne, self.reconnected, self.turned_away);
        text
    }
}
