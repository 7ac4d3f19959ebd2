//! The story, told to the end: what it shows must hold, not only be told.

// A test fails by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::keeping;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_embed_wallet::error::Error;
use gridpass_embed_wallet::framework::{self, OPERATOR};
use gridpass_embed_wallet::market::bid;
use gridpass_embed_wallet::party::Party;
use gridpass_embed_wallet::{Ending, Shell, story, visas};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::node::Said;
use gridpass_policy::codes as policy_codes;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use std::time::Instant;

/// A clock of the program's: noon of 1 March 2026 when it is first asked, and on from there. Nothing of
/// the story asks the system's.
fn clock() -> UnixMillis {
    static START: OnceLock<Instant> = OnceLock::new();
    let passed = START.get_or_init(Instant::now).elapsed();
    UnixMillis::from_millis(1_772_366_400_000)
        .plus_millis(u64::try_from(passed.as_millis()).expect("a short while"))
}

/// Gives a function a shell over a folder of its own.
fn in_shell<T>(run: impl FnOnce(&mut Shell<'_>) -> Result<T, Error>) -> T {
    let home = tempfile::tempdir().expect("a folder");
    let mut rng = UnwrapErr(SysRng);
    let mut shell = Shell { home: home.path(), clock, rng: &mut rng };
    run(&mut shell).expect("what should work")
}

async fn told() -> (String, Ending) {
    let home = tempfile::tempdir().expect("a folder");
    let mut rng = UnwrapErr(SysRng);
    let mut shell = Shell { home: home.path(), clock, rng: &mut rng };
    let mut out = Vec::new();
    let told = story(&mut out, &mut shell).await;
    let text = String::from_utf8(out).expect("text");
    match told {
        Ok(ending) => (text, ending),
        Err(e) => panic!("{text}\n{e}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_holds_to_its_end() {
    let (text, ending) = told().await;

    // The DSO saw the zone, and nothing of the capacity.
    assert_eq!(ending.shown.outcome, Outcome::Passed, "{text}");
    assert_eq!(ending.shown.at.to_string().get(..10), Some("2026-03-01"));
    let granted: Vec<_> = ending.shown.granted().collect();
    assert_eq!(granted.len(), 1);
    assert_eq!(Value::Object(granted[0].claims.clone()), json!({"zone": "GB-1"}));

    // The bid came as it was sent, and the DSO signed that it did.
    let payload = ending.delivered.payload.as_deref().expect("a payload");
    let payload: Value = serde_json::from_slice(payload).expect("JSON");
    assert_eq!(payload, bid("GB-1", 250));
    assert_eq!(ending.delivered.sender, granted[0].subject);
    assert_eq!(ending.delivered.attributes["zone"], "GB-1");
    assert!(matches!(ending.receipt, Said::Delivered { .. }), "{:?}", ending.receipt);

    // Why the others were not sent, to the code.
    assert_eq!(ending.other_zone.code.id(), "GP-POLICY-UNMET", "{}", ending.other_zone);
    assert!(ending.other_zone.has(policy_codes::VALUE_DIFFERS), "{}", ending.other_zone);
    assert!(!ending.other_zone.has(credential_codes::VISA_REVOKED), "{}", ending.other_zone);
    assert_eq!(ending.revoked.code.id(), "GP-POLICY-UNMET", "{}", ending.revoked);
    assert!(ending.revoked.has(credential_codes::VISA_REVOKED), "{}", ending.revoked);

    // The auditor, with nothing but the trust pack.
    let audit = &ending.audit;
    assert_eq!(audit.outcome, Outcome::Passed, "{text}");
    assert_eq!((audit.counts.messages, audit.counts.passed, audit.counts.allowed), (1, 1, 1));
    assert_eq!(audit.counts.receipts, 1);
    assert_eq!(audit.bundle.missing, Vec::<String>::new());
    assert_eq!(audit.messages[0].id, ending.delivered.id.to_string());
    assert!(audit.messages[0].checks.iter().all(|c| c.outcome == Outcome::Passed), "{text}");

    // It is to be read in one go, and what the holder withheld is not told.
    let lines = text.lines().count();
    assert!((20..=45).contains(&lines), "{lines} lines:\n{text}");
    let third = text.split("\n\n").find(|step| step.starts_with("3.")).expect("a third step");
    assert!(third.contains("zone") && !third.contains("capacityKw"), "{third}");
}

#[test]
fn a_visa_is_kept_by_its_holder_alone_and_only_where_it_holds() {
    in_shell(|shell| {
        let mut regulator = Party::organisation("regulator", shell)?;
        let mut flexgen = Party::organisation("flexgen", shell)?;
        let mut other = Party::organisation("other", shell)?;
        let pack = framework::found(&mut regulator, shell)?;
        for party in [&mut regulator, &mut flexgen, &mut other] {
            party.pin(&pack, shell)?;
        }
        let request = visas::ask(&flexgen, regulator.did(), OPERATOR, Map::new(), shell)?;
        let (visa, parcel) = visas::issue(&mut regulator, &request, shell)?;
        let refused = |party: &mut Party, parcel: &Parcel, shell: &mut Shell<'_>| {
            let refused = visas::accept(party, parcel, shell).expect_err("a refusal");
            assert!(keeping::visas(&party.wallet).expect("visas").is_empty(), "{refused}");
            assert!(keeping::lists(&party.wallet).expect("lists").0.is_empty(), "{refused}");
            refused.code.expect("a code").id()
        };

        assert_eq!(refused(&mut other, &parcel, shell), "GP-PRESENTER-OTHER");
        let without_lists = Parcel { status_lists: Vec::new(), ..parcel.clone() };
        assert_eq!(refused(&mut flexgen, &without_lists, shell), "GP-STATUS-UNKNOWN");
        let presentation = Parcel { kind: ParcelKind::Presentation, ..parcel.clone() };
        assert_eq!(refused(&mut flexgen, &presentation, shell), "GP-PARCEL-KIND");
        let list = visas::revoke(&mut regulator, &visa, shell)?;
        let mut revoked = parcel.clone();
        revoked.status_lists.push(list.secured().text().to_owned());
        assert_eq!(refused(&mut flexgen, &revoked, shell), "GP-VISA-REVOKED");

        // With the lists of when it was issued it holds; they are kept with it.
        assert_eq!(visas::accept(&mut flexgen, &parcel, shell)?.outcome, Outcome::Passed);
        assert_eq!(keeping::visas(&flexgen.wallet)?.len(), 1);
        assert_eq!(keeping::lists(&flexgen.wallet)?.0.len(), 2);
        Ok(())
    });
}

#[test]
fn a_request_that_is_addressed_to_another_issuer_is_not_granted() {
    in_shell(|shell| {
        let mut regulator = Party::organisation("regulator", shell)?;
        let mut flexgen = Party::organisation("flexgen", shell)?;
        let pack = framework::found(&mut regulator, shell)?;
        for party in [&mut regulator, &mut flexgen] {
            party.pin(&pack, shell)?;
        }
        let request = visas::ask(&flexgen, flexgen.did(), OPERATOR, Map::new(), shell)?;
        let refused = visas::issue(&mut regulator, &request, shell).expect_err("a refusal");
        assert!(refused.sentence.starts_with("the request does not hold"), "{refused}");
        Ok(())
    });
}
