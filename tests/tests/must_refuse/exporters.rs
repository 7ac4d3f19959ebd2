//! Must-refuse case 23, by an exporter who bends its bundle and signs it: parts swapped for those of another
//! valid bundle, altered, invented.

use crate::{folder, scene};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::code::Class;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::{
    Bundle, Disclosed, ForkEntry, MessageEntry, PayloadState, verify,
};
use gridpass_messaging::checking::Source;
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::NodeKey;
use gridpass_messaging::receipt::SignedReceipt;
use gridpass_policy::decision::parse_admission;
use gridpass_policy::facts::{Admission, CheckFacts, Finding};
use gridpass_tests::evidence::{LATER, Scene, bad, found, pack_of};
use gridpass_tests::messages::{Market, admitted};
use gridpass_tests::parts::Parts;
use gridpass_tests::world::{self, NOW, Party};

/// What an exporter's bending comes to, signed by itself.
fn bent(scene: &Scene, bend: impl FnOnce(&mut Parts)) -> Vec<String> {
    let mut parts = Parts::of(&scene.export());
    bend(&mut parts);
    bad(&scene.verify(&parts.signed_by(&scene.key())))
}

#[test]
fn an_exporter_that_swaps_a_part_for_that_of_another_bundle_gains_nothing() {
    let (one, two) = (folder(), folder());
    let (ours, theirs) = (scene(one.path(), 20), scene(two.path(), 40));
    let other = Parts::of(&theirs.export());
    let swap = |bend: &dyn Fn(&mut Parts, &Parts)| {
        bent(&ours, |parts| {
            parts.blocks.extend(other.blocks.clone());
            bend(parts, &other);
        })
    };
    let missing = |checks: &[&str]| -> Vec<String> {
        checks.iter().map(|c| format!("{c} Indeterminate GP-BUNDLE-PART-MISSING")).collect()
    };
    // What messages name is missed; what nobody names is no evidence for anything.
    assert_eq!(
        swap(&|p, o| p.entries.admissions.clone_from(&o.entries.admissions)),
        missing(&["decision", "node", "presentation", "status", "visas"])
    );
    let presentations = swap(&|p, o| p.entries.presentations.clone_from(&o.entries.presentations));
    assert!(presentations.contains(&missing(&["presentation"])[0]), "{presentations:?}");
    let authorisations =
        swap(&|p, o| p.entries.authorisations.clone_from(&o.entries.authorisations));
    assert!(authorisations.contains(&missing(&["node"])[0]), "{authorisations:?}");
    assert!(authorisations.iter().all(|b| b.contains("Indeterminate")), "{authorisations:?}");
    let lists = swap(&|p, o| {
        // The regulator's are the same in both; those of our participants are gone.
        p.entries.lists.retain(|l| o.entries.lists.contains(l));
    });
    assert!(lists.contains(&"status Indeterminate GP-STATUS-UNKNOWN".to_owned()), "{lists:?}");
    // Messages of others are verified as theirs: their decisions rest on what is not there.
    let messages = swap(&|p, o| p.entries.messages.clone_from(&o.entries.messages));
    assert!(messages.contains(&missing(&["decision"])[0]), "{messages:?}");
    assert!(!messages.iter().any(|b| b.starts_with("signature")), "{messages:?}");
    let receipts = swap(&|p, o| p.entries.receipts.clone_from(&o.entries.receipts));
    assert!(receipts.iter().all(|b| b.contains("Indeterminate")), "{receipts:?}");
}

#[test]
fn an_exporter_that_exchanges_the_admissions_of_two_messages_is_found_out() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let found = bent(&scene, |parts| {
        let first = parts.entries.messages[0].admission.clone();
        let last = parts.entries.messages.len() - 1;
        let other = std::mem::replace(&mut parts.entries.messages[last].admission, first);
        parts.entries.messages[0].admission = other;
    });
    assert_eq!(found, ["decision Failed GP-DECISION-DIFFERS"]);
}

#[test]
fn an_exporter_that_alters_what_it_recorded_is_found_out() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let differs = ["decision Failed GP-DECISION-DIFFERS"];
    assert_eq!(
        bent(&scene, |p| {
            let first = &mut p.entries.messages[0];
            (first.allowed, first.deliver) = (false, false);
            p.entries.receipts.clear();
        }),
        differs
    );
    let refused = |p: &Parts| p.entries.messages.iter().position(|m| !m.allowed).expect("one");
    assert_eq!(
        bent(&scene, |p| {
            let at = refused(p);
            p.entries.messages[at].allowed = true;
            p.entries.messages[at].reasons.clear();
        }),
        differs,
        "what was refused, as if it had been allowed"
    );
    assert_eq!(
        bent(&scene, |p| {
            let at = refused(p);
            p.entries.messages[at].reasons.clear();
        }),
        differs
    );
    assert_eq!(bent(&scene, |p| p.entries.messages[0].sent_last_minute = Some(100_000)), differs);
    let late = |p: &mut Parts| p.entries.messages[0].at = NOW.plus_millis(10 * 3_600_000);
    assert!(bent(&scene, late).contains(&differs[0].to_owned()));
    // The payload did not fit, it says: the payload says otherwise.
    let unfit = |p: &mut Parts| {
        let facts = p.entries.messages[0].facts.as_mut().expect("facts");
        facts.outcome = Finding::Failed;
        facts.code = "GP-PAYLOAD-SCHEMA".into();
    };
    let found = bent(&scene, unfit);
    assert!(found.contains(&"payload Indeterminate GP-FACTS-OPEN".to_owned()), "{found:?}");
    assert!(found.contains(&differs[0].to_owned()), "{found:?}");
}

/// Words that only the exporter says are no reason, and not the verifier's words.
#[test]
fn an_exporter_that_invents_why_it_refused_is_found_out() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let words = "the regulator revoked the licence for fraud";
    let refused = |code: &str, bend: &dyn Fn(&mut MessageEntry, CheckFacts)| {
        let mut parts = Parts::of(&scene.export());
        parts.entries.receipts.clear();
        let first = &mut parts.entries.messages[0];
        (first.allowed, first.deliver, first.reasons) = (false, false, vec![code.into()]);
        let (outcome, code) = (Finding::Failed, code.into());
        bend(first, CheckFacts { outcome, code, sentence: words.into() });
        let report = scene.verify(&parts.signed_by(&scene.key()));
        let text = String::from_utf8(report.to_json().expect("JSON")).expect("text");
        assert!(!text.contains(words), "{text}");
        bad(&report)
    };
    let sealing = |m: &mut MessageEntry, facts: CheckFacts| m.sealing = Some(facts);
    let found = refused("GP-VISA-REVOKED", &sealing);
    assert_eq!(found, ["sealing Failed GP-FACTS-DIFFER"], "it is not sealed");
    let withheld = |m: &mut MessageEntry, facts: CheckFacts| {
        (m.payload, m.content, m.facts) = (PayloadState::Withheld, None, Some(facts));
    };
    for code in ["GP-VISA-REVOKED", "GP-NO-SUCH-CODE", "=cmd|calc"] {
        assert_eq!(refused(code, &withheld), ["payload Failed GP-FACTS-DIFFER"], "{code}");
    }
    let found = refused("GP-PAYLOAD-SCHEMA", &withheld);
    assert_eq!(found, ["payload Indeterminate GP-FACTS-OPEN"], "nobody can look");
}

/// Nor does an admission end when its exporter says so.
#[test]
fn an_exporter_that_ends_an_admission_to_refuse_is_not_believed() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let found = bent(&scene, |p| {
        bend_admission(p, 0, |a| a.expires = a.judged.plus_millis(1));
        let id = p.entries.messages[0].admission.clone();
        let after = |m: &&mut MessageEntry| m.admission == id && m.at > NOW;
        for message in p.entries.messages.iter_mut().filter(after) {
            (message.allowed, message.deliver) = (false, false);
            message.reasons = vec!["GP-ADMISSION-EXPIRED".into()];
        }
        p.entries.receipts.clear();
    });
    assert_eq!(found, ["status Indeterminate GP-FACTS-OPEN"]);
}

/// The admission of a message, bent and named anew.
fn bend_admission(parts: &mut Parts, at: usize, bend: impl FnOnce(&mut Admission)) {
    let id = parts.entries.messages[at].admission.clone();
    let bytes = parts.bytes_of(&id.to_cid().expect("a name"));
    let (_, mut admission) = parse_admission(&bytes, Some(&id)).expect("an admission");
    bend(&mut admission);
    let (name, bytes) = admission.encode().expect("bytes");
    let cid = parts.put(&bytes);
    parts.entries.admissions.push(cid);
    for message in parts.entries.messages.iter_mut().filter(|m| m.admission == id) {
        message.admission = name.clone();
    }
}

/// As many as it likes, each of which is newer than the one that it says was too old.
#[test]
fn however_many_lists_lie_beside_the_one_that_was_too_old_it_is_noted_once() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let regulator = &scene.market.regulator;
    let mut parts = Parts::of(&scene.export());
    for (version, minutes) in [(6_u64, 30_u64), (7, 20), (8, 10)] {
        let dated = UnixMillis::new(NOW.get() - minutes * 60_000);
        let list = world::list_by(regulator, regulator, Purpose::Revocation, &[], |json| {
            json["validFrom"] = dated.to_string().into();
            json["credentialSubject"]["statusList"]["version"] = version.into();
        });
        let cid = parts.put(list.secured().text().as_bytes());
        parts.entries.lists.push(cid);
    }
    bend_admission(&mut parts, 0, |a| {
        let (outcome, code) = (Finding::Indeterminate, "GP-STATUS-STALE".into());
        a.visas[0].standing = CheckFacts { outcome, code, sentence: String::new() };
    });
    let report = scene.verify(&parts.signed_by(&scene.key()));
    let notes: Vec<_> = report.messages[0].notes.iter().map(|note| note.code.id()).collect();
    assert_eq!(notes, ["GP-STATUS-STALE"]);
}

#[test]
fn an_exporter_that_invents_facts_about_a_sender_is_found_out() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let visas = "visas Failed GP-FACTS-DIFFER".to_owned();
    // A claim that the visa does not have, so that the refused message looks allowed.
    let at = |p: &Parts| p.entries.messages.iter().position(|m| !m.allowed).expect("one");
    let claim = bent(&scene, |p| {
        let at = at(p);
        bend_admission(p, at, |a| drop(a.visas[0].claims.insert("zone".into(), "GB-9".into())));
        p.entries.messages[at].allowed = true;
        p.entries.messages[at].reasons.clear();
    });
    assert!(claim.contains(&visas), "{claim:?}");
    let none = bent(&scene, |p| bend_admission(p, 0, |a| a.visas.clear()));
    assert!(none.contains(&visas), "{none:?}");
    let list = bent(&scene, |p| {
        bend_admission(p, 0, |a| a.lists[0].dated = NOW);
    });
    assert!(list.contains(&"status Failed GP-FACTS-DIFFER".to_owned()), "{list:?}");
    let node = bent(&scene, |p| {
        bend_admission(p, 0, |a| {
            a.node.as_mut().expect("a node").valid_until = Some(NOW.plus_millis(1 << 40))
        });
    });
    assert!(node.contains(&"node Failed GP-FACTS-DIFFER".to_owned()), "{node:?}");
    let foreign = bent(&scene, |p| {
        bend_admission(p, 0, |a| a.trust.framework = ContentId::of_nothing());
    });
    assert!(foreign.contains(&"visas Failed GP-BUNDLE-FRAMEWORK".to_owned()), "{foreign:?}");
    let ahead = bent(&scene, |p| {
        bend_admission(p, 0, |a| a.trust.charter = ContentId::of_nothing());
    });
    assert_eq!(
        ahead,
        ["status Indeterminate GP-CHARTER-AHEAD", "visas Indeterminate GP-CHARTER-AHEAD"]
    );
}

#[test]
fn a_stale_list_does_not_say_that_a_visa_was_good() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    // As if it had been judged two days later, by the same lists.
    let late = NOW.plus_millis(2 * 24 * 3_600_000);
    let found = bent(&scene, |p| {
        bend_admission(p, 0, |a| {
            a.judged = late;
            a.expires = late.plus_millis(1000);
        });
    });
    assert!(found.contains(&"status Indeterminate GP-FACTS-OPEN".to_owned()), "{found:?}");
}

#[test]
fn an_envelope_by_another_key_is_refused_whoever_exports_it() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let mut forger = scene.alone.clone();
    forger.party.key = Party::new(99).key;
    (forger.sent, forger.last) = (2, None);
    let parts = Parts::of(&scene.export());
    let before = parts.entries.messages.last().expect("one").envelope.to_string();
    forger.last = EnvelopeId::parse(&before).ok();
    let forged = forger.send(NOW.plus_millis(50));
    let found = bent(&scene, |p| {
        let cid = p.put_envelope(&forged);
        let mut entry = p.entries.messages[3].clone();
        (entry.envelope, entry.number, p.manifest.last) = (cid, 1000, 1000);
        p.entries.messages.push(entry);
    });
    assert_eq!(found, ["signature Failed GP-SIGNATURE-INVALID"]);
}

#[test]
fn an_envelope_by_another_key_is_refused_also_where_the_right_key_signed_many() {
    let folder = folder();
    let mut scene = scene(folder.path(), 20);
    for number in 0..40 {
        let sent = scene.alone.send(NOW.plus_millis(100 + number));
        admitted(&scene.receive(&sent, Source::Live, NOW.plus_millis(200)));
    }
    assert_eq!(bent(&scene, |_| ()), [""; 0]);
    let mut forger = scene.alone.clone();
    forger.party.key = Party::new(99).key;
    let forged = forger.send(NOW.plus_millis(200));
    let found = bent(&scene, |p| {
        let cid = p.put_envelope(&forged);
        let mut entry = p.entries.messages.last().expect("one").clone();
        (entry.envelope, entry.number, p.manifest.last) = (cid, 1000, 1000);
        p.entries.messages.push(entry);
    });
    assert_eq!(found, ["signature Failed GP-SIGNATURE-INVALID"]);
}

#[test]
fn a_payload_in_the_place_of_another_is_refused() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let found = bent(&scene, |p| {
        let other = p.put(b"{\"bid\":50000}");
        p.entries.messages[0].content = Some(other);
    });
    assert_eq!(found, ["payload Failed GP-CID-OTHER"]);
}

#[test]
fn a_message_that_stands_there_twice_or_was_not_selected_is_refused() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let twice = bent(&scene, |p| {
        let mut again = p.entries.messages[0].clone();
        (again.number, p.manifest.last) = (1000, 1000);
        p.entries.messages.push(again);
    });
    assert_eq!(twice, ["bytes Failed GP-BUNDLE-SELECTION", "sequence Failed GP-BUNDLE-SELECTION"]);
    let outside = bent(&scene, |p| p.manifest.selection.until = Some(NOW.plus_millis(1)));
    assert_eq!(outside, ["bytes Failed GP-BUNDLE-SELECTION"]);
}

#[test]
fn a_manifest_that_the_exporter_did_not_sign_is_refused() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let parts = Parts::of(&scene.export());
    let stranger = Party::new(99);
    // In the exporter's name, by another key; and by a stranger's own key with the exporter's authorisation.
    let forged = NodeKey { key: stranger.key.clone(), key_id: scene.exporter.1.key_id.clone() };
    assert_eq!(
        bad(&scene.verify(&parts.signed_by(&forged))),
        ["exporter Failed GP-BUNDLE-EXPORTER"]
    );
    let own = NodeKey { key: stranger.key.clone(), key_id: stranger.key_id.clone() };
    assert_eq!(
        bad(&scene.verify(&parts.signed_by(&own))),
        ["exporter Failed GP-NODE-NOT-AUTHORISED"]
    );
    let future = bent(&scene, |p| p.manifest.made = NOW.plus_millis(20 * 3_600_000));
    assert_eq!(future, ["exporter Failed GP-SIGNED-IN-FUTURE"]);
}

#[test]
fn a_bundle_of_another_framework_proves_nothing() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let bytes = scene.export();
    // Another charter of the same regulator: another framework.
    let foreign = Market::default();
    let pack = pack_of(&foreign);
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let report = verify(&bundle, &pack, LATER, None).expect("a trust pack");
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.code.id(), "GP-BUNDLE-FRAMEWORK");
    assert_eq!(found(&report, "framework"), [(Outcome::Failed, "GP-BUNDLE-FRAMEWORK".to_owned())]);
    assert_eq!(report.counts.passed, 0, "no message");
    assert_eq!(report.code.class(), Class::Untrusted);
}

#[test]
fn a_descriptor_that_its_owner_did_not_sign_or_that_is_another_is_refused() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let unsigned = bent(&scene, |p| {
        let (_, bytes) = scene.market.descriptor.encode().expect("bytes");
        p.entries.descriptors[0].signed = p.put(&bytes);
    });
    assert_eq!(unsigned, ["channel Failed GP-CHANNEL-NOT-SIGNED"]);
    let other = bent(&scene, |p| {
        let mut bent = scene.market.descriptor.clone();
        bent.limits.max_messages_per_minute = 1;
        let (_, bytes) = bent.encode().expect("bytes");
        p.entries.descriptors[0].signed = p.put(&bytes);
    });
    assert!(other.contains(&"channel Failed GP-CID-OTHER".to_owned()), "{other:?}");
}

#[test]
fn a_receipt_that_nobody_signed_is_refused() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let found = bent(&scene, |p| {
        let text = p.bytes_of(&p.entries.receipts[1].receipt);
        let receipt = SignedReceipt::parse(&text).expect("a receipt").receipt().clone();
        let stranger = Party::new(98);
        let forged = receipt.sign(&stranger.key, &Party::new(77).key_id).expect("signs");
        p.entries.receipts[1].receipt = p.put(forged.as_bytes());
    });
    assert_eq!(found, ["receipts Failed GP-SIGNATURE-INVALID"]);
    let newest = bent(&scene, |p| {
        let text = p.bytes_of(&p.entries.receipts[1].receipt);
        let mut receipt = SignedReceipt::parse(&text).expect("a receipt").receipt().clone();
        let other = p.entries.messages[3].envelope.to_string();
        receipt.newest = EnvelopeId::parse(&other).expect("a name");
        let signed = receipt.sign(&Party::new(77).key, &Party::new(77).key_id).expect("signs");
        p.entries.receipts[1].receipt = p.put(signed.as_bytes());
    });
    assert_eq!(newest, ["receipts Failed GP-RECEIPT-MALFORMED"]);
}

#[test]
fn an_accusation_that_proves_nothing_is_refused() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let mut twin = scene.alone.clone();
    let first = scene.alone.send(NOW);
    scene.receive(&first, Source::Live, NOW);
    let next = scene.alone.send(NOW.plus_millis(1));
    scene.receive(&next, Source::Live, NOW.plus_millis(1));
    twin.party.key = Party::new(99).key;
    let forged = twin.send(NOW.plus_millis(2));
    let accuse = |second: &Envelope| {
        bent(&scene, |p| {
            let first = p.put_envelope(&first);
            let second = p.put_envelope(second);
            p.entries.forks.push(ForkEntry { first, second });
        })
    };
    assert_eq!(accuse(&forged), ["forks Failed GP-SIGNATURE-INVALID"], "by another key");
    assert_eq!(accuse(&next), ["forks Failed GP-BUNDLE-FORK"], "one follows the other");
}

#[test]
fn a_key_that_does_not_open_is_refused() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    // In an open channel a key opens nothing; of a sealed one, see the tests of audits.
    let found = bent(&scene, |p| p.entries.messages[0].key = Some(Disclosed::new(vec![7; 31])));
    assert_eq!(found, [""; 0], "nothing is sealed, so nothing is opened");
}
