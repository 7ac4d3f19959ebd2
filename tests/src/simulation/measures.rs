//! What is measured of a run, as distributions: whole numbers, so that they are the same everywhere.

use super::outcome::Outcome;
use super::setting::REVOKED;

/// A distribution, by nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many values.
    pub count: usize,
    /// Half are no greater.
    pub p50: u64,
    /// Nine of ten are no greater.
    pub p90: u64,
    /// Ninety-nine of a hundred are no greater.
    pub p99: u64,
    /// None is greater.
    pub max: u64,
}

impl Distribution {
    /// Of these values.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = u64>) -> Self {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let at = |part: usize| {
            let rank = (values.len() * part).div_ceil(100).max(1);
            values.get(rank - 1).copied().unwrap_or_default()
        };
        Self { count: values.len(), p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

/// What is measured of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// From sending to delivery, in milliseconds, for each accepted message and reader.
    pub delivery: Distribution,
    /// The same for those who were crowded.
    pub victims: Distribution,
    /// From a revocation until a node refuses, in milliseconds, for each reader.
    pub refusal: Distribution,
    /// Messages of the revoked that each reader still delivered, made after it was revoked.
    pub after: Distribution,
    /// Copies that came, by gossip or by catching up, of each accepted message at each reader.
    pub copies: Distribution,
    /// Bytes that came at each reader, of whatever kind, in hundredths of those of the messages that
    /// it delivered.
    pub bytes: Distribution,
    /// How many of a thousand deliveries came by catching up.
    pub caught_up: u64,
    /// From the first message of an adversary at a node until it is shut out there.
    pub shut_out: Distribution,
    /// The adversary's own messages that a node took until then.
    pub borne: Distribution,
    /// Where it was never shut out, for each node: its messages that came.
    pub never: Distribution,
    /// From an equivocator's first two until a reader has proof.
    pub proof: Distribution,
    /// How many of a hundred mesh places of each victim adversaries held when they left.
    pub held: Distribution,
    /// From coming up again until an honest peer is connected.
    pub reconnected: Distribution,
}

impl Outcome {
    /// The measures.
    #[must_use]
    pub fn measures(&self) -> Measures {
        let accepted: Vec<_> = self.accepted().collect();
        let victims = self.victims();
        let (mut delivery, mut of_victims, mut copies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut caught_up, mut bytes) = (0_u64, Vec::new());
        for (index, node) in self.readers() {
            for (number, sent) in &accepted {
                copies.push(u64::from(node.copies.get(number).copied().unwrap_or_default()));
                let Some((at, by_catching_up)) = node.delivered.get(number) else { continue };
                caught_up += u64::from(*by_catching_up);
                delivery.push(at - sent.at);
                if victims.contains(&index) {
                    of_victims.push(at - sent.at);
                }
            }
            let own = node.delivered.keys().filter_map(|n| self.sent.get(n)).map(|s| s.bytes);
            let own: u64 = own.map(|b| b as u64).sum();
            bytes.push(node.bytes * 100 / own.max(1));
        }
        let count = delivery.len() as u64;
        let shut = |pair: &(usize, usize)| self.shut_out.get(pair).copied();
        let (mut times, mut borne, mut never) = (Vec::new(), Vec::new(), Vec::new());
        for (pair, (since, count)) in &self.borne {
            match shut(pair) {
                Some(at) => {
                    times.push(at.saturating_sub(*since));
                    borne.push(*count);
                }
                None => never.push(*count),
            }
        }
        let proof = self.readers().flat_map(|(_, node)| {
            let since = |e: &usize| self.twins.get(e).copied();
            node.forks.iter().filter_map(move |(e, at)| Some(at.saturating_sub(since(e)?)))
        });
        Measures {
            refusal: Distribution::of(
                self.readers().filter_map(|(_, n)| Some(n.informed? - REVOKED)),
            ),
            after: Distribution::of(
                self.readers().map(|(_, n)| self.taken_of_the_revoked(n).count() as u64),
            ),
            proof: Distribution::of(proof),
            delivery: Distribution::of(delivery),
            victims: Distribution::of(of_victims),
            copies: Distribution::of(copies),
            bytes: Distribution::of(bytes),
            caught_up: caught_up * 1000 / count.max(1),
            shut_out: Distribution::of(times),
            borne: Distribution::of(borne),
            never: Distribution::of(never),
            held: Distribution::of(self.held.iter().copied()),
            reconnected: Distribution::of(self.reconnected.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let found = Distribution::of(1..=200);
        assert_eq!((found.p50, found.p90, found.p99, found.max), (100, 180, 198, 200));
        assert_eq!(
            Distribution::of([7]),
            Distribution { count: 1, p50: 7, p90: 7, p99: 7, max: 7 }
        );
        assert_eq!(Distribution::of([]), Distribution::default());
    }
}
