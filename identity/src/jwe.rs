//! Sealing: JWE (RFC 7516) in JSON form, ECDH-ES+A256KW with A256GCM, to many recipients at once.
//!
//! josekit (over OpenSSL) does the cryptography and draws its own randomness for the content key
//! and the ephemeral keys; this is the one place where this crate does not take it from its
//! caller. What came from outside is read strictly here first, so that josekit meets one
//! recipient, one algorithm and no compression.
//!
//! Sign first, then seal: what is sealed should be a JWS whose header names its audience, so that
//! an auditor keeps the signature and a recipient cannot pass it on as sent to somebody else. See
//! [`crate::wallet::Wallet::seal`]. HPKE (draft-ietf-jose-hpke-encrypt) would be a second
//! algorithm beside [`ALGORITHM`], chosen by each recipient's key.

use crate::code::Code;
use crate::codes;
use crate::did::DidUrl;
use crate::json::{self, Limits};
use crate::jwk::Jwk;
use crate::key::{KeyError, KeyType, PublicKey, SecretKey};
use crate::secret::SecretBytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::alg::ecdh_es::EcdhEsJweAlgorithm;
use josekit::jwe::{JweEncrypter, JweHeader, JweHeaderSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// How the content key reaches each recipient.
pub const ALGORITHM: &str = "ECDH-ES+A256KW";
/// How the content is encrypted.
pub const ENCRYPTION: &str = "A256GCM";
/// The most recipients of one JWE.
pub const MAX_RECIPIENTS: usize = 1024;
/// The longest JWE that is read, in bytes: a 16 MiB payload twice in base64url.
pub const MAX_LENGTH: usize = 32 * 1024 * 1024;

/// josekit seals an empty payload and then refuses to open it, so it is refused on both sides.
const EMPTY: &str = "there is no content";

/// Why a message could not be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JweError {
    /// Not the JSON of a JWE, without content, or over a limit.
    #[error("not a JWE: {0}")]
    Malformed(String),
    /// The header asks for what must be refused.
    #[error("the JWE header is refused: {0}")]
    Header(String),
    /// The key asked for is not among the recipients.
    #[error("the JWE is not sealed to {0}")]
    NotForUs(DidUrl),
    /// It does not open with that key.
    #[error("the JWE does not open")]
    OpenFailed,
    /// There is nobody to seal to, or too many.
    #[error("a JWE has 1 to {MAX_RECIPIENTS} recipients, and {0} were given")]
    Recipients(usize),
    /// A recipient's key cannot be sealed to.
    #[error("{key_id}: {source}")]
    Key {
        /// The recipient's key id.
        key_id: DidUrl,
        /// Why not.
        source: KeyError,
    },
    /// The cryptographic library failed.
    #[error("sealing failed: {0}")]
    Seal(String),
}

impl JweError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::JWE_MALFORMED,
            Self::Header(_) => codes::JWE_HEADER_REFUSED,
            Self::NotForUs(_) => codes::JWE_NOT_FOR_US,
            Self::OpenFailed => codes::JWE_OPEN_FAILED,
            Self::Recipients(_) => codes::WALLET_LIMIT,
            Self::Key { source, .. } => source.code(),
            Self::Seal(_) => codes::SEAL_FAILED,
        }
    }
}

/// Who can open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The id of a key that its DID document lists for `keyAgreement`.
    pub key_id: DidUrl,
    /// That key: X25519 or P-256.
    pub public_key: PublicKey,
}

/// What is said in the clear about the content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealHeader {
    /// The media type of the whole, without `application/`.
    pub typ: Option<String>,
    /// The media type of the content; `JOSE` for a JWS.
    pub cty: Option<String>,
}

/// Seals a payload to every recipient: one ciphertext, one wrapped key each.
///
/// # Errors
/// [`JweError::Recipients`] for none or too many, [`JweError::Malformed`] for an empty payload, [`JweError::Key`] for an Ed25519 key,
/// [`JweError::Seal`] if OpenSSL fails.
pub fn seal(
    payload: &[u8],
    recipients: &[Recipient],
    header: &SealHeader,
) -> Result<String, JweError> {
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
        return Err(JweError::Recipients(recipients.len()));
    }
    if payload.is_empty() {
        return Err(JweError::Malformed(EMPTY.into()));
    }
    let failed = |e: josekit::JoseError| JweError::Seal(e.to_string());
    let mut shared = JweHeaderSet::new();
    shared.set_algorithm(ALGORITHM, true);
    shared.set_content_encryption(ENCRYPTION, true);
    if let Some(typ) = &header.typ {
        shared.set_token_type(typ, true);
    }
    if let Some(cty) = &header.cty {
        shared.set_content_type(cty, true);
    }
    let mut prepared = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let mut own = JweHeader::new();
        own.set_key_id(recipient.key_id.as_str());
        prepared.push((own, encrypter(recipient)?));
    }
    let list: Vec<(Option<&JweHeader>, &dyn JweEncrypter)> =
        prepared.iter().map(|(own, e)| (Some(own), e as &dyn JweEncrypter)).collect();
    josekit::jwe::serialize_general_json(payload, Some(&shared), &list, None).map_err(failed)
}

fn encrypter(
    recipient: &Recipient,
) -> Result<josekit::jwe::alg::ecdh_es::EcdhEsJweEncrypter, JweError> {
    let failed = |e: josekit::JoseError| JweError::Seal(e.to_string());
    if recipient.public_key.key_type() == KeyType::Ed25519 {
        let source = KeyError::Unsuitable { found: KeyType::Ed25519, asked: "be sealed to" };
        return Err(JweError::Key { key_id: recipient.key_id.clone(), source });
    }
    let jwk = serde_json::to_value(Jwk::from_public_key(&recipient.public_key))
        .map_err(|e| JweError::Seal(e.to_string()))?;
    let Value::Object(map) = jwk else {
        return Err(JweError::Seal("a JWK is an object".into()));
    };
    let jwk = josekit::jwk::Jwk::from_map(map).map_err(failed)?;
    EcdhEsJweAlgorithm::EcdhEsA256kw.encrypter_from_jwk(&jwk).map_err(failed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JweJson {
    protected: String,
    recipients: Option<Vec<Value>>,
    // The flattened form (RFC 7516 section 7.2.2) of a JWE with one recipient.
    header: Option<Map<String, Value>>,
    encrypted_key: Option<String>,
    iv: String,
    ciphertext: String,
    tag: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipientJson {
    header: Option<Map<String, Value>>,
    encrypted_key: Option<String>,
}

#[derive(Serialize)]
struct OneRecipient<'j> {
    protected: &'j str,
    header: &'j Map<String, Value>,
    encrypted_key: &'j str,
    iv: &'j str,
    ciphertext: &'j str,
    tag: &'j str,
}

/// A JWE as it was read: well formed, its headers accepted, not opened.
#[derive(Clone, Debug)]
pub struct JweIn {
    protected: String,
    content_type: Option<String>,
    recipients: Vec<RecipientIn>,
    iv: String,
    ciphertext: String,
    tag: String,
}

#[derive(Clone, Debug)]
struct RecipientIn {
    key_id: DidUrl,
    ephemeral: PublicKey,
    header: Map<String, Value>,
    encrypted_key: String,
}

impl JweIn {
    /// Reads a JWE in general or flattened JSON form.
    ///
    /// # Errors
    /// [`JweError::Malformed`] if it is not one or passes a limit; [`JweError::Header`] for any
    /// algorithm but [`ALGORITHM`] and [`ENCRYPTION`], for `zip`, `crit` or unprotected shared
    /// headers, for a name that stands in two headers, and for a `kid` or `epk` that is missing or
    /// unusable.
    pub fn parse(text: &str) -> Result<Self, JweError> {
        let malformed = |reason: String| JweError::Malformed(reason);
        let limits = Limits { bytes: MAX_LENGTH, depth: 6 };
        let jwe: JweJson = json::from_slice_strict(text.as_bytes(), limits)
            .map_err(|e| malformed(e.to_string()))?;
        let list = match (jwe.recipients, jwe.header, jwe.encrypted_key) {
            (Some(list), None, None) => list
                .into_iter()
                .map(json::from_object)
                .collect::<Result<_, _>>()
                .map_err(|e| malformed(format!("a recipient: {e}")))?,
            (None, header, encrypted_key) => vec![RecipientJson { header, encrypted_key }],
            (Some(_), _, _) => return Err(malformed("it is general and flattened at once".into())),
        };
        if list.is_empty() || list.len() > MAX_RECIPIENTS {
            return Err(JweError::Recipients(list.len()));
        }
        if jwe.ciphertext.is_empty() {
            return Err(malformed(EMPTY.into()));
        }
        check_length(&jwe.iv, 12, "iv")?;
        check_length(&jwe.tag, 16, "tag")?;
        let bytes = URL_SAFE_NO_PAD
            .decode(&jwe.protected)
            .map_err(|_| malformed("its header is not base64url without padding".into()))?;
        let shared: Map<String, Value> = json::from_slice_strict(&bytes, Limits::SMALL)
            .map_err(|e| malformed(format!("its header: {e}")))?;
        let recipients: Vec<RecipientIn> =
            list.into_iter().map(|r| read_recipient(r, &shared)).collect::<Result<_, _>>()?;
        let mut ids: Vec<&DidUrl> = recipients.iter().map(|r| &r.key_id).collect();
        ids.sort();
        // A second entry under one's own key id would decide whether one can open at all.
        if ids.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(JweError::Header("two recipients have the same kid".into()));
        }
        let content_type = shared.get("cty").and_then(Value::as_str).map(str::to_owned);
        let JweJson { protected, iv, ciphertext, tag, .. } = jwe;
        Ok(Self { protected, content_type, recipients, iv, ciphertext, tag })
    }

    /// The key ids that it is sealed to.
    pub fn key_ids(&self) -> impl Iterator<Item = &DidUrl> {
        self.recipients.iter().map(|r| &r.key_id)
    }

    /// The media type of the content, where the header says it. Not secret, but authenticated.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Opens it with the secret of one recipient's key.
    ///
    /// # Errors
    /// [`JweError::NotForUs`] if it is not sealed to `key_id`, [`JweError::OpenFailed`] if the key
    /// is another or anything was changed.
    pub fn open(&self, key_id: &DidUrl, key: &SecretKey) -> Result<SecretBytes, JweError> {
        let recipient = self
            .recipients
            .iter()
            .find(|r| &r.key_id == key_id)
            .ok_or_else(|| JweError::NotForUs(key_id.clone()))?;
        // An ephemeral key of another curve would be a type confusion inside the library.
        if recipient.ephemeral.key_type() != key.key_type() {
            return Err(JweError::OpenFailed);
        }
        let one = OneRecipient {
            protected: &self.protected,
            header: &recipient.header,
            encrypted_key: &recipient.encrypted_key,
            iv: &self.iv,
            ciphertext: &self.ciphertext,
            tag: &self.tag,
        };
        let text = serde_json::to_string(&one).map_err(|_| JweError::OpenFailed)?;
        let decrypter = EcdhEsJweAlgorithm::EcdhEsA256kw
            .decrypter_from_der(pkcs8(key)?.as_slice())
            .map_err(|_| JweError::OpenFailed)?;
        josekit::jwe::deserialize_json(&text, &decrypter)
            .map(|(content, _)| SecretBytes::new(content))
            .map_err(|_| JweError::OpenFailed)
    }
}

fn read_recipient(
    recipient: RecipientJson,
    shared: &Map<String, Value>,
) -> Result<RecipientIn, JweError> {
    let refuse = |reason: String| JweError::Header(reason);
    let header = recipient.header.unwrap_or_default();
    // RFC 7516 section 4: the names in the two headers are disjoint.
    if let Some(name) = header.keys().find(|name| shared.contains_key(*name)) {
        return Err(refuse(format!("{name:?} stands in two headers")));
    }
    let member = |name: &str| header.get(name).or_else(|| shared.get(name));
    let text = |name: &str| member(name).and_then(Value::as_str).unwrap_or_default();
    for name in ["zip", "crit"] {
        if member(name).is_some() {
            return Err(refuse(format!("{name} is not accepted")));
        }
    }
    if text("alg") != ALGORITHM || text("enc") != ENCRYPTION {
        return Err(refuse(format!("only {ALGORITHM} with {ENCRYPTION} is accepted")));
    }
    // `enc` decides how the tag is checked: it must be under the tag itself.
    if !shared.contains_key("enc") {
        return Err(refuse("enc is not protected".into()));
    }
    let key_id = DidUrl::parse(text("kid")).map_err(|e| refuse(format!("kid: {e}")))?;
    let ephemeral = member("epk")
        .cloned()
        .and_then(|epk| json::from_object::<Jwk>(epk).ok())
        .ok_or_else(|| refuse("epk is missing or not a JWK".into()))?
        .to_public_key()
        .map_err(|e| refuse(format!("epk: {e}")))?;
    let encrypted_key = recipient
        .encrypted_key
        .ok_or_else(|| JweError::Malformed("a recipient has no encrypted key".into()))?;
    // AES key wrap (RFC 3394) of a 256-bit key.
    check_length(&encrypted_key, 40, "encrypted key")?;
    Ok(RecipientIn { key_id, ephemeral, header, encrypted_key })
}

/// josekit subtracts from these lengths before it looks at them: a short one would panic there.
fn check_length(text: &str, expected: usize, name: &str) -> Result<(), JweError> {
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if bytes.len() == expected => Ok(()),
        _ => Err(JweError::Malformed(format!("its {name} is not {expected} bytes of base64url"))),
    }
}

/// PKCS #8 (RFC 5958) of a key agreement secret, in a buffer that is wiped.
fn pkcs8(key: &SecretKey) -> Result<Zeroizing<Vec<u8>>, JweError> {
    // The DER before the 32 secret bytes is fixed for each type (RFC 8410; RFC 5915 for P-256).
    const X25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20";
    const P256: &[u8] = b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\
        \x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
    let prefix = match key.key_type() {
        KeyType::X25519 => X25519,
        KeyType::P256 => P256,
        KeyType::Ed25519 => return Err(JweError::OpenFailed),
    };
    let mut der = Zeroizing::new(Vec::with_capacity(prefix.len().saturating_add(32)));
    der.extend_from_slice(prefix);
    der.extend_from_slice(key.to_secret_bytes().expose_secret());
    Ok(der)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pair(key_type: KeyType, seed: u8) -> (Recipient, SecretKey) {
        let secret = SecretKey::from_bytes(key_type, &[seed; 32]).expect("a key");
        let key_id = DidUrl::parse(&format!("did:web:party{seed}.example#seal")).expect("a URL");
        (Recipient { key_id, public_key: secret.public_key() }, secret)
    }

    fn sealed(payload: &[u8]) -> (Value, Vec<(Recipient, SecretKey)>) {
        let pairs =
            vec![pair(KeyType::X25519, 1), pair(KeyType::P256, 2), pair(KeyType::X25519, 3)];
        let recipients: Vec<_> = pairs.iter().map(|(r, _)| r.clone()).collect();
        let text = seal(payload, &recipients, &SealHeader::default()).expect("seals");
        (serde_json::from_str(&text).expect("JSON"), pairs)
    }

    fn refused(json: &Value) -> Code {
        JweIn::parse(&json.to_string()).expect_err("refused").code()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_recipient_opens_it_and_nobody_else(
            payload in prop::collection::vec(any::<u8>(), 1..200)
        ) {
            let (json, pairs) = sealed(&payload);
            let jwe = JweIn::parse(&json.to_string()).expect("parses");
            prop_assert_eq!(jwe.key_ids().count(), 3);
            for (recipient, secret) in &pairs {
                let opened = jwe.open(&recipient.key_id, secret).expect("opens");
                prop_assert_eq!(opened.expose_secret(), payload.as_slice());
            }
            let (stranger, secret) = pair(KeyType::X25519, 9);
            prop_assert_eq!(
                jwe.open(&stranger.key_id, &secret), Err(JweError::NotForUs(stranger.key_id)));
            let (first, _) = &pairs[0];
            prop_assert_eq!(jwe.open(&first.key_id, &secret), Err(JweError::OpenFailed));
        }

        #[test]
        fn parser_never_panics(text in "\\{[\"a-z:{},\\[\\]A-Z0-9_-]{0,200}\\}") {
            let _ = JweIn::parse(&text);
        }
    }

    #[test]
    fn refuses_an_empty_payload_on_both_sides() {
        let (recipient, _) = pair(KeyType::X25519, 1);
        let error = seal(b"", &[recipient], &SealHeader::default()).expect_err("nothing to seal");
        assert_eq!(error.code(), codes::JWE_MALFORMED);
        let (mut json, _) = sealed(b"a bid");
        json["ciphertext"] = json!("");
        assert_eq!(refused(&json), codes::JWE_MALFORMED);
    }

    #[test]
    fn refuses_parts_of_another_length_than_the_algorithms_have() {
        for pointer in ["/iv", "/tag", "/recipients/0/encrypted_key"] {
            for text in ["", "AA", "SyPV0A", &"A".repeat(200), "=", "A+/A"] {
                let (mut json, _) = sealed(b"a bid");
                *json.pointer_mut(pointer).expect("is there") = json!(text);
                assert_eq!(refused(&json), codes::JWE_MALFORMED, "{pointer} {text:?}");
            }
        }
    }

    #[test]
    fn any_changed_part_does_not_open() {
        let (json, pairs) = sealed(b"a bid");
        let (first, secret) = &pairs[0];
        for pointer in ["/iv", "/ciphertext", "/tag", "/recipients/0/encrypted_key"] {
            let mut changed = json.clone();
            let text = changed.pointer_mut(pointer).expect("is there");
            let old = text.as_str().expect("text").to_owned();
            let first_letter = if old.starts_with('A') { "B" } else { "A" };
            *text = json!(format!("{first_letter}{}", &old[1..]));
            let jwe = JweIn::parse(&changed.to_string()).expect("well formed");
            assert_eq!(jwe.open(&first.key_id, secret), Err(JweError::OpenFailed), "{pointer}");
        }
        let mut swapped = json.clone();
        swapped["recipients"][0]["header"]["epk"] = json["recipients"][2]["header"]["epk"].clone();
        let jwe = JweIn::parse(&swapped.to_string()).expect("well formed");
        assert_eq!(jwe.open(&first.key_id, secret), Err(JweError::OpenFailed));
        let mut other_curve = json.clone();
        other_curve["recipients"][0]["header"]["epk"] =
            json["recipients"][1]["header"]["epk"].clone();
        let jwe = JweIn::parse(&other_curve.to_string()).expect("well formed");
        assert_eq!(jwe.open(&first.key_id, secret), Err(JweError::OpenFailed));
    }

    #[test]
    fn refuses_headers_that_must_be_refused() {
        let (json, _) = sealed(b"a bid");
        let with = |protected: Value| {
            let mut changed = json.clone();
            changed["protected"] = json!(URL_SAFE_NO_PAD.encode(protected.to_string()));
            changed
        };
        for protected in [
            json!({"alg": "dir", "enc": ENCRYPTION}),
            json!({"alg": "ECDH-ES", "enc": ENCRYPTION}),
            json!({"alg": "PBES2-HS256+A128KW", "enc": ENCRYPTION, "p2c": 4_000_000_000_u32}),
            json!({"alg": ALGORITHM, "enc": "A128CBC-HS256"}),
            json!({"alg": ALGORITHM, "enc": ENCRYPTION, "zip": "DEF"}),
            json!({"alg": ALGORITHM, "enc": ENCRYPTION, "crit": ["exp"]}),
            json!({"alg": ALGORITHM, "enc": ENCRYPTION, "kid": "did:web:a.example#x"}),
            json!({"alg": ALGORITHM}),
        ] {
            assert_eq!(refused(&with(protected.clone())), codes::JWE_HEADER_REFUSED, "{protected}");
        }
        let mut weak = json.clone();
        weak["recipients"][0]["header"]["epk"]["x"] = json!(URL_SAFE_NO_PAD.encode([0; 32]));
        assert_eq!(refused(&weak), codes::JWE_HEADER_REFUSED);
    }

    #[test]
    fn refuses_what_is_not_a_jwe() {
        let (json, _) = sealed(b"a bid");
        let mut unprotected = json.clone();
        unprotected["unprotected"] = json!({"zip": "DEF"});
        assert_eq!(refused(&unprotected), codes::JWE_MALFORMED);
        let mut both = json.clone();
        both["encrypted_key"] = json!("AA");
        assert_eq!(refused(&both), codes::JWE_MALFORMED);
        let mut none = json.clone();
        none["recipients"] = json!([]);
        assert_eq!(refused(&none), codes::WALLET_LIMIT);
        assert_eq!(refused(&json!([])), codes::JWE_MALFORMED);
    }

    #[test]
    fn cannot_seal_to_nobody_or_to_a_signing_key() {
        assert_eq!(seal(b"", &[], &SealHeader::default()), Err(JweError::Recipients(0)));
        let (signing, _) = pair(KeyType::Ed25519, 1);
        let error = seal(b"x", &[signing], &SealHeader::default()).expect_err("a signing key");
        assert_eq!(error.code(), codes::KEY_TYPE_UNSUITABLE);
    }
}
