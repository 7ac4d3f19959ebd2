//! A small trust framework for tests, made anew from numbers: parties, definitions, a charter,
//! visas, status lists and presentations, each of which a test can bend before it is signed.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::charter::{Charter, ListedRole, SignedCharter, SigningRule};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::context::CREDENTIALS_V2;
use gridpass_credentials::role::{IssuerRevocation, Parties, RoleDefinition, RoleName};
use gridpass_credentials::secured::{
    Binding, Form, Kind, Secured, Signer, secure_credential, secure_presentation,
};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Bits, Change, MIN_ENTRIES, NewStatusList, StatusList};
use gridpass_credentials::trust::{Trust, TrustPack};
use gridpass_credentials::vcdm::{Credential, Presentation};
use gridpass_credentials::verify::{
    Evidence, Expectation, SeenLists, VisaReport, verify_presentation, verify_presentation_with,
    verify_visa,
};
use gridpass_credentials::visa::{Purpose, StatusEntry, Visa};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use serde_json::{Map, Value, json};

/// The time of every test: 1 March 2026, noon.
pub const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);
/// A day, in milliseconds.
pub const DAY: u64 = 24 * 3600 * 1000;
/// Whom presentations are made for, unless a test says otherwise.
pub const AUDIENCE: &str = "did:example:dso";

/// So many days before [`NOW`].
#[must_use]
pub fn days_ago(days: u64) -> UnixMillis {
    UnixMillis::new(NOW.get() - days * DAY)
}

/// So many minutes before [`NOW`].
#[must_use]
pub fn minutes_ago(minutes: u64) -> UnixMillis {
    UnixMillis::new(NOW.get() - minutes * 60_000)
}

/// So many days after [`NOW`].
#[must_use]
pub fn in_days(days: u64) -> UnixMillis {
    NOW.plus_millis(days * DAY)
}

/// Somebody with a did:key.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its DID.
    pub did: Did,
    /// Its only key.
    pub key: SecretKey,
    /// The key's id.
    pub key_id: DidUrl,
}

impl Party {
    /// The party of a number.
    #[must_use]
    pub fn new(number: u8) -> Self {
        Self::with_key(number, KeyType::Ed25519)
    }

    /// The party of a number, with a key of a type.
    #[must_use]
    pub fn with_key(number: u8, key_type: KeyType) -> Self {
        let key = SecretKey::from_bytes(key_type, &[number; 32]).expect("a key");
        let did = method::key::from_public_key(&key.public_key()).expect("a DID");
        let key_id = did.with_fragment(did.method_specific_id()).expect("a key id");
        Self { did, key, key_id }
    }

    /// As a signer at a time.
    #[must_use]
    pub fn at(&self, now: UnixMillis) -> Signer<'_> {
        Signer { key: &self.key, key_id: &self.key_id, now }
    }

    /// The id of its status list of a purpose.
    #[must_use]
    pub fn list_id(&self, purpose: Purpose) -> String {
        format!("urn:example:{}:{}", self.did.method_specific_id(), purpose.name())
    }
}

/// A role definition that `issuers` may issue.
#[must_use]
pub fn definition(
    name: &str,
    issuers: Parties,
    bend: impl FnOnce(&mut RoleDefinition),
) -> RoleDefinition {
    let claims = json!({
        "type": "object",
        "properties": {"zone": {"type": "string"}, "capacityKw": {"type": "integer"}},
        "required": ["zone"],
        "additionalProperties": false,
    });
    let mut definition = RoleDefinition {
        document_type: gridpass_credentials::role::TYPE.into(),
        format_version: 1,
        name: RoleName::parse(name).expect("a role name"),
        version: "1.0.0".into(),
        previous: None,
        title: name.into(),
        description: "A role of a test.".into(),
        issuers,
        max_chain_depth: 4,
        revokers: None,
        preconditions: None,
        claims: claims.as_object().expect("an object").clone(),
        max_validity_seconds: 366 * 24 * 3600,
        max_status_age_seconds: 24 * 3600,
        issuer_revocation: IssuerRevocation::Keeps,
    };
    bend(&mut definition);
    definition
}

/// These DIDs.
#[must_use]
pub fn dids(parties: &[&Party]) -> Parties {
    Parties { dids: parties.iter().map(|p| p.did.clone()).collect(), roles: Vec::new() }
}

/// Holders of these roles.
#[must_use]
pub fn holders(definitions: &[&RoleDefinition]) -> Parties {
    Parties { dids: Vec::new(), roles: definitions.iter().map(|d| id(d)).collect() }
}

/// The CID of a definition.
#[must_use]
pub fn id(definition: &RoleDefinition) -> ContentId {
    definition.encode().expect("a definition").0
}

/// A definition as a charter lists it.
#[must_use]
pub fn listed(definition: &RoleDefinition) -> ListedRole {
    ListedRole {
        definition: id(definition),
        name: definition.name.clone(),
        retired: None,
        grace_seconds: None,
    }
}

/// The first charter, a hundred days old, of these roots, all of whom must sign.
#[must_use]
pub fn charter(roots: &[&Party], definitions: &[&RoleDefinition]) -> Charter {
    let signers: Vec<_> = roots.iter().map(|p| p.did.clone()).collect();
    let rule = SigningRule { threshold: signers.len(), signers: signers.clone() };
    let mut charter = Charter::first("Flexibility in tests", signers, rule, days_ago(100));
    charter.roles = definitions.iter().map(|d| listed(d)).collect();
    charter
}

/// A charter signed at its date.
#[must_use]
pub fn sign_charter(charter: Charter, signers: &[&Party]) -> SignedCharter {
    let dated = charter.dated;
    let mut signed = SignedCharter::unsigned(charter).expect("a charter");
    for signer in signers {
        signed.sign(signer.at(dated)).expect("signs");
    }
    signed
}

/// The bytes of a trust pack.
#[must_use]
pub fn pack(charters: &[SignedCharter], definitions: &[&RoleDefinition]) -> Vec<u8> {
    TrustPack::new(charters, definitions, Vec::new()).encode().expect("a pack").1
}

/// The trust in one charter of one set of roots.
#[must_use]
pub fn trust(roots: &[&Party], definitions: &[&RoleDefinition]) -> Trust {
    let signed = sign_charter(charter(roots, definitions), roots);
    Trust::open(&pack(&[signed], definitions), None, NOW).expect("a trust pack that holds")
}

/// The claims of a visa, unless a test says otherwise.
#[must_use]
pub fn claims() -> Map<String, Value> {
    json!({"zone": "GB-1", "capacityKw": 500}).as_object().expect("an object").clone()
}

/// A visa that was issued ten days ago for a hundred days, before it is signed.
#[must_use]
pub fn visa(
    issuer: &Party,
    subject: &Party,
    definition: &RoleDefinition,
    bend: impl FnOnce(&mut Visa),
) -> Visa {
    let entry = |purpose: Purpose| StatusEntry {
        purpose,
        list: issuer.list_id(purpose),
        index: u64::from(subject.key.public_key().to_bytes()[1]) * 100,
    };
    let mut visa = Visa {
        id: format!("urn:example:visa:{}:{}", definition.name, subject.did.method_specific_id()),
        issuer: issuer.did.clone(),
        subject: subject.did.clone(),
        definition: id(definition),
        role: definition.name.clone(),
        claims: claims(),
        valid_from: days_ago(10),
        valid_until: in_days(90),
        status: Purpose::ALL.into_iter().map(entry).collect(),
    };
    bend(&mut visa);
    visa
}

/// Signs a visa ten days ago, as a JWT.
#[must_use]
pub fn issue(issuer: &Party, visa: &Visa) -> Secured {
    issue_as(issuer, visa, Form::Jwt, days_ago(10))
}

/// Signs a visa in a form at a time.
#[must_use]
pub fn issue_as(issuer: &Party, visa: &Visa, form: Form, at: UnixMillis) -> Secured {
    let credential = visa.to_credential().expect("a visa");
    sign_credential(issuer, &credential, form, at)
}

/// Signs any credential; every claim of an SD-JWT can be withheld.
#[must_use]
pub fn sign_credential(
    issuer: &Party,
    credential: &Credential,
    form: Form,
    at: UnixMillis,
) -> Secured {
    let claims = credential.subjects().next().and_then(|s| s.get("claims")?.as_object());
    let names: Vec<&str> = match (form, claims) {
        (Form::SdJwt, Some(claims)) => claims.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let mut rng = UnwrapErr(SysRng);
    secure_credential(credential, form, &names, issuer.at(at), &mut rng).expect("signs")
}

/// A status list of a party with these entries set (by their changes), dated an hour ago.
#[must_use]
pub fn list(issuer: &Party, purpose: Purpose, changes: &[Change]) -> StatusList {
    list_by(issuer, issuer, purpose, changes, |_| ())
}

/// A status list under the id of one party, signed by another, bent before it is signed.
#[must_use]
pub fn list_by(
    owner: &Party,
    signer: &Party,
    purpose: Purpose,
    changes: &[Change],
    bend: impl FnOnce(&mut Value),
) -> StatusList {
    let mut bits = Bits::clear(MIN_ENTRIES);
    for change in changes {
        bits.set(change.index, change.set).expect("inside");
    }
    let dated = UnixMillis::new(NOW.get() - 3_600_000);
    let new = NewStatusList {
        id: &owner.list_id(purpose),
        issuer: &signer.did,
        purpose,
        version: 5,
        dated,
        expires: None,
        bits: &bits,
        changes,
    };
    let mut json = Value::Object(new.to_credential().expect("a list").json().clone());
    bend(&mut json);
    let credential = Credential::read(json).expect("a credential");
    // A test that bends its date bends the time of signing with it.
    let signed = credential.valid_from().unwrap_or(dated);
    StatusList::read(sign_credential(signer, &credential, Form::Jwt, signed))
        .expect("a status list")
}

/// The same, carrying the visas by which its signer may revoke.
#[must_use]
pub fn list_carrying(
    owner: &Party,
    signer: &Party,
    purpose: Purpose,
    changes: &[Change],
    authority: &[&Secured],
) -> StatusList {
    let members: Vec<Value> = authority.iter().map(|visa| visa.to_member()).collect();
    list_by(owner, signer, purpose, changes, |list| list["evidence"] = json!(members))
}

/// Both lists of each of these parties, with nothing set.
#[must_use]
pub fn clear_lists(parties: &[&Party]) -> Vec<StatusList> {
    let both = |p: &&Party| Purpose::ALL.map(|purpose| list(p, purpose, &[]));
    parties.iter().flat_map(both).collect()
}

/// A presentation for [`AUDIENCE`], with the nonce `n-1`, for ten minutes.
#[must_use]
pub fn present(holder: &Party, visas: &[&Secured]) -> Secured {
    present_as(holder, visas, Form::Jwt, &binding())
}

/// For [`AUDIENCE`], with the nonce `n-1`, for ten minutes.
#[must_use]
pub fn binding() -> Binding {
    Binding {
        audience: AUDIENCE.into(),
        nonce: Some("n-1".into()),
        expires: NOW.plus_millis(600_000),
    }
}

/// A presentation in a form, for somebody.
#[must_use]
pub fn present_as(holder: &Party, visas: &[&Secured], form: Form, binding: &Binding) -> Secured {
    let members: Vec<Value> = visas.iter().map(|v| v.to_member()).collect();
    let json = json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
        "verifiableCredential": members,
    });
    let presentation = Presentation::read(json).expect("a presentation");
    secure_presentation(&presentation, form, binding, holder.at(NOW)).expect("signs")
}

/// What [`present`] is expected to be.
#[must_use]
pub fn expectation() -> Expectation<'static> {
    Expectation {
        now: NOW,
        clock: NOW,
        audience: Some(AUDIENCE),
        nonce: Some("n-1"),
        presenter: None,
    }
}

/// Verifies a presentation, remembering nothing.
#[must_use]
pub fn verify(
    presentation: &Secured,
    trust: &Trust,
    lists: &[StatusList],
    expect: &Expectation<'_>,
) -> VisaReport {
    verify_bytes(presentation.text().as_bytes(), trust, lists, expect, &SeenLists::new())
}

/// Verifies the bytes of a presentation, given what was seen of status lists.
#[must_use]
pub fn verify_bytes(
    bytes: &[u8],
    trust: &Trust,
    lists: &[StatusList],
    expect: &Expectation<'_>,
    seen: &SeenLists,
) -> VisaReport {
    let resolver = OfflineResolver::new(&NoSnapshots);
    let evidence = Evidence { trust, lists, resolver: &resolver, seen };
    verify_presentation(bytes, &evidence, expect, &mut SignatureMemo::default())
}

/// Verifies a presentation with visas of others beside it that prove who may revoke.
#[must_use]
pub fn verify_with(
    presentation: &Secured,
    proofs: &[Vec<u8>],
    trust: &Trust,
    lists: &[StatusList],
) -> VisaReport {
    let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
    let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
    let (bytes, memo) = (presentation.text().as_bytes(), &mut SignatureMemo::default());
    verify_presentation_with(bytes, proofs, &evidence, &expectation(), memo)
}

/// Verifies a visa that nobody presents.
#[must_use]
pub fn verify_alone(
    visa: &Secured,
    supporting: &[&Secured],
    trust: &Trust,
    lists: &[StatusList],
) -> VisaReport {
    let resolver = OfflineResolver::new(&NoSnapshots);
    let seen = SeenLists::new();
    let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
    let supporting: Vec<_> = supporting.iter().map(|s| s.text().as_bytes().to_vec()).collect();
    let expect = Expectation { now: NOW, clock: NOW, audience: None, nonce: None, presenter: None };
    let memo = &mut SignatureMemo::default();
    verify_visa(visa.text().as_bytes(), &supporting, &evidence, &expect, memo)
}

/// Re-reads what a test bent by hand.
#[must_use]
pub fn reread(text: &str) -> Secured {
    Secured::parse(text.as_bytes(), Kind::Credential).expect("a secured credential")
}

/// Signs anything at all as a JWT with a header of the caller's choice.
#[must_use]
pub fn raw_jwt(signer: &Party, typ: &str, payload: &Value, at: UnixMillis) -> String {
    let header = gridpass_identity::jws::Header {
        kid: Some(signer.key_id.clone()),
        typ: Some(typ.into()),
        cty: None,
        iat: Some(at),
        aud: Vec::new(),
    };
    gridpass_identity::jws::sign(payload.to_string().as_bytes(), &signer.key, &header)
        .expect("signs")
}

/// Signs a document with a Data Integrity proof whose options the caller chooses.
#[must_use]
pub fn raw_proof(
    signer: &Party,
    document: &Value,
    suite: gridpass_credentials::integrity::Suite,
    bend: impl FnOnce(&mut gridpass_credentials::integrity::ProofOptions),
) -> Value {
    let mut options = gridpass_credentials::integrity::ProofOptions {
        suite,
        key_id: signer.key_id.clone(),
        purpose: Relationship::AssertionMethod,
        created: days_ago(10),
        expires: None,
        challenge: None,
        domain: None,
    };
    bend(&mut options);
    let proof = gridpass_credentials::integrity::sign(document, &options, &signer.key);
    let mut signed = document.clone();
    signed["proof"] = proof.expect("signs");
    signed
}
