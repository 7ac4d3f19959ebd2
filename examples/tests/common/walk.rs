//! Walking through a scenario, with the policy engine deciding what happens in it.

use super::{Schemas, moment, names};
use gridpass_credentials::content_id::ContentId;
use gridpass_examples::scenario::{Expect, Scenario, SendMessage};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::decision::Verdict;
use gridpass_policy::policy::Policy;
use gridpass_policy::value::Value;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// The policy of each channel.
pub(crate) fn policies(scenario: &Scenario) -> BTreeMap<String, Policy> {
    let names = names(scenario);
    let framework = ContentId::of_nothing();
    let dated = UnixMillis::new(0);
    let policy = |plan| {
        let descriptor = scenario
            .channel_descriptor(plan, &names, &framework, dated)
            .unwrap_or_else(|e| panic!("{}: {e}", scenario.name));
        Policy::compile(descriptor).unwrap_or_else(|e| panic!("{}: {e}", scenario.name))
    };
    scenario.channels.iter().map(|c| (c.name.as_str().to_owned(), policy(c))).collect()
}

/// Walks a scenario and decides each message as a peer would, with the visas that its sender holds
/// at that moment.
pub(crate) struct Walk<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) policies: BTreeMap<String, Policy>,
    pub(crate) issued: BTreeSet<String>,
    pub(crate) revoked: BTreeSet<String>,
    pub(crate) schemas: Schemas,
}

impl<'s> Walk<'s> {
    pub(crate) fn new(scenario: &'s Scenario) -> Self {
        Self {
            scenario,
            policies: policies(scenario),
            issued: scenario.visas_at_start().iter().map(|(_, v)| v.id.clone()).collect(),
            revoked: BTreeSet::new(),
            schemas: Schemas::compile(),
        }
    }

    /// A case of the table, made of a step.
    pub(crate) fn row(&self, channel: &str, sender: &str, asks: (&str, Json)) -> Json {
        let visas = &self.scenario.participant(sender).expect("a participant").visas;
        let without: Vec<_> =
            visas.iter().filter(|v| !self.issued.contains(&v.id)).map(|v| &v.id).collect();
        let standing: Map<String, Json> = visas
            .iter()
            .filter(|v| self.revoked.contains(&v.id))
            .map(|v| (v.id.clone(), "revoked".into()))
            .collect();
        json!({
            "name": "a step", "channel": channel, "sender": sender, "without": without,
            "standing": standing, "expect": "allow", asks.0: asks.1,
        })
    }

    /// Decides: the verdict, the requirements that are not satisfied, every code.
    pub(crate) fn decide(&self, row: Json) -> (Verdict, Vec<String>, BTreeSet<String>) {
        let row = serde_json::from_value(row).expect("a row");
        let mut scenario = self.scenario.clone();
        scenario.policy = vec![row];
        let channel = scenario.channel(&scenario.policy[0].channel).expect("a channel");
        let file = scenario.cases(channel, &names(&scenario)).expect("cases");
        let ran = file.run(&file.cases[0], &self.policies[channel.name.as_str()]).expect("it runs");
        let reasons = &ran.decision.reasons;
        let codes = reasons
            .iter()
            .flat_map(|r| std::iter::once(&r.code).chain(r.causes.iter().map(|c| &c.code)))
            .map(ToString::to_string)
            .collect();
        let mut because: Vec<String> =
            reasons.iter().filter_map(|r| r.requirement.clone()).collect();
        because.sort();
        (ran.decision.verdict, because, codes)
    }

    /// The header's attributes, as the sender's node reads them from the payload.
    pub(crate) fn attributes(&self, send: &SendMessage, payload: &[u8]) -> Map<String, Json> {
        let descriptor = self.policies[&send.channel].descriptor();
        let topic = descriptor.topic(&send.topic).expect("a topic");
        let schema = self.schemas.of(send.document.schema());
        let mut found = send.attributes.clone();
        for (name, attribute) in &topic.attributes {
            let Some(from) = &attribute.from else { continue };
            let value = schema.read(payload, from, attribute.value_type);
            if let Some(value) = value.as_ref().map(Value::to_json) {
                found.entry(name.clone()).or_insert(value);
            } else {
                panic!("{}: {from} is not in the document", send.id);
            }
        }
        found
    }

    pub(crate) fn send(&self, send: &SendMessage, seed: u64) {
        let place = format!("{}: {}", self.scenario.name, send.id);
        let payload = self.scenario.document(&send.id, &moment(seed)).expect("a document");
        let schema = self.schemas.of(send.document.schema());
        let unfit = schema.validate(&payload);
        if let Expect::Refused(refusal) = &send.expect
            && refusal.code.starts_with("GP-PAYLOAD")
        {
            assert_eq!(unfit.first().map(|v| v.code.id()), Some(refusal.code.as_str()), "{place}");
            return;
        }
        assert_eq!(unfit, [], "{place}");
        let most = self.policies[&send.channel].descriptor().limits.max_payload_bytes;
        assert!(
            u64::try_from(payload.len()).expect("it fits") <= most,
            "{place}: {}",
            payload.len()
        );

        let mut message = json!({"topic": send.topic, "to": send.to});
        message["attributes"] = self.attributes(send, &payload).into();
        let row = self.row(&send.channel, &send.from, ("publish", message));
        let (verdict, because, codes) = self.decide(row);
        match &send.expect {
            Expect::Delivered(readers) => {
                assert_eq!(verdict, Verdict::Allow, "{place}: {because:?} {codes:?}");
                for reader in readers {
                    let row = self.row(&send.channel, reader, ("subscribe", json!({})));
                    let (verdict, because, codes) = self.decide(row);
                    assert_eq!(verdict, Verdict::Allow, "{place}, {reader}: {because:?} {codes:?}");
                }
            }
            Expect::Refused(refusal) => {
                assert_eq!(verdict, Verdict::Deny, "{place}");
                let mut expected = refusal.because.clone();
                expected.sort();
                assert_eq!(because, expected, "{place}");
                for code in refusal.causes.iter().chain([&refusal.code]) {
                    assert!(codes.contains(code), "{place}: {code} is not among {codes:?}");
                }
            }
        }
    }
}
