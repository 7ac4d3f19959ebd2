//! A consumer's consent: a visa that the customer at a metering point issues to whoever may handle
//! its data, for a purpose, for a time, and can withdraw at any moment by revoking it.
//!
//! The consent's role definition is like any other: who may issue it are the holders of the role
//! that a network operator gives to customers, and `authority.meteringPoint` is the metering point
//! that the operator wrote into that visa. So nobody consents for a neighbour's meter.
//! [`definition`] makes such a definition; `spec/consent.md` has its claims.

use crate::comparison::is_name;
use crate::condition::ConsentNeed;
use crate::requirement::RequirementError;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::{
    FORMAT_VERSION, IssuerRevocation, Parties, RoleDefinition, RoleName, TYPE,
};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde_json::{Map, Value, json};

/// The claim that names whose data it is.
pub const METERING_POINT: &str = "meteringPoint";
/// The claim that lists the purposes.
pub const PURPOSES: &str = "purposes";
/// The claim that lists the kinds of data.
pub const DATA: &str = "data";
/// The claim that lists who may receive the data from the holder.
pub const PARTIES: &str = "parties";
/// The claim that says from when data may be asked for, RFC 3339.
pub const FROM: &str = "from";
/// The claim that says until when, RFC 3339.
pub const UNTIL: &str = "until";

/// The schema of a consent's claims.
#[must_use]
pub fn claims() -> Map<String, Value> {
    let texts = json!({
        "type": "array", "items": {"type": "string", "maxLength": 128},
        "minItems": 1, "maxItems": 64, "uniqueItems": true,
    });
    let dids = json!({
        "type": "array", "items": {"type": "string", "pattern": "^did:[a-z0-9]+:.", "maxLength": 2048},
        "minItems": 1, "maxItems": 64, "uniqueItems": true,
    });
    // A time in another zone is no time in a comparison: such a consent would cover nothing.
    let time = json!({"type": "string", "format": "date-time", "pattern": "(Z|\\+00:00)$"});
    let schema = json!({
        "type": "object",
        "properties": {
            METERING_POINT: {"type": "string", "minLength": 1, "maxLength": 128},
            PURPOSES: texts, DATA: texts, PARTIES: dids,
            FROM: time, UNTIL: time,
        },
        "required": [METERING_POINT, PURPOSES, DATA, PARTIES, FROM, UNTIL],
        "additionalProperties": false,
    });
    schema.as_object().cloned().unwrap_or_default()
}

/// A definition of consent that holders of a customer's role may give.
///
/// A consent counts for at most two years, its status may be an hour old, and it ends when the
/// customer's own visa is revoked: who moved out consents to nothing any more.
#[must_use]
pub fn definition(name: RoleName, customers: Vec<ContentId>) -> RoleDefinition {
    RoleDefinition {
        document_type: TYPE.into(),
        format_version: FORMAT_VERSION,
        name,
        version: "1.0.0".into(),
        previous: None,
        title: "Consent of a customer to the use of its data".into(),
        description: "Whoever holds this may handle the data that it names, of the metering point \
                      that it names, for the purposes that it lists, and give it to the parties \
                      that it lists. The customer withdraws it by revoking it."
            .into(),
        issuers: Parties { dids: Vec::new(), roles: customers },
        max_chain_depth: 4,
        revokers: None,
        preconditions: None,
        claims: claims(),
        max_validity_seconds: 2 * 366 * 24 * 3600,
        max_status_age_seconds: 3600,
        issuer_revocation: IssuerRevocation::Ends,
    }
}

/// Whether claims are those of a consent: all of them are there.
#[must_use]
pub fn is_one(claims: &Map<String, Value>) -> bool {
    [METERING_POINT, PURPOSES, DATA, PARTIES, FROM, UNTIL].iter().all(|c| claims.contains_key(*c))
}

fn time(claims: &Map<String, Value>, name: &str) -> Option<UnixMillis> {
    UnixMillis::parse_rfc3339(claims.get(name)?.as_str()?).ok()
}

/// Until when a consent counts by its own claim; its visa may end before or after.
#[must_use]
pub fn until(claims: &Map<String, Value>) -> Option<UnixMillis> {
    if is_one(claims) { time(claims, UNTIL) } else { None }
}

/// Why a consent would cover nothing from a time on, also where its role's schema takes it: parties that are
/// no DIDs, times that are not in UTC, an end before the beginning or before that time. Empty for other claims.
#[must_use]
pub fn faults(claims: &Map<String, Value>, at: UnixMillis) -> Vec<String> {
    let mut faults = Vec::new();
    if !is_one(claims) {
        return faults;
    }
    let parties = claims.get(PARTIES).and_then(Value::as_array).into_iter().flatten();
    for party in parties {
        if party.as_str().is_none_or(|did| Did::parse(did).is_err()) {
            faults.push(format!("{PARTIES}: {party} is no DID"));
        }
    }
    let (from, until) = (time(claims, FROM), time(claims, UNTIL));
    for (name, read) in [(FROM, from), (UNTIL, until)] {
        if read.is_none() {
            faults.push(format!("{name} is no time in UTC, such as 2026-03-01T12:00:00Z"));
        }
    }
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        faults.push(format!("{UNTIL} is not after {FROM}"));
    } else if let Some(until) = until.filter(|until| *until <= at) {
        faults.push(format!("{UNTIL} is {until}, and over at {at}"));
    }
    faults
}

/// Refuses what is no text in quotes and no attribute of the message: a consent for whatever the
/// visa says would be none.
///
/// # Errors
/// [`RequirementError::Malformed`].
pub fn check(need: &ConsentNeed) -> Result<(), RequirementError> {
    let refuse = |reason: String| Err(RequirementError::Malformed(format!("consent: {reason}")));
    for (what, text) in [("purpose", &need.purpose), ("data", &need.data)] {
        let quoted = ['\'', '"'].iter().any(|q| {
            text.strip_prefix(*q).and_then(|t| t.strip_suffix(*q)).is_some_and(|t| !t.contains(*q))
        });
        if !quoted && !text.strip_prefix("message.").is_some_and(is_name) {
            return refuse(format!("{what} is neither a text in quotes nor message.NAME"));
        }
    }
    if !is_name(&need.about) {
        return refuse("about is not the name of an attribute".into());
    }
    Ok(())
}

/// What a channel asks of the visa, as comparisons: the purpose, the data, the metering point, that
/// its issuer is the customer there, every recipient, and the time.
#[must_use]
pub fn comparisons(need: &ConsentNeed) -> Vec<String> {
    vec![
        format!("{} in visa.{PURPOSES}", need.purpose),
        format!("{} in visa.{DATA}", need.data),
        format!("visa.{METERING_POINT} == message.{}", need.about),
        format!("visa.{METERING_POINT} == authority.{METERING_POINT}"),
        format!("recipients within visa.{PARTIES}"),
        format!("time >= visa.{FROM}"),
        format!("time < visa.{UNTIL}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_credentials::schema::Schema;

    #[test]
    fn the_definition_can_be_read_again() {
        let customer = ContentId::of_bytes(b"customer").expect("a name");
        let name = RoleName::parse("flex.gb.consent").expect("a name");
        assert!(definition(name, vec![customer]).encode().is_ok());
    }

    #[test]
    fn what_is_neither_quoted_nor_of_the_message_is_no_need() {
        let need = |purpose: &str, about: &str| ConsentNeed {
            role: "flex.gb.consent".into(),
            purpose: purpose.into(),
            data: "message.data".into(),
            about: about.into(),
        };
        assert_eq!(check(&need("'settlement'", "meter")), Ok(()));
        for (bad, said) in [
            (
                need("visa.purposes", "meter"),
                "consent: purpose is neither a text in quotes nor message.NAME",
            ),
            (need("'settlement'", "its meter"), "consent: about is not the name of an attribute"),
        ] {
            assert_eq!(check(&bad), Err(RequirementError::Malformed(said.into())));
        }
    }

    fn said(bend: impl FnOnce(&mut Map<String, Value>)) -> Map<String, Value> {
        let claims = json!({
            "meteringPoint": "MP-1", "purposes": ["settlement"], "data": ["interval-readings"],
            "parties": ["did:web:alpha.example"],
            "from": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00+00:00",
        });
        let mut claims = claims.as_object().cloned().expect("an object");
        bend(&mut claims);
        claims
    }

    #[test]
    fn a_consent_that_would_cover_nothing_is_told() {
        let schema = Schema::compile(&Value::Object(claims())).expect("a schema");
        let fits = |claims: &Map<String, Value>| {
            schema.violations(&Value::Object(claims.clone())).is_empty()
        };
        let at = |text: &str| UnixMillis::parse_rfc3339(text).expect("a time");
        let faults = |claims: &Map<String, Value>| faults(claims, at("2026-01-31T23:59:59Z"));
        let good = said(|_| ());
        assert!(fits(&good) && faults(&good).is_empty(), "{:?}", faults(&good));
        assert_eq!(until(&good), UnixMillis::parse_rfc3339("2026-02-01T00:00:00Z").ok());
        for (name, value) in [
            (PARTIES, json!(["alpha"])),
            (FROM, json!("2026-01-01T00:00:00+02:00")),
            (UNTIL, json!("tomorrow")),
        ] {
            let bad = said(|c| drop(c.insert(name.into(), value)));
            assert!(!fits(&bad), "{bad:?}");
            assert_eq!(faults(&bad).len(), 1, "{:?}", faults(&bad));
        }
        // A schema cannot say this.
        let turned = said(|c| drop(c.insert(UNTIL.into(), json!("2025-01-01T00:00:00Z"))));
        assert_eq!(faults(&turned), ["until is not after from"]);
        // Nor this.
        let over = super::faults(&good, at("2026-02-01T00:00:00Z"));
        assert_eq!(over, ["until is 2026-02-01T00:00:00Z, and over at 2026-02-01T00:00:00Z"]);
        // Claims of another role may be called likewise.
        let other = said(|c| drop(c.remove(PURPOSES)));
        assert!(!is_one(&other) && faults(&other).is_empty() && until(&other).is_none());
    }
}
