//! The flow: the picture of the design, walked as far as the project reaches.
//!
//! ```text
//! key -> DID -> visa -> presentation -> envelope -> gossip -> checks -> decision -> delivery
//!     -> log -> evidence bundle
//! ```
//! Today it goes from the key to the DID, to a signed and sealed message and back; and from the DID
//! to a visa and its presentation. Every later capability extends these tests.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::charter::{Charter, SignedCharter, SigningRule};
use gridpass_credentials::context::CREDENTIALS_V2;
use gridpass_credentials::issuing::{Issued, Issuer, NewVisa};
use gridpass_credentials::keeping::{self, HeldVisa};
use gridpass_credentials::many::Batch;
use gridpass_credentials::register;
use gridpass_credentials::role::Parties;
use gridpass_credentials::secured::{Binding, Form, Kind, Secured, Signer, secure_presentation};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Snapshots, TrustPack};
use gridpass_credentials::vcdm::Presentation;
use gridpass_credentials::verify::{Evidence, SeenLists, verify_presentation};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::jwe::JweIn;
use gridpass_identity::jws::JwsIn;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{OfflineResolver, ResolveError, SnapshotStore as _, Source};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::verify::{Expectation, verify_jws};
use gridpass_identity::wallet::identities::{Identity, IdentityKind, NewDid, NewIdentity};
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::{Passphrase, Unlock};
use gridpass_identity::wallet::{LockedWallet, Wallet};
use gridpass_tests::world;
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

pub(crate) const MARCH: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn party(
    dir: &Path,
    passphrase: &Passphrase,
    domain: &str,
) -> Result<(Wallet, Identity), Box<dyn std::error::Error>> {
    let store = Box::new(SledStore::create(dir)?);
    let (mut wallet, _) = Wallet::create(store, domain, passphrase, &mut rng(), MARCH)?;
    let did = NewDid::Webvh { location: domain.into(), witness: None };
    let new = NewIdentity { name: "root".into(), kind: IdentityKind::Participant, did };
    let identity = wallet.new_identity(&new, &mut rng(), MARCH)?;
    Ok((wallet, identity))
}

/// A regulator and an aggregator, each with a wallet of its own in a folder.
pub(crate) fn two_parties(
    folder: &Path,
) -> Result<[(Wallet, Identity); 2], Box<dyn std::error::Error>> {
    let passphrase = Passphrase::new("a passphrase of the flow");
    let regulator = party(&folder.join("regulator"), &passphrase, "regulator.example")?;
    Ok([regulator, party(&folder.join("agg"), &passphrase, "agg.example")?])
}

#[test]
fn the_flow_from_key_to_sealed_message_and_back() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");

    // key -> DID: each participant has a wallet on its own disk and a DID with a log.
    let dso_dir = temp.path().join("dso");
    let (mut dso, dso_id) = party(&dso_dir, &passphrase, "dso.example")?;
    let (mut aggregator, aggregator_id) =
        party(&temp.path().join("agg"), &passphrase, "agg.example")?;

    // They exchange their logs as files, and each verifies the other's without a network.
    for snapshot in aggregator.snapshots(&aggregator_id.did)? {
        dso.save_snapshot(&aggregator_id.did, &snapshot, &mut rng())?;
    }
    for snapshot in dso.snapshots(&dso_id.did)? {
        aggregator.save_snapshot(&dso_id.did, &snapshot, &mut rng())?;
    }

    // DID -> signed and sealed message.
    let later = MARCH.plus_millis(60_000);
    let resolver = OfflineResolver::new(&aggregator);
    let to = std::slice::from_ref(&dso_id.did);
    let sealed = aggregator.seal(b"10 MW", to, Some(&aggregator_id), &resolver, later)?;

    // The recipient's process ends and comes back before it opens the message.
    drop(dso);
    let dso = LockedWallet::open(Box::new(SledStore::open(&dso_dir)?))?
        .unlock(Unlock::Passphrase(&passphrase))?;
    let opened = dso.open(&JweIn::parse(&sealed)?)?;
    let jws = JwsIn::parse(std::str::from_utf8(opened.content.expose_secret())?)?;
    let expect = Expectation {
        purpose: Relationship::Authentication,
        now: later,
        proven_at: None,
        signer: Some(aggregator_id.did.clone()),
        audience: Some(dso_id.did.clone()),
    };
    let resolver = OfflineResolver::new(&dso);
    let verification = verify_jws(&jws, None, &resolver, &expect)?;
    assert_eq!(verification.payload(), Some(b"10 MW".as_slice()), "{:?}", verification.report);
    assert_eq!(verification.source, Some(Source::VerifiedLog));
    assert_eq!(verification.age_millis, Some(60_000));

    // Addressed to the DSO: shown to the aggregator's own wallet it is somebody else's.
    let expect = Expectation { audience: Some(aggregator_id.did.clone()), ..expect };
    let verification = verify_jws(&jws, None, &resolver, &expect)?;
    assert_eq!(verification.payload(), None);
    assert_eq!(verification.report.deciding().map(|c| c.code), Some(codes::NOT_ADDRESSED));
    Ok(())
}

pub(crate) fn documents(wallet: &Wallet, did: &Did) -> Result<Vec<IdentityMaterial>, ResolveError> {
    Ok(wallet.snapshots(did)?.iter().map(|s| IdentityMaterial::of(did, s)).collect())
}

/// The trust pack of a framework with one role, which its officer grants.
pub(crate) fn found(
    regulator: &Wallet,
    officer: &Identity,
) -> Result<TrustPack, Box<dyn std::error::Error>> {
    let officers = Parties { dids: vec![officer.did.clone()], roles: vec![] };
    let role = world::definition("flex.gb.aggregator", officers, |_| ());
    let rule = SigningRule { threshold: 1, signers: vec![officer.did.clone()] };
    let mut charter = Charter::first("Flexibility", vec![officer.did.clone()], rule, MARCH);
    charter.roles.push(world::listed(&role));
    let mut signed = SignedCharter::unsigned(charter)?;
    let (key_id, key) = regulator.active_secret(officer, Relationship::AssertionMethod)?;
    signed.sign(Signer { key: &key, key_id: &key_id, now: MARCH })?;
    Ok(TrustPack::new(&[signed], &[&role], documents(regulator, &officer.did)?))
}

pub(crate) fn new_visa(subject: &Did, now: UnixMillis) -> NewVisa<'_> {
    NewVisa {
        subject,
        role: "flex.gb.aggregator",
        claims: world::claims(),
        valid_from: now,
        valid_until: None,
        form: Form::Jwt,
        withholdable: &[],
        list_base: None,
    }
}

/// A program that ends in the middle gives no place twice, and nobody has a visa that the register lacks.
#[test]
fn visas_of_a_batch_have_places_of_their_own_whatever_becomes_of_it() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (_, me) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let (_, pack) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;
    let now = MARCH.plus_millis(60_000);
    let new = new_visa(&me.did, now);
    let unfit = NewVisa { claims: serde_json::Map::new(), ..new.clone() };
    let resolver = OfflineResolver::new(&trust);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let mut places = BTreeSet::new();
    let mut take = |issued: &Issued| {
        for entry in &issued.visa.status {
            assert!(places.insert((entry.list.clone(), entry.index)), "{entry:?} is given twice");
        }
    };
    let mut lost = Batch::new(issuer.wallet, 4)?;
    for _ in 0..3 {
        take(&lost.prepare(&mut issuer, (&new, None), (&[], &[]), &resolver, &mut rng())?);
    }
    drop(lost);
    assert!(register::issued(issuer.wallet)?.is_empty());

    let mut batch = Batch::new(issuer.wallet, 4)?;
    let refused = batch.prepare(&mut issuer, (&unfit, None), (&[], &[]), &resolver, &mut rng());
    assert_eq!(
        refused.expect_err("it does not fit").code(),
        gridpass_credentials::codes::CLAIMS_UNFIT
    );
    assert_eq!(batch.waiting(), 0);
    let mut lists = BTreeSet::new();
    for _ in 0..6 {
        let made = batch.prepare(&mut issuer, (&new, None), (&[], &[]), &resolver, &mut rng())?;
        assert_eq!(made.report.outcome, Outcome::Passed);
        take(&made);
        lists.insert(made.lists);
    }
    assert_eq!(lists.len(), 2, "signed once for the places that are taken together");
    assert_eq!(batch.waiting(), 6);
    assert!(register::issued(issuer.wallet)?.is_empty(), "not entered yet");
    batch.enter(issuer.wallet, now, &mut rng())?;
    assert_eq!((register::issued(issuer.wallet)?.len(), batch.waiting()), (6, 0));
    take(&issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?);
    // Two places are left, whose lists would be too old by and by.
    issuer.now = now.plus_millis(120_000);
    let late = batch.prepare(&mut issuer, (&new, None), (&[], &[]), &resolver, &mut rng())?;
    take(&late);
    assert!(lists.insert(late.lists), "signed anew");
    Ok(())
}

#[test]
fn the_flow_from_key_to_presentation() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let regulator_dir = temp.path().join("regulator");
    let (mut regulator, officer) = party(&regulator_dir, &passphrase, "regulator.example")?;
    let (mut aggregator, me) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;

    // DID -> role definition, charter, trust pack: the regulator founds a framework.
    let (_, pack) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;

    // -> visa: issued, entered in the register, accepted.
    let now = MARCH.plus_millis(60_000);
    let new = new_visa(&me.did, now);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let issued = issuer.issue(&new, (&[], &[]), &OfflineResolver::new(&trust), &mut rng())?;
    let held = HeldVisa::new(issued.text.clone(), issued.supporting.clone(), now);
    keeping::keep_visa(&mut aggregator, &held, &mut rng())?;

    // The regulator's process ends, comes back, and rotates its keys: the visa stays good.
    drop(regulator);
    let mut regulator = LockedWallet::open(Box::new(SledStore::open(&regulator_dir)?))?
        .unlock(Unlock::Passphrase(&passphrase))?;
    assert_eq!(register::issued(&regulator)?.len(), 1);
    let later = now.plus_millis(3_600_000);
    let officer = regulator.rotate(&officer, None, &mut rng(), later)?;

    // -> presentation, to somebody who has the trust pack, the lists and both logs.
    let now = later.plus_millis(60_000);
    let secured = Secured::parse(
        keeping::visa(&aggregator, "flex.gb.aggregator")?.text.as_bytes(),
        Kind::Credential,
    )?;
    let presentation = Presentation::read(serde_json::json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": me.did,
        "verifiableCredential": [secured.to_member()],
    }))?;
    let binding = Binding {
        audience: "did:web:dso.example".into(),
        nonce: None,
        expires: now.plus_millis(600_000),
    };
    let (key_id, key) = aggregator.active_secret(&me, Relationship::Authentication)?;
    let signer = Signer { key: &key, key_id: &key_id, now };
    let presented = secure_presentation(&presentation, Form::Jwt, &binding, signer)?;
    let mut known = documents(&aggregator, &me.did)?;
    known.extend(documents(&regulator, &officer.did)?);
    let snapshots = Snapshots::read(&known)?;
    let resolver = OfflineResolver::new(&snapshots);
    let lists = |texts: &[String]| -> Result<Vec<_>, Box<dyn std::error::Error>> {
        texts.iter().map(|t| Ok(keeping::read_list(t.as_bytes())?)).collect()
    };
    let verify = |lists: &[StatusList]| {
        let (seen, trust) = (SeenLists::new(), &trust);
        let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
        let audience = Some(binding.audience.as_str());
        let expect = gridpass_credentials::verify::Expectation {
            now,
            clock: now,
            audience,
            nonce: None,
            presenter: None,
        };
        let memo = &mut SignatureMemo::default();
        verify_presentation(presented.text().as_bytes(), &evidence, &expect, memo)
    };
    let mut all = lists(&issued.lists)?;
    let report = verify(&all);
    assert_eq!(report.outcome, Outcome::Passed, "{report:#?}");
    assert!(report.visas[0].checks.iter().any(|c| c.code == codes::KEY_ROTATED_SINCE));
    assert!(report.ages.iter().any(|a| a.what.starts_with("document of did:webvh:")));

    // Revoked with the new key: refused, with the same presentation.
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let visa = register::find_issued(issuer.wallet, me.did.as_str(), |_, _| true)?.read()?;
    all.push(issuer.set_status(&visa, Purpose::Revocation, true, None, &mut rng())?);
    let report = verify(&all);
    assert_eq!(report.code, gridpass_credentials::codes::VISA_REVOKED, "{}", report.sentence);

    // The holder rotates, too: its old key presents no more, though it says that it signed before.
    let after = now.plus_millis(60_000);
    aggregator.rotate(&me, None, &mut rng(), after)?;
    known.extend(documents(&aggregator, &me.did)?);
    let snapshots = Snapshots::read(&known)?;
    let resolver = OfflineResolver::new(&snapshots);
    let (seen, trust) = (SeenLists::new(), &trust);
    let lists = lists(&issued.lists)?;
    let evidence = Evidence { trust, lists: &lists, resolver: &resolver, seen: &seen };
    let expect = gridpass_credentials::verify::Expectation {
        now: after.plus_millis(1000),
        clock: after.plus_millis(1000),
        audience: Some(&binding.audience),
        nonce: None,
        presenter: None,
    };
    let (new_id, new_key) = aggregator
        .active_secret(&aggregator.identity(me.did.as_str())?, Relationship::Authentication)?;
    for (signer, outcome) in [
        (signer, Outcome::Failed),
        (Signer { key: &new_key, key_id: &new_id, now: expect.now }, Outcome::Passed),
    ] {
        let presented = secure_presentation(&presentation, Form::Jwt, &binding, signer)?;
        let memo = &mut SignatureMemo::default();
        let bytes = presented.text().as_bytes();
        let report = verify_presentation(bytes, &evidence, &expect, memo);
        assert_eq!(report.outcome, outcome, "{report:#?}");
    }
    Ok(())
}
