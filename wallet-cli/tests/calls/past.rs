//! Verification as of a time that is over, by what is known since: files that were made on one day of March.

use crate::common::Place;
use crate::parties::Party;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::charter::{Charter, ListedRole, SignedCharter, SigningRule};
use gridpass_credentials::role::{IssuerRevocation, Parties, RoleDefinition, RoleName, TYPE};
use gridpass_credentials::secured::{Form, Signer, secure_credential};
use gridpass_credentials::status::{Bits, Change, MIN_ENTRIES, NewStatusList};
use gridpass_credentials::trust::TrustPack;
use gridpass_credentials::vcdm::Credential;
use gridpass_credentials::visa::{Purpose, StatusEntry, Visa};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_identity::time::UnixMillis;
use serde_json::json;

const INDEX: u64 = 4711;
/// Between what happened and what was published of it.
const ELEVEN: [&str; 2] = ["--at", "2026-03-01T11:00:00Z"];

/// An hour of 1 March 2026.
fn at(hour: u64) -> UnixMillis {
    UnixMillis::new(1_772_323_200_000 + hour * 3_600_000)
}

/// A regulator with a key of its own.
struct Regulator {
    did: Did,
    key: SecretKey,
    key_id: DidUrl,
    role: RoleDefinition,
}

impl Regulator {
    fn new() -> Self {
        let key = SecretKey::from_bytes(KeyType::Ed25519, &[7; 32]).expect("a key");
        let did = method::key::from_public_key(&key.public_key()).expect("a DID");
        let key_id = did.with_fragment(did.method_specific_id()).expect("a key id");
        let claims = json!({"type": "object", "properties": {"zone": {"type": "string"}}});
        let role = RoleDefinition {
            document_type: TYPE.into(),
            format_version: 1,
            name: RoleName::parse("flex.gb.aggregator").expect("a role name"),
            version: "1.0.0".into(),
            previous: None,
            title: "Aggregator".into(),
            description: "A role of a test.".into(),
            issuers: Parties { dids: vec![did.clone()], roles: Vec::new() },
            max_chain_depth: 4,
            revokers: None,
            preconditions: None,
            claims: claims.as_object().expect("an object").clone(),
            // Lists of that day count for as long as this test is run.
            max_validity_seconds: 316_000_000,
            max_status_age_seconds: 316_000_000,
            issuer_revocation: IssuerRevocation::Keeps,
        };
        Self { did, key, key_id, role }
    }

    fn signer(&self, hour: u64) -> Signer<'_> {
        Signer { key: &self.key, key_id: &self.key_id, now: at(hour) }
    }

    fn sign(&self, credential: &Credential, hour: u64) -> String {
        let mut rng = UnwrapErr(SysRng);
        let secured = secure_credential(credential, Form::Jwt, &[], self.signer(hour), &mut rng);
        secured.expect("signs").text().to_owned()
    }

    /// A pack whose charters were made at these hours.
    fn pack(&self, hours: &[u64]) -> String {
        let rule = SigningRule { threshold: 1, signers: vec![self.did.clone()] };
        let mut charters: Vec<SignedCharter> = Vec::new();
        for hour in hours {
            let charter = match charters.last() {
                Some(before) => before.charter().next(at(*hour)).expect("the next"),
                None => {
                    let roots = vec![self.did.clone()];
                    let mut first = Charter::first("A day", roots, rule.clone(), at(*hour));
                    first.roles = vec![ListedRole {
                        definition: self.role.encode().expect("a definition").0,
                        name: self.role.name.clone(),
                        retired: None,
                        grace_seconds: None,
                    }];
                    first
                }
            };
            let mut signed = SignedCharter::unsigned(charter).expect("a charter");
            signed.sign(self.signer(*hour)).expect("signs");
            charters.push(signed);
        }
        let (_, bytes) =
            TrustPack::new(&charters, &[&self.role], Vec::new()).encode().expect("a pack");
        String::from_utf8(bytes).expect("text")
    }

    fn list_id(purpose: Purpose) -> String {
        format!("urn:example:{}", purpose.name())
    }

    /// A visa that was issued at nine.
    fn visa(&self) -> String {
        let entry = |purpose| StatusEntry { purpose, list: Self::list_id(purpose), index: INDEX };
        let visa = Visa {
            id: "urn:example:visa".into(),
            issuer: self.did.clone(),
            subject: Did::parse("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp")
                .expect("a DID"),
            definition: self.role.encode().expect("a definition").0,
            role: self.role.name.clone(),
            claims: json!({"zone": "GB-1"}).as_object().expect("an object").clone(),
            valid_from: at(9),
            valid_until: at(9 + 24 * 366),
            status: Purpose::ALL.into_iter().map(entry).collect(),
        };
        self.sign(&visa.to_credential().expect("a visa"), 9)
    }

    /// A list of an hour, on which the visa was revoked at an hour.
    fn list(&self, purpose: Purpose, hour: u64, revoked: Option<u64>) -> String {
        let change = |hour: u64| Change { index: INDEX, set: true, at: at(hour) };
        let changes: Vec<Change> = revoked.into_iter().map(change).collect();
        let mut bits = Bits::clear(MIN_ENTRIES);
        bits.set(INDEX, !changes.is_empty()).expect("inside");
        let id = Self::list_id(purpose);
        let new = NewStatusList {
            id: &id,
            issuer: &self.did,
            purpose,
            version: hour,
            dated: at(hour),
            expires: None,
            bits: &bits,
            changes: &changes,
        };
        self.sign(&new.to_credential().expect("a list"), hour)
    }
}

/// The visa, the lists of nine, and a pack of eight.
fn nine(place: &Place) -> Regulator {
    let regulator = Regulator::new();
    place.write("visa.jwt", &regulator.visa());
    place.write("trust.json", &regulator.pack(&[8]));
    place.write("revocations-9.jwt", &regulator.list(Purpose::Revocation, 9, None));
    place.write("suspensions-9.jwt", &regulator.list(Purpose::Suspension, 9, None));
    regulator
}

const LISTS: [&str; 4] = ["--status", "revocations-9.jwt", "--status", "suspensions-9.jwt"];
const TRUST: [&str; 2] = ["--trust", "trust.json"];

#[test]
fn what_was_published_later_says_that_it_was_revoked_before() {
    let place = Place::new();
    let regulator = nine(&place);
    let dso = Party::new(&place, "dso");
    let verify = [&["visa", "verify", "visa.jwt"][..], &TRUST, &LISTS, &ELEVEN].concat();
    dso.verdict("GP-VISA-IN-FORCE", 0, &verify);
    place.write("twelve.jwt", &regulator.list(Purpose::Revocation, 12, Some(10)));
    let told = [&verify[..], &["--status", "twelve.jwt"]].concat();
    let report = dso.verdict("GP-VISA-REVOKED", 13, &told);
    assert_eq!(report.get("listsPassedOver"), None, "{report:#}");
    // By what was known then. Who gave a list is told that it does not count.
    let then = [&told[..], &["--clock", "2026-03-01T11:00:00Z"]].concat();
    let report = dso.verdict("GP-VISA-IN-FORCE", 0, &then);
    let passed_over = report["listsPassedOver"].as_array().expect("lists");
    assert_eq!(passed_over.len(), 1, "{report:#}");
    assert_eq!(passed_over[0]["code"], "GP-SIGNED-IN-FUTURE", "{report:#}");
    assert!(dso.ok(&then).stderr.contains("GP-SIGNED-IN-FUTURE"));
}

#[test]
fn a_report_by_a_clock_that_was_given_says_so() {
    let place = Place::new();
    let regulator = nine(&place);
    let dso = Party::new(&place, "dso");
    place.write("twelve.jwt", &regulator.list(Purpose::Revocation, 12, Some(10)));
    let known = ["--status", "twelve.jwt", "--report"];
    let verify = [&["visa", "verify", "visa.jwt"][..], &TRUST, &LISTS, &ELEVEN, &known].concat();
    let eleven = "2026-03-01T11:00:00Z";
    let given = [&verify[..], &["given.json", "--clock", eleven]].concat();
    let report = dso.verdict("GP-VISA-IN-FORCE", 0, &given);
    assert_eq!((&report["clock"], &report["clockGiven"]), (&json!(eleven), &json!(true)));
    // Of its text and of the file too.
    let file: serde_json::Value = serde_json::from_str(&place.read("given.json")).expect("JSON");
    assert_eq!((&file["clock"], &file["clockGiven"]), (&json!(eleven), &json!(true)));
    let given = [&verify[..], &["text.json", "--clock", eleven]].concat();
    let told = dso.ok(&given);
    let text = told.text();
    assert!(text.contains(&format!("known at {eleven}, the clock that was given")), "{text}");
    // By this machine's clock: what is known now, and nobody gave it.
    let report = dso.verdict("GP-VISA-REVOKED", 13, &[&verify[..], &["now.json"]].concat());
    assert!(report["clock"].as_str().is_some_and(|clock| clock > eleven), "{report:#}");
    assert!(report.get("clockGiven").is_none(), "{report:#}");
}

#[test]
fn a_list_that_was_seen_since_is_no_rollback() {
    let place = Place::new();
    let regulator = nine(&place);
    let dso = Party::new(&place, "dso");
    dso.ok(&["charter", "verify", "trust.json", "--adopt"]);
    place.write("twelve.jwt", &regulator.list(Purpose::Revocation, 12, None));
    dso.ok(&["status", "accept", "twelve.jwt"]);
    let verify = [&["visa", "verify", "visa.jwt"][..], &LISTS, &ELEVEN].concat();
    dso.verdict("GP-VISA-IN-FORCE", 0, &verify);
}

#[test]
fn the_newest_pack_judges_what_was_before_its_last_charter() {
    let place = Place::new();
    let regulator = nine(&place);
    let dso = Party::new(&place, "dso");
    place.write("newest.json", &regulator.pack(&[8, 13]));
    let newest = ["--trust", "newest.json"];
    let verify = [&["visa", "verify", "visa.jwt"][..], &newest, &LISTS, &ELEVEN].concat();
    dso.verdict("GP-VISA-IN-FORCE", 0, &verify);
    // Before its first charter there is nothing to judge by.
    let early = ["visa", "verify", "visa.jwt", "--trust", "newest.json", "--at"];
    dso.refused("GP-SIGNED-IN-FUTURE", 10, &[&early[..], &["2026-02-28T00:00:00Z"]].concat());
}
