//! Somebody with a wallet and a DID, and the smallest trust framework: what most calls begin with.

use crate::common::{Place, Ran};
use serde_json::Value;

/// Somebody with a wallet and a did:webvh.
pub(crate) struct Party<'p> {
    pub(crate) place: &'p Place,
    pub(crate) profile: &'static str,
    pub(crate) did: String,
}

impl<'p> Party<'p> {
    pub(crate) fn new(place: &'p Place, profile: &'static str) -> Self {
        let words = format!("{profile}-words.txt");
        place.ok(&["init", "--name", profile, "--recovery-out", &words]);
        let location = format!("{profile}.example");
        let args = ["--profile", profile, "--method", "webvh", "--location", &location];
        let did = place.new_identity("root", &args);
        Self { place, profile, did }
    }

    pub(crate) fn args<'a>(&self, args: &[&'a str]) -> Vec<&'a str> {
        [&["--profile", self.profile], args].concat()
    }

    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        self.place.ok(&self.args(args))
    }

    pub(crate) fn json(&self, schema: &str, args: &[&str]) -> Value {
        self.place.ok_json(schema, &self.args(args))
    }

    pub(crate) fn refused(&self, code: &str, status: i32, args: &[&str]) -> Value {
        self.place.refused(code, status, &self.args(args))
    }

    /// A verification that must come out so.
    pub(crate) fn verdict(&self, code: &str, status: i32, args: &[&str]) -> Value {
        let args = [&["--json"], args].concat();
        let ran = self.place.run(&self.args(&args));
        let json = ran.json();
        assert_eq!((json["code"].as_str(), ran.status), (Some(code), status), "{args:?}: {json:#}");
        json
    }
}

/// A regulator with a role and a charter, and a holder who trusts it.
pub(crate) fn framework(place: &Place) -> (Party<'_>, Party<'_>) {
    let (regulator, holder) = (Party::new(place, "regulator"), Party::new(place, "agg"));
    regulator.ok(&[
        "role",
        "define",
        "flex.gb.aggregator",
        "--title",
        "Aggregator",
        "--claim",
        "zone:string",
        "--claim",
        "capacityKw:integer?",
    ]);
    regulator.ok(&["charter", "new", "Flexibility", "--role", "flex.gb.aggregator"]);
    regulator.ok(&["charter", "pack", "-o", "trust.json"]);
    holder.ok(&["charter", "verify", "trust.json", "--adopt"]);
    (regulator, holder)
}
