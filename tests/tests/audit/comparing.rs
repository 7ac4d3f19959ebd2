//! Two bundles are compared: what two parties recorded differently, and what is no disagreement.

use super::{folder, scene};
use gridpass_messaging::bundle::{Bundle, Differences, OpenedEntry, PayloadState, compare};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_policy::channel::Sealing;
use gridpass_tests::evidence::Scene;
use gridpass_tests::parts::Parts;
use gridpass_tests::sealed::{Sealer, member};
use gridpass_tests::world::{NOW, Party};
use std::collections::BTreeSet;

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
