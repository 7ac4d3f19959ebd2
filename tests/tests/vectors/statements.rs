//! Visa requests, refusals and parcels.

use crate::made::told;
use crate::{Case, Found, refused};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::request::{Refusal, Statement, VisaRequest, receive};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use serde_json::json;

/// A request or a refusal, by somebody with a did:key.
pub(crate) fn statement(case: &Case) -> Found {
    match case.text("what").expect("what it is") {
        "request" => received::<VisaRequest>(case),
        "refusal" => received::<Refusal>(case),
        other => panic!("{}: no statement {other}", case.name),
    }
}

fn received<S: Statement>(case: &Case) -> Found {
    let now = UnixMillis::parse_rfc3339(case.text("now").expect("a time")).expect("a time");
    let recipient = case.text("recipient").map(|did| Did::parse(did).expect("a DID"));
    let text = case.text("statement").expect("a statement");
    let resolver = OfflineResolver::new(&NoSnapshots);
    match receive::<S>(text, recipient.as_ref(), &resolver, now) {
        Err(e) => refused(e.code()),
        Ok(read) => Found::from([
            ("id", json!(read.id)),
            ("signed", json!(read.signed)),
            ("outcome", json!(read.report.outcome())),
            ("code", json!(read.report.deciding().map(|c| c.code))),
            ("checks", told(&read.report.checks)),
        ]),
    }
}

/// A parcel; where a kind is asked for, perhaps the bare thing.
pub(crate) fn parcel(case: &Case) -> Found {
    let bytes = case.text("parcel").expect("a parcel").as_bytes();
    let kind = case.input.get("kind").cloned();
    let kind: Option<ParcelKind> = kind.map(|k| serde_json::from_value(k).expect("a kind"));
    let read = match kind {
        Some(kind) => Parcel::parse_or_bare(bytes, kind),
        None => Parcel::parse(bytes),
    };
    match read {
        Err(e) => refused(e.code()),
        Ok(read) => {
            let again = String::from_utf8(read.encode().expect("bytes")).expect("text");
            Found::from([("parcel", json!(read)), ("again", json!(again))])
        }
    }
}
