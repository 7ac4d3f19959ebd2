//! Presentations and node authorisations, with what a verifier relies on.

use crate::credentials::visa_verdict;
use crate::made::{Made, told, with_code};
use crate::{Case, Found};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::context::CREDENTIALS_V2;
use gridpass_credentials::integrity::{ProofOptions, Suite};
use gridpass_credentials::keeping;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::Secured;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{
    AuthorisationExpectation, Evidence, SeenLists, verify_authorisation,
};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::messages::authorise;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use serde_json::{Value, json};

/// The whole verification of a presentation, by its outcome and code alone.
pub(crate) fn presentation(case: &Case) -> Found {
    let mut found = visa_verdict(case);
    found.remove("report");
    found
}

/// Whether a node acts for a participant.
pub(crate) fn authorisation(case: &Case) -> Found {
    let text = |name: &str| case.text(name).unwrap_or_else(|| panic!("{name}"));
    let now = UnixMillis::parse_rfc3339(text("now")).expect("a time");
    let trust = Trust::open(text("trust_pack").as_bytes(), None, now).expect("a pack that holds");
    let lists: Vec<StatusList> = case.input["status_lists"]
        .as_array()
        .expect("status lists")
        .iter()
        .map(|l| keeping::read_list(l.as_str().expect("text").as_bytes()).expect("a list"))
        .collect();
    let did = |name: &str| Did::parse(text(name)).expect("a DID");
    let purpose: NodePurpose =
        serde_json::from_value(case.input["purpose"].clone()).expect("a purpose");
    let channel = ContentId::parse(text("channel")).expect("a CID");
    let (principal, node) = (did("participant"), did("node"));
    let expect = AuthorisationExpectation {
        now,
        clock: now,
        principal: &principal,
        node: &node,
        purpose,
        channel: Some(&channel),
        max_status_age_seconds: case.input["max_status_age_seconds"].as_u64().expect("a number"),
    };
    let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
    let evidence = Evidence { trust: &trust, lists: &lists, resolver: &resolver, seen: &seen };
    let bytes = text("authorisation").as_bytes();
    let found = verify_authorisation(bytes, &evidence, &expect, &mut SignatureMemo::default());
    Found::from([
        ("evidence", json!(found.evidence)),
        ("outcome", json!(found.report.outcome())),
        ("code", json!(found.report.deciding().map(|c| c.code))),
        ("checks", told(&found.report.checks)),
    ])
}

/// A regulator, a holder, the role between them.
struct Stage {
    root: Party,
    holder: Party,
    role: RoleDefinition,
    pack: String,
}

impl Stage {
    fn new() -> Self {
        let (root, holder) = (Party::new(1), Party::new(3));
        let role = world::definition("flex.gb.supplier", world::dids(&[&root]), |_| ());
        let signed = world::sign_charter(world::charter(&[&root], &[&role]), &[&root]);
        let pack = String::from_utf8(world::pack(&[signed], &[&role])).expect("text");
        Self { root, holder, role, pack }
    }

    fn visa(&self) -> Secured {
        world::issue(&self.root, &world::visa(&self.root, &self.holder, &self.role, |_| ()))
    }

    fn case(&self, name: &str, presentation: &str, code: &'static str) -> Made {
        let lists = world::clear_lists(&[&self.root]);
        let lists: Vec<&str> = lists.iter().map(|l| l.secured().text()).collect();
        let input = json!({
            "presentation": presentation,
            "trust_pack": self.pack,
            "status_lists": lists,
            "now": NOW,
            "audience": world::AUDIENCE,
            "nonce": "n-1",
        });
        with_code(name, input, code)
    }
}

pub(crate) fn presentations() -> Vec<Made> {
    let stage = Stage::new();
    let (visa, holder) = (stage.visa(), &stage.holder);
    let whole = json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
        "verifiableCredential": [visa.to_member()],
        "aud": world::AUDIENCE,
        "nonce": "n-1",
        "exp": NOW.plus_millis(600_000).get() / 1000,
    });
    let with = |name: &str, value: Value| {
        let mut bent = whole.clone();
        bent[name] = value;
        bent
    };
    let without = |name: &str| {
        let mut bent = whole.clone();
        bent.as_object_mut().expect("an object").remove(name);
        bent
    };
    let jwt = |payload: &Value| world::raw_jwt(holder, "vp+jwt", payload, NOW);
    let many: Vec<Value> = (0..65).map(|_| visa.to_member()).collect();
    let seconds = NOW.get() / 1000;
    let mut cases = vec![
        stage.case("for this verifier", &jwt(&whole), "GP-VISA-IN-FORCE"),
        stage.case(
            "for this verifier and another",
            &jwt(&with("aud", json!([world::AUDIENCE, "did:example:x"]))),
            "GP-VISA-IN-FORCE",
        ),
        stage.case("for another", &jwt(&with("aud", json!("did:example:x"))), "GP-AUDIENCE-OTHER"),
        stage.case("for nobody", &jwt(&without("aud")), "GP-AUDIENCE-OTHER"),
        stage.case("without an end", &jwt(&without("exp")), "GP-PRESENTATION-UNBOUND"),
        stage.case(
            "in its last second",
            &jwt(&with("exp", json!(seconds + 1))),
            "GP-VISA-IN-FORCE",
        ),
        stage.case("at its end", &jwt(&with("exp", json!(seconds))), "GP-PROOF-EXPIRED"),
        stage.case("without the nonce", &jwt(&without("nonce")), "GP-NONCE-OTHER"),
        stage.case("with another nonce", &jwt(&with("nonce", json!("n-2"))), "GP-NONCE-OTHER"),
        stage.case("no visa", &jwt(&with("verifiableCredential", json!([]))), "GP-VISA-COUNT"),
        stage.case("65 visas", &jwt(&with("verifiableCredential", json!(many))), "GP-VISA-COUNT"),
        stage.case(
            "another holder than who signed",
            &jwt(&with("holder", json!(Party::new(4).did))),
            "GP-SIGNER-OTHER",
        ),
        stage.case("no holder", &jwt(&without("holder")), "GP-VISA-IN-FORCE"),
        stage.case(
            "another type",
            &jwt(&with("type", json!(["VerifiableCredential"]))),
            "GP-VC-MODEL",
        ),
        stage.case(
            "another context first",
            &jwt(&with("@context", json!(["https://w3id.org/gridpass/v1"]))),
            "GP-VC-MODEL",
        ),
        stage.case(
            "another context that nobody knows, in a JWT",
            &jwt(&with("@context", json!([CREDENTIALS_V2, "https://example.com/x"]))),
            "GP-VISA-IN-FORCE",
        ),
        stage.case("a vp claim", &jwt(&with("vp", json!({}))), "GP-SECURED-MALFORMED"),
        stage.case("another typ", &world::raw_jwt(holder, "JWT", &whole, NOW), "GP-SECURED-TYPE"),
        stage.case(
            "a credential's typ",
            &world::raw_jwt(holder, "vc+jwt", &whole, NOW),
            "GP-SECURED-TYPE",
        ),
        stage.case(
            "signed five minutes ahead",
            &world::raw_jwt(holder, "vp+jwt", &whole, NOW.plus_millis(300_000)),
            "GP-VISA-IN-FORCE",
        ),
        stage.case(
            "signed further ahead",
            &world::raw_jwt(holder, "vp+jwt", &whole, NOW.plus_millis(301_000)),
            "GP-SIGNED-IN-FUTURE",
        ),
        stage.case(
            "no visa of its own",
            &world::raw_jwt(
                &Party::new(4),
                "vp+jwt",
                &with("holder", json!(Party::new(4).did)),
                NOW,
            ),
            "GP-PRESENTER-OTHER",
        ),
        stage.case("an SD-JWT", &format!("{}~", jwt(&whole)), "GP-SECURED-MALFORMED"),
        stage.case("a text that is none", "not.a.presentation", "GP-JWS-MALFORMED"),
    ];
    cases.extend(proven(&stage, &visa));
    cases
}

/// Presentations as JSON with a proof.
fn proven(stage: &Stage, visa: &Secured) -> Vec<Made> {
    let bare = json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": stage.holder.did,
        "verifiableCredential": [visa.to_member()],
    });
    let fine = |o: &mut ProofOptions| {
        o.purpose = Relationship::Authentication;
        o.created = NOW;
        o.expires = Some(NOW.plus_millis(600_000));
        o.challenge = Some("n-1".into());
        o.domain = Some(world::AUDIENCE.into());
    };
    let signed = |suite: Suite, bend: &dyn Fn(&mut ProofOptions)| {
        world::raw_proof(&stage.holder, &bare, suite, |o| {
            fine(o);
            bend(o);
        })
    };
    let jcs = |bend: &dyn Fn(&mut ProofOptions)| signed(Suite::EddsaJcs2022, bend).to_string();
    let altered = |bend: &dyn Fn(&mut Value)| {
        let mut whole = signed(Suite::EddsaJcs2022, &|_| ());
        bend(&mut whole);
        whole.to_string()
    };
    let mut inline = signed(Suite::EddsaRdfc2022, &|_| ());
    inline["@context"] = json!([CREDENTIALS_V2, {"x": "https://example.com/x"}]);
    vec![
        stage.case("a proof over JCS", &jcs(&|_| ()), "GP-VISA-IN-FORCE"),
        stage.case(
            "a proof over RDF",
            &signed(Suite::EddsaRdfc2022, &|_| ()).to_string(),
            "GP-VISA-IN-FORCE",
        ),
        stage.case(
            "a proof for another purpose",
            &jcs(&|o| o.purpose = Relationship::AssertionMethod),
            "GP-PROOF-PURPOSE",
        ),
        stage.case(
            "a proof for another domain",
            &jcs(&|o| o.domain = Some("did:example:x".into())),
            "GP-AUDIENCE-OTHER",
        ),
        stage.case("a proof without a domain", &jcs(&|o| o.domain = None), "GP-AUDIENCE-OTHER"),
        stage.case(
            "a proof with another challenge",
            &jcs(&|o| o.challenge = Some("n-2".into())),
            "GP-NONCE-OTHER",
        ),
        stage.case("a proof that expired", &jcs(&|o| o.expires = Some(NOW)), "GP-PROOF-EXPIRED"),
        stage.case(
            "a proof with an unknown member",
            &altered(&|w| w["proof"]["note"] = json!("x")),
            "GP-PROOF-MALFORMED",
        ),
        stage.case(
            "a proof of an unknown suite",
            &altered(&|w| w["proof"]["cryptosuite"] = json!("x")),
            "GP-PROOF-MALFORMED",
        ),
        stage.case(
            "two proofs",
            &altered(&|w| w["proof"] = json!([w["proof"], w["proof"]])),
            "GP-SECURED-MALFORMED",
        ),
        stage.case("no proof", &bare.to_string(), "GP-SECURED-MALFORMED"),
        stage.case(
            "a member that was changed",
            &altered(&|w| w["id"] = json!("urn:example:x")),
            "GP-SIGNATURE-INVALID",
        ),
        stage.case(
            "another context than its proof has",
            &altered(&|w| w["@context"] = json!([CREDENTIALS_V2, "https://w3id.org/gridpass/v1"])),
            "GP-PROOF-MALFORMED",
        ),
        stage.case("an inline context under RDF", &inline.to_string(), "GP-CONTEXT-UNKNOWN"),
    ]
}

pub(crate) fn authorisations() -> Vec<Made> {
    let stage = Stage::new();
    let [participant, node, other] = [3, 4, 5].map(Party::new);
    let channel = ContentId::of_bytes(b"a channel").expect("a name");
    let elsewhere = ContentId::of_bytes(b"another channel").expect("a name");
    let clear = || vec![world::list(&participant, Purpose::Revocation, &[])];
    let input = |authorisation: &Secured, lists: &[StatusList], age: u64| {
        json!({
            "authorisation": authorisation.text(),
            "trust_pack": stage.pack,
            "status_lists": lists.iter().map(|l| l.secured().text()).collect::<Vec<_>>(),
            "participant": participant.did,
            "node": node.did,
            "purpose": "messages",
            "channel": channel,
            "now": NOW,
            "max_status_age_seconds": age,
        })
    };
    let day = 24 * 3600;
    let good = authorise(&participant, &node, |_| ());
    let bent = |bend: &dyn Fn(&mut gridpass_credentials::authorisation::NodeAuthorisation)| {
        input(&authorise(&participant, &node, |a| bend(a)), &clear(), day)
    };
    let change = [Change { index: 77, set: true, at: days_ago(1) }];
    let revoked = [world::list(&participant, Purpose::Revocation, &change)];
    let mut sealing = input(&good, &clear(), day);
    sealing["purpose"] = json!("sealing");
    let mut of_other = input(&good, &clear(), day);
    of_other["node"] = json!(other.did);
    let by_other = authorise(&other, &node, |a| a.principal = participant.did.clone());
    let mut sd_jwt = input(&good, &clear(), day);
    // One without disclosures.
    let text = world::raw_jwt(&participant, "vc+sd-jwt", good.document(), days_ago(1));
    sd_jwt["authorisation"] = json!(format!("{text}~"));
    vec![
        with_code("it holds", input(&good, &clear(), day), "GP-STATUS-CLEAR"),
        with_code(
            "for this channel",
            bent(&|a| a.channels = Some([channel.clone()].into())),
            "GP-STATUS-CLEAR",
        ),
        with_code(
            "for another channel",
            bent(&|a| a.channels = Some([elsewhere.clone()].into())),
            "GP-NODE-NOT-AUTHORISED",
        ),
        with_code("for another purpose", sealing, "GP-NODE-NOT-AUTHORISED"),
        with_code("of another node", of_other, "GP-NODE-NOT-AUTHORISED"),
        with_code("signed by somebody else", input(&by_other, &clear(), day), "GP-SIGNER-OTHER"),
        with_code("revoked", input(&good, &revoked, day), "GP-VISA-REVOKED"),
        with_code("its list is missing", input(&good, &[], day), "GP-STATUS-UNKNOWN"),
        with_code(
            "its list is as old as it may be",
            input(&good, &clear(), 3600),
            "GP-STATUS-CLEAR",
        ),
        with_code("its list is too old", input(&good, &clear(), 3599), "GP-STATUS-STALE"),
        with_code("not yet", bent(&|a| a.valid_from = NOW.plus_millis(1000)), "GP-VISA-NOT-YET"),
        with_code("over", bent(&|a| a.valid_until = NOW), "GP-VISA-EXPIRED"),
        with_code("for 90 days", bent(&|a| a.valid_until = in_days(89)), "GP-STATUS-CLEAR"),
        with_code(
            "for longer",
            bent(&|a| a.valid_until = in_days(89).plus_millis(1000)),
            "GP-VISA-VALIDITY-TOO-LONG",
        ),
        with_code("an SD-JWT", sd_jwt, "GP-VISA-MALFORMED"),
    ]
}
