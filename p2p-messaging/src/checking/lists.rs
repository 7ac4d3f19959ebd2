//! Which status lists are needed: those on which something rests that was shown here, and where. Others are
//! nobody's but their signers'.

use super::{Checker, Known, Speaker};
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::verify::{Expectation, carries_authority, verify_presentation};
use gridpass_credentials::visa::{Purpose, StatusEntry};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::facts::Admission;
use hashlink::LruCache;
use std::collections::{BTreeMap, BTreeSet};

/// Of a presentation the places where its visas are suspended, by the hash of each: they hang on its bytes alone.
type Places = BTreeMap<ContentId, Vec<StatusEntry>>;

/// Those of the presentations that were asked about last: with each message that names one, it would be verified
/// again.
pub(super) type Suspensions = LruCache<ContentId, Places>;

/// Whether each visa that somebody shows and that fails as suspended at a time is suspended no more, by every
/// list here: then they say when it was, and nothing newer takes that back.
pub(super) fn reinstated(
    admission: &Admission,
    remembered: &mut Suspensions,
    speaker: &Speaker<'_>,
    known: &dyn Known,
    (at, now): (UnixMillis, UnixMillis),
    (memo, verified): (&mut SignatureMemo, &mut u64),
) -> bool {
    let code = credential_codes::VISA_SUSPENDED.id();
    let suspended: Vec<&ContentId> =
        admission.visas.iter().filter(|v| v.standing.code == code).map(|v| &v.evidence).collect();
    if suspended.is_empty() {
        return false;
    }
    let lacks = |places: &Places| suspended.iter().any(|id| !places.contains_key(*id));
    if remembered.get(speaker.presentation).is_none_or(lacks) {
        let Some(presentation) = known.document(speaker.presentation) else { return false };
        let expect = Expectation {
            now: at,
            clock: now,
            audience: Some(speaker.channel.as_str()),
            nonce: None,
            presenter: Some(speaker.participant),
        };
        let report = verify_presentation(&presentation, &known.evidence(), &expect, memo);
        *verified = verified.saturating_add(1);
        let mut places = Places::new();
        for verdict in &report.visas {
            let Some(visa) = &verdict.visa else { continue };
            let entries = visa.status.iter().filter(|e| e.purpose == Purpose::Suspension);
            places.insert(verdict.evidence.clone(), entries.cloned().collect());
        }
        remembered.insert(speaker.presentation.clone(), places);
    }
    let Some(places) = remembered.get(speaker.presentation) else { return false };
    let evidence = known.evidence();
    suspended.into_iter().all(|id| {
        let entries = places.get(id).map(Vec::as_slice).unwrap_or_default();
        !entries.is_empty() && entries.iter().all(|entry| is_clear(entry, evidence.lists))
    })
}

/// Whether a place is clear in each of the lists that have it, and one has.
fn is_clear(entry: &StatusEntry, lists: &[StatusList]) -> bool {
    let mut bits = lists.iter().filter(|l| l.id == entry.list).map(|l| l.bits().get(entry.index));
    bits.next().is_some_and(|first| first == Ok(false)) && bits.all(|bit| bit == Ok(false))
}

impl Checker {
    /// Whether a status list is needed: a visa or authorisation names it that holds beside, and this
    /// signer may say something of it. Others are nobody's but their signers'.
    #[must_use]
    pub fn wants_list(&self, id: &str, signer: &Did) -> bool {
        self.wanted.peek(&(id.to_owned(), signer.clone())).is_some()
    }

    /// Whether it is needed in a channel: something that was shown there rests on it.
    #[must_use]
    pub fn wants_list_in(&self, channel: &ContentId, id: &str, signer: &Did) -> bool {
        let channels = self.wanted.peek(&(id.to_owned(), signer.clone()));
        channels.is_some_and(|channels| channels.contains(channel))
    }

    /// Notes that it is.
    pub(super) fn want_list(&mut self, channel: &ContentId, id: &str, signer: &Did) {
        let key = (id.to_owned(), signer.clone());
        match self.wanted.get_mut(&key) {
            Some(channels) => {
                channels.insert(channel.clone());
            }
            None => {
                self.wanted.insert(key, BTreeSet::from([channel.clone()]));
            }
        }
    }

    /// Whether a status list is needed of whose signer nothing was known so far: a visa or authorisation
    /// names it that holds beside, and the visas that it carries prove that its signer revokes by a role.
    #[must_use]
    pub fn wants_revokers_list(
        &mut self,
        list: &StatusList,
        known: &dyn Known,
        now: UnixMillis,
    ) -> bool {
        let named = self.wanted.iter().any(|((id, _), _)| id == &list.id);
        named && carries_authority(list, &known.evidence(), now, &mut self.memo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checking::Limits;
    use crate::test_kit::{cid, did_of, key};

    #[test]
    fn a_list_is_needed_in_the_channels_in_which_something_rests_on_it() {
        let did = |number| did_of(&key(number)).did().clone();
        let (signer, stranger) = (did(2), did(3));
        let mut checker = Checker::new(did(1), &Limits::default());
        let (bids, orders, awards) = (cid("bids"), cid("orders"), cid("awards"));
        checker.want_list(&bids, "list", &signer);
        checker.want_list(&orders, "list", &signer);
        assert!(checker.wants_list("list", &signer) && !checker.wants_list("list", &stranger));
        for (channel, wants) in [(&bids, true), (&orders, true), (&awards, false)] {
            assert_eq!(checker.wants_list_in(channel, "list", &signer), wants, "{channel}");
        }
        assert!(!checker.wants_list_in(&bids, "list", &stranger));
    }
}
