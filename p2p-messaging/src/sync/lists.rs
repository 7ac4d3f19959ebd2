//! Comparing status lists: the asker says which states it knows, a part at a time in the order of
//! list and signer, and is given those of that part that are newer, a page at a time.

use super::wire::{ListHead, MAX_HEADS, MAX_PAGE, MAX_REQUEST, Request, Response};
use gridpass_identity::did::Did;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, HashMap};

/// The most bytes of what is said to be known.
const MAX_KNOWN: usize = MAX_REQUEST / 2;

/// A list by its id and its signer.
pub type ListKey = (String, Did);

fn key(head: &ListHead) -> ListKey {
    (head.list.clone(), head.signer.clone())
}

impl Request {
    /// The question for status lists that are newer than these, among those after one.
    #[must_use]
    pub fn lists(known: impl IntoIterator<Item = ListHead>, after: Option<ListKey>) -> Self {
        let known: BTreeMap<_, _> = known.into_iter().map(|h| (key(&h), h)).collect();
        let beyond = known.into_iter().filter(|(k, _)| after.as_ref().is_none_or(|a| k > a));
        let (mut said, mut bytes, mut until) = (Vec::new(), 0_usize, None);
        for (key, head) in beyond {
            bytes = bytes.saturating_add(key.0.len()).saturating_add(key.1.as_str().len());
            bytes = bytes.saturating_add(128);
            if said.len() >= MAX_HEADS || (bytes > MAX_KNOWN && !said.is_empty()) {
                until = said.last().map(self::key);
                break;
            }
            said.push(head);
        }
        Self::Lists { known: said, after, until }
    }
}

impl Response {
    /// The answer, from all lists that are here, each with its text as it was signed.
    #[must_use]
    pub fn lists<'l>(
        all: impl IntoIterator<Item = (ListHead, &'l str)>,
        known: &[ListHead],
        (after, until): (Option<&ListKey>, Option<&ListKey>),
    ) -> Self {
        let all: BTreeMap<_, _> = all.into_iter().map(|(h, text)| (key(&h), (h, text))).collect();
        let states: HashMap<_, _> = known.iter().map(|h| (key(h), (h.version, h.dated))).collect();
        let (mut lists, mut bytes, mut next) = (Vec::new(), 0_usize, None);
        for (key, (head, text)) in all {
            if after.is_some_and(|a| key <= *a) {
                continue;
            }
            // Of those behind it the asker did not say what it knows.
            if until.is_some_and(|until| key > *until) {
                next = until.cloned();
                break;
            }
            let newer = states.get(&key).is_none_or(|state| *state < (head.version, head.dated));
            if !newer {
                continue;
            }
            bytes = bytes.saturating_add(text.len()).saturating_add(8);
            let full = bytes > MAX_PAGE || lists.len() >= MAX_HEADS;
            if full && let Some((_, last)) = lists.last() {
                next = Some(ListKey::clone(last));
                break;
            }
            lists.push((ByteBuf::from(text.as_bytes().to_vec()), key));
        }
        Self::Lists { lists: lists.into_iter().map(|(text, _)| text).collect(), next }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic)]
    use super::*;
    use gridpass_identity::time::UnixMillis;
    use proptest::prelude::*;

    fn head(number: u32, version: u64) -> ListHead {
        let signer = Did::parse(&format!("did:example:{}", number % 3)).expect("a DID");
        // Some are as long as an id may be.
        let long = if number.is_multiple_of(7) { 4000 } else { 0 };
        let list = format!("urn:example:{number}{:a<long$}", "");
        ListHead { list, signer, version, dated: UnixMillis::new(0) }
    }

    /// Asks until there is no more; gives what was given, by its text.
    fn asks(here: &[(ListHead, String)], known: &[ListHead]) -> Vec<String> {
        let (mut given, mut after) = (Vec::new(), None);
        for _ in 0..10_000 {
            let request = Request::lists(known.to_vec(), after.clone());
            assert!(request.encode().is_ok());
            let Request::Lists { known: part, until, .. } = request else { panic!("lists") };
            let all = here.iter().map(|(h, text)| (h.clone(), text.as_str()));
            let response = Response::lists(all, &part, (after.as_ref(), until.as_ref()));
            assert!(response.encode().is_ok());
            let Response::Lists { lists, next } = response else { panic!("lists") };
            given.extend(lists.iter().map(|l| String::from_utf8_lossy(l).into_owned()));
            match next {
                None => return given,
                Some(next) => {
                    assert!(after.is_none_or(|a| next > a), "it goes on");
                    after = Some(next);
                }
            }
        }
        panic!("it does not end")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Also where the asker takes none of them, or knows lists that are not here.
        #[test]
        fn exactly_the_newer_ones_are_given_and_each_once(
            here in prop::collection::btree_map(0_u32..3000, 0_u64..3, 0..2600),
            known in prop::collection::btree_map(0_u32..3000, 0_u64..3, 0..2600),
            long in prop_oneof![Just(40_usize), Just(30_000)],
        ) {
            let text = |n: &u32, v: &u64| format!("{n} {v} {:long$}", "");
            let mut expected: Vec<_> = here
                .iter()
                .filter(|(n, v)| known.get(n).is_none_or(|known| known < v))
                .map(|(n, v)| text(n, v))
                .collect();
            let here: Vec<_> = here.iter().map(|(n, v)| (head(*n, *v), text(n, v))).collect();
            let known: Vec<_> = known.iter().map(|(n, v)| head(*n, *v)).collect();
            let mut given = asks(&here, &known);
            given.sort();
            expected.sort();
            prop_assert_eq!(given, expected);
        }
    }
}
