//! Receipts, and what peers send each other: requests, responses, announcements, join tickets.

use crate::made::{Made, plain, with_code};
use crate::{Case, Found, hex, refused};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::jws::{self, Header};
use gridpass_identity::key::PublicKey;
use gridpass_messaging::node::Invitation;
use gridpass_messaging::receipt::{Receipt, Refusal, SignedReceipt};
use gridpass_messaging::sync::{
    Announcement, ChainHead, CharterHead, Hello, ListHead, MAX_BATCH, MAX_BATCH_BYTES, Request,
    Response, Visit, envelopes_in, pack,
};
use gridpass_tests::world::{NOW, Party};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

/// A receipt: what it says, and whether a key signed it. Whose key that is, is not asked.
pub(crate) fn receipt(case: &Case) -> Found {
    let text = case.text("receipt").expect("a receipt");
    let read = match SignedReceipt::parse(text.as_bytes()) {
        Ok(read) => read,
        Err(e) => return refused(e.code()),
    };
    let key = PublicKey::from_multikey(case.text("key").expect("a key")).expect("a key");
    let signature = if read.verify(&key).is_ok() { "fits" } else { "does not fit" };
    let said: Vec<u64> = (1..=12).filter(|n| read.receipt().speaks_of(*n)).collect();
    Found::from([
        ("signature", json!(signature)),
        ("kid", json!(read.key())),
        ("says", json!(read.receipt())),
        ("until", json!(read.receipt().until())),
        ("speaks_of", json!(said)),
    ])
}

/// A message of catching up: what it says, with byte strings as `{"hex": …}`, and its one encoding.
pub(crate) fn sync(case: &Case) -> Found {
    let bytes = |name: &str| case.bytes(name);
    if let Some(ticket) = case.text("ticket") {
        return match Invitation::parse(ticket) {
            Err(e) => refused(e.code()),
            Ok(read) => Found::from([
                ("message", json!(read)),
                ("again", json!(read.to_ticket().expect("a ticket"))),
            ]),
        };
    }
    if let Some(bytes) = bytes("gossip") {
        return match envelopes_in(&bytes) {
            Err(e) => refused(e.code()),
            Ok(envelopes) => {
                let name = |e: &&[u8]| EnvelopeId::of_block(e).expect("a name");
                let named = envelopes.iter().map(|e| (name(e), e.to_vec())).collect();
                let again = pack(named).expect("messages");
                Found::from([
                    ("envelopes_hex", envelopes.iter().map(|e| hex(e)).collect()),
                    ("again_hex", again.iter().map(|m| hex(&m.bytes)).collect()),
                ])
            }
        };
    }
    let read = if let Some(bytes) = bytes("request") {
        Request::decode(&bytes).map(|m| (json!(m), m.encode()))
    } else if let Some(bytes) = bytes("response") {
        Response::decode(&bytes).map(|m| (json!(m), m.encode()))
    } else {
        let bytes = bytes("announcement").expect("a message");
        Announcement::decode(&bytes).map(|m| (json!(m), m.encode()))
    };
    match read {
        Err(e) => refused(e.code()),
        Ok((said, again)) => {
            let again = again.expect("a message");
            Found::from([
                ("message", told(said)),
                ("again_hex", json!(hex(&again))),
                ("again_bytes", json!(again.len())),
            ])
        }
    }
}

/// A list of numbers is a byte string: there is no other one in these messages and records.
pub(crate) fn told(value: Value) -> Value {
    match value {
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_number) => {
            let byte = |v: &Value| u8::try_from(v.as_u64().expect("a byte")).expect("a byte");
            json!({"hex": hex(&list.iter().map(byte).collect::<Vec<_>>())})
        }
        Value::Array(list) => list.into_iter().map(told).collect(),
        Value::Object(map) => map.into_iter().map(|(name, v)| (name, told(v))).collect(),
        other => other,
    }
}

fn example() -> Receipt {
    let [sender, recipient] = [2, 3].map(Party::new);
    Receipt {
        format_version: 1,
        channel: ContentId::of_bytes(b"a channel").expect("a name"),
        sender: sender.did,
        key: sender.key_id.to_string(),
        recipient: recipient.did,
        authorisation: None,
        issued: NOW,
        delivered: vec![(1, 3), (5, 5)],
        kept: vec![(7, 8)],
        refused: vec![Refusal { sequence: 4, reasons: vec!["GP-POLICY-UNMET".into()] }],
        newest: EnvelopeId::of_block(b"a block").expect("a name"),
    }
}

pub(crate) fn receipts() -> Vec<Made> {
    let [recipient, node] = [3, 4].map(Party::new);
    let multikey = |party: &Party| party.key.public_key().to_multikey();
    let base = serde_json::to_value(example()).expect("JSON");
    // Whatever stands in it, and in the header.
    let raw = |payload: &Value, typ: &str, signer: &Party, kid: bool| {
        let header = Header {
            kid: kid.then(|| signer.key_id.clone()),
            typ: Some(typ.into()),
            ..Header::default()
        };
        let bytes = gridpass_identity::json::canonicalize(payload).expect("JSON");
        jws::sign(&bytes, &signer.key, &header).expect("signs")
    };
    let input = |text: &str, key: &Party| json!({"receipt": text, "key": multikey(key)});
    let typ = "gridpass-receipt+jwt";
    let signed = example().sign(&recipient.key, &recipient.key_id).expect("signs");
    let of_node = Receipt {
        authorisation: Some(ContentId::of_bytes(b"an authorisation").expect("a name")),
        ..example()
    };
    let of_node = of_node.sign(&node.key, &node.key_id).expect("signs");
    let mut altered = signed.clone();
    altered.replace_range(signed.len() - 4.., "AAAA");
    let mut cases = vec![
        plain("signed by the recipient", input(&signed, &recipient)),
        plain("signed by its node", input(&of_node, &node)),
        plain("held against another key", input(&signed, &node)),
        plain("with another signature", input(&altered, &recipient)),
    ];
    let none = |list: &str| {
        let mut bare = base.clone();
        bare.as_object_mut().expect("an object").remove(list);
        bare
    };
    let with = |name: &str, value: Value| {
        let mut bent = base.clone();
        bent[name] = value;
        bent
    };
    let nothing = ["delivered", "kept", "refused"].iter().fold(base.clone(), |mut all, list| {
        all.as_object_mut().expect("an object").remove(*list);
        all
    });
    let many: Vec<Value> = (0..257).map(|n| json!([2 * n + 1, 2 * n + 1])).collect();
    let codes: Vec<String> = (0..17).map(|n| format!("GP-X-{n}")).collect();
    let refusals = |all: Value| with("refused", all);
    let bends: Vec<(&str, String)> = vec![
        ("the key of somebody else", raw(&base, typ, &node, true)),
        (
            "the recipient's key, and an authorisation",
            raw(&with("authorisation", json!(example().channel)), typ, &recipient, true),
        ),
        ("another type", raw(&base, "gridpass-grant+jwt", &recipient, true)),
        ("no key", raw(&base, typ, &recipient, false)),
        ("a later format", raw(&with("formatVersion", json!(2)), typ, &recipient, true)),
        ("an unknown member", raw(&with("note", json!("x")), typ, &recipient, true)),
        ("a member that is missing", raw(&none("newest"), typ, &recipient, true)),
        ("it speaks of nothing", raw(&nothing, typ, &recipient, true)),
        ("257 ranges", raw(&with("delivered", json!(many)), typ, &recipient, true)),
        (
            "ranges out of order",
            raw(&with("delivered", json!([[5, 5], [1, 3]])), typ, &recipient, true),
        ),
        (
            "a range that ends before it begins",
            raw(&with("delivered", json!([[3, 1]])), typ, &recipient, true),
        ),
        ("the number 0", raw(&with("delivered", json!([[0, 1]])), typ, &recipient, true)),
        (
            "ranges that overlap",
            raw(&with("delivered", json!([[1, 3], [3, 5]])), typ, &recipient, true),
        ),
        ("delivered and kept", raw(&with("kept", json!([[3, 3]])), typ, &recipient, true)),
        (
            "delivered and refused",
            raw(&refusals(json!([{"sequence": 5, "reasons": []}])), typ, &recipient, true),
        ),
        (
            "refusals out of order",
            raw(
                &refusals(json!([{"sequence": 10, "reasons": []}, {"sequence": 9, "reasons": []}])),
                typ,
                &recipient,
                true,
            ),
        ),
        (
            "a reason that is no code",
            raw(&refusals(json!([{"sequence": 4, "reasons": ["no"]}])), typ, &recipient, true),
        ),
        (
            "17 reasons",
            raw(&refusals(json!([{"sequence": 4, "reasons": codes}])), typ, &recipient, true),
        ),
        ("something behind it", format!("{signed}.")),
    ];
    cases.extend(
        bends
            .iter()
            .map(|(name, text)| with_code(name, input(text, &recipient), "GP-RECEIPT-MALFORMED")),
    );
    // Two spellings of one receipt are read alike: an empty list, ranges that touch.
    let spelt = raw(&with("refused", json!([])), typ, &recipient, true);
    cases.push(plain("an empty list spelt out", input(&spelt, &recipient)));
    let touching = raw(&with("delivered", json!([[1, 2], [3, 3]])), typ, &recipient, true);
    cases.push(plain("ranges that touch", input(&touching, &recipient)));
    cases
}

fn cid(text: &str) -> ContentId {
    ContentId::of_bytes(text.as_bytes()).expect("a name")
}

fn hello(authorisation: bool) -> Hello {
    Hello {
        agent: "gridpass/0.1.0".into(),
        participant: Party::new(3).did,
        authorisation: authorisation.then(|| ByteBuf::from(b"eyJ...".to_vec())),
        visits: vec![Visit { channel: cid("a channel"), presentation: cid("a presentation") }],
        charter: authorisation.then(|| CharterHead { framework: cid("a charter"), version: 2 }),
    }
}

fn wire(kind: &str, bytes: &[u8]) -> Value {
    json!({format!("{kind}_hex"): hex(bytes)})
}

pub(crate) fn messages() -> Vec<Made> {
    let sender: Did = Party::new(2).did;
    let key = Party::new(2).key_id.to_string();
    let channel = cid("a channel");
    let head = |contradicted| ChainHead {
        sender: sender.clone(),
        key: key.clone(),
        whole: 3,
        newest: 5,
        message: EnvelopeId::of_block(b"a block").expect("a name"),
        contradicted,
    };
    let list = ListHead {
        list: "urn:example:list".into(),
        signer: sender.clone(),
        version: 5,
        dated: NOW,
    };
    let bytes = |text: &str| ByteBuf::from(text.as_bytes().to_vec());
    let place = Some(("urn:example:list".to_owned(), sender.clone()));
    let requests: Vec<(&str, Request)> = vec![
        ("hello of a participant itself", Request::Hello(hello(false))),
        ("hello of a node", Request::Hello(hello(true))),
        ("a document", Request::Document(cid("a document"))),
        ("heads", Request::Heads { channel: channel.clone(), after: None }),
        (
            "heads after one",
            Request::Heads { channel: channel.clone(), after: Some((sender.clone(), key.clone())) },
        ),
        (
            "a range",
            Request::Range {
                channel: channel.clone(),
                sender: sender.clone(),
                key: key.clone(),
                from: 1,
                until: u64::MAX,
            },
        ),
        (
            "a proof",
            Request::Proof { channel: channel.clone(), sender: sender.clone(), key: key.clone() },
        ),
        ("lists", Request::Lists { known: vec![list], after: place.clone(), until: None }),
        ("what proves a DID", Request::Identity(sender.clone())),
        ("a charter", Request::Charter(cid("a charter"))),
        ("receipts", Request::Receipts(vec![bytes("eyJ...")])),
        ("gossip left something out", Request::Behind),
    ];
    let responses: Vec<(&str, Response)> = vec![
        ("hello back", Response::Hello(hello(true))),
        ("the document", Response::Document(bytes("a document"))),
        ("not here", Response::NotHere),
        (
            "heads, one contradicted",
            Response::Heads { heads: vec![head(false), head(true)], more: true },
        ),
        ("envelopes", Response::Range(vec![bytes("one"), bytes("two")])),
        ("status lists", Response::Lists { lists: vec![bytes("eyJ...")], next: place }),
        ("taken", Response::Taken),
        ("refused", Response::Refused("GP-SYNC-STRANGER".into())),
    ];
    let announcements: Vec<(&str, Announcement)> = vec![
        ("a status list is announced", Announcement::StatusList(bytes("eyJ..."))),
        ("a trust pack", Announcement::Charter(bytes("{}"))),
        ("a contradiction", Announcement::Fork(bytes("one"), bytes("two"))),
        ("a published definition", Announcement::Published(cid("a definition"))),
    ];
    let mut cases = Vec::new();
    for (name, one) in requests {
        cases.push(plain(name, wire("request", &one.encode().expect("bytes"))));
    }
    for (name, one) in responses {
        cases.push(plain(name, wire("response", &one.encode().expect("bytes"))));
    }
    for (name, one) in announcements {
        cases.push(plain(name, wire("announcement", &one.encode().expect("bytes"))));
    }
    let heads = Request::Heads { channel, after: None }.encode().expect("bytes");
    let mut behind = heads.clone();
    behind.push(0);
    let unknown = [&[0xa1, 0x65], b"hallo".as_slice(), &[0xf6]].concat();
    let two = [&[0xa2], &heads[1..], &heads[1..]].concat();
    for (name, bytes) in [
        ("something behind it", behind),
        ("cut off", heads[..heads.len() - 1].to_vec()),
        ("another member", unknown),
        ("two members", two),
        ("nothing", Vec::new()),
    ] {
        let input = json!({"request_hex": hex(&bytes)});
        cases.push(with_code(name, input, "GP-SYNC-MALFORMED"));
    }
    let zero = Request::Range {
        channel: cid("a channel"),
        sender: Party::new(2).did,
        key,
        from: 1,
        until: 1,
    };
    let mut zero = zero.encode().expect("bytes");
    let at = zero.windows(5).position(|w| w == b"dfrom").expect("a number") + 5;
    zero[at] = 0;
    cases.push(with_code(
        "a range from 0",
        json!({"request_hex": hex(&zero)}),
        "GP-SYNC-MALFORMED",
    ));
    cases.extend(batches());
    cases.extend(tickets());
    cases
}

/// What gossip brings in a channel. Envelopes are not looked at.
fn batches() -> Vec<Made> {
    let batch = |count: usize, bytes: usize| {
        let one = |n: usize| ByteBuf::from([&[0x83, n as u8], vec![0; bytes].as_slice()].concat());
        let envelopes: Vec<_> = (0..count).map(one).collect();
        let map = std::collections::BTreeMap::from([("envelopes", envelopes)]);
        serde_ipld_dagcbor::to_vec(&map).expect("bytes")
    };
    let input = |bytes: &[u8]| json!({"gossip_hex": hex(bytes)});
    let mut behind = batch(2, 3);
    behind.push(0);
    let mut cases = vec![
        plain("an envelope by itself", input(b"\x83\x40\x40\x40")),
        plain("a batch of two", input(&batch(2, 3))),
        plain("a batch of the most", input(&batch(MAX_BATCH, 3))),
    ];
    for (name, bytes) in [
        ("a batch of none", batch(0, 3)),
        ("a batch of one", batch(1, 3)),
        ("a batch of one too many", batch(MAX_BATCH + 1, 3)),
        ("a batch of too many bytes", batch(2, MAX_BATCH_BYTES / 2)),
        ("something behind a batch", behind),
        ("a map of another member", [&[0xa1, 0x65], b"other".as_slice(), &[0x80]].concat()),
    ] {
        cases.push(with_code(name, input(&bytes), "GP-SYNC-MALFORMED"));
    }
    cases
}

fn tickets() -> Vec<Made> {
    // A peer id of an Ed25519 key.
    let peer = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV";
    let invitation = |addresses: &[String]| Invitation {
        framework: cid("a charter"),
        addresses: addresses.to_vec(),
        channels: vec![cid("a channel")],
    };
    let both = [
        format!("/ip4/192.0.2.1/tcp/4801/p2p/{peer}"),
        format!("/ip4/192.0.2.1/udp/4801/quic-v1/p2p/{peer}"),
    ];
    let ticket = invitation(&both).to_ticket().expect("a ticket");
    let mut changed = ticket.clone();
    let last = changed.pop().expect("a character");
    changed.push(if last == 'A' { 'B' } else { 'A' });
    let of = |text: &str| json!({"ticket": text});
    vec![
        plain("a join ticket", of(&ticket)),
        plain("a join ticket with spaces around it", of(&format!(" {ticket}\n"))),
        with_code("a join ticket with another sum", of(&changed), "GP-NODE-TICKET"),
        with_code(
            "a join ticket of another version",
            of(&ticket.replacen("-1:", "-2:", 1)),
            "GP-NODE-TICKET",
        ),
    ]
}
