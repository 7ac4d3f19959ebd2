use super::*;
use crate::secured::{Form, Kind, Signer, secure_credential};
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

fn signed(change: impl FnOnce(&mut Value)) -> Result<StatusList, StatusError> {
    let key = SecretKey::from_bytes(KeyType::Ed25519, &[5; 32]).expect("a key");
    let did = method::key::from_public_key(&key.public_key()).expect("a DID");
    let key_id = did.with_fragment(did.method_specific_id()).expect("a key id");
    let mut bits = Bits::clear(MIN_ENTRIES);
    bits.set(7, true)?;
    let new = NewStatusList {
        id: "urn:uuid:3fd13a2c-0e5c-4a0c-8d7a-2ad3c5c6f7a1",
        issuer: &did,
        purpose: Purpose::Suspension,
        version: 3,
        dated: NOW,
        expires: None,
        bits: &bits,
        changes: &[
            Change { index: 7, set: true, at: UnixMillis::new(1000) },
            Change { index: 9, set: true, at: UnixMillis::new(2000) },
            Change { index: 9, set: false, at: UnixMillis::new(3000) },
        ],
    };
    let mut json = Value::Object(new.to_credential()?.json().clone());
    change(&mut json);
    let credential = Credential::read(json)?;
    let signer = Signer { key: &key, key_id: &key_id, now: NOW };
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    let secured = secure_credential(&credential, Form::Jwt, &[], signer, &mut rng).expect("signs");
    StatusList::read(Secured::parse(secured.text().as_bytes(), Kind::Credential).expect("reads"))
}

#[test]
fn says_what_is_set_and_since_when() -> Result<(), StatusError> {
    let list = signed(|_| ())?;
    assert_eq!((list.bits().get(7), list.bits().get(9)), (Ok(true), Ok(false)));
    let at = |index, at| list.was_set(index, UnixMillis::new(at));
    assert_eq!((at(7, 999), at(7, 1000)), (Ok(Some(false)), Ok(Some(true))));
    assert_eq!((at(9, 2500), at(9, 3000)), (Ok(Some(true)), Ok(Some(false))));
    assert_eq!(at(11, 5), Ok(Some(false)));
    let outside = at(MIN_ENTRIES, 5).expect_err("outside");
    assert_eq!(outside.code(), codes::STATUS_RANGE);
    assert!(at(u64::MAX, 5).is_err());
    Ok(())
}

#[test]
fn without_changes_it_does_not_guess_since_when() -> Result<(), StatusError> {
    let list = signed(|v| {
        v["credentialSubject"].as_object_mut().expect("an object").remove("statusList");
    })?;
    assert_eq!(list.was_set(7, NOW), Ok(None));
    assert_eq!(list.was_set(8, NOW), Ok(Some(false)));
    Ok(())
}

#[test]
fn refuses_lists_that_lie_or_explode() {
    // 2 MiB of zeros: a few kilobytes on the wire.
    let bomb = json!(Bits(vec![0; 2 * 1024 * 1024]).encode());
    let short = json!(Bits(vec![0; 16]).encode());
    let change = |index: u64, set: bool, at: u64| json!({"index": index, "set": set, "at": UnixMillis::new(at)});
    let subject = |name: &'static str, value: Value| {
        signed(move |v| v["credentialSubject"][name] = value).expect_err(name)
    };
    for error in [
        subject("encodedList", bomb),
        subject("encodedList", short),
        subject("encodedList", json!("H4sIAAAAAAAA")),
        subject("encodedList", json!("uAAAA")),
        subject("type", json!("Other")),
        subject("statusList", json!({"version": -1, "changes": []})),
        subject("statusList", json!({"version": 1_u64 << 53, "changes": []})),
        subject("statusList", json!({"version": 1})),
        subject("statusList", json!({"version": 1, "changes": [], "x": 1})),
        subject("statusList", json!({"version": 1, "changes": [change(7, false, 1)]})),
        subject("statusList", json!({"version": 1, "changes": [change(8, true, 1)]})),
        subject("statusList", json!({"version": 1, "changes": [change(7, true, NOW.get() + 1)]})),
        subject(
            "statusList",
            json!({"version": 1, "changes": [change(9, true, 9), change(9, false, 8), change(7, true, 1)]}),
        ),
    ] {
        assert_eq!(error.code(), codes::STATUS_LIST_MALFORMED, "{error}");
    }
    let outside =
        subject("statusList", json!({"version": 1, "changes": [change(1 << 40, true, 1)]}));
    assert_eq!(outside.code(), codes::STATUS_RANGE);
}

proptest! {
    #[test]
    fn bits_keep_what_was_set(indexes in prop::collection::btree_set(0..MIN_ENTRIES, 0..50)) {
        let mut bits = Bits::clear(MIN_ENTRIES);
        for index in &indexes {
            bits.set(*index, true).expect("inside");
        }
        let read = Bits::decode(&bits.encode()).expect("decodes");
        prop_assert_eq!(&read, &bits);
        let set: Vec<_> = (0..MIN_ENTRIES).filter(|i| read.get(*i) == Ok(true)).collect();
        prop_assert!(set.iter().eq(indexes.iter()));
    }
}
