//! What a file is, told by what is in it: nothing is believed here, and nothing is written.

use super::{MaterialError, wanted};
use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::read_visa;
use gridpass_credentials::parcel::{LIMITS, Parcel, ParcelKind};
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::IdentityMaterial;
use gridpass_credentials::vcdm::{Credential, Presentation};
use gridpass_credentials::visa::VisaError;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use serde_json::Value;

/// A presentation that the participant made for a channel.
#[derive(Clone, Debug)]
pub struct OwnPresentation {
    /// Its name.
    pub id: ContentId,
    /// Who shows it: read, not believed.
    pub holder: Option<Did>,
    /// The channel.
    pub channel: ContentId,
    /// As it was signed.
    pub text: String,
    /// When it was signed.
    pub signed: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
}

/// The authorisation of a node.
#[derive(Clone, Debug)]
pub struct OwnAuthorisation {
    /// Its name.
    pub id: ContentId,
    /// As it was signed.
    pub text: String,
    /// When it was signed.
    pub signed: UnixMillis,
    /// What it says.
    pub authorisation: NodeAuthorisation,
}

impl OwnAuthorisation {
    /// By which of several counts, the greatest: of those that have not ended, and rather have begun, the one that was
    /// signed last; of one second, which is all that many signatures tell, the one that is valid longest; and else by its name. So
    /// it hangs on nothing but what they say and the time, neither on the order in which they came nor on that of
    /// their files.
    pub(super) fn rank(&self, now: UnixMillis) -> ([bool; 2], UnixMillis, UnixMillis, &ContentId) {
        let (from, until) = (self.authorisation.valid_from, self.authorisation.valid_until);
        ([until > now, from <= now], self.signed, until, &self.id)
    }
}

/// What a file is.
#[derive(Debug)]
pub(super) enum Given {
    Trust,
    Channel(Box<SignedChannel>),
    Parcel(Box<Parcel>),
    List(Box<StatusList>),
    Authorisation(Box<OwnAuthorisation>),
    Presentation(Box<OwnPresentation>),
    Identity(Box<IdentityMaterial>),
    /// The log of a did:webvh, as its owner publishes it.
    Log(Did),
    /// Anything else: a schema, or what nobody asked for. Its bytes as they are named.
    Document(ContentId, Vec<u8>),
}

/// Tells what a file is.
///
/// # Errors
/// [`MaterialError`] for what says that it is something, and is not.
pub(super) fn recognise(bytes: &[u8]) -> Result<Given, MaterialError> {
    // Of one entry it is a JSON object with a proof, as a credential is.
    if let Some(did) = log_of(bytes) {
        return Ok(Given::Log(did));
    }
    // Parcels and trust packs are the largest.
    let Ok(value) = json::parse_strict(bytes, LIMITS) else {
        // A JWT, or a document such as an XML schema.
        return match secured(bytes)? {
            Some(given) => Ok(given),
            None => {
                let id = ContentId::of_bytes(bytes)
                    .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
                Ok(Given::Document(id, bytes.to_vec()))
            }
        };
    };
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == gridpass_credentials::trust::TYPE {
        return Ok(Given::Trust);
    }
    if kind == gridpass_policy::channel::TYPE {
        let channel =
            SignedChannel::parse(bytes).map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        return Ok(Given::Channel(Box::new(channel)));
    }
    // A schema's manifest has a type and a version too.
    if serde_json::from_value::<ParcelKind>(Value::from(kind)).is_ok() {
        let parcel =
            Parcel::parse(bytes).map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        return Ok(Given::Parcel(Box::new(parcel)));
    }
    if let Some(given) = secured(bytes)? {
        return Ok(given);
    }
    if let Ok(material) = serde_json::from_slice::<IdentityMaterial>(bytes) {
        return Ok(Given::Identity(Box::new(material)));
    }
    let (id, canonical) =
        ContentId::of_json(&value).map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
    Ok(Given::Document(id, canonical))
}

/// Whose log of a did:webvh it is: by its last entry, since whoever moves has another DID from then on. Nothing
/// for what is none.
pub(super) fn log_of(bytes: &[u8]) -> Option<Did> {
    let lines = || bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|l| !l.is_empty());
    let did = |line: &[u8]| {
        let entry = json::parse_strict(line, Limits::DOCUMENT).ok()?;
        let is_entry = entry.get("versionId").is_some_and(Value::is_string)
            && entry.get("parameters").is_some_and(Value::is_object);
        let did = Did::parse(entry.get("state")?.get("id")?.as_str()?).ok()?;
        (is_entry && did.method() == "webvh").then_some(did)
    };
    let (first, last) = (lines().next()?, lines().next_back()?);
    let begins = did(first)?;
    Some(did(last).unwrap_or(begins))
}

/// A status list, an authorisation or a presentation, in whatever form it was signed; nothing for
/// what is none of these.
fn secured(bytes: &[u8]) -> Result<Option<Given>, MaterialError> {
    let trimmed = bytes.trim_ascii();
    if let Ok(secured) = Secured::parse(trimmed, Kind::Credential) {
        if let Ok(list) = StatusList::read(secured.clone()) {
            return Ok(Some(Given::List(Box::new(list))));
        }
        return authorisation(&secured).map(|a| Some(Given::Authorisation(Box::new(a))));
    }
    if let Ok(secured) = Secured::parse(trimmed, Kind::Presentation) {
        return presentation(&secured).map(|p| Some(Given::Presentation(Box::new(p))));
    }
    Ok(None)
}

pub(super) fn list(text: &str) -> Result<StatusList, MaterialError> {
    let secured = Secured::parse(text.as_bytes(), Kind::Credential)
        .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
    StatusList::read(secured).map_err(|e| MaterialError::new(e.code(), e.to_string()))
}

pub(super) fn authorisation_of(text: &str) -> Result<OwnAuthorisation, MaterialError> {
    let secured = Secured::parse(text.as_bytes(), Kind::Credential)
        .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
    authorisation(&secured)
}

pub(super) fn presentation_of(text: &str) -> Result<OwnPresentation, MaterialError> {
    let secured = Secured::parse(text.as_bytes(), Kind::Presentation)
        .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
    presentation(&secured)
}

fn authorisation(secured: &Secured) -> Result<OwnAuthorisation, MaterialError> {
    let read = Credential::read(secured.document().clone())
        .map_err(VisaError::from)
        .and_then(|c| NodeAuthorisation::read(&c));
    let authorisation = read.map_err(|e| {
        if read_visa(secured.text()).is_ok() {
            return wanted::visa();
        }
        let sentence = format!("a signed credential that is no authorisation of a node: {e}");
        MaterialError::new(codes::NODE_AUTHORISATION, sentence)
    })?;
    Ok(OwnAuthorisation {
        id: secured.id().clone(),
        text: secured.text().to_owned(),
        signed: secured.signed_at().unwrap_or_else(|| UnixMillis::new(0)),
        authorisation,
    })
}

fn presentation(secured: &Secured) -> Result<OwnPresentation, MaterialError> {
    let malformed = || {
        MaterialError::new(
            credential_codes::PARCEL_MALFORMED,
            "the presentation names no channel; make it with --to CHANNEL",
        )
    };
    let (audience, expires) = binding_of(secured.text()).ok_or_else(malformed)?;
    let read = Presentation::read(secured.document().clone()).ok();
    let named = read.as_ref().and_then(|p| p.holder()).and_then(|h| Did::parse(h).ok());
    // Without `holder` it is its signer's.
    let holder = named.or_else(|| secured.key_id().map(|k| k.did().clone()));
    Ok(OwnPresentation {
        id: secured.id().clone(),
        holder,
        channel: ContentId::parse(&audience).map_err(|_| malformed())?,
        text: secured.text().to_owned(),
        signed: secured.signed_at().unwrap_or_else(|| UnixMillis::new(0)),
        expires,
    })
}

/// For whom a presentation in JWT form was made, and until when: read, not believed.
fn binding_of(text: &str) -> Option<(String, UnixMillis)> {
    let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
    let payload = json::parse_strict(&payload, Limits::DOCUMENT).ok()?;
    let audience = payload.get("aud")?.as_str()?.to_owned();
    let expires = payload.get("exp")?.as_u64()?;
    Some((audience, UnixMillis::new(expires.saturating_mul(1000))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_two_lists_is_one_however_much_changed_in_them() {
        let mut parcel = Parcel::new(ParcelKind::StatusLists, None);
        // Each nearly as large as a list may be.
        parcel.status_lists = vec!["x".repeat(900_000), "y".repeat(900_000)];
        let bytes = parcel.encode().expect("a parcel");
        assert!(
            matches!(recognise(&bytes), Ok(Given::Parcel(found)) if found.status_lists.len() == 2)
        );
    }
}
