//! Channels that a node is given: what they name, what they may not change, and how one is left.

use super::{Scene, files_in, named, open, scene};
use gridpass_credentials::secured::Form;
use gridpass_identity::report::Outcome;
use gridpass_messaging::node::{Material, Taken};
use gridpass_policy::channel::{ChannelDescriptor, SignedChannel};
use gridpass_tests::messages::Market;
use gridpass_tests::world::{NOW, Party, days_ago, in_days};

#[test]
fn what_a_channel_names_and_what_came_by_its_name_is_taken_whatever_it_is() {
    let named_by_a_channel = br#"{"zone":"GB-1"}"#;
    let market = Market::new(|d| {
        d.topics[0].versions[0].schema = named(named_by_a_channel);
    });
    let s = Scene { market, ..scene() };
    let mut material = s.material();
    assert!(material.give(named_by_a_channel, NOW).is_err(), "nobody names it yet");
    material.give(&s.channel(), NOW).expect("taken");
    let taken = material.give(named_by_a_channel, NOW).expect("taken");
    assert_eq!(taken, [Taken::Document(named(named_by_a_channel))]);
    let other = b"a part that a peer gave".to_vec();
    material.keep_document(named(&other), other).expect("kept");
    drop(material);
    assert_eq!(s.material().documents.len(), 2, "both are there again");
}

/// What was said under a version of a topic is read by that version's schema.
#[test]
fn a_channel_that_changes_a_version_of_a_topic_is_refused_whichever_comes_first() {
    let s = scene();
    let first = s.market.descriptor.clone();
    let next = first.next(days_ago(1)).expect("the next one");
    let mut broken = next.clone();
    broken.topics[0].versions[0].schema = named(b"another schema");
    let refused = |material: &mut Material, descriptor: &ChannelDescriptor| {
        let e = material.give(&s.signed(descriptor), NOW).expect_err("it does not follow");
        assert_eq!(e.code().id(), "GP-CHANNEL-HISTORY-BROKEN", "{e}");
        assert!(e.to_string().contains("version 1 of topic bids changed"), "{e}");
    };
    for [earlier, later] in [[&first, &broken], [&broken, &first]] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut material = open(folder.path(), &s.node);
        material.give(&s.signed(earlier), NOW).expect("taken");
        let before = files_in(folder.path());
        refused(&mut material, later);
        assert_eq!((material.channels.len(), files_in(folder.path())), (1, before));
    }
    let mut material = s.material();
    for descriptor in [&first, &next] {
        material.give(&s.signed(descriptor), NOW).expect("taken");
    }
    assert!(material.leave(&s.market.channel).expect("left"));
    // What was said there is there still.
    refused(&mut material, &broken);
}

/// A draft, or a copy from before its owner signed it anew, takes nothing away.
#[test]
fn a_copy_of_a_channel_with_fewer_signatures_takes_none_away() {
    let s = scene();
    let descriptor = &s.market.descriptor;
    let by = |party: &Party| {
        let mut channel = SignedChannel::unsigned(descriptor.clone()).expect("a channel");
        channel.sign(party.at(descriptor.dated)).expect("signs");
        channel.to_json().to_string().into_bytes()
    };
    let draft = SignedChannel::unsigned(descriptor.clone()).expect("a channel").to_json();
    let draft = draft.to_string().into_bytes();
    let other = by(&s.node);
    for first in [&s.channel(), &other] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut material = open(folder.path(), &s.node);
        let refused = material.give(&draft, NOW).expect_err("nobody signed it");
        assert_eq!(refused.code().id(), "GP-CHANNEL-NOT-SIGNED", "{refused}");
        material.give(first, NOW).expect("taken");
        for copy in [&s.channel(), &other] {
            material.give(copy, NOW).expect("taken");
        }
        let refused = material.give(&draft, NOW).expect_err("nobody signed it");
        assert_eq!(refused.code().id(), "GP-CHANNEL-NOT-SIGNED", "{refused}");
        let again = open(folder.path(), &s.node);
        for material in [&material, &again] {
            let held = material.channel(&s.market.channel).expect("held");
            let owner = held.check_owner(&material.identities, NOW);
            assert_eq!(owner.outcome, Outcome::Passed, "{}", owner.sentence);
            assert_eq!(held.to_json()["proof"].as_array().map(Vec::len), Some(2));
        }
    }
}

/// With the one among some peers, and the other among others, the same messages would come out differently.
#[test]
fn a_second_descriptor_of_one_version_is_refused_until_the_first_is_left() {
    let s = scene();
    let mut other = s.market.descriptor.clone();
    other.title = "Another".into();
    let mut material = s.material();
    material.give(&s.channel(), NOW).expect("taken");
    let before = files_in(s.folder.path());
    let e = material.give(&s.signed(&other), NOW).expect_err("a fork");
    assert_eq!(e.code().id(), "GP-CHANNEL-FORK", "{e}");
    let way_out = format!("gridpass node leave {}", s.market.channel);
    assert!(e.to_string().contains(&way_out), "{e}");
    assert_eq!((material.channels.len(), files_in(s.folder.path())), (1, before));
    material.give(&s.channel(), NOW).expect("the same again");
    assert!(material.leave(&s.market.channel).expect("left"));
    material.give(&s.signed(&other), NOW).expect("the one that counts");
    let e = material.give(&s.channel(), NOW).expect_err("the one that was left");
    assert_eq!(e.code().id(), "GP-CHANNEL-FORK", "{e}");
}

/// Else whoever is there first with a descriptor in the owner's name keeps the owner's own away.
#[test]
fn what_its_owner_did_not_sign_stands_in_the_way_of_nothing_that_it_signed() {
    let s = scene();
    let by_another = |descriptor: &ChannelDescriptor| {
        let mut channel = SignedChannel::unsigned(descriptor.clone()).expect("a channel");
        channel.sign(s.node.at(descriptor.dated)).expect("signs");
        channel.to_json().to_string().into_bytes()
    };
    let mut sibling = s.market.descriptor.clone();
    sibling.title = "Another".into();
    let mut broken = s.market.descriptor.next(NOW).expect("a version");
    broken.topics[0].versions[0].schema = s.market.descriptor.framework.clone();
    let mut material = s.material();
    for other in [&sibling, &broken] {
        material.give(&by_another(other), NOW).expect("taken, and not joined");
    }
    material.give(&s.channel(), NOW).expect("the owner's");
    assert_eq!(material.channels.len(), 3);
    // Where the owner's is there, another in its name is not taken beside it.
    let folder = tempfile::tempdir().expect("a folder");
    let mut material = open(folder.path(), &s.node);
    material.give(&s.channel(), NOW).expect("the owner's");
    for (other, code) in [(&sibling, "GP-CHANNEL-FORK"), (&broken, "GP-CHANNEL-HISTORY-BROKEN")] {
        let e = material.give(&by_another(other), NOW).expect_err("the owner's is here");
        assert_eq!(e.code().id(), code, "{e}");
    }
}

#[test]
fn a_channel_that_was_left_stays_left_until_it_is_given_again() {
    let s = scene();
    let mut material = s.material();
    material.give(&s.channel(), NOW).expect("taken");
    for days in [20, 30] {
        let presentation = s.presentation(Form::Jwt, in_days(days));
        material.give(presentation.text().as_bytes(), NOW).expect("taken");
    }
    assert!(material.leave(&s.market.channel).expect("left"));
    assert!(!material.leave(&s.market.channel).expect("left"), "it was left before");
    for material in [material, s.material()] {
        assert!(material.channels.is_empty());
        assert!(material.presentations.is_empty(), "also the one that was replaced");
        let kept = material.channel(&s.market.channel).expect("for what was said there");
        assert_eq!(kept.id(), &s.market.channel);
    }
    s.material().give(&s.channel(), NOW).expect("taken");
    let again = s.material();
    assert!(again.channels.contains_key(&s.market.channel));
    assert!(again.left.is_empty());
}
