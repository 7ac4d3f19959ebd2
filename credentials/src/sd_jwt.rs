//! Selective disclosure (SD-JWT, RFC 9901) with key binding.
//!
//! The issuer signs digests; the holder shows the members behind some of them, and signs with its
//! own key for whom and when. Own code: `ssi` 0.16 takes the same disclosure twice, names that the
//! RFC forbids and no default of `_sd_alg`, and checks nothing of the key binding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jws::{self, Header, JwsError, JwsIn};
use gridpass_identity::key::SecretKey;
use gridpass_identity::time::UnixMillis;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The longest SD-JWT that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The most disclosures.
pub const MAX_DISCLOSURES: usize = 256;
/// The deepest nesting of disclosed values.
const MAX_DEPTH: usize = 32;
/// The `typ` of a key binding JWT.
pub const KB_TYP: &str = "kb+jwt";

/// Why an SD-JWT was refused or not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdJwtError {
    /// It breaks RFC 9901.
    #[error("not an SD-JWT: {0}")]
    Malformed(String),
    /// One of its JWS is refused.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// No such claim can be shown or hidden.
    #[error("there is no claim {0:?} to disclose")]
    NoSuchClaim(String),
}

fn malformed(reason: impl Into<String>) -> SdJwtError {
    SdJwtError::Malformed(reason.into())
}

/// What a key binding JWT says (RFC 9901 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyBinding {
    /// For whom the presentation is.
    pub aud: String,
    /// When it was made, in seconds since 1970.
    pub iat: u64,
    /// The verifier's nonce.
    pub nonce: String,
    /// The digest of what it was made over.
    pub sd_hash: String,
}

/// An SD-JWT that was read: digests and disclosures fit, no signature is verified yet.
#[derive(Clone, Debug)]
pub struct SdJwtIn {
    jws: JwsIn,
    claims: Map<String, Value>,
    withheld: usize,
    concealed_in: Vec<String>,
    disclosures: Vec<Disclosure>,
    /// Issuer's JWT and disclosures, with the last tilde.
    text: String,
    binding: Option<(JwsIn, KeyBinding)>,
}

#[derive(Clone, Debug)]
struct Disclosure {
    encoded: String,
    /// `None` for an element of an array.
    name: Option<String>,
    value: Value,
}

impl SdJwtIn {
    /// Reads an SD-JWT, with or without key binding, and puts the disclosed claims in their places.
    ///
    /// # Errors
    /// [`SdJwtError::Malformed`] for whatever section 7.1 rejects; [`SdJwtError::Jws`].
    pub fn parse(text: &str) -> Result<Self, SdJwtError> {
        if text.len() > MAX_BYTES {
            return Err(malformed("it is longer than 1 MiB"));
        }
        let (front, binding) = text.rsplit_once('~').ok_or_else(|| malformed("it has no ~"))?;
        let mut parts = front.split('~');
        let jws = JwsIn::parse(parts.next().unwrap_or_default())?;
        let disclosures: Vec<_> = parts
            .take(MAX_DISCLOSURES.saturating_add(1))
            .map(Disclosure::read)
            .collect::<Result<_, _>>()?;
        if disclosures.len() > MAX_DISCLOSURES {
            return Err(malformed("more than 256 disclosures"));
        }
        let payload = json::parse_strict(jws.payload(None)?, Limits::DOCUMENT)
            .map_err(|e| malformed(e.to_string()))?;
        let Value::Object(payload) = payload else {
            return Err(malformed("its payload is not an object"));
        };
        if payload.get("_sd_alg").is_some_and(|alg| alg != "sha-256") {
            return Err(malformed("_sd_alg is not sha-256"));
        }
        let mut reveal = Reveal::new(&disclosures)?;
        let mut claims = reveal.object(payload, "", MAX_DEPTH)?;
        claims.remove("_sd_alg");
        let (withheld, concealed_in) = (reveal.withheld, std::mem::take(&mut reveal.concealed_in));
        if !reveal.open.is_empty() {
            return Err(malformed("a disclosure belongs to no digest"));
        }
        let text = format!("{front}~");
        let binding = match binding {
            "" => None,
            compact => Some(read_binding(compact, &text)?),
        };
        Ok(Self { jws, claims, withheld, concealed_in, disclosures, text, binding })
    }

    /// The issuer's JWS.
    #[must_use]
    pub fn jws(&self) -> &JwsIn {
        &self.jws
    }

    /// The claims with everything that is disclosed. Believe them only after the signature.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// How many digests have no disclosure here: withheld claims, and decoys.
    #[must_use]
    pub fn withheld(&self) -> usize {
        self.withheld
    }

    /// Where digests stand, by JSON Pointer to the object or array that holds them.
    #[must_use]
    pub fn concealed_in(&self) -> &[String] {
        &self.concealed_in
    }

    /// The holder's JWS and what it says, where there is one. Its `sd_hash` fits; its signature is
    /// not verified yet.
    #[must_use]
    pub fn binding(&self) -> Option<&(JwsIn, KeyBinding)> {
        self.binding.as_ref()
    }

    /// The names of the object members that it discloses.
    pub fn disclosed(&self) -> impl Iterator<Item = &str> {
        self.disclosures.iter().filter_map(|d| d.name.as_deref())
    }

    /// The same SD-JWT with only these members disclosed, and no key binding.
    ///
    /// # Errors
    /// [`SdJwtError::NoSuchClaim`] for a name that it does not disclose.
    pub fn disclose(&self, names: &[&str]) -> Result<String, SdJwtError> {
        if let Some(missing) = names.iter().find(|n| !self.disclosed().any(|d| d == **n)) {
            return Err(SdJwtError::NoSuchClaim((*missing).to_owned()));
        }
        let jwt = self.text.split('~').next().unwrap_or_default();
        let mut text = format!("{jwt}~");
        for disclosure in &self.disclosures {
            if disclosure.name.as_deref().is_some_and(|n| names.contains(&n)) {
                text.push_str(&disclosure.encoded);
                text.push('~');
            }
        }
        Ok(text)
    }
}

fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

fn read_binding(compact: &str, text: &str) -> Result<(JwsIn, KeyBinding), SdJwtError> {
    let jws = JwsIn::parse(compact)?;
    if jws.header().typ.as_deref() != Some(KB_TYP) {
        return Err(malformed("the key binding's typ is not kb+jwt"));
    }
    let binding: KeyBinding = json::from_slice_strict(jws.payload(None)?, Limits::SMALL)
        .map_err(|e| malformed(format!("key binding: {e}")))?;
    if binding.sd_hash != digest(text) {
        return Err(malformed("the key binding was made over other disclosures (sd_hash)"));
    }
    Ok((jws, binding))
}

/// Adds a holder's key binding.
///
/// # Errors
/// [`SdJwtError::Malformed`] if the text has one already; [`SdJwtError::Jws`].
pub fn bind(
    text: &str,
    aud: &str,
    nonce: &str,
    key: &SecretKey,
    header: Header,
    now: UnixMillis,
) -> Result<String, SdJwtError> {
    if !text.ends_with('~') {
        return Err(malformed("it has a key binding already, or is none"));
    }
    let (aud, nonce) = (aud.to_owned(), nonce.to_owned());
    let binding = KeyBinding { aud, nonce, iat: now.get() / 1000, sd_hash: digest(text) };
    let payload = json::canonicalize(&binding).map_err(|e| malformed(e.to_string()))?;
    let header = Header { typ: Some(KB_TYP.into()), ..header };
    Ok(format!("{text}{}", jws::sign(&payload, key, &header)?))
}

/// Signs a payload in which members of the object at `path` are hidden behind digests.
///
/// # Errors
/// [`SdJwtError::NoSuchClaim`] if there is no such object or member.
pub fn issue(
    mut payload: Map<String, Value>,
    path: &[&str],
    names: &[&str],
    key: &SecretKey,
    header: &Header,
    rng: &mut dyn CryptoRng,
) -> Result<String, SdJwtError> {
    let mut tail = String::from("~");
    let mut object = &mut payload;
    for step in path {
        object = object
            .get_mut(*step)
            .and_then(Value::as_object_mut)
            .ok_or_else(|| SdJwtError::NoSuchClaim((*step).to_owned()))?;
    }
    let mut digests = BTreeSet::new();
    for name in names {
        let value =
            object.remove(*name).ok_or_else(|| SdJwtError::NoSuchClaim((*name).to_owned()))?;
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let array = json!([URL_SAFE_NO_PAD.encode(salt), name, value]);
        let encoded = URL_SAFE_NO_PAD.encode(array.to_string());
        // Sorted by digest, so that the order says nothing about the names (section 4.2.4.1).
        digests.insert(digest(&encoded));
        tail.push_str(&encoded);
        tail.push('~');
    }
    if !digests.is_empty() {
        object.insert("_sd".into(), json!(digests));
    }
    payload.insert("_sd_alg".into(), json!("sha-256"));
    let bytes = json::canonicalize(&payload).map_err(|e| malformed(e.to_string()))?;
    Ok(format!("{}{tail}", jws::sign(&bytes, key, header)?))
}

impl Disclosure {
    fn read(encoded: &str) -> Result<Self, SdJwtError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| malformed("a disclosure is not base64url"))?;
        let value = json::parse_strict(&bytes, Limits::DOCUMENT)
            .map_err(|e| malformed(format!("a disclosure: {e}")))?;
        let Value::Array(parts) = value else {
            return Err(malformed("a disclosure is not an array"));
        };
        let mut parts = parts.into_iter();
        let array = (parts.next(), parts.next(), parts.next(), parts.next());
        let (name, value) = match array {
            (Some(Value::String(_)), Some(value), None, None) => (None, value),
            (Some(Value::String(_)), Some(Value::String(name)), Some(value), None) => {
                if name == "_sd" || name == "..." {
                    return Err(malformed("a disclosure names a reserved member"));
                }
                (Some(name), value)
            }
            _ => {
                return Err(malformed(
                    "a disclosure is neither [salt, value] nor [salt, name, value]",
                ));
            }
        };
        Ok(Self { encoded: encoded.to_owned(), name, value })
    }
}

/// A JSON Pointer (RFC 6901) one step further.
fn inside(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Section 7.1, step 3: puts each disclosure where its digest stands.
struct Reveal<'d> {
    /// Disclosures that no digest has called for yet.
    open: BTreeMap<String, &'d Disclosure>,
    seen: BTreeSet<String>,
    withheld: usize,
    concealed_in: Vec<String>,
}

impl<'d> Reveal<'d> {
    fn new(disclosures: &'d [Disclosure]) -> Result<Self, SdJwtError> {
        let open: BTreeMap<_, _> = disclosures.iter().map(|d| (digest(&d.encoded), d)).collect();
        if open.len() != disclosures.len() {
            return Err(malformed("a disclosure stands there twice"));
        }
        Ok(Self { open, seen: BTreeSet::new(), withheld: 0, concealed_in: Vec::new() })
    }

    fn take(&mut self, value: &Value, place: &str) -> Result<Option<&'d Disclosure>, SdJwtError> {
        if self.concealed_in.last().is_none_or(|last| last != place) {
            self.concealed_in.push(place.to_owned());
        }
        let digest = value.as_str().ok_or_else(|| malformed("a digest is not text"))?;
        if !self.seen.insert(digest.to_owned()) {
            return Err(malformed("a digest stands there twice"));
        }
        let found = self.open.remove(digest);
        if found.is_none() {
            self.withheld = self.withheld.saturating_add(1);
        }
        Ok(found)
    }

    fn value(&mut self, value: Value, place: &str, depth: usize) -> Result<Value, SdJwtError> {
        let depth = depth.checked_sub(1).ok_or_else(|| malformed("nested too deep"))?;
        match value {
            Value::Object(object) => Ok(Value::Object(self.object(object, place, depth)?)),
            Value::Array(list) => {
                let mut kept = Vec::new();
                for item in list {
                    match item.as_object().filter(|o| o.len() == 1).and_then(|o| o.get("...")) {
                        None => kept.push(self.value(item, place, depth)?),
                        Some(digest) => match self.take(digest, place)? {
                            None => {}
                            Some(Disclosure { name: None, value, .. }) => {
                                kept.push(self.value(value.clone(), place, depth)?);
                            }
                            Some(_) => return Err(malformed("a member is disclosed in an array")),
                        },
                    }
                }
                Ok(Value::Array(kept))
            }
            plain => Ok(plain),
        }
    }

    fn object(
        &mut self,
        mut object: Map<String, Value>,
        place: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, SdJwtError> {
        let digests = match object.remove("_sd") {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(malformed("_sd is not an array")),
        };
        if object.contains_key("...") {
            return Err(malformed("an object has the reserved member ..."));
        }
        let mut all = Map::new();
        for (name, value) in object {
            let value = self.value(value, &inside(place, &name), depth)?;
            all.insert(name, value);
        }
        for digest in &digests {
            match self.take(digest, place)? {
                None => {}
                Some(Disclosure { name: Some(name), value, .. }) => {
                    if all.contains_key(name) {
                        return Err(malformed(format!(
                            "{name:?} is disclosed and stands there too"
                        )));
                    }
                    let value = self.value(value.clone(), &inside(place, name), depth)?;
                    all.insert(name.clone(), value);
                }
                Some(_) => return Err(malformed("an array element is disclosed in an object")),
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
#[path = "sd_jwt_tests.rs"]
mod tests;
