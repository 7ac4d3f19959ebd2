//! What the text of a visa says by itself, whoever reads it and whenever: read once, and kept for
//! as long as the text comes again. Time, trust and status are asked anew each time.

use crate::codes;
use crate::secured::{Kind, Secured, SecuredError};
use crate::vcdm::Credential;
use crate::visa::Visa;
use gridpass_identity::report::Check;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A visa that was read; not yet believed.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) secured: Secured,
    /// What it says, or why it is none.
    pub(crate) visa: Result<Visa, Check>,
}

impl Reading {
    fn new(secured: Secured) -> Self {
        let visa = read(&secured);
        Self { secured, visa }
    }
}

fn read(secured: &Secured) -> Result<Visa, Check> {
    let read = Credential::read(secured.document().clone()).map_err(Into::into);
    let visa = read
        .and_then(|c| Visa::read(&c))
        .map_err(|e| Check::failed("form", e.code(), e.to_string()))?;
    if !secured.conceals_only_in("/credentialSubject/claims") {
        // Else a holder could withhold, say, where its suspension is written.
        let sentence = "more than its claims can be withheld";
        return Err(Check::failed("form", codes::VISA_MALFORMED, sentence));
    }
    Ok(visa)
}

/// Readings by the whole text that they were made from: two texts are never taken for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    known: HashMap<String, Arc<Reading>>,
    bytes: usize,
}

impl Readings {
    /// The most text that is kept, in bytes; then it starts anew.
    const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// Reads a visa as a member of a presentation.
    pub(crate) fn member(&mut self, member: &Value) -> Result<Arc<Reading>, SecuredError> {
        let enveloped =
            member.as_object().and_then(|o| crate::secured::enveloped(o, Kind::Credential));
        match enveloped {
            Some(text) => self.text(text),
            None => {
                let secured = Secured::from_json(member.clone(), Kind::Credential)?;
                Ok(Arc::new(Reading::new(secured)))
            }
        }
    }

    /// Reads a visa from the bytes of a file.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<Arc<Reading>, SecuredError> {
        let secured = Secured::parse(bytes, Kind::Credential)?;
        Ok(Arc::new(Reading::new(secured)))
    }

    /// Reads a visa from its text, whatever form that has.
    pub(crate) fn given(&mut self, text: &str) -> Result<Arc<Reading>, SecuredError> {
        let text = text.trim_ascii();
        if text.starts_with('{') { self.bytes(text.as_bytes()) } else { self.text(text) }
    }

    fn text(&mut self, text: &str) -> Result<Arc<Reading>, SecuredError> {
        if let Some(known) = self.known.get(text) {
            return Ok(Arc::clone(known));
        }
        let secured = Secured::from_compact(text, Kind::Credential)?;
        let reading = Arc::new(Reading::new(secured));
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > Self::MAX_BYTES {
            self.known.clear();
            self.bytes = text.len();
        }
        self.known.insert(text.to_owned(), Arc::clone(&reading));
        Ok(reading)
    }
}
