//! Must-refuse case 23, by an exporter whose bundle contradicts itself: times and numbers that cannot be, receipts
//! that speak of what was left out. And what is missing accuses nobody.

use crate::{folder, scene};
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_credentials::status::Change;
use gridpass_credentials::visa::Purpose;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::{IdentityEntry, OpenedEntry, Report};
use gridpass_messaging::checking::{Effect, Source, Verdict};
use gridpass_messaging::codes;
use gridpass_messaging::envelope::Header;
use gridpass_messaging::receipt::{Receipt, Refusal, SignedReceipt};
use gridpass_policy::channel::Mode;
use gridpass_tests::evidence::{Scene, bad};
use gridpass_tests::parts::{Parts, without};
use gridpass_tests::world::{self, NOW, Party};

const MINUTE: u64 = 60_000;

/// What it is called, and what is bent.
type Case<'a> = (&'static str, &'a dyn Fn(&mut Parts));

fn bent(scene: &Scene, bend: impl FnOnce(&mut Parts)) -> Report {
    let mut parts = Parts::of(&scene.export());
    bend(&mut parts);
    scene.verify(&parts.signed_by(&scene.key()))
}

/// The receipt of the stranger who confirmed the day's messages, bent and signed anew.
fn bend_receipt(parts: &mut Parts, bend: impl FnOnce(&mut Receipt)) {
    let text = parts.bytes_of(&parts.entries.receipts[1].receipt);
    let mut receipt = SignedReceipt::parse(&text).expect("a receipt").receipt().clone();
    bend(&mut receipt);
    let stranger = Party::new(77);
    let signed = receipt.sign(&stranger.key, &stranger.key_id).expect("signs");
    parts.entries.receipts[1].receipt = parts.put(signed.as_bytes());
}

#[test]
fn a_record_that_contradicts_itself_is_found_out() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let record = ["record Failed GP-BUNDLE-RECORD"];
    let at = |millis: u64| NOW.plus_millis(millis);
    let cases: [Case<'_>; 13] = [
        ("made before a record", &|p| p.entries.messages[4].logged = at(71 * MINUTE)),
        ("made before a receipt came", &|p| p.entries.receipts[0].logged = at(71 * MINUTE)),
        ("a message behind the last", &|p| p.manifest.last = p.entries.messages[4].number - 1),
        ("a receipt behind the last", &|p| {
            p.entries.receipts[1].number = p.manifest.last + 1;
        }),
        ("allowed before it was made", &|p| {
            let before = UnixMillis::new(NOW.get() - 11 * MINUTE);
            p.entries.messages[0].logged = before;
        }),
        ("made long before", &|p| p.manifest.made = UnixMillis::new(NOW.get() - 11 * MINUTE)),
        ("refused long before it was decided", &|p| {
            p.entries.messages[4].logged = UnixMillis::new(NOW.get() - 11 * MINUTE);
        }),
        ("decided long before it was logged", &|p| p.entries.messages[0].logged = at(11 * MINUTE)),
        ("it came long before it was logged", &|p| {
            let before = UnixMillis::new(NOW.get() - 11 * MINUTE);
            p.entries.messages[0].arrived = Some(before);
        }),
        ("refused and delivered", &|p| p.entries.messages[4].deliver = true),
        ("two records with one number", &|p| {
            p.entries.receipts[1].number = p.entries.messages[4].number;
        }),
        ("opened, and never sealed", &|p| {
            let message = &mut p.entries.messages[3];
            let facts = message.facts.clone().expect("facts");
            p.manifest.last += 1;
            let number = p.manifest.last;
            message.deliver = false;
            message.opened =
                Some(OpenedEntry { number, logged: at(20), deliver: true, facts, at: at(20) });
            p.entries.receipts.clear();
        }),
        ("looked up after it was made", &|p| {
            let document = p.put(b"a document");
            let did = Party::new(78).did;
            let (seen, confirmed) = (at(71 * MINUTE), None);
            p.entries.identities =
                vec![IdentityEntry { did, seen, confirmed, document, witness: None }];
        }),
    ];
    for (case, bend) in cases {
        assert_eq!(bad(&bent(&scene, bend)), record, "{case}");
    }
    // Clocks differ.
    let cases: [Case<'_>; 2] = [
        ("caught up with by a clock that is ahead", &|p| {
            p.entries.messages[4].logged = at(69 * MINUTE);
            p.entries.messages[4].caught_up = true;
        }),
        ("a sender whose clock is ahead", &|p| {
            p.entries.messages[0].logged = UnixMillis::new(NOW.get() - 9 * MINUTE);
        }),
    ];
    for (case, bend) in cases {
        assert_eq!(bad(&bent(&scene, bend)), [""; 0], "{case}");
    }
}

#[test]
fn a_receipt_from_before_its_message_or_after_it_came_proves_nothing() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let early = UnixMillis::new(NOW.get() - 11 * MINUTE);
    let found = |bend: &dyn Fn(&mut Receipt)| bad(&bent(&scene, |p| bend_receipt(p, bend)));
    assert_eq!(found(&|r| r.issued = early), ["receipts Failed GP-RECEIPT-EARLY"]);
    assert_eq!(
        found(&|r| r.issued = NOW.plus_millis(11 * MINUTE)),
        ["receipts Failed GP-SIGNED-IN-FUTURE"]
    );
    assert_eq!(found(&|r| r.issued = NOW.plus_millis(9 * MINUTE)), [""; 0]);
    // Somebody may refuse a message for being of the future.
    let refused = |r: &mut Receipt| {
        r.issued = early;
        r.delivered.clear();
        let refusal = |sequence| Refusal { sequence, reasons: vec!["GP-MESSAGE-FUTURE".into()] };
        r.refused = (1..=3).map(refusal).collect();
    };
    assert_eq!(found(&refused), [""; 0]);
}

#[test]
fn messages_at_the_end_that_are_left_out_are_missed_where_a_receipt_speaks_of_them() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let gap = ["receipts Indeterminate GP-SEQUENCE-GAP"];
    let last_left_out = |p: &mut Parts| drop(p.entries.messages.remove(2));
    let report = bent(&scene, last_left_out);
    assert_eq!(bad(&report), gap);
    let gaps: Vec<_> = report.gaps.iter().map(|g| (g.from, g.until)).collect();
    assert_eq!((gaps.as_slice(), report.outcome), ([(3, 3)].as_slice(), Outcome::Indeterminate));
    // The whole chain is left out.
    let report = bent(&scene, |p| drop(p.entries.messages.drain(..3)));
    let gaps: Vec<_> = report.gaps.iter().map(|g| (g.from, g.until)).collect();
    assert_eq!((bad(&report), gaps), (gap.map(String::from).to_vec(), vec![(1, 3)]));
    // Of a bundle up to a time, or of somebody else, nothing is known of the end.
    let until = |p: &mut Parts| {
        last_left_out(p);
        p.manifest.selection.until = Some(NOW.plus_millis(2));
    };
    let report = bent(&scene, until);
    assert_eq!(bad(&report), [""; 0]);
    // Nor whether the receipts speak of these messages: the one that they name is not there.
    for message in &report.messages[..2] {
        let notes: Vec<_> = message.notes.iter().map(|n| n.code.id()).collect();
        assert_eq!(notes, ["GP-RECEIPT-UNLINKED"]);
        assert_eq!(message.receipts.len(), 2);
        assert!(message.receipts.iter().all(|r| r.outcome == Outcome::Indeterminate));
        assert_eq!(message.checks[11].code.id(), "GP-RECEIPT-UNLINKED");
    }
    let whole = scene.verify(&scene.export());
    assert!(whole.messages[..3].iter().all(|m| m.checks[11].code.id() == "GP-RECEIPT-HOLDS"));
}

/// The recipient confirmed 1 to 4. The sender shows another third message, and leaves the fourth out.
#[test]
fn a_receipt_for_another_message_of_its_number_bounds_no_time() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |d| d.mode = Mode::Multicast);
    let recipient = Party::new(77);
    let to = |h: &mut Header| h.recipients = vec![recipient.did.clone()];
    for n in 0..2 {
        let sent = scene.by_node.send_with(NOW.plus_millis(n), to);
        scene.receive(&sent, Source::Live, NOW.plus_millis(n));
    }
    let mut true_to = scene.by_node.clone();
    let other = scene.by_node.send_with(NOW.plus_millis(2), to);
    scene.receive(&other, Source::Live, NOW.plus_millis(2));
    drop(true_to.send_with(NOW.plus_millis(3), to));
    let fourth = true_to.send_with(NOW.plus_millis(4), to);
    scene.confirmed_by(&recipient, &fourth, &[(1, 4)], NOW.plus_millis(10));
    let report = scene.verify(&scene.export_with(|a| a.selection.until = Some(NOW.plus_millis(3))));
    assert_eq!(report.messages.len(), 3);
    for message in &report.messages {
        let times = message.times.as_ref().expect("times");
        assert_eq!((times.not_after, message.checks[11].code.id()), (None, "GP-RECEIPT-UNLINKED"));
    }
}

#[test]
fn a_message_that_somebody_forged_does_not_accuse_its_sender() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let mut forger = scene.alone.clone();
    forger.party.key = Party::new(99).key;
    let parts = Parts::of(&scene.export());
    let first = parts.entries.messages[3].envelope.to_string();
    (forger.sent, forger.last) = (1, EnvelopeId::parse(&first).ok());
    let forged = forger.send(NOW.plus_millis(50));
    let with_it = |p: &mut Parts| {
        let cid = p.put_envelope(&forged);
        let mut entry = p.entries.messages[3].clone();
        (entry.envelope, entry.number, p.manifest.last) = (cid, 1000, 1000);
        p.entries.messages.push(entry);
    };
    let report = bent(&scene, with_it);
    assert_eq!(bad(&report), ["signature Failed GP-SIGNATURE-INVALID"]);
    assert_eq!((report.code.id(), report.counts.failed), ("GP-SIGNATURE-INVALID", 1));
    assert!(report.gaps.is_empty());
    // Nor is it the one that a receipt names, where its number is another's.
    let report = bent(&scene, |p| {
        with_it(p);
        bend_receipt(p, |r| {
            let header = forged.header();
            (r.sender, r.key) = (header.sender.clone(), header.key.as_str().to_owned());
            (r.delivered, r.newest) = (vec![(1, 2)], forged.id().clone());
        });
    });
    let malformed = "receipts Failed GP-RECEIPT-MALFORMED".to_owned();
    assert!(bad(&report).contains(&malformed), "{:?}", bad(&report));
}

#[test]
fn receipts_that_contradict_each_other_are_told() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let sent = scene.by_node.send(NOW);
    scene.receive(&sent, Source::Live, NOW);
    let stranger = Party::new(77);
    scene.confirmed_by(&stranger, &sent, &[(1, 1)], NOW.plus_millis(10));
    scene.confirmed_by(&stranger, &sent, &[(1, 1)], NOW.plus_millis(20));
    let report = bent(&scene, |p| {
        bend_receipt(p, |r| {
            r.delivered.clear();
            r.refused = vec![Refusal { sequence: 1, reasons: vec!["GP-POLICY-UNMET".into()] }];
        });
    });
    assert_eq!(bad(&report), [""; 0]);
    let notes: Vec<_> = report.messages[0].notes.iter().map(|n| n.code.id()).collect();
    assert_eq!(notes, ["GP-RECEIPT-DIFFERS"]);
    let agreed = scene.verify(&scene.export());
    assert!(agreed.messages[0].notes.is_empty());
}

/// Of everything before, with every message: who receives could make its sender's bundle grow without end.
#[test]
fn of_receipts_that_one_key_signs_without_end_the_first_count() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let sent = scene.by_node.send(NOW);
    scene.receive(&sent, Source::Live, NOW);
    let (one, other) = (Party::new(77), Party::new(78));
    for n in 0..20 {
        scene.confirmed_by(&one, &sent, &[(1, 1)], NOW.plus_millis(10 + n));
    }
    scene.confirmed_by(&other, &sent, &[(1, 1)], NOW.plus_millis(40));
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), [""; 0]);
    let receipts = &report.messages[0].receipts;
    assert_eq!(receipts.iter().filter(|r| r.recipient == one.did).count(), 16);
    assert_eq!(receipts.len(), 17);
    assert_eq!(receipts[0].issued, NOW.plus_millis(10));
}

#[test]
fn a_sender_that_contradicted_itself_is_named_at_each_of_its_messages() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let first = scene.alone.send(NOW);
    let mut twin = scene.alone.clone();
    let (second, other) = (scene.alone.send(NOW.plus_millis(1)), twin.send(NOW.plus_millis(2)));
    let theirs = scene.by_node.send(NOW);
    for message in [&first, &second, &theirs] {
        assert_eq!(scene.receive(message, Source::Live, NOW).verdict, Verdict::Admit);
    }
    scene.receive(&other, Source::Live, NOW.plus_millis(3));
    let report = scene.verify(&scene.export());
    assert_eq!(report.counts.forks, 1);
    for message in &report.messages {
        let noted = message.notes.iter().any(|n| n.code.id() == "GP-SEQUENCE-FORK");
        let theirs = EnvelopeId::parse(&message.id).is_ok_and(|id| &id == theirs.id());
        assert_eq!(noted, !theirs, "{}", message.id);
    }
}

/// One that is dated back comes first, and contradicts something already: that must not hide the rest.
#[test]
fn two_of_one_number_are_proof_also_where_a_lesser_contradiction_is_known() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let first = scene.alone.send(NOW.plus_millis(5));
    let mut twins = [0, 7, 8, 9].map(|n| (n, scene.alone.clone()));
    let [back, second, other, third] = twins.each_mut().map(|(n, s)| s.send(NOW.plus_millis(*n)));
    let found = [&first, &back, &second, &other, &third].map(|message| {
        let checked = scene.receive(message, Source::Live, NOW.plus_millis(10));
        let told = checked.effects.iter().any(|e| matches!(e, Effect::Forked { .. }));
        (checked.code, told)
    });
    let expected = [
        (codes::ENVELOPE_ADMITTED, false),
        (codes::ENVELOPE_ORDER, true),
        (codes::ENVELOPE_ADMITTED, false),
        (codes::SEQUENCE_FORK, true),
        // One proof is enough.
        (codes::SEQUENCE_FORK, false),
    ];
    assert_eq!(found, expected);
    let report = scene.verify(&scene.export());
    assert_eq!(report.counts.forks, 2);
    let second = report.messages.iter().find(|m| m.id == second.id().to_string());
    let place = second.expect("it is there").checks.iter().find(|c| c.name == "sequence");
    assert_eq!(place.expect("a check").code, codes::SEQUENCE_FORK);
}

#[test]
fn whatever_one_part_is_missing_nobody_is_accused() {
    let folder = folder();
    let mut scene = scene(folder.path(), 20);
    // Also of what was refused since it is revoked, one of its two lists being there.
    let regulator = &scene.market.regulator;
    let visa = world::visa(regulator, &scene.by_node.party, &scene.market.role, |_| ());
    let change = Change { index: visa.status[0].index, set: true, at: NOW.plus_millis(5) };
    let list = world::list_by(regulator, regulator, Purpose::Revocation, &[change], |json| {
        json["validFrom"] = NOW.plus_millis(2000).to_string().into();
        json["credentialSubject"]["statusList"]["version"] = 6.into();
    });
    scene.learn_lists(vec![list]);
    let refused = scene.by_node.send(NOW.plus_millis(3000));
    let checked = scene.receive(&refused, Source::Live, NOW.plus_millis(3000));
    assert_eq!(checked.verdict, Verdict::Refuse);
    let bytes = scene.export();
    let root = Parts::of(&bytes);
    let pages: Vec<String> = root.manifest.pages.all().map(ToString::to_string).collect();
    let mut tried = 0;
    for name in root.blocks.keys().filter(|name| !pages.contains(name)) {
        // The root is the first: without it there is no bundle.
        let Ok(report) = scene.try_verify(&without(&bytes, std::slice::from_ref(name))) else {
            continue;
        };
        tried += 1;
        assert!(bad(&report).iter().all(|b| b.contains("Indeterminate")), "{:?}", bad(&report));
        assert_eq!(report.outcome, Outcome::Indeterminate, "{name}");
    }
    assert!(tried + pages.len() + 1 == root.blocks.len() && tried > 20, "{tried}");
}
