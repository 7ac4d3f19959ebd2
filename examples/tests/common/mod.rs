//! What the tests of scenarios share: names for participants, a moment, compiled schemas.

#![allow(dead_code)] // each test uses a part of it

use gridpass_examples::build::Names;
use gridpass_examples::content::Moment;
use gridpass_examples::scenario::Scenario;
use gridpass_examples::schemas;
use gridpass_examples::table::AT;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::payload::PayloadSchema;
use std::collections::BTreeMap;

const DAY: u64 = 24 * 3_600_000;

/// DIDs at each participant's domain.
pub(crate) fn names(scenario: &Scenario) -> Names {
    let did = |domain: &str| Did::parse(&format!("did:web:{domain}")).expect("a DID");
    let dids = scenario.participants.iter().map(|p| (p.name.clone(), did(&p.domain()))).collect();
    let from = UnixMillis::new(AT.get() - 30 * DAY);
    Names { dids, from, until: AT.plus_millis(300 * DAY) }
}

/// A moment of a run that trades the day after [`AT`].
pub(crate) fn moment(seed: u64) -> Moment {
    Moment { seed, day: AT.plus_millis(DAY), time: AT }
}

/// Every schema, compiled once.
pub(crate) struct Schemas(BTreeMap<&'static str, PayloadSchema>);

impl Schemas {
    pub(crate) fn compile() -> Self {
        let compiled = |name| {
            let schema = schemas::find(name).expect("a schema").expect("a readable one");
            (name, schema.compile().unwrap_or_else(|e| panic!("{name}: {e}")))
        };
        Self(schemas::names().map(compiled).collect())
    }

    pub(crate) fn of(&self, name: &str) -> &PayloadSchema {
        self.0.get(name).unwrap_or_else(|| panic!("there is no schema {name}"))
    }

    /// The document fits, and is not empty.
    pub(crate) fn fit(&self, name: &str, document: &[u8], what: &str) {
        assert!(!document.is_empty(), "{what}");
        assert_eq!(self.of(name).validate(document), [], "{what}");
    }
}
