//! `gridpass demo --tour`: wallets, keys, seals and visas, in a folder of their own.

mod visas;

use super::kept::quoted;
use crate::codes;
use crate::commands::init::{build_in_place, create_wallet};
use crate::context::{now, rng};
use crate::output::{Answer, Failure, Outcomes};
use crate::secrets::{HandedOver, write_private_file};
use crate::warnings::step;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::jwe::JweIn;
use gridpass_identity::jws::JwsIn;
use gridpass_identity::key::KeyType;
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::verify::{Expectation, Verification, verify_jws};
use gridpass_identity::wallet::backup::{Backup, BackupSecret, Protection};
use gridpass_identity::wallet::identities::{Identity, IdentityKind, NewDid, NewIdentity};
use gridpass_identity::wallet::messages::Signing;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::{Passphrase, RecoveryPhrase, Unlock};
use gridpass_identity::wallet::{LockedWallet, Wallet};
use serde_json::json;
use std::path::{Path, PathBuf};

const BID: &[u8] = br#"{"zone":"north","mw":10,"eur_per_mwh":84}"#;

/// A wallet of the demonstration.
struct Party {
    wallet: Wallet,
    phrase: RecoveryPhrase,
    dir: PathBuf,
}

impl Party {
    fn new(home: &Path, name: &str, passphrase: &Passphrase) -> Result<Self, Failure> {
        let dir = home.join("profiles").join(name);
        let (wallet, phrase, _) =
            create_wallet(&dir, name, passphrase, |_| Ok(HandedOver::default()))?;
        Ok(Self { wallet, phrase, dir })
    }

    fn identity(&mut self, name: &str, did: NewDid) -> Result<Identity, Failure> {
        let new = NewIdentity { name: name.into(), kind: IdentityKind::Participant, did };
        Ok(self.wallet.new_identity(&new, &mut rng(), now())?)
    }

    /// Learns what another party publishes, as if the file had come by e-mail.
    fn learn(&mut self, other: &Wallet, did: &Did) -> Result<(), Failure> {
        for snapshot in other.snapshots(did)? {
            self.wallet.save_snapshot(did, &snapshot, &mut rng())?;
        }
        Ok(())
    }

    fn verify(
        &self,
        jws: &str,
        signer: &Did,
        purpose: Relationship,
        audience: Option<&Did>,
        proven_at: Option<UnixMillis>,
    ) -> Result<Verification, Failure> {
        let expect = Expectation {
            purpose,
            now: now(),
            proven_at,
            signer: Some(signer.clone()),
            audience: audience.cloned(),
        };
        let resolver = OfflineResolver::new(&self.wallet);
        Ok(verify_jws(&JwsIn::parse(jws)?, None, &resolver, &expect)?)
    }
}

/// What was shown, and whether it came out as it must.
#[derive(Default)]
struct Story {
    report: Report,
}

impl Story {
    fn chapter(&self, title: &str) {
        step(format_args!("\n{title}"), title);
    }

    /// One step: what was expected of it, and what came.
    fn step(&mut self, name: &'static str, sentence: impl Into<String>, as_expected: Check) {
        let sentence = sentence.into();
        let held = as_expected.outcome == Outcome::Passed;
        let word = if held { "ok  " } else { "FAIL" };
        step(format_args!("  {word} {sentence}"), format_args!("{}: {sentence}", word.trim()));
        if !held {
            step(format_args!("       {}", as_expected.sentence), &as_expected.sentence);
        }
        self.report.push(Check { name, sentence, ..as_expected });
    }

    /// A step that must pass.
    fn passes(&mut self, name: &'static str, what: &str, v: &Verification) {
        let reasons: Vec<String> =
            v.report.checks.iter().map(|c| format!("{} [{}]", c.sentence, c.code)).collect();
        let check = if v.report.outcome() == Outcome::Passed {
            Check::passed(name, codes::IN_ORDER, "")
        } else {
            Check::failed(name, identity_codes::INTERNAL, reasons.join("; "))
        };
        self.step(name, what, check);
    }

    /// A step that must be refused with this reason.
    fn refuses(
        &mut self,
        name: &'static str,
        what: &str,
        v: &Verification,
        code: gridpass_identity::code::Code,
    ) {
        let deciding = v.report.deciding();
        let found = deciding.map_or("nothing", |c| c.code.id());
        let check = if deciding.is_some_and(|c| c.code == code && c.outcome != Outcome::Passed) {
            Check::passed(name, codes::IN_ORDER, "")
        } else {
            let message = format!("{code} was expected, and {found} came");
            Check::failed(name, identity_codes::INTERNAL, message)
        };
        let why = deciding.map_or("", |c| c.sentence.as_str());
        self.step(name, format!("{what}: {why} [{found}]"), check);
    }

    fn done(&mut self, name: &'static str, sentence: impl Into<String>) {
        self.step(name, sentence, Check::passed(name, codes::IN_ORDER, ""));
    }
}

pub fn run(home: &Path, keep: bool) -> Outcomes {
    let passphrase = super::cast::random_passphrase();
    let mut story = Story::default();
    play(home, &Passphrase::new(&passphrase), &mut story)?;
    let mut text = format!("\n{} steps, each as it must be.\n", story.report.checks.len());
    if story.report.outcome() != Outcome::Passed {
        text = "\nA step did not come out as it must: please report it.\n".into();
    }
    if keep {
        let file = home.join("passphrase.txt");
        write_private_file(&file, format!("{passphrase}\n").as_bytes())?;
        text.push_str(&format!(
            "next: gridpass --home {home} --profile dso-north --passphrase-file {file} id list\n",
            home = quoted(&home.display().to_string()),
            file = quoted(&file.display().to_string())
        ));
    } else {
        text.push_str("next: gridpass init --name YOUR-NAME (or this again with --keep DIR)\n");
    }
    let mut answer =
        Answer::new("gridpass.demo.tour/1", json!({ "home": keep.then_some(home) }), "")
            .with_report(&story.report);
    answer.text = text;
    Ok(answer)
}

fn play(home: &Path, passphrase: &Passphrase, story: &mut Story) -> Result<(), Failure> {
    use Relationship::{AssertionMethod, Authentication};
    story.chapter("Three participants make their wallets and identities");
    let mut dso = Party::new(home, "dso-north", passphrase)?;
    let mut aggregator = Party::new(home, "aggregator", passphrase)?;
    let mut auditor = Party::new(home, "auditor", passphrase)?;
    let dso_id = dso
        .identity("root", NewDid::Webvh { location: "dso-north.example".into(), witness: None })?;
    let agg_id = aggregator.identity("root", NewDid::Key(KeyType::P256))?;
    let thief_id = auditor.identity("thief", NewDid::Key(KeyType::Ed25519))?;
    story.done("identities", format!("the DSO is {}", dso_id.did));
    story.done("identities", format!("the aggregator is {}", agg_id.did));
    aggregator.learn(&dso.wallet, &dso_id.did)?;
    story.done("log", "the DSO's log verifies, entry by entry, without a network");

    story.chapter("The aggregator signs a bid for the DSO and seals it");
    let to = std::slice::from_ref(&dso_id.did);
    let resolver = OfflineResolver::new(&aggregator.wallet);
    let sealed = aggregator.wallet.seal(BID, to, Some(&agg_id), &resolver, now())?;
    let jwe = JweIn::parse(&sealed)?;
    let opened = dso.wallet.open(&jwe)?;
    let bid = String::from_utf8_lossy(opened.content.expose_secret()).into_owned();
    let v = dso.verify(&bid, &agg_id.did, Authentication, Some(&dso_id.did), None)?;
    story.passes("bid", "the DSO opens it: signed by the aggregator, addressed to the DSO", &v);
    let stranger = auditor.wallet.open(&jwe).err().map(|e| e.code());
    let expected = stranger == Some(identity_codes::JWE_NOT_FOR_US);
    let check = if expected {
        Check::passed("secrecy", codes::IN_ORDER, "")
    } else {
        Check::failed("secrecy", identity_codes::INTERNAL, "a stranger opened it")
    };
    story.step("secrecy", "a stranger's wallet cannot open it [GP-JWE-NOT-FOR-US]", check);

    story.chapter("What must be refused is refused");
    let v = dso.verify(&tampered(&bid), &agg_id.did, Authentication, None, None)?;
    story.refuses("tampered", "a changed bid", &v, identity_codes::SIGNATURE_INVALID);
    let v = auditor.verify(&bid, &agg_id.did, Authentication, Some(&thief_id.did), None)?;
    story.refuses("passed on", "the bid shown to somebody else", &v, identity_codes::NOT_ADDRESSED);
    let v = dso.verify(&bid, &thief_id.did, Authentication, None, None)?;
    story.refuses("other signer", "the bid under another name", &v, identity_codes::SIGNER_OTHER);

    story.chapter("The DSO signs an order, then rotates its keys");
    let order = |party: &Party, id: &Identity| {
        let signing = Signing {
            purpose: AssertionMethod,
            unencoded: false,
            content_type: Some("json".into()),
            audience: vec![agg_id.did.clone()],
        };
        party.wallet.sign(id, b"{\"activate\":true}", &signing, now())
    };
    let before = order(&dso, &dso_id)?;
    let signed_at = now();
    wait_for_next_second();
    let rotated = dso.wallet.rotate(&dso_id, None, &mut rng(), now())?;
    let after = order(&dso, &rotated)?;
    aggregator.learn(&dso.wallet, &dso_id.did)?;
    let v = aggregator.verify(&before, &dso_id.did, AssertionMethod, Some(&agg_id.did), None)?;
    story.passes("rotated", "the order signed before still verifies as of its time", &v);
    let v = aggregator.verify(&after, &dso_id.did, AssertionMethod, Some(&agg_id.did), None)?;
    story.passes("rotated", "an order signed with the new key verifies", &v);

    story.chapter("A key falls into other hands, and the DSO says so");
    wait_for_next_second();
    let stolen_since = now();
    dso.wallet.rotate(&rotated, Some(stolen_since), &mut rng(), now())?;
    aggregator.learn(&dso.wallet, &dso_id.did)?;
    let v = aggregator.verify(&after, &dso_id.did, AssertionMethod, None, None)?;
    story.refuses(
        "compromised",
        "an earlier order, dated by its signer only",
        &v,
        identity_codes::KEY_COMPROMISED_SINCE,
    );
    let v = aggregator.verify(&after, &dso_id.did, AssertionMethod, None, Some(now()))?;
    story.refuses(
        "compromised",
        "an order made with that key from then on",
        &v,
        identity_codes::KEY_COMPROMISED,
    );
    let v = aggregator.verify(&before, &dso_id.did, AssertionMethod, None, Some(signed_at))?;
    story.passes("rotated", "the first key was only rotated, and its order still holds", &v);

    story.chapter("The DSO backs up, loses its machine, and restores");
    let ids = dso.wallet.identities()?;
    let Party { wallet, phrase, dir } = dso;
    drop(wallet);
    let locked = LockedWallet::open(Box::new(SledStore::open(&dir)?))?;
    let file = locked.backup(&Protection::Recipients(&[]), now())?;
    drop(locked);
    story.done("backup", format!("a backup of {} bytes, made without any secret", file.len()));
    let backup = Backup::open(&file, &BackupSecret::Recovery(&phrase))?;
    let restored_dir = home.join("profiles").join("dso-north-restored");
    let build = |partial: &Path| {
        let store = Box::new(SledStore::create(partial)?);
        Ok((backup.restore(store, Unlock::Recovery(&phrase))?, ()))
    };
    build_in_place(&restored_dir, build, |()| {})?;
    let restored = LockedWallet::open(Box::new(SledStore::open(&restored_dir)?))?
        .unlock(Unlock::Passphrase(passphrase))?;
    let check = if restored.identities()? == ids {
        Check::passed("restore", codes::IN_ORDER, "")
    } else {
        Check::failed("restore", identity_codes::INTERNAL, "an identity is missing")
    };
    let what = "the file and the 24 words give back every identity and key";
    story.step("restore", what, check);
    visas::play(home, passphrase, story)
}

/// Another payload under the same signature.
fn tampered(jws: &str) -> String {
    let mut parts: Vec<&str> = jws.split('.').collect();
    if let Some(payload) = parts.get_mut(1) {
        *payload = "eyJ6b25lIjoibm9ydGgiLCJtdyI6MTAwMDB9";
    }
    parts.join(".")
}

/// did:webvh dates its entries in whole seconds, each later than the one before.
fn wait_for_next_second() {
    let left = 1000_u64.saturating_sub(now().get() % 1000);
    std::thread::sleep(std::time::Duration::from_millis(left.saturating_add(5)));
}
