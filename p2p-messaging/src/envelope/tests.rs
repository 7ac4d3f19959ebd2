use super::header::encode_header;
use super::*;
use crate::test_kit::{cid, did_of, header, key};
use gridpass_identity::jws::{JwsIn, SignatureVerdict};
use proptest::prelude::*;
use serde_json::{Value, json};

fn envelope() -> Envelope {
    Envelope::sign(header(&key(1)), b"{}".to_vec(), &key(1)).expect("signs")
}

#[test]
fn an_envelope_is_its_bytes_and_its_name_does_not_need_the_payload() {
    let made = envelope();
    let wire = made.to_wire().expect("a payload");
    let read = Envelope::parse(&wire).expect("reads");
    assert_eq!(read, made);
    assert_eq!(read.verify(&key(1).public_key()), Ok(()));
    assert_eq!(read.verify(&key(2).public_key()), Err(NotSigned));
    let block = made.to_block().expect("a block");
    let withheld = Envelope::parse_block(&block).expect("reads");
    assert_eq!(withheld, made.without_payload());
    assert_eq!((withheld.id(), withheld.payload()), (read.id(), None));
    assert_eq!(withheld.verify(&key(1).public_key()), Ok(()));
    assert_eq!(withheld.to_wire(), None);
    withheld.payload_id().verify(b"{}").expect("the payload");
}

#[test]
fn any_jose_library_verifies_it() {
    let made = envelope();
    let jws = JwsIn::parse(&made.to_jws()).expect("a JWS");
    assert_eq!(jws.payload(None).expect("a payload"), made.payload_id().as_str().as_bytes());
    let verdict = jws.verify(&key(1).public_key(), None).expect("verifies");
    assert_eq!(verdict, SignatureVerdict::Fits);
}

#[test]
fn what_contradicts_itself_is_neither_made_nor_read() {
    let node = did_of(&key(2));
    let other = did_of(&key(3)).did().clone();
    type Bend = Box<dyn Fn(&mut Header)>;
    let bends: [(&str, Bend); 9] = [
        ("a node without authorisation", Box::new(move |h| h.key = node.clone())),
        ("an authorisation without a node", Box::new(|h| h.authorisation = Some(cid("a")))),
        ("number 0", Box::new(|h| h.sequence = 0)),
        ("number 2 without a predecessor", Box::new(|h| h.sequence = 2)),
        (
            "number 1 with a predecessor",
            Box::new(|h| h.previous = Some(EnvelopeId::of_block(b"x").expect("a name"))),
        ),
        ("expired before it was made", Box::new(|h| h.expires = h.issued)),
        ("one recipient twice", Box::new(move |h| h.recipients = vec![other.clone(); 2])),
        ("no topic", Box::new(|h| h.topic.clear())),
        (
            "too many attributes",
            Box::new(|h| {
                h.attributes = (0..65).map(|n| (format!("a{n}"), json!(n))).collect();
            }),
        ),
    ];
    for (what, bend) in bends {
        let mut bent = header(&key(1));
        bend(&mut bent);
        let made = Envelope::sign(bent.clone(), Vec::new(), &key(1)).map(|_| ());
        assert!(matches!(made, Err(EnvelopeError::Malformed(_))), "{what}: {made:?}");
        // Nor if somebody else's program makes it.
        let protected = encode_header(&bent, 0).expect("bytes");
        let wire = wire_of(&protected, b"", &[7; 64]);
        let read = Envelope::parse(&wire).map(|_| ());
        assert!(matches!(read, Err(EnvelopeError::Malformed(_))), "{what}: {read:?}");
    }
}

fn wire_of(protected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let parts = (Bytes::new(protected), Bytes::new(payload), Bytes::new(signature));
    serde_ipld_dagcbor::to_vec(&parts).expect("bytes")
}

#[test]
fn one_content_has_one_encoding() {
    let made = envelope();
    let protected = made.protected.clone();
    let text = String::from_utf8(protected.clone()).expect("text");
    let good = wire_of(&protected, b"{}", &made.signature);
    assert_eq!(Some(&good), made.to_wire().as_ref());
    let with_header = |text: String| wire_of(text.as_bytes(), b"{}", &made.signature);
    let mut long_array = good.clone();
    long_array.splice(0..1, [0x98, 0x03]); // an array of 3, its length in a byte of its own
    let mut trailing = good.clone();
    trailing.push(0);
    for (what, bad) in [
        ("an array spelt longer", long_array),
        ("bytes after it", trailing),
        ("a shorter signature", wire_of(&protected, b"{}", &[0; 63])),
        ("another payload's length", wire_of(&protected, b"{ }", &made.signature)),
        ("a space in the header", with_header(text.replacen('{', "{ ", 1))),
        ("a member twice", with_header(text.replacen('{', "{\"alg\":\"EdDSA\",", 1))),
        ("an unknown member", with_header(text.replacen("{\"alg\"", "{\"abc\":1,\"alg\"", 1))),
        (
            "an unknown member of ours",
            with_header(text.replacen("\"gp\":{", "\"gp\":{\"a\":1,", 1)),
        ),
        (
            "a default spelt out",
            with_header(text.replacen("\"expires\"", "\"epoch\":null,\"expires\"", 1)),
        ),
        (
            "no recipients spelt out",
            with_header(text.replacen("\"schema\"", "\"recipients\":[],\"schema\"", 1)),
        ),
        (
            "no attributes spelt out",
            with_header(text.replacen("\"channel\"", "\"attributes\":{},\"channel\"", 1)),
        ),
        ("null", with_header(text.replacen("\"topic\"", "\"thread\":null,\"topic\"", 1))),
        ("another algorithm", with_header(text.replacen("EdDSA", "none", 1))),
        ("crit", with_header(text.replacen("\"cty\"", "\"crit\":[\"b64\"],\"cty\"", 1))),
        ("another type", with_header(text.replacen("gridpass-envelope", "JWT", 1))),
        ("a key without fragment", with_header(text.replacen('#', "", 1))),
        ("nothing", Vec::new()),
        ("a text", b"\x65hello".to_vec()),
    ] {
        let read = Envelope::parse(&bad).map(|_| ());
        assert!(matches!(read, Err(EnvelopeError::Malformed(_))), "{what}: {read:?}");
    }
    let newer = with_header(text.replacen("\"formatVersion\":1", "\"formatVersion\":2", 1));
    assert_eq!(Envelope::parse(&newer), Err(EnvelopeError::Version(2)));
    let large = vec![0; MAX_WIRE + 1];
    assert_eq!(Envelope::parse(&large).expect_err("too large").code(), codes::ENVELOPE_TOO_LARGE);
    let payload = Envelope::sign(header(&key(1)), vec![0; MAX_PAYLOAD + 1], &key(1));
    assert_eq!(payload.expect_err("too large").code(), codes::ENVELOPE_TOO_LARGE);
    // A block that links by another kind of name.
    let link = Cid::try_from(made.id().as_str()).expect("a CID");
    let parts = (Bytes::new(&made.protected), link, Bytes::new(&made.signature));
    let block = serde_ipld_dagcbor::to_vec(&parts).expect("bytes");
    assert!(Envelope::parse_block(&block).is_err());
}

/// Writes `spec/vectors/envelope.json`, which the tests of the workspace run; here it is held
/// against what is made today. `GRIDPASS_WRITE_VECTORS=1` writes it anew.
#[test]
fn the_vectors_are_those_that_are_made() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let by_node = {
        let mut h = header(&key(2));
        h.sender = did_of(&key(1)).did().clone();
        h.authorisation = Some(cid("authorisation"));
        h.sequence = 7;
        h.previous = Some(EnvelopeId::of_block(b"before").expect("a name"));
        h.thread = Some(EnvelopeId::of_block(b"thread").expect("a name"));
        h.recipients = vec![did_of(&key(3)).did().clone()];
        h.attributes = json!({"zone": "GB-1", "quantityKw": -500}).as_object().cloned().expect("x");
        h.epoch = Some(cid("epoch"));
        h
    };
    let mut cases = Vec::new();
    for (name, header, signer) in
        [("by the sender", header(&key(1)), 1), ("by its node", by_node, 2)]
    {
        let made = Envelope::sign(header, b"{\"power\":5}".to_vec(), &key(signer)).expect("signs");
        let expected = json!({
            "id": made.id(), "payload_id": made.payload_id(), "jws": made.to_jws(),
            "protected": String::from_utf8(made.protected.clone()).expect("text"),
            "signature": "fits",
        });
        let public = key(signer).public_key().to_multikey();
        let input = |form: &str, bytes: Vec<u8>| json!({form: hex(&bytes), "key": public});
        let wire = input("wire_hex", made.to_wire().expect("a payload"));
        let block = input("block_hex", made.to_block().expect("a block"));
        cases.push(json!({"name": name, "input": wire, "expected": expected}));
        let name = format!("{name}, its payload withheld");
        cases.push(json!({"name": name, "input": block, "expected": expected}));
    }
    let good = envelope();
    let text = String::from_utf8(good.protected.clone()).expect("text");
    let bent = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        hex(&wire_of(text.replacen(from, to, 1).as_bytes(), b"{}", &good.signature))
    };
    let before = EnvelopeId::of_block(b"x").expect("a name");
    for (name, wire) in [
        ("header not canonical", bent("{", "{ ")),
        ("unknown member", bent("\"gp\":{", "\"gp\":{\"a\":1,")),
        ("alg none", bent("EdDSA", "none")),
        (
            "first with a predecessor",
            bent("\"schema\"", &format!("\"previous\":\"{before}\",\"schema\"")),
        ),
        ("payload of another length", hex(&wire_of(&good.protected, b"", &good.signature))),
        ("signature too short", hex(&wire_of(&good.protected, b"{}", &[0; 63]))),
    ] {
        let expected = json!({"refused": codes::ENVELOPE_MALFORMED.id()});
        cases.push(json!({"name": name, "input": {"wire_hex": wire}, "expected": expected}));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/envelope.json");
    let made = json!({"source": "Gridpass, spec/envelope.md", "kind": "envelope", "cases": cases});
    if std::env::var_os("GRIDPASS_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&made).expect("text");
        std::fs::write(file, text + "\n").expect("writes");
    }
    let written: Value =
        serde_json::from_slice(&std::fs::read(file).expect("the vectors")).expect("JSON");
    assert_eq!(written, made);
}

proptest! {
    #[test]
    fn what_is_signed_is_read_and_every_changed_bit_is_found(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        sequence in 1_u64..1_000_000,
        sealed: bool,
        recipients in 0_u8..4,
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let mut header = header(&key(1));
        header.sequence = sequence;
        header.previous = (sequence > 1).then(|| EnvelopeId::of_block(b"before").expect("a name"));
        header.epoch = sealed.then(|| cid("epoch"));
        header.recipients =
            (10..10 + recipients).map(|n| did_of(&key(n)).did().clone()).collect();
        let made = Envelope::sign(header, payload, &key(1)).expect("signs");
        let wire = made.to_wire().expect("a payload");
        prop_assert_eq!(&Envelope::parse(&wire).expect("reads"), &made);
        // What was read is spelt in the one way in which it is made.
        let spelt = encode_header(made.header(), made.payload_bytes()).expect("bytes");
        prop_assert_eq!(&spelt, &made.protected);
        let mut changed = wire.clone();
        changed[at.index(wire.len())] ^= 1 << bit;
        if let Ok(read) = Envelope::parse(&changed) {
            prop_assert_ne!(read.id(), made.id());
            prop_assert_eq!(read.verify(&key(1).public_key()), Err(NotSigned));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Envelope::parse(&bytes);
        let _ = Envelope::parse_block(&bytes);
    }
}
