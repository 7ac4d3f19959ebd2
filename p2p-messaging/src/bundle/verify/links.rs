//! Which messages go back to which, name by name: found in few steps, however long a chain is. A receipt names
//! one message and may speak of many, and whoever exports may put in as many receipts as it likes.

/// Where a message stands, and how the way back goes on.
#[derive(Clone, Copy)]
struct Link {
    number: u64,
    /// The one before it; itself, where that is not there.
    before: usize,
    /// One further back, to which nobody has to go step by step; itself likewise.
    far: usize,
}

/// The messages of a bundle, each tied to the one before it.
#[derive(Default)]
pub(super) struct Links(Vec<Option<Link>>);

impl Links {
    /// For so many messages, none of which has its place yet.
    pub(super) fn of(messages: usize) -> Self {
        Self(vec![None; messages])
    }

    fn get(&self, message: usize) -> Option<Link> {
        self.0.get(message).copied().flatten()
    }

    /// Ties a message to the one before it, which has its place, where that is there.
    pub(super) fn put(&mut self, message: usize, number: u64, before: Option<usize>) {
        let before = before.and_then(|before| Some((before, self.get(before)?)));
        let link = match before {
            None => Link { number, before: message, far: message },
            Some((before, link)) => {
                // Two ways of one length become one of twice that, and one more.
                let far = self.get(link.far).unwrap_or(link);
                let farther = self.get(far.far).unwrap_or(far);
                let near = link.number.saturating_sub(far.number);
                let doubled = near == far.number.saturating_sub(farther.number);
                Link { number, before, far: if doubled { far.far } else { before } }
            }
        };
        if let Some(place) = self.0.get_mut(message) {
            *place = Some(link);
        }
    }

    /// In how many steps one goes back to another; nothing where it does not.
    pub(super) fn steps(&self, newest: usize, message: usize) -> Option<u32> {
        let goal = self.get(message)?.number;
        let (mut at, mut steps) = (newest, 0_u32);
        loop {
            let link = self.get(at)?;
            if link.number <= goal {
                return (at == message).then_some(steps);
            }
            let jumps = self.get(link.far).is_some_and(|far| far.number >= goal);
            let next = if jumps { link.far } else { link.before };
            if next == at {
                return None;
            }
            (at, steps) = (next, steps.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_a_chain_is_the_way_back_is_short() {
        const LONG: usize = 100_000;
        let mut links = Links::of(LONG);
        for (message, number) in (0..LONG).zip(1..) {
            links.put(message, number, message.checked_sub(1));
        }
        for message in (0..LONG).step_by(97) {
            let steps = links.steps(LONG - 1, message).expect("it goes back");
            assert!(steps <= 64, "{message}: {steps}");
            assert_eq!(links.steps(message, LONG - 1).is_some(), message == LONG - 1);
        }
    }

    /// A chain with other ends, beginnings and a gap: as one finds who goes step by step.
    #[test]
    fn what_branches_off_leads_back_to_where_it_did() {
        let before = [None, Some(0), Some(1), Some(1), Some(2), Some(3), Some(5), None, Some(7)];
        let numbers = [1, 2, 3, 3, 4, 4, 5, 6, 7];
        let mut links = Links::of(10);
        for (message, before) in before.iter().enumerate() {
            links.put(message, numbers[message], *before);
        }
        for newest in 0..before.len() {
            let mut behind = vec![newest];
            while let Some(next) = before[behind[behind.len() - 1]] {
                behind.push(next);
            }
            for message in 0..10 {
                let found = links.steps(newest, message).is_some();
                assert_eq!(found, behind.contains(&message), "{newest} to {message}");
            }
        }
    }
}
