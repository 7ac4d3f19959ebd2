//! Somebody with a did:webvh, which can be given up.

use crate::world::{NOW, Party, days_ago};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method::webvh::{self, Control, NewMethod, VerifiedEntries};
use gridpass_identity::resolve::Snapshot;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::Fixed;

/// A party with a did:webvh that is ninety days old.
#[derive(Clone, Debug)]
pub struct Logged {
    /// As a party: its only key is listed for all that signs.
    pub party: Party,
    log: String,
    next: SecretKey,
}

impl Logged {
    /// The party of a number.
    #[must_use]
    pub fn new(number: u8) -> Self {
        let (key, first, next) = (secret(number), secret(number + 100), secret(number + 150));
        let methods = [NewMethod {
            fragment: "key-1".into(),
            public_key: key.public_key(),
            relationships: vec![
                Relationship::AssertionMethod,
                Relationship::Authentication,
                Relationship::CapabilityInvocation,
            ],
            revoked: None,
        }];
        let after = next.public_key();
        let control = Control { signer: &first, next: &after, witness: None };
        let place = format!("party-{number}.example");
        let (did, log) =
            webvh::create(&place, &methods, &control, days_ago(90)).expect("a log of one entry");
        let key_id = did.with_fragment("key-1").expect("a key id");
        Self { party: Party { did, key, key_id }, log, next }
    }

    /// What is known of it: that it goes on.
    #[must_use]
    pub fn living(&self) -> Fixed {
        known(&self.log, NOW)
    }

    /// Its key is marked as compromised since a time, by an entry of another time: as a party with the key that
    /// signs from then on, and what is known of it.
    #[must_use]
    pub fn marked(&self, since: UnixMillis, at: UnixMillis) -> (Party, Fixed) {
        let entries = VerifiedEntries::verify(&self.party.did, self.log.as_bytes(), NOW);
        let (key, after) = (secret(250), secret(251).public_key());
        let control = Control { signer: &self.next, next: &after, witness: None };
        let methods = [
            NewMethod {
                fragment: "key-1".into(),
                public_key: self.party.key.public_key(),
                relationships: Vec::new(),
                revoked: Some(since),
            },
            NewMethod {
                fragment: "key-2".into(),
                public_key: key.public_key(),
                relationships: vec![
                    Relationship::AssertionMethod,
                    Relationship::Authentication,
                    Relationship::CapabilityInvocation,
                ],
                revoked: None,
            },
        ];
        let log = webvh::update(&entries.expect("a log"), &methods, &control, at);
        let did = self.party.did.clone();
        let key_id = did.with_fragment("key-2").expect("a key id");
        (Party { did, key, key_id }, known(&log.expect("a log with a mark"), NOW))
    }

    /// Its key is replaced in good order, and marked as compromised later, since a time from before: as a party with
    /// the key that signs from then on, and what is known of it between and afterwards.
    #[must_use]
    pub fn rotated_then_marked(
        &self,
        rotated: UnixMillis,
        since: UnixMillis,
        at: UnixMillis,
    ) -> (Party, Fixed, Fixed) {
        let (key, second, third) = (secret(250), secret(251), secret(252).public_key());
        let new = NewMethod {
            fragment: "key-2".into(),
            public_key: key.public_key(),
            relationships: vec![Relationship::AssertionMethod, Relationship::Authentication],
            revoked: None,
        };
        let old = NewMethod {
            fragment: "key-1".into(),
            public_key: self.party.key.public_key(),
            relationships: Vec::new(),
            revoked: Some(since),
        };
        let entries = |log: &str| {
            VerifiedEntries::verify(&self.party.did, log.as_bytes(), NOW).expect("a log")
        };
        let after = second.public_key();
        let control = Control { signer: &self.next, next: &after, witness: None };
        let methods = [new.clone()];
        let between = webvh::update(&entries(&self.log), &methods, &control, rotated);
        let between = between.expect("a log with another key");
        let control = Control { signer: &second, next: &third, witness: None };
        let marked = webvh::update(&entries(&between), &[old, new], &control, at);
        let marked = marked.expect("a log with a mark");
        let did = self.party.did.clone();
        let key_id = did.with_fragment("key-2").expect("a key id");
        (Party { did, key, key_id }, known(&between, NOW), known(&marked, NOW))
    }

    /// What is known of it: that it was given up in the second before a time, with which its DID ends.
    #[must_use]
    pub fn ended(&self, at: UnixMillis) -> Fixed {
        let entries = VerifiedEntries::verify(&self.party.did, self.log.as_bytes(), NOW);
        let before = UnixMillis::new(at.get() - 1000);
        let ended = webvh::deactivate(&entries.expect("a log"), &self.next, before);
        known(&ended.expect("a log that ends"), NOW.max(at))
    }
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("32 bytes")
}

fn known(log: &str, seen: UnixMillis) -> Fixed {
    let document = log.as_bytes().to_vec();
    Fixed(vec![Snapshot { seen, confirmed: None, document, witness: None }])
}
