//! Messages: sealing, envelopes, blocks of files and evidence bundles.

use crate::{Case, Found, hex, refused, unhex};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::{Bundle, Manifest, verify as verify_bundle};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::sealing::{
    ChainKey, Epoch, MessageKey, Place, SealedPayload, SignedStatement, Statement, padded,
};
use gridpass_tests::evidence::bad;
use serde_json::json;

/// A step of the chain key, a sealed payload, or a document or statement of a sealed channel.
pub(crate) fn sealing(case: &Case) -> Found {
    let bytes = |name: &str| unhex(case.text(name).unwrap_or_else(|| panic!("{name}")));
    let secret = |name: &str| <[u8; 32]>::try_from(bytes(name)).expect("32 bytes");
    if let Some(steps) = case.input.get("steps") {
        let start = ChainKey::new(secret("chain_key_hex"));
        let there = start.forward(steps.as_u64().expect("a number")).expect("near");
        return Found::from([
            ("chain_key_hex", json!(hex(there.expose()))),
            ("message_key_hex", json!(hex(there.message().expose()))),
        ]);
    }
    let node =
        || SecretKey::from_bytes(KeyType::Ed25519, &secret("node_secret_hex")).expect("a key");
    if let Some(document) = case.text("document") {
        let epoch = match Epoch::parse(document.as_bytes()) {
            Ok(epoch) => epoch,
            Err(e) => return refused(e.code()),
        };
        let did = Did::parse(case.text("node").expect("a node")).expect("a DID");
        let handed = epoch.take(&did, &node()).expect("it opens");
        return Found::from([
            ("cid", json!(epoch.id())),
            ("first", json!(handed.first)),
            ("chain_key_hex", json!(hex(handed.key.expose()))),
        ]);
    }
    if let Some(text) = case.text("statement") {
        let signed = match SignedStatement::parse(text.as_bytes()) {
            Ok(signed) => signed,
            Err(e) => return refused(e.code()),
        };
        return match signed.statement() {
            Statement::Membership(said) => {
                Found::from([("node", json!(said.member.node)), ("lacks", json!(said.lacks))])
            }
            Statement::Grant(grant, _) => {
                let keys = grant.take(&node()).expect("it opens");
                let [handed] = keys.as_slice() else { panic!("one key") };
                Found::from([
                    ("from", json!(handed.from)),
                    ("chain_key_hex", json!(hex(handed.key.expose()))),
                ])
            }
        };
    }
    let name = |name: &str| ContentId::parse(case.text(name).expect("a CID")).expect("a CID");
    let (channel, epoch) = (name("channel"), name("epoch"));
    let sender = Did::parse(case.text("sender").expect("a sender")).expect("a DID");
    let key = DidUrl::parse(case.text("key").expect("a key")).expect("a DID URL");
    let sequence = case.input["sequence"].as_u64().expect("a number");
    let place = Place { channel: &channel, sender: &sender, key: &key, sequence, epoch: &epoch };
    let message = MessageKey::new(secret("message_key_hex"));
    let nonce = <[u8; 12]>::try_from(bytes("nonce_hex")).expect("12 bytes");
    let payload = bytes("payload_hex");
    let sealed = SealedPayload::seal(&payload, &message, &place, nonce).expect("sealed");
    assert_eq!(sealed.open(&message, &place).expect("opens").as_slice(), payload);
    Found::from([
        ("padded", json!(padded(payload.len()))),
        ("sealed_hex", json!(hex(&sealed.encode().expect("bytes")))),
    ])
}

/// A bundle or its manifest: what is read of it. Verifying more is for the tests of audits.
pub(crate) fn bundle(case: &Case) -> Found {
    if let Some(manifest) = case.text("manifest_hex") {
        return match Manifest::parse(&unhex(manifest)) {
            Err(e) => refused(e.code()),
            Ok(read) => Found::from([
                ("channel", json!(read.selection.channel)),
                ("participant", json!(read.exporter.participant)),
                ("made", json!(read.made)),
                ("payloads", json!(read.payloads)),
            ]),
        };
    }
    let file = unhex(case.text("file_hex").expect("a file"));
    match Bundle::parse(&file) {
        Err(e) => refused(e.code()),
        Ok(read) => {
            let missing = read.missing().iter().map(|(_, cid)| cid.to_string());
            let messages = read.entries().messages.iter().map(|m| m.envelope.to_string());
            let at = case.text("at").expect("a time of verification");
            let at = UnixMillis::parse_rfc3339(at).expect("a time");
            let pack = case.text("trust_pack").expect("a trust pack").as_bytes();
            let report = verify_bundle(&read, pack, at, None).expect("it holds");
            Found::from([
                ("root", json!(read.root().to_string())),
                ("missing", json!(missing.collect::<Vec<_>>())),
                ("messages", json!(messages.collect::<Vec<_>>())),
                ("outcome", json!(report.outcome)),
                ("code", json!(report.code)),
                ("not_passed", json!(bad(&report))),
            ])
        }
    }
}

pub(crate) fn envelope(case: &Case) -> Found {
    let bytes = |name: &str| case.text(name).map(unhex);
    let read = match (bytes("wire_hex"), bytes("block_hex")) {
        (Some(wire), _) => Envelope::parse(&wire),
        (None, Some(block)) => Envelope::parse_block(&block),
        (None, None) => panic!("{}: neither wire nor block", case.name),
    };
    let read = match read {
        Ok(read) => read,
        Err(e) => return refused(e.code()),
    };
    let key = PublicKey::from_multikey(case.text("key").expect("a key")).expect("a key");
    let signature = if read.verify(&key).is_ok() { "fits" } else { "does not fit" };
    let jws = read.to_jws();
    let protected = URL_SAFE_NO_PAD.decode(jws.split('.').next().expect("a part")).expect("base64");
    Found::from([
        ("id", json!(read.id())),
        ("payload_id", json!(read.payload_id())),
        ("jws", json!(jws)),
        ("protected", json!(String::from_utf8(protected).expect("text"))),
        ("signature", json!(signature)),
    ])
}

/// The byte at n of the content is n modulo 251.
pub(crate) fn file_blocks(case: &Case) -> Found {
    use gridpass_credentials::content_id::ContentId;
    use gridpass_messaging::files::cutting::digest_of;
    use gridpass_messaging::files::{FileKey, Reference, Sealer};
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let number = |name: &str| case.input[name].as_u64().expect("a number");
    let channel = ContentId::parse(case.text("channel").expect("a channel")).expect("a CID");
    let key = case.input["key_hex"].as_str().map(unhex);
    let key = key.map(|k| FileKey::new(k.try_into().expect("32 bytes")));
    let block_size = u32::try_from(number("block_size")).expect("small");
    let content: Vec<u8> =
        (0..number("content_bytes")).map(|n| u8::try_from(n % 251).expect("small")).collect();
    let mut sealer = Sealer::new(&channel, key.as_ref(), block_size);
    let whole = usize::try_from(block_size).expect("small");
    let count = content.len().div_ceil(whole).max(1);
    let blocks: Vec<_> = (0..count)
        .map(|n| {
            let mut part = content[n * whole..content.len().min((n + 1) * whole)].to_vec();
            sealer.next(&mut part, n + 1 == count).expect("a block")
        })
        .filter(|block| !block.is_empty())
        .collect();
    let (manifest, digests, size) = sealer.finish().expect("a manifest");
    let bytes = manifest.encode().expect("bytes");
    let id = ContentId::of_bytes(&bytes).expect("a name");
    let reference = Reference {
        manifest: id.clone(),
        size,
        name: "meters.csv".into(),
        media_type: "text/csv".into(),
        key,
    };
    let named: Vec<_> = blocks.iter().map(|b| hex(&digest_of(b))).collect();
    Found::from([
        ("block_sha256_hex", json!(named)),
        ("list_hex", json!(hex(digests.as_flattened()))),
        ("manifest_hex", json!(hex(&bytes))),
        ("manifest", json!(id)),
        ("reference", reference.to_payload(serde_json::Map::new())),
    ])
}
