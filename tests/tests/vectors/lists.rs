//! Status lists and visas, as they are read before anything is verified.

use crate::{Case, Found, refused};
use gridpass_credentials::keeping;
use serde_json::json;

/// A status list.
pub(crate) fn status_list(case: &Case) -> Found {
    match keeping::read_list(case.text("list").expect("a list").as_bytes()) {
        Err(e) => refused(e.code()),
        Ok(read) => Found::from([
            ("id", json!(read.id)),
            ("issuer", json!(read.issuer)),
            ("dated", json!(read.dated)),
            ("version", json!(read.version)),
            ("purposes", json!(read.purposes)),
        ]),
    }
}

/// A visa.
pub(crate) fn visa(case: &Case) -> Found {
    match keeping::read_visa(case.text("visa").expect("a visa")) {
        Err(e) => refused(e.code()),
        Ok((secured, visa)) => {
            let signed = secured.signed_at().map_or_else(|| "absent".into(), |at| at.to_string());
            Found::from([
                ("evidence", json!(secured.id())),
                ("id", json!(visa.id)),
                ("signed", json!(signed)),
            ])
        }
    }
}
