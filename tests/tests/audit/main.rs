//! Evidence bundles as they are written by a node and verified by an auditor: what is said of messages
//! that were recorded as they should be.

mod comparing;
mod knowing;
mod payloads;

use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{Bundle, Sample, verify};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_messaging::log::Log;
use gridpass_messaging::store::Store;
use gridpass_policy::channel::Mode;
use gridpass_tests::evidence::{LATER, Scene, bad, found};
use gridpass_tests::parts::Parts;
use gridpass_tests::world::{self, NOW, Party, in_days};
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
