//! Sign, verify, seal and open against the bare primitives, as ratios.
//!
//! `cargo bench -p gridpass-identity`. Machines differ, so each figure is the quotient of two
//! times that were measured in the same run; 1.00 is as fast as the bare primitive.

#![allow(clippy::print_stdout)] // the table is the answer

use criterion::{BenchmarkId, Criterion, Throughput};
use ed25519_dalek::Signer as _;
use gridpass_identity::did::DidUrl;
use gridpass_identity::document::Relationship;
use gridpass_identity::jwe::{self, JweIn, Recipient, SealHeader};
use gridpass_identity::jws::{self, Header, JwsIn};
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_identity::prepared::PreparedKey;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::verify::{Expectation, verify_jws};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);
const SIZES: [usize; 2] = [512, 16 * 1024];

/// What is measured, against which baseline, and what the ratio says.
const RATIOS: &[(&str, &str, &str)] = &[
    ("sign", "bare_sign", "JWS sign / Ed25519 sign"),
    ("sign_unencoded", "bare_sign", "JWS sign, unencoded / Ed25519 sign"),
    ("verify", "bare_verify", "JWS parse and verify / Ed25519 verify_strict"),
    ("verify_prepared", "bare_verify", "Ed25519 verify with a prepared key / verify_strict"),
    ("verify_report", "bare_verify", "with did:key resolved and a report / verify_strict"),
    ("seal_1", "bare_agree", "JWE seal to 1 / one X25519 agreement"),
    ("seal_10", "bare_agree", "JWE seal to 10 / one X25519 agreement"),
    ("open", "bare_agree", "JWE parse and open / one X25519 agreement"),
];

struct Setup {
    key: SecretKey,
    bare: ed25519_dalek::SigningKey,
    header: Header,
    agreement: SecretKey,
}

impl Setup {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let key = SecretKey::from_bytes(KeyType::Ed25519, &[7; 32])?;
        let did = method::key::from_public_key(&key.public_key())?;
        let kid = Some(did.with_fragment(did.method_specific_id())?);
        Ok(Self {
            bare: ed25519_dalek::SigningKey::from_bytes(&[7; 32]),
            header: Header { kid, iat: Some(NOW), ..Header::default() },
            agreement: SecretKey::from_bytes(KeyType::X25519, &[9; 32])?,
            key,
        })
    }

    fn recipients(&self, count: usize) -> Result<Vec<Recipient>, Box<dyn std::error::Error>> {
        let mut list = Vec::new();
        for i in 0..count {
            let key_id = DidUrl::parse(&format!("did:web:party{i}.example#seal"))?;
            list.push(Recipient { key_id, public_key: self.agreement.public_key() });
        }
        Ok(list)
    }
}

fn measure(c: &mut Criterion, setup: &Setup) -> Result<(), Box<dyn std::error::Error>> {
    for size in SIZES {
        let payload = vec![0x5a_u8; size];
        let mut group = c.benchmark_group("identity");
        group.throughput(Throughput::Bytes(u64::try_from(size)?));
        let mut bench = |name: &str, work: &mut dyn FnMut()| {
            group.bench_function(BenchmarkId::new(name, size), |b| b.iter(&mut *work));
        };
        bench("bare_sign", &mut || {
            black_box(setup.bare.sign(black_box(&payload)));
        });
        bench("sign", &mut || {
            let _ = black_box(jws::sign(black_box(&payload), &setup.key, &setup.header));
        });
        bench("sign_unencoded", &mut || {
            let _ = black_box(jws::sign_unencoded(black_box(&payload), &setup.key, &setup.header));
        });
        let signature = setup.bare.sign(&payload);
        let verifying = setup.bare.verifying_key();
        bench("bare_verify", &mut || {
            let _ = black_box(verifying.verify_strict(black_box(&payload), &signature));
        });
        let prepared = PreparedKey::new(&setup.key.public_key()).ok_or("a key")?;
        bench("verify_prepared", &mut || {
            let _ = black_box(prepared.verify(black_box(&payload), &signature.to_bytes()));
        });
        let compact = jws::sign(&payload, &setup.key, &setup.header)?;
        let public = setup.key.public_key();
        bench("verify", &mut || {
            let jws = JwsIn::parse(black_box(&compact)).map(|jws| jws.verify(&public, None));
            let _ = black_box(jws);
        });
        let expect = Expectation {
            purpose: Relationship::AssertionMethod,
            now: NOW,
            proven_at: None,
            signer: None,
            audience: None,
        };
        let resolver = OfflineResolver::new(&NoSnapshots);
        bench("verify_report", &mut || {
            let jws = JwsIn::parse(black_box(&compact));
            let _ = black_box(jws.map(|jws| verify_jws(&jws, None, &resolver, &expect)));
        });
        let theirs = setup.agreement.public_key().to_bytes();
        let theirs: [u8; 32] = theirs.as_slice().try_into()?;
        bench("bare_agree", &mut || {
            black_box(x25519_dalek::x25519(black_box([9; 32]), theirs));
        });
        let (one, ten) = (setup.recipients(1)?, setup.recipients(10)?);
        let header = SealHeader::default();
        bench("seal_1", &mut || {
            let _ = black_box(jwe::seal(black_box(&payload), &one, &header));
        });
        bench("seal_10", &mut || {
            let _ = black_box(jwe::seal(black_box(&payload), &ten, &header));
        });
        let sealed = jwe::seal(&payload, &one, &header)?;
        let key_id = DidUrl::parse("did:web:party0.example#seal")?;
        bench("open", &mut || {
            let jwe = JweIn::parse(black_box(&sealed));
            let _ = black_box(jwe.map(|jwe| jwe.open(&key_id, &setup.agreement)));
        });
        group.finish();
    }
    Ok(())
}

/// The median time in nanoseconds that criterion just wrote down.
fn median(folder: &Path, name: &str, size: usize) -> Option<f64> {
    let path = folder.join("identity").join(name).join(size.to_string());
    let text = std::fs::read(path.join("new/estimates.json")).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
    json.pointer("/median/point_estimate")?.as_f64()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut criterion = Criterion::default()
        .output_directory(folder.path())
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    measure(&mut criterion, &Setup::new()?)?;
    println!("\n{:<58} {:>6} {:>9} {:>12}", "ratio", "bytes", "times", "per second");
    for size in SIZES {
        for (name, baseline, what) in RATIOS {
            if let (Some(time), Some(base)) =
                (median(folder.path(), name, size), median(folder.path(), baseline, size))
            {
                println!("{what:<58} {size:>6} {:>9.2} {:>12.0}", time / base, 1e9 / time);
            }
        }
    }
    Ok(())
}
