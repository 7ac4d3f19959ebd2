//! Evidence bundles as they are written by a node and verified by an auditor: what is said of messages
//! that were recorded as they should be.

use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::secured::{Binding, Form};
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::{IdentityMaterial, TrustPack};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method::webvh::{self, Control, VerifiedEntries};
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Snapshot, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::Fixed;
use gridpass_messaging::bundle::{
    Bundle, Differences, Disclosed, MessageEntry, OpenedEntry, PayloadState, Report, Sample, Shown,
    compare, verify, verify_beside, verify_with,
};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_messaging::log::Log;
use gridpass_messaging::node::{Keys, Payloads};
use gridpass_messaging::store::Store;
use gridpass_policy::channel::{Mode, Sealing};
use gridpass_policy::facts::{CheckFacts, Finding};
use gridpass_tests::evidence::{LATER, Scene, bad, found};
use gridpass_tests::messages::{Market, authorise, expect};
use gridpass_tests::parts::Parts;
use gridpass_tests::sealed::{BID, Sealer, member};
use gridpass_tests::world::{self, DAY, NOW, Party, in_days};
use std::collections::BTreeSet;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn scene(folder: &Path) -> Scene {
    let mut scene = Scene::new(folder, 20, |_| ());
    scene.day();
    scene
}

#[test]
fn a_usual_day_verifies_whole() {
    let folder = folder();
    let scene = scene(folder.path());
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), [""; 0], "{:#?}", report.checks);
    assert_eq!(report.outcome, Outcome::Passed);
    let counts = report.counts;
    assert_eq!((counts.messages, counts.allowed, counts.refused, counts.passed), (5, 4, 1, 5));
    assert_eq!((counts.receipts, counts.withheld, counts.forks), (2, 0, 0));
    let names: Vec<_> = report.messages[0].checks.iter().map(|c| c.name).collect();
    let all = [
        "bytes",
        "signature",
        "node",
        "presentation",
        "visas",
        "status",
        "channel",
        "sequence",
        "payload",
        "sealing",
        "decision",
        "receipts",
    ];
    assert_eq!(names, all, "numbered as the specification says");
    let refused = report.messages.iter().find(|m| m.verdict == "deny").expect("one is refused");
    assert_eq!(refused.reasons, ["GP-POLICY-UNMET"]);
    let times = report.messages[0].times.as_ref().expect("times");
    assert_eq!(times.not_after, None, "anybody can make a key and sign a receipt");
    assert_eq!(times.not_before, Some(world::days_ago(10)), "when its visa was signed");
    assert!(
        report.ages.iter().any(|a| a.what.starts_with("charter") && a.age_seconds > 99 * 86400)
    );
}

#[test]
fn what_cannot_be_read_of_the_log_is_named_in_the_bundle() {
    let (folder, elsewhere) = (folder(), folder());
    let mut scene = scene(folder.path());
    let (other, _) = Store::open(elsewhere.path()).expect("a store");
    drop(std::mem::replace(&mut scene.store, other));
    let number = {
        let place = folder.path().join("store");
        let (mut log, _) = Log::open(&place, &mut |_, _| ()).expect("the log");
        let number = log.next_number();
        log.append(NOW, &[vec![1, 0xff]]).expect("appended");
        number
    };
    assert_eq!(scene.exported().unread, [number]);
    let report = scene.verify(&scene.export());
    let named = format!("messages record {number} of the log");
    assert!(report.bundle.missing.contains(&named), "{:?}", report.bundle.missing);
}

#[test]
fn the_same_selection_and_time_give_the_same_bytes_and_the_same_report() {
    let folder = folder();
    let scene = scene(folder.path());
    let (one, two) = (scene.export(), scene.export());
    assert_eq!(one, two);
    let json = |bytes: &[u8]| scene.verify(bytes).to_json().expect("JSON");
    assert_eq!(json(&one), json(&two));
    let later = scene.export_with(|asked| asked.made = NOW.plus_millis(3_600_001));
    assert_ne!(one, later, "the time is in it");
}

#[test]
fn it_is_written_while_the_store_is_open() {
    let folder = folder();
    let mut scene = scene(folder.path());
    let before = scene.verify(&scene.export()).counts.messages;
    let more = scene.by_node.send(NOW.plus_millis(9));
    scene.receive(&more, Source::Live, NOW.plus_millis(9));
    assert_eq!(scene.verify(&scene.export()).counts.messages, before + 1);
}

/// A clock that was two hours ahead for a while is told whoever exports, not only whoever verifies.
#[test]
fn an_exporter_is_told_that_its_record_contradicts_itself() {
    let folder = folder();
    let mut scene = scene(folder.path());
    assert_eq!(scene.exported().contradiction, None);
    let sent = scene.by_node.send(NOW.plus_millis(9));
    scene.receive(&sent, Source::Live, NOW.plus_millis(9));
    scene.confirm(&sent, &[(4, 4)], NOW.plus_millis(7_200_000));
    let told = scene.exported().contradiction.expect("it was logged after the bundle was made");
    let report = scene.verify(&scene.export());
    let record = report.checks.iter().find(|c| c.name == "record").expect("a check");
    assert_eq!((record.outcome, &*record.sentence), (Outcome::Failed, told.as_str()));
}

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
fn a_receipt_bounds_the_time_where_its_signer_is_somebody() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    // Somebody who shows a visa in the same bundle confirms; so does a key that nobody knows, earlier.
    let accredited = scene.alone.party.clone();
    let own = scene.alone.send(NOW);
    scene.receive(&own, Source::Live, NOW.plus_millis(1));
    let sent = scene.by_node.send(NOW);
    scene.receive(&sent, Source::Live, NOW.plus_millis(2));
    scene.confirmed_by(&Party::new(77), &sent, &[(1, 1)], NOW.plus_millis(1000));
    scene.confirmed_by(&accredited, &sent, &[(1, 1)], NOW.plus_millis(1700));
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), [""; 0]);
    let bound = |n: usize| {
        let times = report.messages[n].times.clone().expect("times");
        (times.not_after, times.not_after_by)
    };
    assert_eq!(bound(1), (Some(NOW.plus_millis(1700)), Some(accredited.did.clone())));
    assert_eq!(bound(0), (None, None), "nobody speaks of it");
}

#[test]
fn a_selection_holds_what_was_asked_for() {
    let folder = folder();
    let mut scene = scene(folder.path());
    let first = scene.alone.send_with(NOW.plus_millis(60), |_| ());
    scene.receive(&first, Source::Live, NOW.plus_millis(61));
    let answer =
        scene.by_node.send_with(NOW.plus_millis(70), |h| h.thread = Some(first.id().clone()));
    scene.receive(&answer, Source::Live, NOW.plus_millis(71));
    let count = |bend: &dyn Fn(&mut gridpass_messaging::node::Export)| {
        let report = scene.verify(&scene.export_with(bend));
        assert_eq!(bad(&report), [""; 0]);
        report.counts.messages
    };
    assert_eq!(count(&|_| ()), 7);
    assert_eq!(count(&|a| a.selection.from = Some(NOW.plus_millis(2))), 3);
    assert_eq!(count(&|a| a.selection.until = Some(NOW.plus_millis(2))), 4);
    let alone = scene.alone.party.did.clone();
    assert_eq!(count(&|a| a.selection.participant = Some(alone.clone())), 3);
    assert_eq!(count(&|a| a.selection.thread = Some(first.id().clone())), 2);
    let nothing = scene.export_with(|a| a.selection.from = Some(in_days(3)));
    assert_eq!(scene.verify(&nothing).counts.messages, 0);
}

#[test]
fn what_was_caught_up_with_is_judged_as_it_was_then() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let sent = scene.by_node.send(NOW);
    let hours = NOW.plus_millis(5 * 3_600_000);
    assert_eq!(scene.receive(&sent, Source::CatchUp, hours).verdict, Verdict::Admit);
    let bytes = scene.export_with(|asked| asked.made = hours);
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    assert!(bundle.entries().messages[0].caught_up);
    let report = verify(&bundle, &scene.pack, hours, None).expect("a trust pack");
    assert_eq!(bad(&report), [""; 0]);
}

#[test]
fn a_gap_is_named_and_leaves_it_open() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    for n in 0..4 {
        let sent = scene.by_node.send(NOW.plus_millis(n));
        if n != 1 && n != 2 {
            scene.receive(&sent, Source::Live, NOW.plus_millis(n));
        }
    }
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), ["sequence Indeterminate GP-SEQUENCE-GAP"]);
    assert_eq!(report.outcome, Outcome::Indeterminate);
    assert_eq!((report.gaps[0].from, report.gaps[0].until), (2, 3));
    // What lies before a time that was asked for was not asked for.
    let from =
        |a: &mut gridpass_messaging::node::Export| a.selection.from = Some(NOW.plus_millis(3));
    assert_eq!(bad(&scene.verify(&scene.export_with(from))), [""; 0]);
}

#[test]
fn equivocation_is_proven_with_both_envelopes() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let mut twin = scene.by_node.clone();
    let first = scene.by_node.send(NOW);
    scene.receive(&first, Source::Live, NOW);
    let second = twin.send(NOW.plus_millis(1));
    scene.receive(&second, Source::Live, NOW.plus_millis(1));
    let bytes = scene.export();
    let report = scene.verify(&bytes);
    assert_eq!(found(&report, "forks"), [(Outcome::Passed, "GP-SEQUENCE-FORK".to_owned())]);
    assert_eq!(bad(&report), ["sequence Failed GP-SEQUENCE-FORK"]);
    assert_eq!((report.counts.forks, report.outcome), (1, Outcome::Failed));
    let proof = report.checks.iter().find(|c| c.name == "forks").expect("the proof");
    assert_eq!(proof.evidence, [first.id().to_text(), second.id().to_text()]);
}

/// The regulator's lists of revocations with one visa revoked, dated so.
fn revoked(scene: &Scene, at: UnixMillis, dated: UnixMillis) -> Vec<StatusList> {
    listed(scene, Purpose::Revocation, &[(at, true)], dated)
}

/// One of the regulator's lists with what became of one visa, dated so.
fn listed(
    scene: &Scene,
    purpose: Purpose,
    changes: &[(UnixMillis, bool)],
    dated: UnixMillis,
) -> Vec<StatusList> {
    let regulator = &scene.market.regulator;
    let visa = world::visa(regulator, &scene.by_node.party, &scene.market.role, |_| ());
    let entry = visa.status.iter().find(|entry| entry.purpose == purpose).expect("an entry");
    let change = |(at, set): &(UnixMillis, bool)| Change { index: entry.index, set: *set, at: *at };
    let changes: Vec<_> = changes.iter().map(change).collect();
    let list = world::list_by(regulator, regulator, purpose, &changes, |json| {
        json["validFrom"] = dated.to_string().into();
        json["credentialSubject"]["statusList"]["version"] = 6.into();
    });
    vec![list]
}

#[test]
fn a_revocation_that_came_later_changes_no_decision_and_is_noted_where_it_was_earlier() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let sent = scene.by_node.send(NOW.plus_millis(10));
    scene.receive(&sent, Source::Live, NOW.plus_millis(10));
    // Dated before the message; heard of after it.
    let lists = revoked(&scene, NOW.plus_millis(5), NOW.plus_millis(2000));
    scene.learn_lists(lists);
    let refused = scene.by_node.send(NOW.plus_millis(3000));
    assert_eq!(
        scene.receive(&refused, Source::Live, NOW.plus_millis(3000)).verdict,
        Verdict::Refuse
    );
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), [""; 0]);
    assert_eq!(report.messages[0].notes[0].code.id(), "GP-REVOKED-UNHEARD");
    assert_eq!((report.messages[1].verdict, report.messages[1].notes.len()), ("deny", 0));
}

#[test]
fn a_newer_list_than_was_read_is_noted_also_where_it_is_older_than_the_decision() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let sent = scene.by_node.send(NOW.plus_millis(10));
    scene.receive(&sent, Source::Live, NOW.plus_millis(10));
    let before = |minutes: u64| UnixMillis::new(NOW.get() - minutes * 60_000);
    let lists = revoked(&scene, before(40), before(30));
    scene.learn_lists(lists);
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), [""; 0]);
    let codes: Vec<_> = report.messages[0].notes.iter().map(|note| note.code.id()).collect();
    assert_eq!(codes, ["GP-REVOKED-UNHEARD"]);
}

#[test]
fn a_suspension_that_nobody_had_heard_of_is_noted_as_long_as_it_was() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    for at in [10, 3000] {
        let sent = scene.by_node.send(NOW.plus_millis(at));
        scene.receive(&sent, Source::Live, NOW.plus_millis(at));
    }
    let changes = [(NOW.plus_millis(5), true), (NOW.plus_millis(2000), false)];
    let lists = listed(&scene, Purpose::Suspension, &changes, NOW.plus_millis(4000));
    scene.learn_lists(lists);
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), [""; 0]);
    let notes: Vec<_> = report.messages.iter().map(|m| m.notes.len()).collect();
    assert_eq!(notes, [1, 0], "{:?}", report.messages[0].notes);
    assert!(report.messages[0].notes[0].sentence.contains("was suspended"));
}

/// Also what an exporter says of itself is told as its word.
#[test]
fn an_exporter_that_nothing_shows_to_take_part_is_told() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |d| d.mode = Mode::Multicast);
    let told = |scene: &Scene| {
        let report = scene.verify(&scene.export());
        assert_eq!(bad(&report), [""; 0]);
        let exporter = report.checks.iter().find(|c| c.name == "exporter").expect("a check");
        exporter.sentence.contains("no participant known by this bundle")
    };
    let send = |scene: &mut Scene, to: &Party| {
        let sent = scene.by_node.send_with(NOW, |h| h.recipients = vec![to.did.clone()]);
        scene.receive(&sent, Source::Live, NOW);
    };
    send(&mut scene, &Party::new(77));
    assert!(told(&scene), "no message names it");
    let me = scene.exporter.0.clone();
    send(&mut scene, &me);
    assert!(!told(&scene));
}

#[test]
fn a_selection_of_somebodys_messages_has_all_that_its_own_receipt_confirms() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |d| d.mode = Mode::Multicast);
    let me = scene.exporter.0.did.clone();
    for at in 0..3 {
        let sent =
            scene.by_node.send_with(NOW.plus_millis(at), |h| h.recipients = vec![me.clone()]);
        scene.receive(&sent, Source::Live, NOW.plus_millis(at));
        if at == 2 {
            scene.confirm(&sent, &[(1, 3)], NOW.plus_millis(1000));
        }
    }
    let gaps = |scene: &Scene, left_out: Option<usize>| {
        let whole = scene.export_with(|a| a.selection.participant = Some(me.clone()));
        let mut parts = Parts::of(&whole);
        if let Some(place) = left_out {
            parts.entries.messages.remove(place);
        }
        let report = scene.verify(&parts.signed_by(&scene.key()));
        let gaps: Vec<_> = report.gaps.iter().map(|gap| (gap.from, gap.until)).collect();
        (report.outcome, gaps)
    };
    assert_eq!(gaps(&scene, None), (Outcome::Passed, vec![]));
    assert_eq!(gaps(&scene, Some(1)), (Outcome::Indeterminate, vec![(2, 2)]));
    assert_eq!(gaps(&scene, Some(2)), (Outcome::Indeterminate, vec![(3, 3)]));
}

#[test]
fn a_refusal_for_a_revocation_by_a_role_is_found_again_from_what_the_list_carries() {
    let folder = folder();
    let market = Market::revoked_by_operators(|_| ());
    let mut scene = Scene::in_market(folder.path(), 20, market);
    let sent = scene.alone.send(NOW);
    assert_eq!(scene.receive(&sent, Source::Live, NOW).verdict, Verdict::Admit);
    let aggregator = scene.alone.party.clone();
    let list = scene.market.revoked_by(&Party::new(5), &aggregator, world::days_ago(1));
    scene.learn_lists(vec![list]);
    let refused = scene.alone.send(NOW.plus_millis(400));
    let checked = scene.receive(&refused, Source::Live, NOW.plus_millis(400));
    expect(&checked, Verdict::Refuse, gridpass_credentials::codes::VISA_REVOKED);
    let report = scene.verify(&scene.export());
    assert_eq!(bad(&report), [""; 0]);
    assert_eq!((report.messages[0].verdict, report.messages[1].verdict), ("allow", "deny"));
}

#[test]
fn a_refusal_for_stale_status_is_found_again() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |d| {
        d.indeterminate = gridpass_policy::channel::Indeterminate::Allow
    });
    // The lists are an hour older than NOW: two days later they are too old, and the channel allows it.
    let late = NOW.plus_millis(2 * DAY);
    let sent = scene.alone.send(late);
    let checked = scene.receive(&sent, Source::Live, late);
    assert_eq!(checked.verdict, Verdict::Admit, "{}", checked.sentence);
    let bytes = scene.export_with(|asked| asked.made = late);
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let report = verify(&bundle, &scene.pack, late, None).expect("a trust pack");
    let of_message: Vec<_> = bad(&report);
    assert_eq!(of_message, [""; 0], "stale then, stale now");
    assert!(
        report
            .ages
            .iter()
            .any(|a| a.what.starts_with("newest status list") && a.age_seconds > 86400)
    );
}

#[test]
fn an_auditor_with_a_newer_charter_judges_by_the_one_of_then() {
    let folder = folder();
    let scene = scene(folder.path());
    let bytes = scene.export();
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let (regulator, role) = (&scene.market.regulator, &scene.market.role);
    let operators = scene.market.operators.as_ref().expect("operators");
    let first = world::sign_charter(world::charter(&[regulator], &[role, operators]), &[regulator]);
    // The role of aggregators is gone from the next charter, and its definition from the pack.
    let mut next = first.charter().clone();
    next.version = 2;
    next.previous = Some(first.id().clone());
    next.dated = NOW.plus_millis(60_000);
    next.roles.retain(|r| r.name.as_str() != "flex.gb.aggregator");
    let second: SignedCharter = world::sign_charter(next, &[regulator]);
    let newer = world::pack(&[first, second], &[operators]);
    let report = verify(&bundle, &newer, LATER, None).expect("a trust pack");
    assert_eq!(bad(&report), [""; 0], "by the charter of then; the definition is in the bundle");
    assert_eq!(report.trust.version, 2);
}

#[test]
fn an_older_charter_by_which_an_exporter_went_is_noted_where_the_newer_says_otherwise() {
    let folder = folder();
    let scene = scene(folder.path());
    let bytes = scene.export();
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let (regulator, role) = (&scene.market.regulator, &scene.market.role);
    let operators = scene.market.operators.as_ref().expect("operators");
    let first = world::sign_charter(world::charter(&[regulator], &[role, operators]), &[regulator]);
    let mut next = first.charter().clone();
    next.version = 2;
    next.previous = Some(first.id().clone());
    let notes = |next: gridpass_credentials::charter::Charter| {
        let second = world::sign_charter(next, &[regulator]);
        let newer = world::pack(&[first.clone(), second], &[role, operators]);
        let report = verify(&bundle, &newer, LATER, None).expect("a trust pack");
        assert_eq!(bad(&report), [""; 0], "by the charter that the exporter had");
        let notes = report.messages.iter().flat_map(|m| &m.notes).map(|n| n.code.id());
        notes.collect::<BTreeSet<_>>()
    };
    // The visas are ten days old; their issuer was a root no more.
    next.dated = world::days_ago(20);
    assert!(notes(next.clone()).is_empty(), "it says the same");
    next.roots = vec![Party::new(99).did];
    assert_eq!(notes(next.clone()), BTreeSet::from(["GP-CHARTER-UNHEARD"]));
    next.dated = NOW.plus_millis(60_000);
    assert!(notes(next).is_empty(), "nobody could have heard of it");
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
fn a_recipient_without_a_receipt_is_named() {
    let folder = folder();
    let mut scene = Scene::new(folder.path(), 20, |d| d.mode = Mode::Multicast);
    let (me, other) = (scene.exporter.0.did.clone(), Party::new(77));
    let sent = scene.by_node.send_with(NOW, |h| h.recipients = vec![me.clone(), other.did.clone()]);
    scene.receive(&sent, Source::Live, NOW);
    let without = |scene: &Scene| scene.verify(&scene.export()).messages[0].without_receipt.clone();
    assert_eq!(without(&scene), [me], "the exporter has its own; others' go to the sender");
    scene.confirm(&sent, &[(1, 1)], NOW.plus_millis(10));
    let report = scene.verify(&scene.export());
    assert_eq!((bad(&report), without(&scene).len()), (Vec::new(), 0));
    assert_eq!(report.messages[0].receipts[0].state, "delivered");
}

#[test]
fn a_sample_is_chosen_by_its_seed() {
    let folder = folder();
    let scene = scene(folder.path());
    let bytes = scene.export();
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let ids = |seed| {
        let sample = Some(Sample { size: 2, seed });
        let report = verify(&bundle, &scene.pack, LATER, sample).expect("a trust pack");
        assert_eq!((report.counts.messages, report.counts.verified), (5, 2));
        report.messages.into_iter().map(|m| m.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(1), ids(1));
    assert!((2..20).any(|seed| ids(seed) != ids(1)));
}

#[test]
fn two_bundles_of_one_day_are_compared() {
    let (one, two) = (folder(), folder());
    let mut ours = Scene::new(one.path(), 20, |_| ());
    let mut theirs = Scene::new(two.path(), 20, |_| ());
    let shared = ours.by_node.send(NOW);
    for scene in [&mut ours, &mut theirs] {
        scene.receive(&shared, Source::Live, NOW);
    }
    let alone = ours.alone.send(NOW);
    ours.receive(&alone, Source::Live, NOW);
    ours.confirm(&shared, &[(1, 1)], NOW.plus_millis(5));
    let (a, b) = (ours.export(), theirs.export());
    let (a, b) = (Bundle::parse(&a).expect("one"), Bundle::parse(&b).expect("one"));
    assert_eq!(compare(&a, &a).differences, []);
    assert!(compare(&a, &a).nothing());
    let kinds = |found: &Differences| -> BTreeSet<(String, &'static str, bool)> {
        found.differences.iter().map(|d| (d.id.clone(), d.kind, d.disagrees)).collect()
    };
    let (of_one, of_both) = (alone.id().to_string(), shared.id().to_string());
    let found = compare(&a, &b);
    assert_eq!((found.in_both, found.same_selection, found.disagree()), (1, true, true));
    let told = |only| {
        BTreeSet::from([(of_one.clone(), only, true), (of_both.clone(), "receipts-lacking", false)])
    };
    assert_eq!(kinds(&found), told("only-first"));
    assert_eq!(kinds(&compare(&b, &a)), told("only-second"));
    let counts = found.receipts;
    assert_eq!((counts.first, counts.second, counts.only_first, counts.only_second), (1, 0, 1, 0));
}

#[test]
fn what_the_other_did_not_select_is_no_disagreement() {
    let folder = folder();
    let scene = scene(folder.path());
    let alone = scene.alone.party.did.clone();
    let (all, some) =
        (scene.export(), scene.export_with(|a| a.selection.participant = Some(alone.clone())));
    let (all, some) = (Bundle::parse(&all).expect("all"), Bundle::parse(&some).expect("some"));
    let found = compare(&all, &some);
    assert_eq!((found.same_channel, found.same_selection, found.disagree()), (true, false, false));
    assert_eq!(found.selections.second.participant, Some(alone));
    assert_eq!((found.in_both, found.differences.len()), (2, 3), "{:#?}", found.differences);
    for one in &found.differences {
        assert_eq!((one.kind, one.disagrees), ("selection", false));
        assert_eq!((one.first.as_deref(), one.second.as_deref()), (Some("allow"), None));
    }
    // What was asked for and is not there is a disagreement all the same.
    let mut parts = Parts::of(&scene.export());
    parts.entries.messages.retain(|m| m.allowed);
    let bent = parts.signed_by(&scene.key());
    let found = compare(&Bundle::parse(&bent).expect("bent"), &some);
    let kinds: Vec<_> = found.differences.iter().filter(|d| d.disagrees).map(|d| d.kind).collect();
    assert_eq!(kinds, ["only-second"]);
}

#[test]
fn deliveries_and_receipts_that_differ_are_told() {
    let (one, two) = (folder(), folder());
    let mut ours = Scene::new(one.path(), 20, |_| ());
    let mut theirs = Scene::new(two.path(), 20, |_| ());
    let shared = ours.by_node.send(NOW);
    let (reader, other) = (Party::new(77), Party::new(78));
    for scene in [&mut ours, &mut theirs] {
        scene.receive(&shared, Source::Live, NOW);
        scene.confirmed_by(&reader, &shared, &[(1, 1)], NOW.plus_millis(10));
    }
    ours.confirmed_by(&reader, &shared, &[(1, 1)], NOW.plus_millis(900));
    let said_again = ours.export();
    ours.confirmed_by(&other, &shared, &[(1, 1)], NOW.plus_millis(950));
    let (a, b) = (ours.export(), theirs.export());
    let (a, b) = (Bundle::parse(&a).expect("one"), Bundle::parse(&b).expect("one"));
    // Another receipt that says the same is counted, and a recipient who said nothing to one is told.
    let found = compare(&Bundle::parse(&said_again).expect("one"), &b);
    assert_eq!((found.differences.len(), found.nothing(), found.disagree()), (0, false, false));
    assert_eq!((found.receipts.first, found.receipts.second), (2, 1));
    let found = compare(&b, &a);
    assert_eq!(found.differences.len(), 1, "{:#?}", found.differences);
    let lacks = &found.differences[0];
    assert_eq!((lacks.kind, lacks.disagrees, &lacks.first), ("receipts-lacking", false, &None));
    assert!(lacks.second.as_ref().is_some_and(|s| s.starts_with(other.did.as_str())), "{lacks:?}");
    // Delivered here, and not there; then when it was opened.
    let mut parts = Parts::of(&theirs.export());
    let told = |parts: &Parts| {
        let bytes = parts.signed_by(&theirs.key());
        let found = compare(&Bundle::parse(&bytes).expect("a bundle"), &b);
        let deliveries = found.differences.into_iter().filter(|d| d.kind == "delivery");
        let told: Vec<_> = deliveries.map(|d| (d.disagrees, d.first, d.second)).collect();
        told
    };
    assert_eq!(told(&parts), []);
    parts.entries.messages[0].deliver = false;
    let delivered = Some("delivered".to_owned());
    assert_eq!(told(&parts), [(false, Some("not delivered".to_owned()), delivered.clone())]);
    let facts = parts.entries.messages[0].facts.clone().expect("facts of the payload");
    parts.entries.messages[0].opened =
        Some(OpenedEntry { number: 50, logged: NOW, deliver: true, facts, at: NOW });
    let opened = Some("delivered when it was opened".to_owned());
    assert_eq!(told(&parts), [(false, opened, delivered)]);
}

#[test]
fn a_recipient_who_refuses_to_one_what_it_confirms_to_the_other_is_a_disagreement() {
    let (one, two) = (folder(), folder());
    let mut ours = Scene::new(one.path(), 20, |_| ());
    let mut theirs = Scene::new(two.path(), 20, |_| ());
    let shared = ours.by_node.send(NOW);
    let reader = Party::new(77);
    for scene in [&mut ours, &mut theirs] {
        scene.receive(&shared, Source::Live, NOW);
    }
    ours.confirmed_by(&reader, &shared, &[(1, 1)], NOW.plus_millis(10));
    theirs.refused_by(&reader, &shared, NOW.plus_millis(10));
    let (a, b) = (ours.export(), theirs.export());
    let found = compare(&Bundle::parse(&a).expect("one"), &Bundle::parse(&b).expect("one"));
    let kinds: Vec<_> = found.differences.iter().map(|d| (d.kind, d.disagrees)).collect();
    assert_eq!((kinds, found.disagree()), (vec![("receipts", true)], true));
}

#[test]
fn an_exporter_that_signed_otherwise_than_it_recorded_is_told() {
    let (one, two) = (folder(), folder());
    let mut ours = Scene::new(one.path(), 20, |_| ());
    let mut theirs = Scene::new(two.path(), 20, |_| ());
    let shared = ours.by_node.send(NOW);
    let exporter = theirs.exporter.0.clone();
    for scene in [&mut ours, &mut theirs] {
        scene.receive(&shared, Source::Live, NOW);
    }
    let told = |a: &[u8], b: &[u8]| {
        let found = compare(&Bundle::parse(a).expect("one"), &Bundle::parse(b).expect("two"));
        assert_eq!(found.exporters.second, exporter.did);
        let own = found.differences.iter().filter(|d| d.kind == "own-receipts" && d.disagrees);
        let told: Vec<_> = own.map(|d| (d.first.clone(), d.second.clone())).collect();
        (told, found.disagree())
    };
    ours.refused_by(&exporter, &shared, NOW.plus_millis(10));
    let (refused, theirs_allows) = (ours.export(), theirs.export());
    let says = Some(format!("{}: refused: GP-POLICY-UNMET", exporter.did));
    let allow = Some("allow".to_owned());
    assert_eq!(told(&refused, &theirs_allows), (vec![(says.clone(), allow.clone())], true));
    assert_eq!(told(&theirs_allows, &refused), (vec![(allow, says)], true));
    // Another of its nodes had it delivered: that differs within itself, and is noted there.
    ours.confirmed_by(&exporter, &shared, &[(1, 1)], NOW.plus_millis(20));
    assert_eq!(told(&ours.export(), &theirs_allows), (vec![], false));
}

/// Its key did not come, or it was opened and did not fit: the record says that it was allowed, all the same.
#[test]
fn who_refused_what_was_left_sealed_does_not_contradict_itself() {
    let (one, two) = (folder(), folder());
    let mut ours = Scene::new(one.path(), 20, |d| d.sealing = Sealing::Members);
    let mut theirs = Scene::new(two.path(), 20, |d| d.sealing = Sealing::Members);
    let reader = Party::new(77);
    let shown = ours.market.presentation(&reader);
    let mut sealer = Sealer::begin(&ours.alone, &[], &[member(&reader, &shown)], NOW);
    let sent = sealer.send(NOW);
    for scene in [&mut ours, &mut theirs] {
        scene.learn_bytes(sealer.epoch.id().clone(), sealer.document.clone());
        let checked = scene.receive(&sent, Source::Live, NOW);
        assert_eq!((checked.verdict, checked.deliver), (Verdict::Admit, false));
    }
    let exporter = theirs.exporter.0.clone();
    ours.refused_by(&exporter, &sent, NOW.plus_millis(10));
    let (a, b) = (ours.export(), theirs.export());
    let found = compare(&Bundle::parse(&a).expect("one"), &Bundle::parse(&b).expect("two"));
    assert!(!found.disagree(), "{:?}", found.differences);
}

#[test]
fn two_messages_under_one_number_in_two_bundles_are_told() {
    let (one, two) = (folder(), folder());
    let mut ours = Scene::new(one.path(), 20, |_| ());
    let mut theirs = Scene::new(two.path(), 20, |_| ());
    let mut twin = ours.by_node.clone();
    let (a, b) = (ours.by_node.send(NOW), twin.send(NOW.plus_millis(1)));
    ours.receive(&a, Source::Live, NOW.plus_millis(1));
    theirs.receive(&b, Source::Live, NOW.plus_millis(1));
    let (first, second) = (ours.export(), theirs.export());
    let first = Bundle::parse(&first).expect("one");
    let second = Bundle::parse(&second).expect("two");
    let found = compare(&first, &second);
    let kinds: BTreeSet<_> = found.differences.iter().map(|d| d.kind).collect();
    assert_eq!(kinds, BTreeSet::from(["only-first", "only-second", "same-number"]));
    let both = found.differences.iter().find(|d| d.kind == "same-number").expect("told");
    let of = |envelope: &gridpass_messaging::envelope::Envelope| Some(envelope.id().to_string());
    assert_eq!((&both.first, &both.second), (&of(&a), &of(&b)));
    assert!(both.disagrees && compare(&first, &first).nothing());
}

#[test]
fn who_decided_the_same_at_another_time_does_not_disagree_nor_who_withholds() {
    let (one, two) = (folder(), folder());
    let mut ours = Scene::new(one.path(), 20, |_| ());
    let mut theirs = Scene::new(two.path(), 20, |_| ());
    let shared = ours.by_node.send(NOW);
    ours.receive(&shared, Source::Live, NOW);
    theirs.receive(&shared, Source::Live, NOW.plus_millis(1500));
    let (a, b) = (ours.export(), theirs.export());
    let parsed = |bytes: &[u8]| Bundle::parse(bytes).expect("one").entries().messages[0].clone();
    assert_ne!(parsed(&a).admission, parsed(&b).admission, "each judged at its own time");
    let found = compare(&Bundle::parse(&a).expect("one"), &Bundle::parse(&b).expect("one"));
    assert_eq!((found.in_both, found.differences), (1, vec![]));

    let mut parts = Parts::of(&b);
    (parts.entries.messages[0].payload, parts.entries.messages[0].content) =
        (PayloadState::Withheld, None);
    let withheld = parts.signed_by(&theirs.key());
    let found = compare(&Bundle::parse(&a).expect("one"), &Bundle::parse(&withheld).expect("one"));
    let kinds: Vec<_> = found.differences.iter().map(|d| (d.kind, d.disagrees)).collect();
    assert_eq!((kinds, found.disagree()), (vec![("payload", false)], false));

    parts.entries.messages[0].allowed = false;
    parts.entries.messages[0].reasons = vec!["GP-POLICY-UNMET".into()];
    let refused = parts.signed_by(&theirs.key());
    let found = compare(&Bundle::parse(&a).expect("one"), &Bundle::parse(&refused).expect("one"));
    let disagree = found.differences.iter().find(|d| d.disagrees).expect("a disagreement");
    assert_eq!((disagree.kind, disagree.first.as_deref()), ("decision", Some("allow")));
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

/// The pack knows the log of a root up to an entry, and whoever verifies knows how it goes on.
#[test]
fn what_its_reader_knows_of_a_log_beside_the_pack_counts_and_a_contradiction_is_told() {
    let folder = folder();
    let scene = scene(folder.path());
    let keys = [1_u8, 2, 3]
        .map(|seed| SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key"));
    let (next, last) = (keys[1].public_key(), keys[2].public_key());
    let control = Control { signer: &keys[0], next: &next, witness: None };
    let made = webvh::create("root.example", &[], &control, world::days_ago(9));
    let (did, short) = made.expect("a log");
    let entries = VerifiedEntries::verify(&did, short.as_bytes(), NOW).expect("a log");
    let control = Control { signer: &keys[1], next: &last, witness: None };
    let [long, other] = [3, 2].map(|ago| {
        webvh::update(&entries, &[], &control, world::days_ago(ago)).expect("a longer log")
    });
    let snapshot = |log: &str| {
        let document = log.as_bytes().to_vec();
        Snapshot { seen: world::days_ago(1), confirmed: None, document, witness: None }
    };
    let pack = |log: &str| {
        let mut pack = TrustPack::parse(&scene.pack).expect("a pack");
        pack.identities.push(IdentityMaterial::of(&did, &snapshot(log)));
        pack.encode().expect("a pack").1
    };
    let bytes = scene.export();
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let verify = |pack: &[u8], known: &dyn SnapshotStore| {
        verify_beside(&bundle, pack, LATER, None, &Shown::default(), known).expect("a trust pack")
    };
    let beside = format!("log of {did}, known beside the trust pack and the bundle");
    let names_it = |report: &Report| report.ages.iter().any(|age| age.what == beside);

    let report = verify(&pack(&short), &Fixed(vec![snapshot(&long)]));
    assert_eq!(bad(&report), [""; 0], "{:#?}", report.checks);
    assert!(names_it(&report), "{:#?}", report.ages);
    // Nothing is known, the same, or less: nothing beside the pack counted.
    for log in [None, Some(&short), Some(&long)] {
        let known = Fixed(log.map(|log| snapshot(log)).into_iter().collect());
        let report = verify(&pack(&long), &known);
        assert_eq!(bad(&report), [""; 0], "{:#?}", report.checks);
        assert!(!names_it(&report), "{:#?}", report.ages);
    }
    let report = verify(&pack(&long), &Fixed(vec![snapshot(&other)]));
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.code.id(), "GP-WEBVH-LOG-INVALID");
    assert!(report.sentence.contains("elsewhere"), "{}", report.sentence);
}
