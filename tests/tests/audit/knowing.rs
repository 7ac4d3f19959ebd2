//! What was known when a decision was made, and what whoever verifies has heard since: it changes no decision,
//! and is noted.

use super::{folder, scene};
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::{IdentityMaterial, TrustPack};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method::webvh::{self, Control, VerifiedEntries};
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Snapshot, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::Fixed;
use gridpass_messaging::bundle::{Bundle, Report, Shown, verify, verify_beside, verify_with};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_policy::channel::{ChannelDescriptor, SignedChannel};
use gridpass_tests::evidence::{LATER, Scene, bad, found};
use gridpass_tests::messages::{Market, expect};
use gridpass_tests::parts::{Parts, without};
use gridpass_tests::world::{self, DAY, NOW, Party};
use std::collections::BTreeSet;

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

/// As after a key of the owner's was marked, and nothing in the bundle shows any more that the owner signed.
#[test]
fn a_descriptor_that_its_owner_signed_anew_counts_beside_the_bundle() {
    let folder = folder();
    let scene = scene(folder.path());
    let descriptor = &scene.market.descriptor;
    let signed_by = |party: &Party, bend: &dyn Fn(&mut ChannelDescriptor)| {
        let mut descriptor = descriptor.clone();
        bend(&mut descriptor);
        let mut channel = SignedChannel::unsigned(descriptor.clone()).expect("a channel");
        channel.sign(party.at(descriptor.dated)).expect("signs");
        channel
    };
    let regulator = &scene.market.regulator;
    let other = signed_by(&Party::new(99), &|_| ());
    let mut parts = Parts::of(&scene.export());
    let block = parts.put(other.to_json().to_string().as_bytes());
    parts.entries.descriptors[0].signed = block;
    let bytes = parts.signed_by(&scene.key());
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let verify = |channel: Option<SignedChannel>| {
        let mut shown = Shown::default();
        if let Some(channel) = channel {
            shown.add_channel(channel);
        }
        verify_with(&bundle, &scene.pack, LATER, None, &shown).expect("a trust pack")
    };
    let useless = [None, Some(other), Some(signed_by(regulator, &|d| d.title = "Another".into()))];
    for channel in useless {
        let found = found(&verify(channel), "channel");
        assert_eq!(found[0], (Outcome::Failed, "GP-CHANNEL-NOT-SIGNED".to_owned()));
    }
    let report = verify(Some(signed_by(regulator, &|_| ())));
    assert_eq!((report.outcome, bad(&report)), (Outcome::Passed, Vec::new()));
    let check = report.checks.iter().find(|c| c.name == "channel").expect("a check");
    assert!(check.sentence.contains("beside the bundle"), "{}", check.sentence);
    // One that was left out is the same by its CID; that it was left out is told all the same.
    let left_out = without(&bytes, &[block.to_string()]);
    let bundle = Bundle::parse(&left_out).expect("a bundle");
    let mut shown = Shown::default();
    shown.add_channel(signed_by(regulator, &|_| ()));
    let report = verify_with(&bundle, &scene.pack, LATER, None, &shown).expect("a trust pack");
    assert_eq!(bad(&report), ["parts Indeterminate GP-BUNDLE-PART-MISSING"]);
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
