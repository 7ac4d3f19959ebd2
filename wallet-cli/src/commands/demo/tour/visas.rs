//! The part of the demonstration about visas: a regulator, an aggregator, a DSO that verifies.

use super::{Party, Story};
use crate::codes;
use crate::context::{now, rng};
use crate::output::Failure;
use gridpass_credentials::charter::{Charter, ListedRole, SignedCharter, SigningRule};
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::context::CREDENTIALS_V2;
use gridpass_credentials::issuing::{Issued, Issuer, NewVisa};
use gridpass_credentials::keeping::{self, HeldVisa};
use gridpass_credentials::role::{self, IssuerRevocation, Parties, RoleDefinition, RoleName};
use gridpass_credentials::secured::{
    Binding, Form, Kind, Secured, SecuredError, Signer, secure_presentation,
};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Trust, TrustPack};
use gridpass_credentials::vcdm::Presentation;
use gridpass_credentials::verify::{
    Evidence, Expectation, SeenLists, VisaReport, verify_presentation,
};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _};
use gridpass_identity::wallet::identities::{Identity, NewDid};
use gridpass_identity::wallet::slot::Passphrase;
use serde_json::{Value, json};
use std::path::Path;

const ROLE: &str = "flex.gb.aggregator";
const AUDIENCE: &str = "did:web:dso-north.example";

impl Story {
    /// A verification of visas that must pass, or be refused with a reason.
    fn visas(&mut self, name: &'static str, what: &str, report: &VisaReport, code: Option<Code>) {
        let as_expected = match code {
            None => report.outcome == Outcome::Passed,
            Some(code) => report.outcome != Outcome::Passed && report.code == code,
        };
        let check = if as_expected {
            Check::passed(name, codes::IN_ORDER, "")
        } else {
            let message = format!("{} [{}]", report.sentence, report.code);
            Check::failed(name, identity_codes::INTERNAL, message)
        };
        let why = match code {
            None => String::new(),
            Some(code) => format!(": {} [{code}]", report.sentence),
        };
        self.step(name, format!("{what}{why}"), check);
    }
}

pub fn play(home: &Path, passphrase: &Passphrase, story: &mut Story) -> Result<(), Failure> {
    story.chapter("A regulator defines a role, signs a charter and issues a visa");
    let mut regulator = Party::new(home, "regulator", passphrase)?;
    let mut holder = Party::new(home, "flexgen", passphrase)?;
    let at = |host: &str| NewDid::Webvh { location: host.into(), witness: None };
    let officer = regulator.identity("root", at("regulator.example"))?;
    let me = holder.identity("root", at("flexgen.example"))?;
    holder.learn(&regulator.wallet, &officer.did)?;
    let trust = found(&mut regulator, &officer)?;
    story.done("charter", format!("trust pack {}", trust.id()));
    let pack = keeping::pinned_bytes(&regulator.wallet)?;
    keeping::pin(&mut holder.wallet, &pack, false, now(), &mut rng())?;
    let issued = issue(&mut regulator, &officer, &trust, &me)?;
    let held = HeldVisa::new(issued.text.clone(), issued.supporting.clone(), now());
    keeping::keep_visa(&mut holder.wallet, &held, &mut rng())?;
    story.done("visa", format!("a visa for {ROLE} until {}", issued.visa.valid_until));

    story.chapter("The aggregator shows its zone, and not its capacity");
    let mut lists = Vec::new();
    for text in &issued.lists {
        lists.push(keeping::read_list(text.as_bytes())?);
    }
    let presentation = present(&holder, &me, &issued)?;
    let check = |presentation: &str, audience: &str, lists: &[StatusList]| {
        verify(&holder, &trust, presentation, audience, lists)
    };
    let report = check(&presentation, AUDIENCE, &lists);
    story.visas("presented", "the DSO verifies the visa up to the charter's root", &report, None);
    let capacity = report.granted().any(|v| v.claims.contains_key("capacityKw"));
    let hidden = if capacity {
        Check::failed("withheld", identity_codes::INTERNAL, "the capacity was shown")
    } else {
        Check::passed("withheld", codes::IN_ORDER, "")
    };
    story.step("withheld", "it reads the zone, and cannot read the capacity", hidden);
    let report = check(&presentation, "did:web:tso.example", &lists);
    let code = credential_codes::AUDIENCE_OTHER;
    story.visas("passed on", "the presentation shown to somebody else", &report, Some(code));

    story.chapter("The regulator suspends the visa, reinstates it, revokes it");
    for (purpose, set, what, code) in [
        (Purpose::Suspension, true, "suspended", Some(credential_codes::VISA_SUSPENDED)),
        (Purpose::Suspension, false, "reinstated, it counts again", None),
        (Purpose::Revocation, true, "revoked", Some(credential_codes::VISA_REVOKED)),
    ] {
        let mut issuer =
            Issuer { wallet: &mut regulator.wallet, identity: &officer, trust: &trust, now: now() };
        lists.push(issuer.set_status(&issued.visa, purpose, set, None, &mut rng())?);
        let report = check(&presentation, AUDIENCE, &lists);
        story.visas("status", what, &report, code);
    }
    Ok(())
}

/// A role, and the charter that lists it: pinned in the regulator's own wallet.
fn found(regulator: &mut Party, officer: &Identity) -> Result<Trust, Failure> {
    let claims = json!({
        "type": "object",
        "properties": {"zone": {"type": "string"}, "capacityKw": {"type": "integer"}},
        "required": ["zone"],
        "additionalProperties": false,
    });
    let definition = RoleDefinition {
        document_type: role::TYPE.into(),
        format_version: role::FORMAT_VERSION,
        name: RoleName::parse(ROLE)?,
        version: "1.0.0".into(),
        previous: None,
        title: "Aggregator of flexibility".into(),
        description: "May offer the flexibility of others on local markets.".into(),
        issuers: Parties { dids: vec![officer.did.clone()], roles: Vec::new() },
        max_chain_depth: 3,
        revokers: None,
        preconditions: None,
        claims: claims.as_object().cloned().unwrap_or_default(),
        max_validity_seconds: 365 * 24 * 3600,
        max_status_age_seconds: 24 * 3600,
        issuer_revocation: IssuerRevocation::Keeps,
    };
    let wallet = &mut regulator.wallet;
    let id = keeping::keep_definition(wallet, &definition, &mut rng())?;
    let signers = vec![officer.did.clone()];
    let rule = SigningRule { threshold: 1, signers: signers.clone() };
    let mut charter =
        Charter::first("Flexibility, a demonstration", signers, rule, now().floor_to_second());
    let name = definition.name.clone();
    charter.roles.push(ListedRole { definition: id, name, retired: None, grace_seconds: None });
    let mut signed = SignedCharter::unsigned(charter)?;
    let (key_id, key) = wallet.active_secret(officer, Relationship::AssertionMethod)?;
    signed.sign(Signer { key: &key, key_id: &key_id, now: now() })?;
    let snapshots = wallet.snapshots(&officer.did)?;
    let identities = snapshots.iter().map(|s| IdentityMaterial::of(&officer.did, s)).collect();
    let (_, pack) = TrustPack::new(&[signed], &[&definition], identities).encode()?;
    Ok(keeping::pin(wallet, &pack, false, now(), &mut rng())?)
}

fn issue(
    regulator: &mut Party,
    officer: &Identity,
    trust: &Trust,
    to: &Identity,
) -> Result<Issued, Failure> {
    let claims = json!({"zone": "north", "capacityKw": 500});
    let new = NewVisa {
        subject: &to.did,
        role: ROLE,
        claims: claims.as_object().cloned().unwrap_or_default(),
        valid_from: now(),
        valid_until: None,
        form: Form::SdJwt,
        withholdable: &["capacityKw"],
        list_base: None,
    };
    let wallet = &mut regulator.wallet;
    let mut issuer = Issuer { wallet, identity: officer, trust, now: now() };
    let resolver = OfflineResolver::new(trust);
    Ok(issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?)
}

fn present(holder: &Party, me: &Identity, issued: &Issued) -> Result<String, Failure> {
    let secured = Secured::parse(issued.text.as_bytes(), Kind::Credential)?;
    let shown = Secured::parse(secured.disclose(&["zone"])?.as_bytes(), Kind::Credential)?;
    let json: Value = json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": me.did,
        "verifiableCredential": [shown.to_member()],
    });
    let presentation = Presentation::read(json).map_err(SecuredError::from)?;
    let (key_id, key) = holder.wallet.active_secret(me, Relationship::Authentication)?;
    let binding = Binding {
        audience: AUDIENCE.into(),
        nonce: Some("n-1".into()),
        expires: now().plus_millis(600_000),
    };
    let signer = Signer { key: &key, key_id: &key_id, now: now() };
    Ok(secure_presentation(&presentation, Form::Jwt, &binding, signer)?.text().to_owned())
}

/// As the DSO does it: with the trust pack, the lists, and the holder's published log.
fn verify(
    holder: &Party,
    trust: &Trust,
    presentation: &str,
    audience: &str,
    lists: &[StatusList],
) -> VisaReport {
    let resolver = OfflineResolver::new(&holder.wallet);
    let seen = SeenLists::new();
    let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
    let expect = Expectation {
        now: now(),
        clock: now(),
        audience: Some(audience),
        nonce: Some("n-1"),
        presenter: None,
    };
    let memo = &mut SignatureMemo::default();
    verify_presentation(presentation.as_bytes(), &evidence, &expect, memo)
}
