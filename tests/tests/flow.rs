//! The flow: the picture of the design, walked as far as the project reaches.
//!
//! ```text
//! key -> DID -> visa -> presentation -> envelope -> gossip -> checks -> decision -> delivery
//!     -> log -> evidence bundle
//! ```
//! Today it goes from the key to the DID, to a signed and sealed message, and back. Every later
//! capability extends this one test.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_identity::codes;
use gridpass_identity::document::Relationship;
use gridpass_identity::jwe::JweIn;
use gridpass_identity::jws::JwsIn;
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _, Source};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::verify::{Expectation, verify_jws};
use gridpass_identity::wallet::identities::{Identity, IdentityKind, NewDid, NewIdentity};
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::{Passphrase, Unlock};
use gridpass_identity::wallet::{LockedWallet, Wallet};
use std::path::Path;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const MARCH: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn party(
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
