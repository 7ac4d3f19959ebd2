//! Attacks that a reader of the verifier's source thought of: validly signed evidence, rearranged,
//! dated back, or left out. Each is refused with its code, and its honest twin passes.

use gridpass_credentials::rdf::{RdfError, canonical_nquads};
use gridpass_credentials::secured::{Form, Kind, Secured, secure_credential};
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::verify::{SeenLists, VisaReport};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{self, AUDIENCE, DAY, NOW, Party, days_ago, in_days};
use serde_json::{Value, json};

fn codes(report: &VisaReport) -> Vec<&str> {
    let visas = report.visas.iter().flat_map(|v| &v.checks);
    report.checks.iter().chain(visas).map(|c| c.code.id()).collect()
}

/// The visa of party 2 from party 1, with an rdfc proof, as JSON.
fn rdfc_visa() -> (Party, Party, Value, gridpass_credentials::trust::Trust) {
    let (regulator, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&regulator]), |_| ());
    let trust = world::trust(&[&regulator], &[&role]);
    let visa = world::visa(&regulator, &holder, &role, |_| ());
    let secured = world::issue_as(&regulator, &visa, Form::EddsaRdfc2022, days_ago(10));
    let json: Value = serde_json::from_str(secured.text()).expect("JSON");
    (regulator, holder, json, trust)
}

#[test]
fn refuses_a_suspension_entry_hidden_where_only_the_graph_sees_it() {
    let (regulator, holder, visa, trust) = rdfc_visa();
    let index = visa["credentialStatus"][1]["statusListIndex"].as_str().expect("an index");
    let change = Change { index: index.parse().expect("a number"), set: true, at: days_ago(1) };
    let lists = [
        world::list(&regulator, Purpose::Revocation, &[]),
        world::list(&regulator, Purpose::Suspension, &[change]),
    ];
    let present = |visa: &Value| {
        let visa = Secured::parse(visa.to_string().as_bytes(), Kind::Credential);
        visa.map(|v| {
            let presentation = world::present(&holder, &[&v]);
            world::verify(&presentation, &trust, &lists, &world::expectation())
        })
    };
    let honest = present(&visa).expect("reads");
    assert!(codes(&honest).contains(&"GP-VISA-SUSPENDED"), "{honest:?}");

    let mut bent = visa;
    let mut hidden = bent["credentialStatus"][1].clone();
    hidden["@reverse"] =
        json!({"https://www.w3.org/2018/credentials#credentialStatus": {"id": bent["id"]}});
    let mut first = bent["credentialStatus"][0].clone();
    first["@included"] = json!([hidden]);
    bent["credentialStatus"] = first;
    let report = present(&bent).expect("reads");
    assert_eq!(report.outcome, Outcome::Failed, "{report:?}");
    assert_eq!(report.granted().count(), 0);
    // The one that reads the entry and the one that reads the graph both refuse it.
    bent.as_object_mut().expect("an object").remove("proof");
    assert!(matches!(canonical_nquads(&bent), Err(RdfError::Expansion(_))));
}

#[test]
fn refuses_a_proof_with_a_member_that_no_proof_has() {
    let (_, _, visa, _) = rdfc_visa();
    for name in ["https://w3id.org/security#expiration", "expiry", "@included"] {
        let mut bent = visa.clone();
        bent["proof"][name] = json!("2020-01-01T00:00:00Z");
        let error = Secured::parse(bent.to_string().as_bytes(), Kind::Credential).expect_err(name);
        assert_eq!(error.code().id(), "GP-PROOF-MALFORMED", "{name}");
    }
    assert!(Secured::parse(visa.to_string().as_bytes(), Kind::Credential).is_ok());
}

#[test]
fn refuses_alike_blank_nodes_told_apart_only_by_text_that_looks_like_labels() {
    let (_, _, mut visa, _) = rdfc_visa();
    visa.as_object_mut().expect("an object").remove("proof");
    assert!(canonical_nquads(&visa).is_ok());
    // Forty nodes that differ in nothing: a literal full of labels must not make them differ.
    let words: Vec<String> = (0..60).map(|n| format!("_:{n}")).collect();
    let mut bent = visa.clone();
    bent["evidence"] = json!(vec![
        json!({"type": "VerifiableCredential", "name": format!("x {} x", words.join(" "))});
        40
    ]);
    let error = canonical_nquads(&bent).expect_err("too many alike");
    assert!(matches!(error, RdfError::Graph(_)), "{error}");
    for text in ["_:b0", "_:"] {
        let mut bent = visa.clone();
        bent["credentialSubject"]["id"] = json!(text);
        assert!(matches!(canonical_nquads(&bent), Err(RdfError::Expansion(_))), "{text}");
    }
}

#[test]
fn refuses_a_chain_that_is_too_long_though_another_visa_is_thrown_in() {
    let parties: Vec<Party> = (1..=6).map(Party::new).collect();
    let top = world::definition("flex.gb.top", world::dids(&[&parties[0]]), |_| ());
    let middle = world::definition("flex.gb.middle", world::holders(&[&top]), |_| ());
    // Whose issuers' authority nobody shows: whether such a visa holds cannot be decided.
    let open = world::definition("flex.gb.open", world::holders(&[&top]), |_| ());
    let low = world::definition("flex.gb.low", world::holders(&[&middle, &open]), |_| ());
    let verify = |depth, extra: bool| {
        let leaf = world::definition("flex.gb.leaf", world::holders(&[&low]), |d| {
            d.max_chain_depth = depth;
        });
        let trust = world::trust(&[&parties[0]], &[&top, &middle, &open, &low, &leaf]);
        let visa = |from: usize, to: usize, role| {
            world::issue(&parties[from], &world::visa(&parties[from], &parties[to], role, |_| ()))
        };
        let mut visas =
            vec![visa(3, 4, &leaf), visa(2, 3, &low), visa(1, 2, &middle), visa(0, 1, &top)];
        if extra {
            // A stranger's word that the issuer of `low` may issue it: open, and shorter.
            visas.push(visa(5, 2, &open));
        }
        let shown: Vec<_> = visas.iter().collect();
        let presentation = world::present(&parties[4], &shown);
        let lists = world::clear_lists(&parties.iter().collect::<Vec<_>>());
        world::verify(&presentation, &trust, &lists, &world::expectation())
    };
    let report = verify(2, false);
    assert!(codes(&report).contains(&"GP-CHAIN-TOO-DEEP"), "{report:?}");
    let report = verify(2, true);
    assert_ne!(report.outcome, Outcome::Passed, "{report:?}");
    assert_eq!(report.granted().count(), 0);
    for extra in [false, true] {
        assert_eq!(verify(3, extra).outcome, Outcome::Passed);
    }
}

/// A visa from party 1 for party 2, signed and valid as asked.
fn visa_signed(signed: UnixMillis, from: UnixMillis, until: UnixMillis) -> VisaReport {
    let (regulator, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&regulator]), |d| {
        d.max_validity_seconds = 100 * DAY / 1000;
    });
    let trust = world::trust(&[&regulator], &[&role]);
    let visa = world::visa(&regulator, &holder, &role, |v| {
        (v.valid_from, v.valid_until) = (from, until);
    });
    let secured = world::issue_as(&regulator, &visa, Form::Jwt, signed);
    let lists = world::clear_lists(&[&regulator]);
    world::verify(&world::present(&holder, &[&secured]), &trust, &lists, &world::expectation())
}

#[test]
fn refuses_a_visa_for_today_that_says_it_was_signed_long_ago() {
    let report = visa_signed(days_ago(700), days_ago(1), in_days(90));
    assert!(codes(&report).contains(&"GP-VISA-VALIDITY-TOO-LONG"), "{report:?}");
    assert_eq!(report.outcome, Outcome::Failed);
    // Thirty days ahead is how visas are issued before they begin.
    let report = visa_signed(days_ago(25), days_ago(1), in_days(90));
    assert_eq!(report.outcome, Outcome::Passed, "{report:?}");
}

#[test]
fn refuses_a_status_list_dated_later_than_it_was_signed() {
    let regulator = Party::new(1);
    let good = world::list(&regulator, Purpose::Revocation, &[]);
    let credential =
        gridpass_credentials::vcdm::Credential::read(good.secured().document().clone());
    let credential = credential.expect("a credential");
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    let mut sign = |form, at| {
        secure_credential(&credential, form, &[], regulator.at(at), &mut rng).expect("signs")
    };
    let error = StatusList::read(sign(Form::Jwt, days_ago(400))).expect_err("dated back");
    assert_eq!(error.code().id(), "GP-STATUS-LIST-MALFORMED");
    let text = world::raw_jwt(&regulator, "vc+sd-jwt", good.secured().document(), good.dated);
    let sd_jwt = world::reread(&format!("{text}~"));
    let error = StatusList::read(sd_jwt).expect_err("parts of it could be withheld");
    assert_eq!(error.code().id(), "GP-STATUS-LIST-MALFORMED");
    assert!(StatusList::read(sign(Form::Jwt, good.dated)).is_ok());
}

#[test]
fn refuses_a_charter_signed_before_the_one_that_it_follows() {
    let root = Party::new(1);
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let first = world::sign_charter(world::charter(&[&root], &[&role]), &[&root]);
    let next = first.charter().next(days_ago(5)).expect("next");
    let open = |signed_at| {
        let unsigned = gridpass_credentials::charter::SignedCharter::unsigned(next.clone());
        let mut second = unsigned.expect("a charter");
        second.sign(root.at(signed_at)).expect("signs");
        let pack = world::pack(&[first.clone(), second], &[&role]);
        gridpass_credentials::trust::Trust::open(&pack, None, NOW)
    };
    let error = open(days_ago(200)).expect_err("signed before the first was made");
    assert_eq!(error.code().id(), "GP-CHARTER-SIGNERS-TOO-FEW");
    assert!(open(days_ago(5)).is_ok());
}

#[test]
fn does_not_decide_where_a_revokers_list_was_seen_and_is_now_withheld() {
    let (issuer, revoker, holder) = (Party::new(1), Party::new(3), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&issuer]), |d| {
        d.revokers = Some(world::dids(&[&revoker]));
    });
    let trust = world::trust(&[&issuer], &[&role]);
    let visa = world::visa(&issuer, &holder, &role, |_| ());
    let presentation = world::present(&holder, &[&world::issue(&issuer, &visa)]);
    let own = world::clear_lists(&[&issuer]);
    let theirs = world::list_by(&issuer, &revoker, Purpose::Revocation, &[], |_| ());
    let verify = |lists: &[StatusList], seen: &SeenLists| {
        let bytes = presentation.text().as_bytes();
        world::verify_bytes(bytes, &trust, lists, &world::expectation(), seen)
    };
    let mut seen = SeenLists::new();
    assert_eq!(verify(&own, &seen).outcome, Outcome::Passed, "nobody knows of a revoker's list");
    seen.insert((theirs.id.clone(), revoker.did.clone()), theirs.order().into());
    let report = verify(&own, &seen);
    assert_eq!(report.outcome, Outcome::Indeterminate);
    assert!(codes(&report).contains(&"GP-STATUS-UNKNOWN"), "{report:?}");
    let all: Vec<_> = own.iter().cloned().chain([theirs]).collect();
    assert_eq!(verify(&all, &seen).outcome, Outcome::Passed);
    // A stranger's list withholds nothing.
    let stranger = Party::new(9);
    let mut seen = SeenLists::new();
    seen.insert((issuer.list_id(Purpose::Revocation), stranger.did), (7, NOW).into());
    assert_eq!(verify(&own, &seen).outcome, Outcome::Passed);
}

#[test]
fn finds_two_states_of_one_version_wherever_they_stand() {
    let (regulator, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&regulator]), |_| ());
    let trust = world::trust(&[&regulator], &[&role]);
    let visa = world::visa(&regulator, &holder, &role, |_| ());
    let change = Change { index: visa.status[0].index, set: true, at: days_ago(1) };
    let presentation = world::present(&holder, &[&world::issue(&regulator, &visa)]);
    let clear = world::list(&regulator, Purpose::Revocation, &[]);
    let set = world::list(&regulator, Purpose::Revocation, &[change]);
    let suspension = world::list(&regulator, Purpose::Suspension, &[]);
    let lists = [set, clear.clone(), clear.clone(), suspension];
    let report = world::verify(&presentation, &trust, &lists, &world::expectation());
    assert!(codes(&report).contains(&"GP-STATUS-FORK"), "{report:?}");
    let report = world::verify(&presentation, &trust, &lists[1..], &world::expectation());
    assert_eq!(report.outcome, Outcome::Passed, "{report:?}");
}

#[test]
fn refuses_a_list_that_takes_back_a_revocation() {
    let regulator = Party::new(1);
    let changes =
        [(true, 3), (false, 1)].map(|(set, days)| Change { index: 7, set, at: days_ago(days) });
    // It stays readable as a list of suspensions, which end.
    let suspended = world::list(&regulator, Purpose::Suspension, &changes);
    assert_eq!(suspended.changes(7).len(), 2);
    let document = suspended.secured().document();
    let mut bent = document.clone();
    bent["credentialSubject"]["statusPurpose"] = json!("revocation");
    let read = |document: &Value| {
        let text = world::raw_jwt(&regulator, "vc+jwt", document, suspended.dated);
        StatusList::read(world::reread(&text))
    };
    assert!(read(document).is_ok());
    assert_eq!(read(&bent).expect_err("for good").code().id(), "GP-STATUS-LIST-MALFORMED");
}

#[test]
fn a_presentation_is_no_sd_jwt() {
    let holder = Party::new(2);
    let text = world::raw_jwt(&holder, "vp+sd-jwt", &json!({"aud": AUDIENCE}), NOW);
    let error = Secured::parse(format!("{text}~").as_bytes(), Kind::Presentation);
    assert_eq!(error.expect_err("no form of a presentation").code().id(), "GP-SECURED-MALFORMED");
}

#[test]
fn refuses_an_id_that_json_ld_would_drop() {
    for id in ["urn:example:a|b", "urn:example:{x}", "https://x.example/a[0]", "urn:x:a^b"] {
        let (regulator, holder) = (Party::new(1), Party::new(2));
        let role = world::definition("flex.gb.aggregator", world::dids(&[&regulator]), |_| ());
        let visa = world::visa(&regulator, &holder, &role, |v| v.status[0].list = id.into());
        assert!(visa.to_credential().is_err(), "{id}");
    }
}
