//! The W3C Verifiable Credentials Data Model 2.0: what a credential and a presentation must look
//! like, whoever issued them and however they are secured.
//!
//! [`Credential::read`] and [`Presentation::read`] check the structure (sections 4 and 5). What a
//! visa must be beyond that stands in [`crate::visa`].

use crate::context;
use gridpass_identity::time::UnixMillis;
use serde_json::{Map, Value};
use url::Url;

/// The most members of a list (types, subjects, statuses, credentials of a presentation).
pub const MAX_LIST: usize = 128;

/// Which rule of the data model is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {what} of VCDM 2.0: {reason}")]
pub struct ModelError {
    /// `credential` or `presentation`.
    pub what: &'static str,
    /// The rule.
    pub reason: String,
}

/// A credential that has the structure of VCDM 2.0. Nothing in it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    json: Map<String, Value>,
    issuer: String,
    valid_from: Option<UnixMillis>,
    valid_until: Option<UnixMillis>,
}

/// A presentation that has the structure of VCDM 2.0. Nothing in it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    json: Map<String, Value>,
    holder: Option<String>,
    credentials: Vec<Value>,
}

type Rule = Result<(), String>;

impl Credential {
    /// Reads a credential without its proof.
    ///
    /// # Errors
    /// [`ModelError`] names the rule.
    pub fn read(value: Value) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError { what: "credential", reason };
        let Value::Object(json) = value else {
            return Err(refuse("it is not an object".into()));
        };
        common(&json, "VerifiableCredential").map_err(refuse)?;
        let issuer = issuer(&json).map_err(refuse)?;
        subjects(&json).map_err(refuse)?;
        let time = |name: &str| match json.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                date_time_stamp(text).map(Some).map_err(|e| refuse(format!("{name}: {e}")))
            }
            Some(_) => Err(refuse(format!("{name} is not text"))),
        };
        let (valid_from, valid_until) = (time("validFrom")?, time("validUntil")?);
        if let (Some(from), Some(until)) = (valid_from, valid_until)
            && until < from
        {
            return Err(refuse("validUntil lies before validFrom".into()));
        }
        extensions(&json).map_err(refuse)?;
        Ok(Self { json, issuer, valid_from, valid_until })
    }

    /// Reads a credential of version 1.1, which visas never are: `issuanceDate` and
    /// `expirationDate` stand for the validity.
    ///
    /// # Errors
    /// [`ModelError`] names the rule.
    pub fn read_v1(value: Value) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError { what: "credential", reason };
        let Value::Object(json) = value else {
            return Err(refuse("it is not an object".into()));
        };
        let mut as_v2 = json.clone();
        let time = |name: &str| match json.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                date_time_stamp(text).map(Some).map_err(|e| refuse(format!("{name}: {e}")))
            }
            Some(_) => Err(refuse(format!("{name} is not text"))),
        };
        let issued = time("issuanceDate")?;
        if issued.is_none() {
            return Err(refuse("issuanceDate is missing".into()));
        }
        if let Some(first) =
            as_v2.get_mut("@context").and_then(Value::as_array_mut).and_then(|l| l.first_mut())
            && first == context::CREDENTIALS_V1
        {
            *first = Value::String(context::CREDENTIALS_V2.to_owned());
        }
        let read = Self::read(Value::Object(as_v2))?;
        let ends = time("expirationDate")?;
        Ok(Self { json, valid_from: issued, valid_until: ends, ..read })
    }

    /// The credential as JSON, without a proof.
    #[must_use]
    pub fn json(&self) -> &Map<String, Value> {
        &self.json
    }

    /// The issuer's id.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// From when it is valid.
    #[must_use]
    pub fn valid_from(&self) -> Option<UnixMillis> {
        self.valid_from
    }

    /// Until when it is valid.
    #[must_use]
    pub fn valid_until(&self) -> Option<UnixMillis> {
        self.valid_until
    }

    /// Its types.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        types_of(&self.json)
    }

    /// Its subjects, one or more.
    pub fn subjects(&self) -> impl Iterator<Item = &Map<String, Value>> {
        each(self.json.get("credentialSubject")).filter_map(Value::as_object)
    }

    /// The members of `credentialStatus`.
    pub fn statuses(&self) -> impl Iterator<Item = &Map<String, Value>> {
        each(self.json.get("credentialStatus")).filter_map(Value::as_object)
    }
}

impl Presentation {
    /// Reads a presentation without its proof.
    ///
    /// # Errors
    /// [`ModelError`] names the rule.
    pub fn read(value: Value) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError { what: "presentation", reason };
        let Value::Object(json) = value else {
            return Err(refuse("it is not an object".into()));
        };
        common(&json, "VerifiablePresentation").map_err(refuse)?;
        let holder = match json.get("holder") {
            None => None,
            Some(Value::Object(o)) => Some(url_member(o, "id").map_err(refuse)?),
            Some(_) => Some(url_member(&json, "holder").map_err(refuse)?),
        };
        let credentials: Vec<Value> = each(json.get("verifiableCredential")).cloned().collect();
        if credentials.len() > MAX_LIST {
            return Err(refuse(format!("more than {MAX_LIST} credentials")));
        }
        for credential in &credentials {
            let Some(object) = credential.as_object() else {
                return Err(refuse("a verifiableCredential is not an object".into()));
            };
            if types_of(object).any(|t| t == "EnvelopedVerifiableCredential")
                && !object.get("id").and_then(Value::as_str).is_some_and(is_data_url)
            {
                return Err(refuse("an enveloped credential's id is not a data: URL".into()));
            }
        }
        extensions(&json).map_err(refuse)?;
        Ok(Self { json, holder, credentials })
    }

    /// The presentation as JSON, without a proof.
    #[must_use]
    pub fn json(&self) -> &Map<String, Value> {
        &self.json
    }

    /// Who says that it presents.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// The credentials in it, each an object.
    #[must_use]
    pub fn credentials(&self) -> &[Value] {
        &self.credentials
    }
}

/// One value, or each of a list; none of an absent member.
pub(crate) fn each(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let slice = match value {
        None => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    slice.iter()
}

fn types_of(object: &Map<String, Value>) -> impl Iterator<Item = &str> {
    each(object.get("type")).filter_map(Value::as_str)
}

/// Sections 4.3 to 4.6: context, identifier, types, name and description.
fn common(json: &Map<String, Value>, needed_type: &str) -> Rule {
    let Some(Value::Array(contexts)) = json.get("@context") else {
        return Err("@context is not a list".into());
    };
    if contexts.first().and_then(Value::as_str) != Some(context::CREDENTIALS_V2) {
        return Err(format!("its first @context is not {}", context::CREDENTIALS_V2));
    }
    for context in contexts {
        match context {
            Value::String(iri) => url(iri).map_err(|e| format!("@context: {e}"))?,
            Value::Object(_) => {}
            _ => return Err("a @context is neither a URL nor an object".into()),
        }
    }
    if json.contains_key("id") {
        url_member(json, "id")?;
    }
    let types: Vec<_> = each(json.get("type")).collect();
    if types.len() > MAX_LIST || !types.iter().all(|t| is_type(t)) {
        return Err("type is not a list of terms or URLs".into());
    }
    if !types.iter().any(|t| *t == needed_type) {
        return Err(format!("type does not name {needed_type}"));
    }
    for name in ["name", "description"] {
        json.get(name).map_or(Ok(()), |v| language_value(name, v))?;
    }
    Ok(())
}

fn is_type(value: &Value) -> bool {
    value.as_str().is_some_and(|t| !t.is_empty() && !t.contains(char::is_whitespace))
}

/// Section 11.1: text, or an object (or several) with `@value`, `@language` and `@direction`.
fn language_value(name: &str, value: &Value) -> Rule {
    let wrong = || Err(format!("{name} is not text or a language value object"));
    match value {
        Value::String(_) => Ok(()),
        Value::Array(list) if !list.is_empty() => list
            .iter()
            .try_for_each(|v| if v.is_object() { language_value(name, v) } else { wrong() }),
        Value::Object(object) => {
            let text = |key: &str| object.get(key).is_none_or(Value::is_string);
            let known =
                object.keys().all(|k| matches!(k.as_str(), "@value" | "@language" | "@direction"));
            let direction =
                object.get("@direction").is_none_or(|d| matches!(d.as_str(), Some("ltr" | "rtl")));
            let whole = object.contains_key("@value") && text("@value") && text("@language");
            if known && whole && direction { Ok(()) } else { wrong() }
        }
        _ => wrong(),
    }
}

/// Section 4.7.
fn issuer(json: &Map<String, Value>) -> Result<String, String> {
    match json.get("issuer") {
        Some(Value::Object(object)) => {
            for name in ["name", "description"] {
                object.get(name).map_or(Ok(()), |v| language_value(name, v))?;
            }
            url_member(object, "id").map_err(|e| format!("issuer: {e}"))
        }
        Some(Value::String(_)) => url_member(json, "issuer"),
        Some(_) => Err("issuer is neither a URL nor an object".into()),
        None => Err("issuer is missing".into()),
    }
}

/// Section 4.8: at least one, none of them empty, ids are URLs.
fn subjects(json: &Map<String, Value>) -> Rule {
    let subjects: Vec<_> = each(json.get("credentialSubject")).collect();
    if subjects.is_empty() || subjects.len() > MAX_LIST {
        return Err("credentialSubject is missing, empty or too long".into());
    }
    for subject in subjects {
        let Some(object) = subject.as_object().filter(|o| !o.is_empty()) else {
            return Err("a credentialSubject is empty or not an object".into());
        };
        if object.contains_key("id") {
            url_member(object, "id")?;
        }
        for name in ["name", "description"] {
            object.get(name).map_or(Ok(()), |v| language_value(name, v))?;
        }
    }
    Ok(())
}

/// Sections 4.10, 4.11 and 5.3 to 5.6: what must have a type, and what must have an id too.
fn extensions(json: &Map<String, Value>) -> Rule {
    let rules = [
        ("credentialStatus", false),
        ("termsOfUse", false),
        ("evidence", false),
        ("refreshService", false),
        ("renderMethod", false),
        ("confidenceMethod", false),
        ("credentialSchema", true),
    ];
    for (name, needs_id) in rules {
        for value in each(json.get(name)) {
            let object = value.as_object().ok_or_else(|| format!("a {name} is not an object"))?;
            let mut types = each(object.get("type")).peekable();
            if types.peek().is_none() || !types.all(is_type) {
                return Err(format!("a {name} has no type"));
            }
            if needs_id || object.contains_key("id") {
                url_member(object, "id").map_err(|e| format!("{name}: {e}"))?;
            }
        }
    }
    let mut seen = Vec::new();
    for value in each(json.get("relatedResource")) {
        let object = value.as_object().ok_or("a relatedResource is not an object")?;
        let id = url_member(object, "id").map_err(|e| format!("relatedResource: {e}"))?;
        let digest = ["digestSRI", "digestMultibase"]
            .into_iter()
            .any(|name| object.get(name).is_some_and(Value::is_string));
        if !digest || seen.contains(&id) {
            return Err("a relatedResource has no digest, or stands there twice".into());
        }
        seen.push(id);
    }
    Ok(())
}

fn url_member(object: &Map<String, Value>, name: &str) -> Result<String, String> {
    match object.get(name) {
        Some(Value::String(text)) => {
            url(text).map_err(|e| format!("{name}: {e}"))?;
            Ok(text.clone())
        }
        Some(_) => Err(format!("{name} is not one URL")),
        None => Err(format!("{name} is missing")),
    }
}

/// The longest URL that names something, in bytes. One that holds a credential is no name.
const MAX_URL: usize = 4096;

/// An absolute URL, as it is written: the library reads past control characters and spaces, which
/// others do not, and which a terminal would obey.
pub(crate) fn url(text: &str) -> Rule {
    let named = || is_opaque(text) || Url::parse(text).is_ok();
    if text.len() <= MAX_URL && is_plain(text) && named() {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    Err(format!("{shown:?} is not a URL"))
}

/// Whether all of it may stand in an IRI, by RFC 3987: JSON-LD drops an id that has anything else, or
/// takes it for no name.
fn is_plain(text: &str) -> bool {
    let excluded = |c: char| {
        matches!(c, '<' | '>' | '"' | '{' | '}' | '|' | '\\' | '^' | '`' | '[' | ']')
            || c.is_whitespace()
            || c.is_control()
    };
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-.:,;#?&%".contains(&b))
        || !text.chars().any(excluded)
}

/// A `data:` URL: what is in it may be as long as what it stands in, which has a limit of its own.
fn is_data_url(text: &str) -> bool {
    text.strip_prefix("data:").is_some_and(|data| !data.is_empty() && is_plain(data))
}

/// Whether it has one of the schemes that stand here most, and no host: any path is a URL then, and
/// need not be taken apart.
fn is_opaque(text: &str) -> bool {
    let path = ["did:", "data:", "urn:"].iter().find_map(|scheme| text.strip_prefix(scheme));
    path.is_some_and(|path| !path.is_empty() && !path.starts_with('/'))
}

/// `xsd:dateTimeStamp`: RFC 3339 with any offset from UTC.
///
/// # Errors
/// A sentence with the text that is none.
pub(crate) fn date_time_stamp(text: &str) -> Result<UnixMillis, String> {
    let refuse = || {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} is not a dateTimeStamp such as 2026-03-01T12:00:00Z")
    };
    if let Ok(time) = UnixMillis::parse_rfc3339(text) {
        return Ok(time);
    }
    let (local, offset) =
        text.len().checked_sub(6).and_then(|i| text.split_at_checked(i)).ok_or_else(refuse)?;
    let local = UnixMillis::parse_rfc3339(&format!("{local}Z")).map_err(|_| refuse())?;
    let number = |from: usize| {
        let digits = offset.get(from..from.saturating_add(2))?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let (Some(hours), Some(minutes), Some(":")) = (number(1), number(4), offset.get(3..4)) else {
        return Err(refuse());
    };
    if hours > 14 || minutes > 59 {
        return Err(refuse());
    }
    let millis = hours.saturating_mul(60).saturating_add(minutes).saturating_mul(60_000);
    match offset.get(0..1) {
        Some("-") => Ok(local.plus_millis(millis)),
        Some("+") => local.get().checked_sub(millis).map(UnixMillis::new).ok_or_else(refuse),
        _ => Err(refuse()),
    }
}

#[cfg(test)]
#[path = "vcdm_tests.rs"]
mod tests;
