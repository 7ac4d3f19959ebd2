//! Presentations and authorisations that a node is given: which one counts, and which are refused.

use super::{Scene, open, scene};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::secured::Form;
use gridpass_credentials::visa::Purpose;
use gridpass_messaging::codes;
use gridpass_messaging::node::Material;
use gridpass_tests::messages::authorise;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};

#[test]
fn what_was_signed_last_counts_whichever_came_last() {
    let s = scene();
    let [older, newer] = [days_ago(3), days_ago(2)].map(|at| {
        let authorisation = authorise(&s.owner, &s.node, |_| ());
        let credential =
            gridpass_credentials::vcdm::Credential::read(authorisation.document().clone());
        world::sign_credential(&s.owner, &credential.expect("one"), Form::Jwt, at)
    });
    for order in [[&older, &newer], [&newer, &older]] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut material = open(folder.path(), &s.node);
        for authorisation in order {
            material.give(authorisation.text().as_bytes(), NOW).expect("taken");
        }
        assert_eq!(material.authorisation.as_ref().expect("one").id, *newer.id());
        let again = open(folder.path(), &s.node);
        assert_eq!(again.authorisation.expect("one").id, *newer.id());
    }
}

#[test]
fn an_authorisation_of_another_node_or_by_another_participant_is_refused() {
    let s = scene();
    let mut material = s.material();
    let other = authorise(&s.owner, &Party::new(13), |_| ());
    let e = material.give(other.text().as_bytes(), NOW).expect_err("another node's");
    assert_eq!(e.code(), codes::NODE_AUTHORISATION);
    let own = authorise(&s.owner, &s.node, |_| ());
    material.give(own.text().as_bytes(), NOW).expect("taken");
    let second = authorise(&Party::new(14), &s.node, |_| ());
    let e = material.give(second.text().as_bytes(), NOW).expect_err("another participant's");
    assert_eq!(e.code(), codes::NODE_AUTHORISATION);
    // A visa is none, and is not taken for a document either.
    let visa = world::visa(&s.market.regulator, &s.owner, &s.market.role, |_| ());
    let visa = world::issue(&s.market.regulator, &visa);
    let e = material.give(visa.text().as_bytes(), NOW).expect_err("a visa");
    assert!(e.to_string().contains("no authorisation of a node"), "{e}");
    assert_eq!(e.code(), codes::NODE_VISA);
    // Nor is what travels with one taken while it is passed over.
    let mut parcel = Parcel::new(ParcelKind::Visa, Some(visa.text().to_owned()));
    let list = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    parcel.status_lists.push(list.secured().text().to_owned());
    let e = material.give(&parcel.encode().expect("a parcel"), NOW).expect_err("a visa");
    assert_eq!((e.code(), material.lists.len()), (codes::NODE_VISA, 0));
}

/// The authorisation, which says for whom the node acts, may come first or last.
#[test]
fn a_presentation_of_another_participant_takes_the_place_of_none() {
    let s = scene();
    let other = Scene { owner: Party::new(14), ..scene() };
    let itself = Scene { owner: Party::new(12), ..scene() };
    let own = s.presentation(Form::Jwt, in_days(20));
    let theirs = other.presentation(Form::Jwt, in_days(30));
    let of_node = itself.presentation(Form::Jwt, in_days(30));
    let authorisation = authorise(&s.owner, &s.node, |_| ());
    let counts = |material: &Material| material.presentations[&s.market.channel].id.clone();
    let mut material = s.material();
    for file in [&own, &authorisation, &own] {
        material.give(file.text().as_bytes(), NOW).expect("taken");
    }
    let e = material.give(theirs.text().as_bytes(), NOW).expect_err("another participant's");
    assert_eq!((e.code(), counts(&material)), (codes::NODE_PRESENTATION, own.id().clone()));
    // What the node shows for itself is not refused, and does not stand before its participant's.
    material.give(of_node.text().as_bytes(), NOW).expect("taken");
    assert_eq!([counts(&material), counts(&s.material())], [own.id().clone(), own.id().clone()]);

    // Given before it was known for whom it acts, which is found out when the node starts.
    let late = scene();
    let mut material = late.material();
    for file in [&own, &theirs, &authorisation] {
        material.give(file.text().as_bytes(), NOW).expect("taken");
    }
    assert_eq!(counts(&late.material()), *own.id());
}

#[test]
fn a_presentation_that_has_ended_gives_way_to_one_that_holds() {
    let s = scene();
    let long = s.presentation(Form::Jwt, in_days(30));
    let short = s.presentation(Form::Jwt, in_days(1));
    let counts = |material: &Material| material.presentations[&s.market.channel].id.clone();
    let mut material = s.material();
    for own in [&long, &short] {
        material.give(own.text().as_bytes(), NOW).expect("taken");
    }
    assert_eq!(counts(&material), *short.id());
    assert_eq!(material.choose_presentations(NOW), []);
    // As it runs, and started again.
    assert_eq!(material.choose_presentations(in_days(2)), std::slice::from_ref(&s.market.channel));
    assert_eq!(counts(&material), *long.id());
    let later = Material::open(s.folder.path(), s.node.did.clone(), in_days(2)).expect("opens").0;
    assert_eq!(counts(&later), *long.id());
    // Given when it has ended already, it changes nothing.
    material.give(short.text().as_bytes(), in_days(2)).expect("taken");
    assert_eq!(counts(&material), *long.id());
    // A clock that is set right brings it back.
    assert_eq!(material.choose_presentations(NOW), std::slice::from_ref(&s.market.channel));
    assert_eq!(counts(&material), *short.id());
}

#[test]
fn of_presentations_of_one_second_the_last_that_was_given_counts() {
    let s = scene();
    let [one, two] = [20, 30].map(|days| s.presentation(Form::Jwt, in_days(days)));
    for given in [[&one, &two], [&two, &one], [&one, &two]] {
        let mut material = s.material();
        for own in given {
            material.give(own.text().as_bytes(), NOW).expect("taken");
        }
        let last = given[1].id();
        assert_eq!(material.presentations[&s.market.channel].id, *last);
        assert_eq!(s.material().presentations[&s.market.channel].id, *last, "opened again");
    }
}
