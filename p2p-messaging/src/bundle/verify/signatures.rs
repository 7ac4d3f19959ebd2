//! Who signed each message. It is asked first: what its sender did not sign takes no place in a chain.

use super::in_parallel_with;
use super::keys::{Keys, is_own_proof};
use super::known::KnownDids;
use super::material::Material;
use super::receipts::key_at;
use super::report::Audit;
use crate::bundle::entries::MessageEntry;
use crate::envelope::{Envelope, NotSigned};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::DidUrl;
use gridpass_identity::key::PublicKey;
use std::collections::HashMap;
use std::sync::Arc;

/// The check of each message, where its envelope is there.
pub(super) type Signatures = Vec<Option<Arc<Audit>>>;

/// What one thread remembers from message to message.
struct Memory<'m> {
    resolver: KnownDids<'m>,
    /// Keys of DIDs that are their own proof.
    keys: HashMap<DidUrl, PublicKey>,
}

pub(super) fn judge(material: &Material<'_>) -> Signatures {
    const NAME: &str = "signature";
    let all: Vec<_> = material.bundle.entries().messages.iter().enumerate().collect();
    let keys = Keys::of(material, &all);
    let sentence = "signed with the key that its header names, which was good then";
    let signed = Arc::new(Audit::passed(NAME, identity_codes::SIGNATURE_VALID, sentence));
    let one = |memory: &mut Memory<'_>, entry: &MessageEntry, envelope: &Envelope| {
        let url = &envelope.header().key;
        let said = |verified: Result<(), NotSigned>| match verified {
            Ok(()) => Arc::clone(&signed),
            Err(e) => {
                let code = identity_codes::SIGNATURE_INVALID;
                Arc::new(Audit::failed(NAME, code, e.to_string()).on([url]))
            }
        };
        if let Some(prepared) = keys.of_url(url) {
            return said(envelope.verify_prepared(prepared));
        }
        let key = match memory.keys.get(url) {
            Some(key) => key.clone(),
            None => match key_at(&memory.resolver, url, entry.at) {
                Ok(key) => {
                    // Of others the key may be another one at another time.
                    if is_own_proof(url) {
                        memory.keys.insert(url.clone(), key.clone());
                    }
                    key
                }
                Err(judged) => {
                    let stands = (judged.outcome, judged.code);
                    return Arc::new(Audit::new(NAME, stands, judged.sentence).on([url]));
                }
            },
        };
        said(envelope.verify(&key))
    };
    in_parallel_with(
        &all,
        || Memory { resolver: material.resolver(), keys: HashMap::new() },
        |memory, (index, entry)| {
            let envelope = material.envelopes.get(*index)?.as_ref()?;
            Some(one(memory, entry, envelope))
        },
    )
}
