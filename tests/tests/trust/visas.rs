//! Visas from root to presentation: what must pass.

use gridpass_credentials::codes;
use gridpass_credentials::secured::Form;
use gridpass_identity::report::Outcome;
use gridpass_tests::world::{self, Party, days_ago};

#[test]
fn a_presentation_passes_in_every_form() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    let lists = world::clear_lists(&[&root]);
    for form in Form::ALL {
        let visa = world::visa(&root, &holder, &role, |_| ());
        let visa = world::issue_as(&root, &visa, form, days_ago(10));
        for outer in [Form::Jwt, Form::EddsaRdfc2022, Form::EddsaJcs2022] {
            let presentation = world::present_as(&holder, &[&visa], outer, &world::binding());
            let report = world::verify(&presentation, &trust, &lists, &world::expectation());
            assert_eq!(report.outcome, Outcome::Passed, "{form} in {outer}: {report:#?}");
            assert_eq!(report.granted().count(), 1);
        }
    }
}

#[test]
fn a_chain_of_delegates_passes_and_its_path_is_told() {
    let parties: Vec<Party> = (1..=5).map(Party::new).collect();
    let [root, a, b, c, holder] = parties.as_slice() else { panic!("five") };
    let first = world::definition("flex.gb.delegate-a", world::dids(&[root]), |_| ());
    let second = world::definition("flex.gb.delegate-b", world::holders(&[&first]), |_| ());
    let third = world::definition("flex.gb.delegate-c", world::holders(&[&second]), |_| ());
    let role = world::definition("flex.gb.aggregator", world::holders(&[&third]), |_| ());
    let trust = world::trust(&[root], &[&first, &second, &third, &role]);
    let lists = world::clear_lists(&[root, a, b, c]);
    let visas: Vec<_> = [(c, holder, &role), (b, c, &third), (a, b, &second), (root, a, &first)]
        .into_iter()
        .map(|(issuer, subject, role)| {
            world::issue(issuer, &world::visa(issuer, subject, role, |_| ()))
        })
        .collect();
    let presentation = world::present(holder, &visas.iter().collect::<Vec<_>>());
    let report = world::verify(&presentation, &trust, &lists, &world::expectation());
    assert_eq!(report.outcome, Outcome::Passed, "{report:#?}");
    let path: Vec<_> = report.visas[0].path.iter().map(|s| s.issuer.clone()).collect();
    assert_eq!(path, [c, b, a, root].map(|p| p.did.clone()));
    assert!(report.visas[0].checks.iter().any(|c| c.code == codes::CHAIN_DELEGATED));
    // The same inputs, the same bytes; by a clone of the trust too.
    let again = world::verify(&presentation, &trust.clone(), &lists, &world::expectation());
    assert_eq!(report.to_json().expect("JSON"), again.to_json().expect("JSON"));
}

#[test]
fn of_two_definitions_in_force_a_name_means_the_one_listed_last() {
    let root = Party::new(1);
    let old = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let new = world::definition("flex.gb.aggregator", world::dids(&[&root]), |d| {
        d.version = "1.1.0".into();
        d.previous = Some(world::id(&old));
    });
    let trust = world::trust(&[&root], &[&old, &new]);
    let (found, _) = trust.find_role("flex.gb.aggregator").expect("a role");
    assert_eq!(found, &world::id(&new));
    let (found, _) = trust.find_role(world::id(&old).as_str()).expect("by its CID");
    assert_eq!(found, &world::id(&old));
}
