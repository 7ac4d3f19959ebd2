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
use gridpass_credentials::accepting::accept;
use gridpass_credentials::charter::{Charter, SignedCharter, SigningRule};
use gridpass_credentials::clock::believe_clock;
use gridpass_credentials::codes as reasons;
use gridpass_credentials::context::CREDENTIALS_V2;
use gridpass_credentials::issuing::{Issued, Issuer, NewVisa};
use gridpass_credentials::keeping::{self, HeldVisa};
use gridpass_credentials::many::Batch;
use gridpass_credentials::presenting::{Showing, present};
use gridpass_credentials::register;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::Parties;
use gridpass_credentials::secured::{Binding, Form, Kind, Secured, Signer, secure_presentation};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Snapshots, TrustPack};
use gridpass_credentials::vcdm::Presentation;
use gridpass_credentials::verify::{Evidence, SeenLists, verify_presentation, verify_visa};
use gridpass_credentials::visa::{Purpose, StatusEntry};
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

fn documents(wallet: &Wallet, did: &Did) -> Result<Vec<IdentityMaterial>, ResolveError> {
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

fn new_visa(subject: &Did, now: UnixMillis) -> NewVisa<'_> {
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

/// When a log was obtained is its sender's word: dated ahead, it would be the newest for ever, and
/// what goes on from it be refused.
#[test]
fn a_log_that_is_dated_ahead_does_not_stay_the_newest() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (mut aggregator, me) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let mut pack = found(&regulator, &officer)?;
    let (_, bytes) = pack.encode()?;
    let trust = keeping::pin(&mut regulator, &bytes, false, MARCH, &mut rng())?;
    keeping::pin(&mut aggregator, &bytes, false, MARCH, &mut rng())?;

    // With a visa it is kept, as of the time when it came.
    let now = MARCH.plus_millis(60_000);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let new = new_visa(&me.did, now);
    let issued = issuer.issue(&new, (&[], &[]), &OfflineResolver::new(&trust), &mut rng())?;
    let mut parcel = issued.to_parcel(&regulator)?;
    for material in &mut parcel.identities {
        material.seen = UnixMillis::MAX;
        material.confirmed = Some(UnixMillis::MAX);
    }
    assert_eq!(parcel.identities.len(), 1);
    assert_eq!(accept(&mut aggregator, &parcel, now, &mut rng())?.outcome, Outcome::Passed);
    let kept = aggregator.snapshots(&officer.did)?;
    assert_eq!(kept.iter().map(|s| (s.seen, s.confirmed)).collect::<Vec<_>>(), [(now, None)]);

    let later = now.plus_millis(3_600_000);
    regulator.rotate(&officer, None, &mut rng(), later)?;
    for longer in regulator.snapshots(&officer.did)? {
        aggregator.save_snapshot(&officer.did, &longer, &mut rng())?;
        assert_eq!(aggregator.snapshots(&officer.did)?, [longer]);
    }

    // In a trust pack, which is kept as it is, it is refused.
    for material in &mut pack.identities {
        material.seen = later.plus_millis(300_001);
    }
    let (_, ahead) = pack.encode()?;
    let refused = keeping::pin(&mut aggregator, &ahead, false, later, &mut rng());
    let code = refused.expect_err("dated ahead").code();
    assert_eq!(code, gridpass_credentials::codes::TRUST_PACK_MALFORMED);
    keeping::pin(&mut aggregator, &ahead, false, later.plus_millis(1), &mut rng())?;
    Ok(())
}

/// What a role requires is renewed before the visa for the role is.
#[test]
fn a_visa_stands_by_the_renewals_of_those_that_its_role_requires() -> TestResult {
    const DAY: u64 = 24 * 3_600_000;
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (mut holder, me) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let officers = || Parties { dids: vec![officer.did.clone()], roles: vec![] };
    let insured = world::definition("flex.gb.insured", officers(), |_| ());
    let bidder = world::definition("flex.gb.bidder", officers(), |d| {
        d.preconditions = Some(Requirement::Role { role: world::id(&insured) });
    });
    let rule = SigningRule { threshold: 1, signers: vec![officer.did.clone()] };
    let mut charter = Charter::first("Flexibility", vec![officer.did.clone()], rule, MARCH);
    charter.roles.extend([world::listed(&insured), world::listed(&bidder)]);
    let mut signed = SignedCharter::unsigned(charter)?;
    let (key_id, key) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;
    signed.sign(Signer { key: &key, key_id: &key_id, now: MARCH })?;
    let theirs = documents(&regulator, &officer.did)?;
    let (_, pack) = TrustPack::new(&[signed], &[&insured, &bidder], theirs).encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;
    keeping::pin(&mut holder, &pack, false, MARCH, &mut rng())?;

    let mut issue = |role: &str, (now, days): (UnixMillis, u64), shown: &[String]| {
        let wallet = &mut regulator;
        let mut issuer = Issuer { wallet, identity: &officer, trust: &trust, now };
        let until = Some(now.plus_millis(days * DAY));
        let new = NewVisa { role, valid_until: until, ..new_visa(&me.did, now) };
        let issued = issuer.issue(&new, (shown, &[]), &OfflineResolver::new(&trust), &mut rng())?;
        Ok::<_, Box<dyn std::error::Error>>((issued.to_parcel(&regulator)?, issued.text))
    };
    let first = MARCH.plus_millis(60_000);
    let (parcel, old) = issue("flex.gb.insured", (first, 30), &[])?;
    accept(&mut holder, &parcel, first, &mut rng())?;
    // It comes without the visa that it requires, which is here.
    let (parcel, _) = issue("flex.gb.bidder", (first, 300), std::slice::from_ref(&old))?;
    accept(&mut holder, &parcel, first, &mut rng())?;
    let second = MARCH.plus_millis(20 * DAY);
    let (parcel, renewed) = issue("flex.gb.insured", (second, 300), &[])?;
    accept(&mut holder, &parcel, second, &mut rng())?;

    // Long after the first ended.
    let now = MARCH.plus_millis(40 * DAY);
    let visas = [keeping::visa(&holder, "flex.gb.bidder")?];
    assert_eq!(visas[0].supporting, [""; 0], "its holder's own are looked up");
    let audience = "did:web:dso.example".to_owned();
    let binding = Binding { audience, nonce: None, expires: now.plus_millis(600_000) };
    let showing = Showing { holder: &me, visas: &visas, disclose: None, binding: &binding, now };
    let presented = present(&holder, &showing)?;
    assert!(presented.visas.contains(&renewed) && !presented.visas.contains(&old));
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let lists = issuer.publish_lists(Form::Jwt, &mut rng())?;
    let known = documents(&holder, &me.did)?;
    let snapshots = Snapshots::read(&known)?.with(&trust);
    let (resolver, seen) = (OfflineResolver::new(&snapshots), SeenLists::new());
    let evidence = Evidence { trust: &trust, lists: &lists, resolver: &resolver, seen: &seen };
    let expect = gridpass_credentials::verify::Expectation {
        now,
        clock: now,
        audience: Some(&binding.audience),
        nonce: None,
        presenter: None,
    };
    let memo = &mut SignatureMemo::default();
    let report = verify_presentation(presented.text.as_bytes(), &evidence, &expect, memo);
    assert_eq!(report.outcome, Outcome::Passed, "{report:#?}");
    Ok(())
}

/// Whoever has the key of a root makes a charter of their own, and leaves away where the key is marked.
#[test]
fn a_stolen_key_signs_no_charter_where_its_mark_is_known() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (mut aggregator, _) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let pack = found(&regulator, &officer)?;
    let (_, bytes) = pack.encode()?;
    let trust = keeping::pin(&mut aggregator, &bytes, false, MARCH, &mut rng())?;
    let (key_id, stolen) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;

    let marked = MARCH.plus_millis(3_600_000);
    regulator.rotate(&officer, Some(MARCH.plus_millis(1000)), &mut rng(), marked)?;
    let now = marked.plus_millis(60_000);
    let mut forged = SignedCharter::unsigned(trust.charter().charter().next(now)?)?;
    forged.sign(Signer { key: &stolen, key_id: &key_id, now })?;
    let charters = [trust.charter().clone(), forged];
    let roles: Vec<_> = trust.definitions().map(|(_, role)| &role.definition).collect();
    let (_, bytes) = TrustPack::new(&charters, &roles, pack.identities.clone()).encode()?;
    // Who knows nothing of it cannot tell.
    let mut stranger = party(&temp.path().join("new"), &passphrase, "new.example")?.0;
    keeping::pin(&mut stranger, &bytes, false, now, &mut rng())?;
    for log in regulator.snapshots(&officer.did)? {
        aggregator.save_snapshot(&officer.did, &log, &mut rng())?;
    }
    let refused = keeping::pin(&mut aggregator, &bytes, false, now, &mut rng());
    let code = refused.expect_err("it is known").code();
    assert_eq!(code, gridpass_credentials::codes::CHARTER_SIGNERS_TOO_FEW);
    assert_eq!(keeping::pinned(&aggregator, now)?.history().len(), 1);
    Ok(())
}

/// A licence for the next season is issued before that begins: no list of today speaks of then.
#[test]
fn a_visa_is_issued_ahead_and_counts_when_its_time_has_come() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (_, me) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let (_, pack) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;
    let now = MARCH.plus_millis(60_000);
    let begins = now.plus_millis(20 * world::DAY);
    let new = new_visa(&me.did, begins);
    let resolver = OfflineResolver::new(&trust);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    issuer.rehearse(&new, (&[], &[]), &resolver, &mut rng())?;
    assert!(register::issued(issuer.wallet)?.is_empty(), "it was only tried");
    let issued = issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?;
    let lists_of_now = issuer.publish_lists(Form::Jwt, &mut rng())?;
    let later = begins.plus_millis(60_000);
    issuer.now = later;
    let lists_of_then = issuer.publish_lists(Form::Jwt, &mut rng())?;
    let code = |lists: &[StatusList], at: UnixMillis| {
        let seen = SeenLists::new();
        let evidence = Evidence { trust: &trust, lists, resolver: &resolver, seen: &seen };
        let expect = gridpass_credentials::verify::Expectation {
            now: at,
            clock: at,
            audience: None,
            nonce: None,
            presenter: None,
        };
        let memo = &mut SignatureMemo::default();
        verify_visa(issued.text.as_bytes(), &[], &evidence, &expect, memo).code
    };
    assert_eq!(code(&lists_of_now, now), reasons::VISA_NOT_YET);
    assert_eq!(code(&lists_of_now, later), reasons::STATUS_STALE);
    assert_eq!(code(&lists_of_then, later), reasons::VISA_IN_FORCE);

    // That it begins later hides nothing else, and what could never count is not issued.
    issuer.now = now;
    let over = NewVisa { valid_until: Some(begins), ..new_visa(&me.did, begins) };
    let long = NewVisa { valid_from: now.plus_millis(40 * world::DAY), ..new.clone() };
    let unfit = NewVisa { claims: serde_json::Map::new(), ..new.clone() };
    for (new, expected) in [
        (over, reasons::VISA_EXPIRED),
        (long, reasons::VISA_VALIDITY_TOO_LONG),
        (unfit, reasons::CLAIMS_UNFIT),
    ] {
        let refused = issuer.issue(&new, (&[], &[]), &resolver, &mut rng());
        assert_eq!(refused.expect_err("nobody would take it").code(), expected);
    }
    assert_eq!(register::issued(issuer.wallet)?.len(), 1);
    Ok(())
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
    assert_eq!(refused.expect_err("it does not fit").code(), reasons::CLAIMS_UNFIT);
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

/// A clock that was ahead for one call: what it dated is put right, and nothing waits until then.
#[test]
fn a_suspension_by_a_clock_that_was_ahead_ends_neither_issuing_nor_revoking() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (_, me) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let (_, pack) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;
    let resolver = OfflineResolver::new(&trust);
    let now = MARCH.plus_millis(60_000);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let new = new_visa(&me.did, now);
    let one = issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?.visa;
    let two = issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?.visa;

    // As far as clocks differ, nobody is kept from anything.
    issuer.now = now.plus_millis(240_000);
    issuer.set_status(&two, Purpose::Suspension, true, None, &mut rng())?;
    issuer.now = now.plus_millis(1000);
    issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?;

    // Of another issuer, and revoked from here.
    let mut other = one.clone();
    (other.id, other.issuer) = ("urn:example:other".into(), me.did.clone());
    let (purpose, list) = (Purpose::Revocation, "urn:example:list".to_owned());
    other.status = vec![StatusEntry { purpose, list, index: 7 }];
    issuer.now = now.plus_millis(200 * world::DAY);
    issuer.set_status(&one, Purpose::Suspension, true, None, &mut rng())?;
    issuer.set_status(&other, Purpose::Revocation, true, None, &mut rng())?;
    // For good, also where the register does not have it.
    let (purpose, list) = (Purpose::Suspension, "urn:example:list-2".to_owned());
    other.status.push(StatusEntry { purpose, list, index: 7 });
    let refused = issuer.set_status(&other, Purpose::Suspension, true, None, &mut rng());
    assert_eq!(refused.map(drop).expect_err("revoked").code(), reasons::STATUS_UNCHANGED);
    let far = issuer.issue(&new_visa(&me.did, issuer.now), (&[], &[]), &resolver, &mut rng())?;
    let now = now.plus_millis(3_600_000);
    issuer.now = now;
    let refused = issuer.publish_lists(Form::Jwt, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("the clock is behind").code(), codes::CLOCK_BEHIND);
    let refused = issuer.set_status(&one, Purpose::Revocation, true, None, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("the clock is behind").code(), codes::CLOCK_BEHIND);

    let right = believe_clock(issuer.wallet, now, now, &mut rng())?;
    assert_eq!((right.lists.len(), right.visas), (2, vec![one.id.clone(), other.id.clone()]));
    assert_eq!(right.signed, std::slice::from_ref(&far.visa.id));
    assert_eq!(register::acts(issuer.wallet)?[0].events[0].at, now);
    assert!(register::issued(issuer.wallet)?.iter().all(|record| record.issued <= now));
    for list in issuer.publish_lists(Form::Jwt, &mut rng())? {
        assert!(list.dated <= now.plus_millis(300_000), "{}", list.dated);
    }
    issuer.set_status(&one, Purpose::Revocation, true, None, &mut rng())?;
    let new = new_visa(&me.did, now);
    issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?;
    assert!(believe_clock(issuer.wallet, now, now, &mut rng())?.is_nothing());
    Ok(())
}

/// A charter by a clock that was ahead: everybody refuses it until then, and whoever pinned it goes on.
#[test]
fn a_charter_that_is_ahead_gives_its_place_to_one_that_counts() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (mut aggregator, _) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let pack = found(&regulator, &officer)?;
    let (_, first) = pack.encode()?;
    let trust = keeping::pin(&mut regulator, &first, false, MARCH, &mut rng())?;
    let (key_id, key) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;
    let follow = |at: UnixMillis| -> Result<SignedCharter, Box<dyn std::error::Error>> {
        let mut signed = SignedCharter::unsigned(trust.charter().charter().next(at)?)?;
        signed.sign(Signer { key: &key, key_id: &key_id, now: at.plus_millis(3_600_000) })?;
        Ok(signed)
    };
    let roles: Vec<_> = trust.definitions().map(|(_, role)| &role.definition).collect();
    let packed = |last: &SignedCharter| {
        let charters = [trust.charter().clone(), last.clone()];
        TrustPack::new(&charters, &roles, pack.identities.clone()).encode().map(|(_, bytes)| bytes)
    };
    let ahead = MARCH.plus_millis(200 * world::DAY);
    let far = follow(ahead)?;
    let bytes = packed(&far)?;
    let then = ahead.plus_millis(world::DAY);
    for wallet in [&mut regulator, &mut aggregator] {
        keeping::pin(wallet, &bytes, false, then, &mut rng())?;
    }

    let now = MARCH.plus_millis(world::DAY);
    let refused = keeping::pinned(&regulator, now).map(drop);
    assert_eq!(refused.expect_err("it is ahead").code(), codes::SIGNED_IN_FUTURE);
    assert_eq!(keeping::pinned_even_ahead(&regulator, now)?.history().len(), 2);
    let next = follow(MARCH.plus_millis(1000))?;
    keeping::pin(&mut regulator, &packed(&next)?, false, now, &mut rng())?;
    assert_eq!(keeping::pinned(&regulator, now)?.charter().id(), next.id());
    // Once it is right, the one that was ahead is a second history like any other.
    let refused = keeping::pin(&mut regulator, &bytes, false, then, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("a fork").code(), reasons::CHARTER_FORK);

    // Without another one, that which it follows counts again.
    let right = believe_clock(&mut aggregator, now, now, &mut rng())?;
    assert_eq!((right.charters, right.pack_left), (vec![far.id().clone()], false));
    assert_eq!(keeping::pinned(&aggregator, now)?.charter().id(), trust.charter().id());
    Ok(())
}

/// A stolen key was answered by a rotation and a charter with the new log, both by a clock that was ahead.
#[test]
fn a_rotation_that_is_ahead_is_undone_in_the_pinned_pack_too() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (_, first) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &first, false, MARCH, &mut rng())?;
    let (key_id, key) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;
    let ahead = MARCH.plus_millis(200 * world::DAY);
    let mut far = SignedCharter::unsigned(trust.charter().charter().next(ahead)?)?;
    far.sign(Signer { key: &key, key_id: &key_id, now: ahead })?;
    let then = ahead.plus_millis(3_600_000);
    regulator.rotate(&officer, None, &mut rng(), then)?;
    let roles: Vec<_> = trust.definitions().map(|(_, role)| &role.definition).collect();
    let (charters, logs) = ([trust.charter().clone(), far], documents(&regulator, &officer.did)?);
    let (_, bytes) = TrustPack::new(&charters, &roles, logs).encode()?;
    keeping::pin(&mut regulator, &bytes, false, then, &mut rng())?;

    let now = MARCH.plus_millis(world::DAY);
    let right = believe_clock(&mut regulator, now, now, &mut rng())?;
    assert_eq!((right.logs.rotations, right.pack_left), (vec![officer.did.clone()], false));
    // Another rotation takes its place, and the pinned pack does not contradict it.
    let now = now.plus_millis(60_000);
    let again = regulator.identity(officer.did.as_str())?;
    regulator.rotate(&again, None, &mut rng(), now)?;
    let held = keeping::pinned(&regulator, now)?;
    let dids = [officer.did.clone()];
    let logs = keeping::identities_for_pack(&regulator, Some(&held), &dids)?;
    let (_, next) = TrustPack::new(held.history(), &roles, logs).encode()?;
    keeping::pin(&mut regulator, &next, false, now, &mut rng())?;
    Ok(())
}
