//! Payloads in a bundle: withheld, sealed, forgotten, and taken out of one.

use super::{folder, scene};
use gridpass_credentials::secured::{Binding, Form};
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{
    Bundle, Disclosed, MessageEntry, PayloadState, Shown, verify_with,
};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_messaging::node::{Keys, Payloads};
use gridpass_policy::channel::Sealing;
use gridpass_policy::facts::{CheckFacts, Finding};
use gridpass_tests::evidence::{LATER, Scene, bad, found};
use gridpass_tests::messages::authorise;
use gridpass_tests::parts::Parts;
use gridpass_tests::sealed::{BID, Sealer, member};
use gridpass_tests::world::{self, NOW, in_days};

#[test]
fn withheld_payloads_are_no_failure() {
    let folder = folder();
    let scene = scene(folder.path());
    let bytes = scene.export_with(|asked| asked.payloads = Payloads::Withhold);
    assert!(!bytes.windows(9).any(|w| w == b"{\"bid\":5}"), "it is not there");
    let report = scene.verify(&bytes);
    assert_eq!((report.outcome, bad(&report)), (Outcome::Passed, Vec::new()));
    assert_eq!(report.counts.withheld, 5);
    let payloads = found(&report, "payload");
    assert!(payloads.iter().all(|(_, code)| code == "GP-PAYLOAD-WITHHELD"), "{payloads:?}");
    // Shown later, one is what was signed and is held against its schema; another is of no message.
    let (mut shown, mut other) = (Shown::default(), Shown::default());
    shown.add(b"{\"bid\":5}".to_vec()).expect("a name");
    other.add(b"{\"bid\":6}".to_vec()).expect("a name");
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    for (shown, expected) in [(&shown, "GP-FACTS-CONFIRMED"), (&other, "GP-PAYLOAD-WITHHELD")] {
        let report = verify_with(&bundle, &scene.pack, LATER, None, shown).expect("a trust pack");
        assert_eq!(report.outcome, Outcome::Passed);
        assert_eq!(found(&report, "payload")[0].1, expected);
    }
}

#[test]
fn what_is_sealed_stays_sealed_unless_its_key_is_disclosed() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |d| d.sealing = Sealing::Members);
    let (participant, node, own) = scene.exporter.clone();
    let _ = own;
    // The exporter's node is a member of the epoch.
    let authorised = authorise(&participant, &node, |a| {
        a.id = "urn:example:for-sealing".into();
        a.purposes.insert(gridpass_credentials::authorisation::NodePurpose::Sealing);
    });
    let operators = scene.market.operators.clone().expect("operators");
    let visa = world::visa(&scene.market.regulator, &participant, &operators, |_| ());
    let visa = world::issue(&scene.market.regulator, &visa);
    let audience = scene.market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: in_days(30) };
    let shown = world::present_as(&participant, &[&visa], Form::Jwt, &binding);
    scene.learn(&shown);
    scene.learn(&authorised);
    let mut to = member(&participant, &shown);
    to.node = node.did.clone();
    to.authorisation = Some(authorised.id().clone());
    let mut sealer = Sealer::begin(&scene.alone, &[], &[to], NOW);
    scene.learn_bytes(sealer.epoch.id().clone(), sealer.document.clone());
    let handed = sealer.epoch.take(&node.did, &node.key).expect("a member");
    let sent = sealer.send(NOW);
    let chain = gridpass_messaging::checking::Chain::of(sent.header());
    scene.peer.memory.ring.borrow_mut().insert(&chain, &handed);
    let checked = scene.receive(&sent, Source::Live, NOW);
    assert_eq!(checked.verdict, Verdict::Admit, "{}", checked.sentence);
    let closed = scene.export();
    let bundle = Bundle::parse(&closed).expect("a bundle");
    assert_eq!(
        (bundle.entries().messages[0].key.as_ref(), bundle.entries().epochs.len()),
        (None, 1)
    );
    let report = scene.verify(&closed);
    assert_eq!(bad(&report), [""; 0]);
    assert_eq!(found(&report, "payload")[0].1, "GP-BUNDLE-INTACT", "nobody can look");
    let open = scene.export_with(|asked| asked.keys = Keys::Disclose);
    let report = scene.verify(&open);
    assert_eq!(bad(&report), [""; 0]);
    assert_eq!(found(&report, "payload")[0].1, "GP-FACTS-CONFIRMED", "it was opened");

    assert_eq!(bundle.payload(&bundle.entries().messages[0]), Ok(None), "no key, no payload");
    let read = Bundle::parse(&open).expect("a bundle");
    let entry = &read.entries().messages[0];
    assert_eq!(payload_of(&read, entry), Ok(Some(BID.to_vec())));
    assert!(format!("{entry:?}").contains("not shown"), "a key is not for logs");
    for (key, code) in [(vec![7; 32], "GP-SEALING-BROKEN"), (vec![7; 31], "GP-SEALING-MALFORMED")] {
        let other = MessageEntry { key: Some(Disclosed::new(key)), ..entry.clone() };
        assert_eq!(payload_of(&read, &other), Err(code));
    }
}

fn payload_of(bundle: &Bundle<'_>, entry: &MessageEntry) -> Result<Option<Vec<u8>>, &'static str> {
    let given = bundle.payload(entry).map_err(|e| e.code().id())?;
    Ok(given.map(|payload| payload.to_vec()))
}

#[test]
fn a_payload_is_given_as_it_was_signed_and_no_other_is() {
    let folder = folder();
    let scene = scene(folder.path());
    let bytes = scene.export();
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let entry = &bundle.entries().messages[0];
    assert_eq!(payload_of(&bundle, entry), Ok(Some(BID.to_vec())));
    let other = MessageEntry { content: Some(entry.envelope), ..entry.clone() };
    assert_eq!(payload_of(&bundle, &other), Err("GP-CID-OTHER"));
    let withheld = MessageEntry { payload: PayloadState::Withheld, content: None, ..entry.clone() };
    assert_eq!(payload_of(&bundle, &withheld), Ok(None));
}

#[test]
fn payloads_that_the_exporter_forgot_are_no_failure() {
    let folder = folder();
    let scene = scene(folder.path());
    let mut parts = Parts::of(&scene.export());
    assert!(parts.entries.messages.iter().all(|m| m.payload == PayloadState::Here));
    for message in &mut parts.entries.messages {
        (message.payload, message.content) = (PayloadState::Gone, None);
    }
    let report = scene.verify(&parts.signed_by(&scene.key()));
    assert_eq!((bad(&report), report.counts.withheld), (Vec::new(), 5));
}

/// A refusal for what a payload says stays open where nobody can look at it: why that is so is said.
#[test]
fn a_refusal_for_a_payload_that_is_forgotten_says_that_it_is_forgotten() {
    let folder = folder();
    let scene = scene(folder.path());
    for (state, why) in [
        (PayloadState::Gone, "has it no more, as is so once the channel's retention is over"),
        (PayloadState::Withheld, "the exporter withholds it"),
    ] {
        let mut parts = Parts::of(&scene.export());
        parts.entries.receipts.clear();
        let first = &mut parts.entries.messages[0];
        let code = "GP-PAYLOAD-SCHEMA".to_owned();
        (first.allowed, first.deliver, first.reasons) = (false, false, vec![code.clone()]);
        let facts = CheckFacts { outcome: Finding::Failed, code, sentence: String::new() };
        (first.payload, first.content, first.facts) = (state, None, Some(facts));
        let report = scene.verify(&parts.signed_by(&scene.key()));
        assert_eq!(bad(&report), ["payload Indeterminate GP-FACTS-OPEN"], "{state:?}");
        let told = &report.messages[0].sentence;
        assert!(told.contains("[GP-PAYLOAD-SCHEMA]") && told.contains(why), "{told}");
    }
}
