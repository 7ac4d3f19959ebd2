//! By whom and by what a node acts: its authorisation, and which of the presentations that it was given count.

use super::{Material, MaterialError, OwnAuthorisation, OwnPresentation, Taken, folder};
use crate::codes;
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;

impl Material {
    pub(super) fn take_presentation(
        &mut self,
        own: OwnPresentation,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        let channel = own.channel.clone();
        if let Some(principal) = self.principal().filter(|_| self.stands(&own).is_none()) {
            // One that was given before it was known who that is stays where it is, and counts no more.
            if !keep {
                return Ok(Taken::Presentation(channel));
            }
            let of = own.holder.as_ref().map_or("nobody that it names", Did::as_str);
            let sentence = format!("it is of {of}, and the node acts for {principal}");
            return Err(MaterialError::new(codes::NODE_PRESENTATION, sentence));
        }
        if keep {
            self.folder.write_last(&folder::presentation(&own.id), own.text.as_bytes())?;
        }
        self.hold_presentation(own.clone());
        // The last one says what its holder wants to show now, such as a visa that was renewed.
        let rank = |p: &OwnPresentation| (self.stands(p), p.expires > now, p.signed);
        if self.presentations.get(&channel).is_none_or(|p| rank(p) <= rank(&own)) {
            self.presentations.insert(channel.clone(), own);
        }
        Ok(Taken::Presentation(channel))
    }

    /// The participant that this node acts for, where an authorisation says so.
    fn principal(&self) -> Option<&Did> {
        self.authorisation.as_ref().map(|held| &held.authorisation.principal)
    }

    /// Whether a presentation is of whom the node acts for; nothing where it is somebody else's. Before
    /// an authorisation is here, which may come later, each may be its participant's.
    fn stands(&self, own: &OwnPresentation) -> Option<bool> {
        let Some(principal) = self.principal() else { return Some(true) };
        match own.holder.as_ref() {
            Some(holder) if holder == principal => Some(true),
            // A node that runs and is authorised meanwhile acts for itself until it starts again.
            Some(holder) if *holder == self.node => Some(false),
            _ => None,
        }
    }

    pub(super) fn take_authorisation(
        &mut self,
        own: OwnAuthorisation,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        let said = &own.authorisation;
        let refuse = |sentence| Err(MaterialError::new(codes::NODE_AUTHORISATION, sentence));
        if said.node != self.node || !said.purposes.contains(&NodePurpose::Messages) {
            return refuse(format!("it authorises {}, and this node is {}", said.node, self.node));
        }
        if let Some(held) = self.principal().filter(|held| *held != &said.principal) {
            return refuse(format!("it is of {}, and the node acts for {held}", said.principal));
        }
        if keep {
            self.folder.write(&folder::authorisation(&own.id), own.text.as_bytes())?;
        }
        self.authorisations.retain(|a| a.id != own.id);
        self.authorisations.push(own);
        self.choose_authorisation(now);
        Ok(Taken::Authorisation)
    }

    /// Chooses anew: where one has ended, another that was given may count. Says whether another counts now.
    pub fn choose_authorisation(&mut self, now: UnixMillis) -> bool {
        let best = self.authorisations.iter().max_by(|a, b| a.rank(now).cmp(&b.rank(now)));
        let counts = self.authorisation.as_ref().map(|a| &a.id);
        let Some(best) = best.filter(|best| counts != Some(&best.id)) else { return false };
        self.authorisation = Some(best.clone());
        true
    }

    /// Of the authorisations that count now, or will when that ends, the one that ends last.
    #[must_use]
    pub fn last_authorisation(&self) -> Option<&OwnAuthorisation> {
        let counts = self.authorisation.as_ref()?;
        let end = counts.authorisation.valid_until;
        let goes_on = self.authorisations.iter().filter(|a| a.authorisation.valid_from <= end);
        let all = goes_on.chain(std::iter::once(counts));
        all.max_by_key(|a| (a.authorisation.valid_until, a.id == counts.id))
    }

    /// The same of the presentations for a channel.
    #[must_use]
    pub fn last_presentation(&self, channel: &ContentId) -> Option<&OwnPresentation> {
        let counts = self.presentations.get(channel)?;
        let held = self.held.get(channel).into_iter().flatten();
        let of_it = held.filter(|p| p.holder == counts.holder);
        of_it.chain(std::iter::once(counts)).max_by_key(|p| (p.expires, p.id == counts.id))
    }

    /// Notes one that was given: it may count when another has ended.
    fn hold_presentation(&mut self, own: OwnPresentation) {
        let held = self.held.entry(own.channel.clone()).or_default();
        held.retain(|p| p.id != own.id);
        held.push(own);
    }

    /// Chooses anew for each channel: of those of whoever shows the one that counted, the last signed that
    /// holds at this time; of one second, the last given. Gives the channels for which another counts now.
    pub fn choose_presentations(&mut self, now: UnixMillis) -> Vec<ContentId> {
        let mut changed = Vec::new();
        for (channel, counts) in &mut self.presentations {
            let held = self.held.get(channel).into_iter().flatten();
            let of_it = held.filter(|p| p.holder == counts.holder);
            let best = of_it.max_by_key(|p| (p.expires > now, p.signed));
            if let Some(best) = best.filter(|best| best.id != counts.id) {
                *counts = best.clone();
                changed.push(channel.clone());
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{NOW, cid, did_of, key};
    use gridpass_credentials::authorisation::NodeAuthorisation;
    use gridpass_credentials::visa::{Purpose, StatusEntry};
    use std::collections::BTreeSet;

    const DAY: u64 = 24 * 3600 * 1000;

    fn own(name: &str, signed: UnixMillis, days: u64) -> OwnAuthorisation {
        let list = "https://dso.example/list".to_owned();
        OwnAuthorisation {
            id: cid(name),
            text: name.to_owned(),
            signed,
            authorisation: NodeAuthorisation {
                id: format!("urn:example:{name}"),
                principal: did_of(&key(1)).did().clone(),
                node: did_of(&key(2)).did().clone(),
                purposes: BTreeSet::from([NodePurpose::Messages]),
                channels: None,
                valid_from: NOW,
                valid_until: NOW.plus_millis(days * DAY),
                status: StatusEntry { purpose: Purpose::Revocation, list, index: 1 },
            },
        }
    }

    #[test]
    fn of_authorisations_of_one_second_the_same_counts_in_whatever_order_they_come() {
        let node = did_of(&key(2)).did().clone();
        let counts = |all: &[&OwnAuthorisation]| {
            let folder = tempfile::tempdir().expect("a folder");
            let opened = Material::open(folder.path(), node.clone(), NOW);
            let (mut material, _) = opened.expect("a folder");
            for own in all {
                material.take_authorisation((*own).clone(), NOW, false).expect("taken");
            }
            material.authorisation.expect("one").text
        };
        let (long, short) = (own("long", NOW, 30), own("short", NOW, 1));
        // Signed later, it counts although it is valid for less.
        let later = own("later", NOW.plus_millis(1000), 1);
        let twins = (own("one", NOW, 30), own("two", NOW, 30));
        let greater = if twins.0.id > twins.1.id { "one" } else { "two" };
        for (one, other, expected) in
            [(&long, &short, "long"), (&long, &later, "later"), (&twins.0, &twins.1, greater)]
        {
            assert_eq!([counts(&[one, other]), counts(&[other, one])], [expected, expected]);
        }
    }

    #[test]
    fn of_authorisations_one_that_has_not_ended_counts_and_the_last_end_is_told() {
        let node = did_of(&key(2)).did().clone();
        let folder = tempfile::tempdir().expect("a folder");
        let (mut material, _) = Material::open(folder.path(), node, NOW).expect("a folder");
        let (long, short) = (own("long", NOW, 30), own("short", NOW.plus_millis(1000), 1));
        let counts = |material: &Material| material.authorisation.clone().expect("one").text;
        material.take_authorisation(long.clone(), NOW, false).expect("taken");
        material.take_authorisation(short, NOW, false).expect("taken");
        assert_eq!(counts(&material), "short");
        assert_eq!(material.last_authorisation().expect("one").text, "long");
        assert!(!material.choose_authorisation(NOW.plus_millis(DAY - 1)));
        // It ends: the longer one counts, and so it does where it is given only then.
        assert!(material.choose_authorisation(NOW.plus_millis(DAY)));
        assert_eq!(counts(&material), "long");
        material.take_authorisation(long, NOW.plus_millis(DAY), false).expect("taken");
        assert_eq!(counts(&material), "long");
        // One that begins only after the end neither counts yet nor goes on from it.
        let mut gap = own("gap", NOW.plus_millis(2000), 90);
        gap.authorisation.valid_from = NOW.plus_millis(31 * DAY);
        material.take_authorisation(gap, NOW.plus_millis(DAY), false).expect("taken");
        assert_eq!(counts(&material), "long");
        assert_eq!(material.last_authorisation().expect("one").text, "long");
    }

    #[test]
    fn of_presentations_the_last_end_is_told() {
        let node = did_of(&key(2)).did().clone();
        let folder = tempfile::tempdir().expect("a folder");
        let (mut material, _) = Material::open(folder.path(), node.clone(), NOW).expect("a folder");
        let shown = |name: &str, signed: u64, days: u64| OwnPresentation {
            id: cid(name),
            holder: Some(node.clone()),
            channel: cid("bids"),
            text: name.to_owned(),
            signed: NOW.plus_millis(signed),
            expires: NOW.plus_millis(days * DAY),
        };
        for own in [shown("long", 0, 30), shown("short", 1000, 1)] {
            material.take_presentation(own, NOW, false).expect("taken");
        }
        assert_eq!(material.presentations[&cid("bids")].text, "short");
        assert_eq!(material.last_presentation(&cid("bids")).expect("one").text, "long");
        assert!(material.last_presentation(&cid("orders")).is_none());
    }
}
