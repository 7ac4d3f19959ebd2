use super::*;
use gridpass_identity::key::KeyType;
use gridpass_identity::method;
use proptest::prelude::*;

fn key() -> SecretKey {
    SecretKey::from_bytes(KeyType::P256, &[7; 32]).expect("a key")
}

fn payload() -> Map<String, Value> {
    let value = json!({"claims": {"zone": "GB-1", "capacityKw": 500, "open": true}, "iss": "x"});
    value.as_object().expect("an object").clone()
}

fn rng() -> impl CryptoRng {
    getrandom::rand_core::UnwrapErr(getrandom::SysRng)
}

fn issued() -> String {
    let header = Header::default();
    issue(payload(), &["claims"], &["zone", "capacityKw"], &key(), &header, &mut rng())
        .expect("issues")
}

#[test]
fn a_holder_shows_its_zone_and_not_its_capacity() -> Result<(), SdJwtError> {
    let all = SdJwtIn::parse(&issued())?;
    assert_eq!(all.claims(), &payload());
    assert_eq!(all.withheld(), 0);
    let shown = SdJwtIn::parse(&all.disclose(&["zone"])?)?;
    assert_eq!(shown.claims()["claims"], json!({"zone": "GB-1", "open": true}));
    assert_eq!(shown.withheld(), 1);
    assert!(!all.disclose(&["zone"])?.contains("capacity"));
    let missing = all.disclose(&["name"]).expect_err("no such claim");
    assert_eq!(missing, SdJwtError::NoSuchClaim("name".into()));
    Ok(())
}

#[test]
fn key_binding_is_over_exactly_what_is_shown() -> Result<(), SdJwtError> {
    let all = SdJwtIn::parse(&issued())?;
    let did = method::key::from_public_key(&key().public_key()).expect("a DID");
    let fragment = did.method_specific_id().to_owned();
    let kid = Some(did.with_fragment(&fragment).expect("a key id"));
    let now = UnixMillis::new(1_772_366_400_000);
    let header = Header { kid, ..Header::default() };
    let shown = all.disclose(&["zone"])?;
    let bound = bind(&shown, "did:example:dso", "n-1", &key(), header, now)?;
    let read = SdJwtIn::parse(&bound)?;
    let (_, binding) = read.binding().expect("a binding");
    assert_eq!((binding.aud.as_str(), binding.nonce.as_str()), ("did:example:dso", "n-1"));
    // The same binding behind more, or fewer, disclosures.
    let kb = bound.rsplit_once('~').expect("a binding").1;
    for other in [all.disclose(&[])?, all.disclose(&["zone", "capacityKw"])?] {
        let error = SdJwtIn::parse(&format!("{other}{kb}")).expect_err("another sd_hash");
        assert!(error.to_string().contains("sd_hash"), "{error}");
    }
    assert!(bind(&bound, "x", "y", &key(), Header::default(), now).is_err());
    Ok(())
}

fn with(payload: Value, disclosures: &[Value]) -> Result<SdJwtIn, SdJwtError> {
    let bytes = serde_json::to_vec(&payload).expect("JSON");
    let mut text = jws::sign(&bytes, &key(), &Header::default()).expect("signs");
    text.push('~');
    for disclosure in disclosures {
        text.push_str(&URL_SAFE_NO_PAD.encode(disclosure.to_string()));
        text.push('~');
    }
    SdJwtIn::parse(&text)
}

fn hash(disclosure: &Value) -> String {
    digest(&URL_SAFE_NO_PAD.encode(disclosure.to_string()))
}

#[test]
fn refuses_what_section_7_1_rejects() {
    let member = json!(["s", "zone", "GB-1"]);
    let other = json!(["s2", "zone", "GB-2"]);
    let element = json!(["s", "GB-1"]);
    let reserved = json!(["s", "_sd", []]);
    let dots = json!(["s", "...", 1]);
    let (m, e) = (hash(&member), hash(&element));
    let cases: Vec<(&str, Value, Vec<Value>)> = vec![
        ("unreferenced", json!({}), vec![member.clone()]),
        ("twice", json!({"_sd": [m]}), vec![member.clone(), member.clone()]),
        ("a digest twice", json!({"_sd": [m, m]}), vec![member.clone()]),
        ("a digest twice, elsewhere", json!({"_sd": [m], "a": {"_sd": [m]}}), vec![]),
        ("collision", json!({"_sd": [m], "zone": 1}), vec![member.clone()]),
        ("two of a name", json!({"_sd": [m, hash(&other)]}), vec![member.clone(), other]),
        ("element in an object", json!({"_sd": [e]}), vec![element]),
        ("member in an array", json!({"a": [{"...": m}]}), vec![member.clone()]),
        ("reserved", json!({"_sd": [hash(&reserved)]}), vec![reserved]),
        ("reserved dots", json!({"_sd": [hash(&dots)]}), vec![dots]),
        ("_sd no array", json!({"_sd": "x"}), vec![]),
        ("a digest no text", json!({"_sd": [1]}), vec![]),
        ("algorithm", json!({"_sd_alg": "sha-1"}), vec![]),
        ("dots in an object", json!({"a": {"...": "x", "b": 1}}), vec![]),
        ("four parts", json!({"_sd": [m]}), vec![json!(["s", "a", 1, 2])]),
        ("salt no text", json!({}), vec![json!([1, "a", 1])]),
    ];
    for (name, payload, disclosures) in cases {
        assert!(with(payload, &disclosures).is_err(), "{name}");
    }
    assert!(with(json!({"_sd": [m]}), &[member]).is_ok());
}

#[test]
fn disclosures_may_lie_in_disclosures_and_arrays() -> Result<(), SdJwtError> {
    let inner = json!(["s", "b", 1]);
    let outer = json!(["s", "a", {"_sd": [hash(&inner)]}]);
    let item = json!(["s", "x"]);
    let payload = json!({"_sd": [hash(&outer)], "list": [{"...": hash(&item)}, {"...": "decoy"}]});
    let read = with(payload, &[inner, outer, item])?;
    assert_eq!(Value::Object(read.claims().clone()), json!({"a": {"b": 1}, "list": ["x"]}));
    assert_eq!(read.withheld(), 1);
    Ok(())
}

proptest! {
    #[test]
    fn the_reader_never_panics(text in "[a-zA-Z0-9_.~-]{0,120}") {
        let _ = SdJwtIn::parse(&text);
    }

    #[test]
    fn any_character_changed_is_refused_or_is_not_what_was_signed(at in 0_usize..600, to in 0_u8..64) {
        let text = issued();
        let mut bytes = text.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[usize::from(to)];
        let changed = String::from_utf8(bytes).expect("ASCII");
        if changed != text && let Ok(read) = SdJwtIn::parse(&changed) {
            let verdict = read.jws().verify(&key().public_key(), None);
            prop_assert!(!matches!(verdict, Ok(jws::SignatureVerdict::Fits)));
        }
    }
}
