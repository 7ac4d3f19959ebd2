//! CIM grid models in RDF/XML (IEC 61970-552): the header is checked, and that the rest is
//! well-formed. What the model says of the grid is for those who compute with it.

use super::xml::{self, Element, Visitor};
use super::{SchemaError, Violation};
use crate::codes;
use gridpass_identity::code::Code;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};

/// What the member `type` says.
pub(super) const TYPE: &str = "gridpass-cim";
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const MODEL: &str = "http://iec.ch/TC57/61970-552/ModelDescription/1#";
/// The largest model that a schema may allow: it may travel as a file.
const MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Which models are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CimSchema {
    #[serde(rename = "type")]
    document_type: String,
    format_version: u32,
    /// The profiles that a model may name, each by its IRI.
    pub(super) profiles: BTreeSet<String>,
    /// The least version.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub(super) min_version: Option<u64>,
    /// The modelling authorities whose models are taken; any, if absent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) modeling_authority_sets: BTreeSet<String>,
    /// Whether a difference model is taken, instead of a full one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) difference: bool,
    /// The largest model, in bytes.
    pub(super) max_bytes: u64,
}

impl CimSchema {
    pub(super) fn compile(value: Json) -> Result<Self, SchemaError> {
        let schema: Self =
            json::from_object(value).map_err(|e| SchemaError::Malformed(e.to_string()))?;
        let refuse = |reason: &str| Err(SchemaError::Malformed(reason.to_owned()));
        if schema.document_type != TYPE || schema.format_version != 1 {
            return refuse("its type or format version is unknown");
        }
        if schema.profiles.is_empty() || schema.profiles.len() > 64 {
            return refuse("it names no profile, or more than 64");
        }
        if !(1..=MAX_BYTES).contains(&schema.max_bytes) {
            return refuse("maxBytes is not from 1 byte to 16 GiB");
        }
        Ok(schema)
    }

    pub(super) fn validate(&self, payload: &[u8]) -> Vec<Violation> {
        self.check(payload, Some(payload))
    }

    /// Checks a model that does not fit into memory, which is read once, to its end.
    pub fn validate_reader(&self, model: impl Read) -> Vec<Violation> {
        self.check(BufReader::new(model), None)
    }

    fn check(&self, model: impl BufRead, payload: Option<&[u8]>) -> Vec<Violation> {
        let mut header = Header::new(self);
        let mut limited = Limited { inner: model, left: self.max_bytes, over: false };
        match xml::walk(&mut limited, usize::MAX, &mut header) {
            // Also where the rest would be nothing but white space.
            _ if limited.over => {
                let place = format!("byte {}", self.max_bytes);
                let why = format!("it has more than {} bytes", self.max_bytes);
                vec![Violation::new(codes::PAYLOAD_LIMIT, place, why)]
            }
            Err(fault) => vec![fault.located(payload)],
            Ok(()) => Vec::new(),
        }
    }
}

/// Gives so many bytes and then ends, remembering that there was more.
struct Limited<R> {
    inner: R,
    left: u64,
    over: bool,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let available = self.inner.fill_buf()?;
        if left == 0 && !available.is_empty() {
            self.over = true;
        }
        Ok(available.get(..left.min(available.len())).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(u64::try_from(amount).unwrap_or(u64::MAX));
        self.inner.consume(amount);
    }
}

/// The header on its way: `rdf:RDF` with the model's description as its first child.
struct Header<'s> {
    schema: &'s CimSchema,
    described: bool,
    inside: bool,
    /// Whether the property is one of the header's own vocabulary.
    ours: bool,
    text: String,
    /// Whether there was more text than is kept.
    long: bool,
    profiles: usize,
    version: Option<u64>,
    created: bool,
    authority: Option<String>,
}

fn refuse(sentence: impl Into<String>) -> (Code, String) {
    (codes::CIM_HEADER, sentence.into())
}

impl<'s> Header<'s> {
    fn new(schema: &'s CimSchema) -> Self {
        Self {
            schema,
            described: false,
            inside: false,
            ours: false,
            text: String::new(),
            long: false,
            profiles: 0,
            version: None,
            created: false,
            authority: None,
        }
    }

    fn model(&self) -> &'static str {
        if self.schema.difference { "DifferenceModel" } else { "FullModel" }
    }

    fn property(&mut self, name: &str) -> Result<(), (Code, String)> {
        let text = self.text.trim().to_owned();
        let time = || {
            UnixMillis::parse_rfc3339(&text)
                .map_err(|_| refuse(format!("{name} is not a time in UTC")))
        };
        match name {
            "Model.created" => {
                time()?;
                self.created = true;
            }
            "Model.scenarioTime" => {
                time()?;
            }
            "Model.profile" => {
                if !self.schema.profiles.contains(&text) {
                    return Err(refuse(format!("the profile {text:?} is not taken here")));
                }
                self.profiles = self.profiles.saturating_add(1);
            }
            "Model.version" if self.version.is_some() => {
                return Err(refuse("it has two versions"));
            }
            "Model.modelingAuthoritySet" if self.authority.is_some() => {
                return Err(refuse("it has two modelling authorities"));
            }
            "Model.version" => {
                let number = text.parse().map_err(|_| refuse("its version is not a number"))?;
                self.version = Some(number);
            }
            "Model.modelingAuthoritySet" => self.authority = Some(text),
            _ => {}
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), (Code, String)> {
        if self.profiles == 0 {
            return Err(refuse("it names no profile"));
        }
        if !self.created {
            return Err(refuse("it does not say when it was created"));
        }
        if let Some(least) = self.schema.min_version
            && self.version.is_none_or(|v| v < least)
        {
            return Err(refuse(format!("its version is not {least} or later")));
        }
        let allowed = &self.schema.modeling_authority_sets;
        if !allowed.is_empty() && !self.authority.as_ref().is_some_and(|a| allowed.contains(a)) {
            return Err(refuse("its modelling authority is not one whose models are taken"));
        }
        Ok(())
    }
}

impl Visitor for Header<'_> {
    fn start(&mut self, element: &Element<'_>) -> Result<(), (Code, String)> {
        self.text.clear();
        self.long = false;
        let is = |namespace: &str, local: &str| {
            element.namespace == namespace && element.local() == local
        };
        match element.path.len() {
            1 if !is(RDF, "RDF") => Err(refuse("its root is not rdf:RDF")),
            2 if !self.described => {
                let model = self.model();
                if !is(MODEL, model) {
                    return Err(refuse(format!("it does not begin with md:{model}")));
                }
                let about = element.attribute(RDF, "about").unwrap_or_default();
                let uuid = about.strip_prefix("urn:uuid:").unwrap_or_default();
                let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
                let hex = uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
                if groups != [8, 4, 4, 4, 12] || !hex {
                    return Err(refuse("its rdf:about is not a urn:uuid"));
                }
                (self.described, self.inside) = (true, true);
                Ok(())
            }
            2 if is(MODEL, "FullModel") || is(MODEL, "DifferenceModel") => {
                Err(refuse("it has a second header"))
            }
            3 if self.inside => {
                self.ours = element.namespace == MODEL;
                Ok(())
            }
            4.. if self.inside && self.ours => {
                Err(refuse("a property of its header has elements inside"))
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, text: &str) {
        if self.inside {
            self.long |= self.text.len().saturating_add(text.len()) > 4096;
            if !self.long {
                self.text.push_str(text);
            }
        }
    }

    fn end(&mut self, path: &[String]) -> Result<(), (Code, String)> {
        match path.len() {
            1 if !self.described => Err(refuse("it has no header")),
            2 if self.inside => {
                self.inside = false;
                self.finish()
            }
            3 if self.inside && !self.ours => Ok(()),
            3 if self.inside && self.long => Err(refuse("a property of its header is too long")),
            3 if self.inside => {
                let name = path.last().map_or("", String::as_str).to_owned();
                self.property(&name)
            }
            _ => Ok(()),
        }
    }
}
