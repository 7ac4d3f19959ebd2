//! The ten libraries that the people the project is for named, under one lock file, each doing
//! something real against our code. Where two of them know the same thing, they must agree.
//!
//! | library | the room that it is for |
//! |---|---|
//! | ed25519-dalek, multibase, serde, josekit, sled | `identity`, in use today |
//! | ssi (its parts), did-method-key | `credentials`: Data Integrity proofs; a second opinion on DIDs |
//! | libp2p | `p2p-messaging`: gossip, catch-up |
//! | tokio | `p2p-messaging` and `wallet-cli`: the shells that wait |
//! | ipfs-api-backend-hyper | `p2p-messaging`, optional: publishing to a Kubo node |

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use did_jwk::DIDJWK;
use did_method_key::DIDKey;
use ed25519_dalek::{Signer as _, Verifier as _};
use gridpass_identity::did::Did;
use gridpass_identity::document::{DidDocument, Relationship};
use gridpass_identity::jwk::Jwk;
use gridpass_identity::jws::{self, Header, JwsIn, SignatureVerdict};
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use gridpass_identity::method;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, Resolver as _};
use ipfs_api_backend_hyper::{IpfsApi as _, IpfsClient, TryFromUri as _};
use josekit::jws::alg::{ecdsa::EcdsaJwsAlgorithm, eddsa::EddsaJwsAlgorithm};
use josekit::jws::{JwsHeader, JwsSigner, JwsVerifier};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use ssi_dids_core::resolution::{DIDMethodResolver, Options};
use std::error::Error;
use std::time::{Duration, Instant};

type Outcome = Result<(), Box<dyn Error>>;

const ROUNDS: usize = 50;

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system has randomness");
    seed
}

fn random(key_type: KeyType) -> SecretKey {
    SecretKey::from_bytes(key_type, &seed()).expect("all but 2^-32 of seeds are P-256 keys")
}

/// What ssi says that a DID's first verification method is.
async fn first_method(
    resolver: &impl DIDMethodResolver,
    did: &Did,
) -> Result<(Value, Value), Box<dyn Error>> {
    let id = did.method_specific_id();
    let output = resolver.resolve_method_representation(id, Options::default()).await?;
    let document: Value = serde_json::from_slice(&output.document)?;
    Ok((document["verificationMethod"][0].clone(), document))
}

// credentials: ssi resolves issuers through did-method-key; both rooms must see one key.
#[tokio::test]
async fn ssi_and_we_resolve_did_key_to_the_same_key() -> Outcome {
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        for _ in 0..ROUNDS {
            let public = random(key_type).public_key();
            let did = method::key::from_public_key(&public)?;
            let (theirs, document) = first_method(&DIDKey, &did).await?;
            assert_eq!(theirs["publicKeyMultibase"], json!(public.to_multikey()));
            let ours = method::key::resolve(&did)?;
            let ours = ours.current().expect("never deactivated");
            for purpose in [Relationship::AssertionMethod, Relationship::Authentication] {
                let ids: Vec<_> = ours.methods_for(purpose).map(|m| json!(m.id)).collect();
                assert_eq!(document[purpose.name()], json!(ids), "{did} {purpose}");
            }
            // Their document, read by our reader, holds our key.
            let read = DidDocument::from_json(document, &did)?;
            assert_eq!(read.verification_methods()[0].public_key, Some(public));
        }
    }
    Ok(())
}

// did-method-key derives no X25519 key, so the second opinion is RFC 8032 section 5.1.5: the
// X25519 secret is the clamped first half of SHA-512 of the seed.
#[test]
fn the_key_agreement_key_of_a_did_key_is_the_one_that_its_seed_gives() -> Outcome {
    for _ in 0..ROUNDS {
        let seed = seed();
        let secret = SecretKey::from_bytes(KeyType::Ed25519, &seed)?;
        let scalar: [u8; 32] = Sha512::digest(seed)[..32].try_into()?;
        let expected = x25519_dalek::x25519(scalar, x25519_dalek::X25519_BASEPOINT_BYTES);
        let did = method::key::from_public_key(&secret.public_key())?;
        let resolution = method::key::resolve(&did)?;
        let document = resolution.current().expect("never deactivated");
        let agreement = document.methods_for(Relationship::KeyAgreement).next().expect("one");
        assert_eq!(agreement.public_key, Some(PublicKey::x25519(&expected)?));
    }
    Ok(())
}

// credentials: ssi's did:jwk.
#[tokio::test]
async fn ssi_and_we_resolve_did_jwk_to_the_same_key() -> Outcome {
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        for _ in 0..ROUNDS {
            let public = random(key_type).public_key();
            let did = method::jwk::from_public_key(&public)?;
            let (theirs, document) = first_method(&DIDJWK, &did).await?;
            assert_eq!(theirs["publicKeyMultibase"], json!(public.to_multikey()));
            let read = DidDocument::from_json(document, &did)?;
            assert_eq!(read.verification_methods()[0].public_key, Some(public));
            assert_eq!(read.verification_methods()[0].id, did.with_fragment("0")?);
        }
    }
    Ok(())
}

// identity: the hot signing path.
#[test]
fn ed25519_dalek_and_our_keys_sign_the_same() -> Outcome {
    let seed = seed();
    let (theirs, ours) = (
        ed25519_dalek::SigningKey::from_bytes(&seed),
        SecretKey::from_bytes(KeyType::Ed25519, &seed)?,
    );
    let signature = ours.sign(b"a bid")?;
    assert_eq!(theirs.sign(b"a bid").to_bytes(), signature);
    let signature = ed25519_dalek::Signature::from_bytes(&signature);
    theirs.verifying_key().verify(b"a bid", &signature)?;
    assert!(theirs.verifying_key().verify(b"a bit", &signature).is_err());
    Ok(())
}

fn private_jwk(key: &SecretKey) -> Result<josekit::jwk::Jwk, Box<dyn Error>> {
    let mut jwk = json!(Jwk::from_public_key(&key.public_key()));
    jwk["d"] = json!(URL_SAFE_NO_PAD.encode(key.to_secret_bytes().expose_secret()));
    Ok(josekit::jwk::Jwk::from_bytes(serde_json::to_vec(&jwk)?)?)
}

// identity: josekit seals; its JWS, over OpenSSL, is a second opinion on ours.
#[test]
fn josekit_and_we_verify_each_others_jws() -> Outcome {
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let key = random(key_type);
        let jwk = private_jwk(&key)?;
        let (signer, verifier): (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) = match key_type {
            KeyType::P256 => (
                Box::new(EcdsaJwsAlgorithm::Es256.signer_from_jwk(&jwk)?),
                Box::new(EcdsaJwsAlgorithm::Es256.verifier_from_jwk(&jwk)?),
            ),
            KeyType::Ed25519 | KeyType::X25519 => (
                Box::new(EddsaJwsAlgorithm::Eddsa.signer_from_jwk(&jwk)?),
                Box::new(EddsaJwsAlgorithm::Eddsa.verifier_from_jwk(&jwk)?),
            ),
        };
        let ours = jws::sign(b"a bid", &key, &Header::default())?;
        let (payload, _) = josekit::jws::deserialize_compact(&ours, &*verifier)?;
        assert_eq!(payload, b"a bid");
        let forged = ours.replacen(&URL_SAFE_NO_PAD.encode("a bid"), "YSBiaXQ", 1);
        assert!(josekit::jws::deserialize_compact(&forged, &*verifier).is_err());

        let theirs = josekit::jws::serialize_compact(b"a bid", &JwsHeader::new(), &*signer)?;
        let read = JwsIn::parse(&theirs)?;
        assert_eq!(read.verify(&key.public_key(), None)?, SignatureVerdict::Fits);
        let other = random(key_type).public_key();
        assert_eq!(read.verify(&other, None)?, SignatureVerdict::DoesNotFit);
    }
    Ok(())
}

// identity: Multikey, and later CIDs.
#[test]
fn multibase_reads_the_key_out_of_our_did_key() -> Outcome {
    let public = random(KeyType::Ed25519).public_key();
    let did = method::key::from_public_key(&public)?;
    let (base, bytes) = multibase::decode(did.method_specific_id())?;
    assert_eq!(base, multibase::Base::Base58Btc);
    assert_eq!(bytes, [&[0xed, 0x01], public.to_bytes().as_slice()].concat());
    Ok(())
}

// p2p-messaging: a node's transport key and its signing key come from one seed.
#[test]
fn libp2p_identity_of_the_same_seed_verifies_our_signature() -> Outcome {
    let seed = seed();
    let ours = SecretKey::from_bytes(KeyType::Ed25519, &seed)?;
    let theirs = libp2p::identity::Keypair::ed25519_from_bytes(seed)?;
    assert!(theirs.public().verify(b"a bid", &ours.sign(b"a bid")?));
    assert_eq!(ours.public_key().verify(b"a bid", &theirs.sign(b"a bid")?), Ok(()));
    let raw = libp2p::identity::ed25519::PublicKey::try_from_bytes(&ours.public_key().to_bytes())?;
    let peer = libp2p::PeerId::from(libp2p::identity::PublicKey::from(raw));
    assert_eq!(peer, theirs.public().to_peer_id());
    Ok(())
}

// every room: documents and headers.
#[test]
fn serde_carries_our_types_through_json() -> Outcome {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        did: Did,
        key: Jwk,
    }
    let public = random(KeyType::P256).public_key();
    let did = method::jwk::from_public_key(&public)?;
    let record = Record { did, key: Jwk::from_public_key(&public) };
    let text = serde_json::to_string(&record)?;
    assert_eq!(serde_json::from_str::<Record>(&text)?, record);
    assert!(serde_json::from_str::<Record>(&text.replace("did:jwk", "did jwk")).is_err());
    Ok(())
}

// p2p-messaging: the pure core is called from many tasks at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokio_tasks_resolve_at_the_same_time() -> Outcome {
    let did = method::key::from_public_key(&random(KeyType::Ed25519).public_key())?;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let did = did.clone();
            tokio::spawn(async move { OfflineResolver::new(&NoSnapshots).resolve(&did) })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await??.did, did);
    }
    Ok(())
}

// identity: the wallet's store; p2p-messaging: the node's index.
fn is_locked(e: &std::io::Error) -> bool {
    e.to_string().contains("could not acquire lock")
}

#[test]
fn sled_keeps_a_document_over_a_restart() -> Outcome {
    let folder = tempfile::tempdir()?;
    let did = method::key::from_public_key(&random(KeyType::Ed25519).public_key())?;
    let resolution = method::key::resolve(&did)?;
    let document = resolution.current().expect("never deactivated");
    {
        let store = sled::open(folder.path())?;
        store.insert(did.as_str(), serde_json::to_vec(document.as_json())?)?;
        store.flush()?;
    }
    // Its lock is given up by a thread of its own, a moment after it was dropped.
    let end = Instant::now() + Duration::from_secs(60);
    let store = loop {
        match sled::open(folder.path()) {
            Err(sled::Error::Io(e)) if is_locked(&e) && Instant::now() < end => {
                std::thread::yield_now();
            }
            opened => break opened?,
        }
    };
    let bytes = store.get(did.as_str())?.expect("it was stored");
    assert_eq!(&DidDocument::parse(&bytes, &did)?, document);
    Ok(())
}

// p2p-messaging, optional: a Kubo node that is not there is an error, never a panic.
#[tokio::test]
async fn an_absent_ipfs_node_is_an_error() -> Outcome {
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let client = IpfsClient::from_str(&format!("http://127.0.0.1:{port}"))?;
    assert!(client.version().await.is_err());
    assert!(client.add(std::io::Cursor::new("a role definition")).await.is_err());
    Ok(())
}
