//! Several envelopes in one message of gossip: what became durable together goes out together.
//! `spec/sync.md` section 3.

use super::WireError;
use crate::spelt::is_spelt_so;
use gridpass_credentials::content_id::EnvelopeId;
use serde_bytes::Bytes;

/// The most envelopes in one message.
pub const MAX_BATCH: usize = 64;
/// The most bytes of envelopes in one message that has several.
pub const MAX_BATCH_BYTES: usize = 64 * 1024;

/// With what such a message begins, and no envelope does: a map of one member.
const MAP: u8 = 0xa1;

/// With what it begins whole: the map and the name of its member. What follows is the list of its envelopes.
const BEGINS: &[u8] = b"\xa1\x69envelopes";

/// The envelopes of a message in a channel, as they travel: one, or those of a batch.
///
/// # Errors
/// [`WireError`] for what begins like a batch and is none. Of a single one nothing is looked at.
pub fn envelopes_in(message: &[u8]) -> Result<Vec<&[u8]>, WireError> {
    if message.first() != Some(&MAP) {
        return Ok(vec![message]);
    }
    let refuse = |why: String| Err(WireError(why));
    // What stands around them is less.
    if message.len() > MAX_BATCH_BYTES.saturating_add(1024) {
        return refuse(format!("a message of {} bytes", message.len()));
    }
    let Some(list) = message.strip_prefix(BEGINS) else {
        return refuse("a map of another member than envelopes".to_owned());
    };
    let envelopes: Vec<&Bytes> =
        serde_ipld_dagcbor::from_slice(list).map_err(|e| WireError(e.to_string()))?;
    let (count, bytes) = (envelopes.len(), envelopes.iter().map(|e| e.len()).sum());
    if !(2..=MAX_BATCH).contains(&count) || MAX_BATCH_BYTES < bytes {
        return refuse(format!("a batch of {count} envelopes of {bytes} bytes"));
    }
    // Else one batch would have many names in gossip.
    if !is_spelt_so(&envelopes, list) {
        return refuse("a batch that is not in canonical DAG-CBOR".to_owned());
    }
    Ok(envelopes.into_iter().map(|b| b.as_ref()).collect())
}

/// A message of gossip in a channel, and the envelopes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// As it travels.
    pub bytes: Vec<u8>,
    /// The names of its envelopes.
    pub envelopes: Vec<EnvelopeId>,
}

/// Puts envelopes of one channel, in order, into as few messages as they go. One that is alone goes as
/// it is.
///
/// # Errors
/// None that can occur.
pub fn pack(envelopes: Vec<(EnvelopeId, Vec<u8>)>) -> Result<Vec<Packed>, WireError> {
    let (mut messages, mut together, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
    for (id, wire) in envelopes {
        let with = bytes.saturating_add(wire.len());
        if together.len() >= MAX_BATCH || with > MAX_BATCH_BYTES {
            messages.extend(message(std::mem::take(&mut together))?);
            bytes = 0;
        }
        bytes = bytes.saturating_add(wire.len());
        together.push((id, wire));
    }
    messages.extend(message(together)?);
    Ok(messages)
}

fn message(together: Vec<(EnvelopeId, Vec<u8>)>) -> Result<Option<Packed>, WireError> {
    let (envelopes, mut wires): (Vec<_>, Vec<_>) = together.into_iter().unzip();
    let bytes = match wires.len() {
        0 => return Ok(None),
        1 => wires.pop().unwrap_or_default(),
        _ => {
            let list: Vec<_> = wires.iter().map(|w| Bytes::new(w)).collect();
            let mut bytes = Vec::with_capacity(MAX_BATCH_BYTES.saturating_add(1024));
            bytes.extend_from_slice(BEGINS);
            serde_ipld_dagcbor::to_writer(&mut bytes, &list)
                .map_err(|e| WireError(e.to_string()))?;
            bytes
        }
    };
    Ok(Some(Packed { bytes, envelopes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn named(wires: &[Vec<u8>]) -> Vec<(EnvelopeId, Vec<u8>)> {
        let name = |wire: &Vec<u8>| (EnvelopeId::of_block(wire).expect("a name"), wire.clone());
        wires.iter().map(name).collect()
    }

    /// What no envelope begins with does not stand alone.
    fn wires(most: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
        let wire = prop_oneof![3 => 1_usize..2000, 1 => 30_000_usize..100_000]
            .prop_map(|length| vec![0x83_u8; length]);
        prop::collection::vec(wire, 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_packed_is_found_in_order_and_within_bounds(wires in wires(200)) {
            let messages = pack(named(&wires)).expect("packed");
            let mut found = Vec::new();
            for message in &messages {
                let envelopes = envelopes_in(&message.bytes).expect("read");
                prop_assert!(envelopes.len() <= MAX_BATCH);
                let bytes: usize = envelopes.iter().map(|e| e.len()).sum();
                prop_assert!(envelopes.len() == 1 || bytes <= MAX_BATCH_BYTES);
                let names: Vec<_> =
                    envelopes.iter().map(|e| EnvelopeId::of_block(e).expect("a name")).collect();
                prop_assert_eq!(&names, &message.envelopes);
                found.extend(envelopes.iter().map(|e| e.to_vec()));
            }
            prop_assert_eq!(found, wires);
            // Two that would go together do.
            for pair in messages.windows(2) {
                let next = envelopes_in(&pair[1].bytes).expect("read")[0].len();
                let size: usize =
                    envelopes_in(&pair[0].bytes).expect("read").iter().map(|e| e.len()).sum();
                let full = pair[0].envelopes.len() == MAX_BATCH;
                prop_assert!(full || size + next > MAX_BATCH_BYTES);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            bytes[0] = MAP;
            let _ = envelopes_in(&bytes);
        }
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        let batch = |count: usize| {
            let envelopes = vec![Bytes::new(b"\x83"); count];
            serde_ipld_dagcbor::to_vec(&BTreeMap::from([("envelopes", envelopes)])).expect("bytes")
        };
        for count in [0, 1, MAX_BATCH + 1] {
            assert!(envelopes_in(&batch(count)).is_err(), "{count}");
        }
        let good = batch(MAX_BATCH);
        assert_eq!(envelopes_in(&good).map(|all| all.len()), Ok(MAX_BATCH));
        assert!(envelopes_in(&[good.as_slice(), b"\x00"].concat()).is_err());
        let two = |bytes: usize| {
            let (one, rest) = (vec![0x83; bytes - 7], [0x83; 7]);
            let envelopes = vec![Bytes::new(&one), Bytes::new(&rest)];
            serde_ipld_dagcbor::to_vec(&BTreeMap::from([("envelopes", envelopes)])).expect("bytes")
        };
        assert!(envelopes_in(&two(MAX_BATCH_BYTES)).is_ok());
        assert!(envelopes_in(&two(MAX_BATCH_BYTES + 1)).is_err());
        // A length in more bytes than it takes.
        let mut other = batch(2);
        let last = other.len() - 2;
        assert_eq!(other.get(last..), Some(b"\x41\x83".as_slice()));
        other.truncate(last);
        other.extend(b"\x58\x01\x83");
        assert!(envelopes_in(&other).is_err());
        let other = serde_ipld_dagcbor::to_vec(&BTreeMap::from([("other", 1)]));
        assert!(envelopes_in(&other.expect("bytes")).is_err());
    }
}
