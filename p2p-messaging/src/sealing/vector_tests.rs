//! The vectors of `spec/vectors/sealing.json`: made again where nothing in them is random, and opened
//! where something is.

use super::grant::chain_of;
use super::*;
use crate::test_kit::{NOW, cid, did_of, key};
use serde_json::{Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("text");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

fn fixed() -> Vec<Value> {
    let start = ChainKey::new([7; 32]);
    let mut cases = Vec::new();
    for step in [0_u64, 1, 2, 300] {
        let there = start.forward(step).expect("near");
        cases.push(json!({
            "name": format!("keys {step} further on"),
            "input": {"chain_key_hex": hex(start.expose()), "steps": step},
            "expected": {
                "chain_key_hex": hex(there.expose()),
                "message_key_hex": hex(there.message().expose()),
            },
        }));
    }
    let chain = chain_of(1);
    let epoch = cid("epoch");
    for (name, payload) in
        [("empty", Vec::new()), ("a bid", b"{\"bid\":5}".to_vec()), ("longer", vec![0x61; 1000])]
    {
        let place = Place {
            channel: &chain.channel,
            sender: &chain.sender,
            key: &chain.key,
            sequence: 9,
            epoch: &epoch,
        };
        let message = start.message();
        let sealed = SealedPayload::seal(&payload, &message, &place, [3; 12]).expect("sealed");
        cases.push(json!({
            "name": format!("sealed: {name}"),
            "input": {
                "message_key_hex": hex(message.expose()),
                "nonce_hex": hex(&[3; 12]),
                "channel": chain.channel,
                "sender": chain.sender,
                "key": chain.key.as_str(),
                "sequence": 9,
                "epoch": epoch,
                "payload_hex": hex(&payload),
            },
            "expected": {
                "padded": padded(payload.len()),
                "sealed_hex": hex(&sealed.encode().expect("bytes")),
            },
        }));
    }
    cases
}

fn random() -> Vec<Value> {
    let chain = chain_of(1);
    let node = did_of(&key(2)).did().clone();
    let member = Member {
        node: node.clone(),
        participant: did_of(&key(5)).did().clone(),
        authorisation: Some(cid("authorisation")),
        presentation: cid("presentation"),
    };
    let secret = ChainKey::new([5; 32]);
    let (epoch, document) =
        Epoch::begin(&chain, 4, NOW, &[], std::slice::from_ref(&member), &secret).expect("made");
    let handed = HandedKey { epoch: Some(epoch.id().clone()), first: 4, from: 6, key: secret };
    let grant = Grant::new(&chain, &node, &[handed]).expect("sealed");
    let granted = Statement::Grant(grant, NOW).sign(&key(1), &chain.key).expect("signed");
    let said =
        Membership { channel: chain.channel, member, issued: NOW, lacks: vec![epoch.id().clone()] };
    let said = Statement::Membership(said).sign(&key(2), &did_of(&key(2))).expect("signed");
    vec![
        json!({
            "name": "an epoch",
            "input": {"document": String::from_utf8(document).expect("text"),
                "node": node, "node_secret_hex": hex(&[2; 32])},
            "expected": {"cid": epoch.id(), "first": 4, "chain_key_hex": hex(&[5; 32])},
        }),
        json!({
            "name": "a grant",
            "input": {"statement": granted, "node": node, "node_secret_hex": hex(&[2; 32])},
            "expected": {"from": 6, "chain_key_hex": hex(&[5; 32])},
        }),
        json!({
            "name": "a membership",
            "input": {"statement": said},
            "expected": {"node": node, "lacks": [epoch.id()]},
        }),
    ]
}

#[test]
fn the_vectors_are_those_that_are_made_and_open() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/sealing.json");
    if std::env::var_os("GRIDPASS_WRITE_VECTORS").is_some() {
        let cases = [fixed(), random()].concat();
        let made =
            json!({"source": "Gridpass, spec/sealing.md", "kind": "sealing", "cases": cases});
        let text = serde_json::to_string_pretty(&made).expect("text");
        std::fs::write(file, text + "\n").expect("writes");
    }
    let written: Value =
        serde_json::from_slice(&std::fs::read(file).expect("the vectors")).expect("JSON");
    let cases = written["cases"].as_array().expect("cases");
    let fixed = fixed();
    assert_eq!(cases[..fixed.len()], fixed);
    let [epoch, grant, membership] = &cases[fixed.len()..] else { panic!("three more") };
    let node = did_of(&key(2)).did().clone();
    let read = Epoch::parse(epoch["input"]["document"].as_str().expect("text").as_bytes());
    let read = read.expect("an epoch");
    assert_eq!(read.id().as_str(), epoch["expected"]["cid"]);
    let handed = read.take(&node, &key(2)).expect("opens");
    assert_eq!(handed.key.expose().as_slice(), unhex(&epoch["expected"]["chain_key_hex"]));
    let statement = |case: &Value| {
        let text = case["input"]["statement"].as_str().expect("text").as_bytes();
        SignedStatement::parse(text).expect("a statement").statement().clone()
    };
    let Statement::Grant(granted, _) = statement(grant) else { panic!("a grant") };
    let handed = granted.take(&key(2)).expect("opens");
    assert_eq!(json!(handed[0].from), grant["expected"]["from"]);
    assert_eq!(handed[0].epoch.as_ref(), Some(read.id()));
    let Statement::Membership(said) = statement(membership) else { panic!("a membership") };
    assert_eq!((said.member.node, said.lacks), (node, vec![read.id().clone()]));
}
