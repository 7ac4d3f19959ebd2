//! From JSON-LD to canonical N-Quads (RDFC-1.0), the bytes that `eddsa-rdfc-2022` signs.
//!
//! Expansion and canonicalisation are `ssi`'s. Around them stands what it leaves to its caller:
//! nothing may be dropped silently, no context but a bundled one is read, and a graph built to make
//! canonicalisation take for ever is refused before it starts.

use crate::context;
use serde_json::Value;
use ssi_json_ld::{CompactJsonLd, Expandable as _};
use ssi_rdf::{AnyLdEnvironment as _, LdEnvironment, LexicalQuad};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The most quads of one document.
const MAX_QUADS: usize = 4096;
/// The most places where a document names its contexts: a presentation and its visas.
const MAX_CONTEXTS: usize = 80;
/// The most contexts at one place.
const MAX_CONTEXT_ENTRIES: usize = 16;
/// The most blank nodes around one that is not told apart: their orders are tried, too.
const MAX_NEIGHBOURS: usize = 6;
/// The most blank nodes that their own quads do not tell apart. RDFC-1.0 tries their orders, and
/// orders grow as the factorial: a document of 2 KB can ask for a day.
const MAX_AMBIGUOUS: usize = 8;

/// Why a document has no canonical form here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdfError {
    /// A context that is not bundled.
    #[error("the context {0:?} is not one of those that Gridpass carries, and none is fetched")]
    UnknownContext(String),
    /// A member would be dropped or cannot be read as JSON-LD.
    #[error("as JSON-LD it loses or garbles something: {0}")]
    Expansion(String),
    /// More than is canonicalised.
    #[error("its graph is refused: {0}")]
    Graph(&'static str),
}

/// Which contexts a document may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contexts {
    /// Those that are bundled, by name.
    Bundled,
    /// Definitions inside the document too: its writer says what its own words mean. Protected
    /// words keep their meaning all the same.
    Inline,
}

/// The canonical N-Quads of a JSON-LD document whose contexts are all bundled.
///
/// # Errors
/// [`RdfError`].
pub fn canonical_nquads(document: &Value) -> Result<String, RdfError> {
    canonical_nquads_with(document, Contexts::Bundled)
}

/// The canonical N-Quads of a JSON-LD document.
///
/// # Errors
/// [`RdfError`].
pub fn canonical_nquads_with(document: &Value, contexts: Contexts) -> Result<String, RdfError> {
    check_members(document, contexts)?;
    let expansion =
        |e: &dyn std::fmt::Display| RdfError::Expansion(e.to_string().chars().take(200).collect());
    let text = serde_json::to_string(document).map_err(|e| expansion(&e))?;
    let (value, _) = json_syntax::Parse::parse_str(&text)
        .map_err(|e: json_syntax::parse::Error| expansion(&e))?;
    let loader = context::loader().ok_or(RdfError::Graph("the bundled contexts do not load"))?;
    let mut environment = LdEnvironment::default();
    let compact = CompactJsonLd(value);
    let expanded = ready(compact.expand_with(&mut environment, loader))
        .ok_or(RdfError::Graph("a context was not at hand"))?
        .map_err(|e| expansion(&e))?;
    let quads = environment.quads_of(&expanded).map_err(|e| expansion(&e))?;
    let quads = without_repeats(quads);
    check_graph(&quads)?;
    Ok(ssi_rdf::urdna2015::normalize(quads.iter().map(LexicalQuad::as_lexical_quad_ref))
        .into_nquads())
}

/// The value of a future that has nothing to wait for: every context is in memory.
fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Refuses what expansion drops without a word, and what gives one document two readings.
fn check_members(document: &Value, contexts: Contexts) -> Result<(), RdfError> {
    // Only where our protected context makes them literals: under another one they are members
    // like any other.
    let ours = document
        .get("@context")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|c| c == context::GRIDPASS_V1));
    let lost = |what: &str| RdfError::Expansion(what.to_owned());
    let mut open = vec![document];
    let mut context_count = 0_usize;
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                for (name, member) in object {
                    match (name.as_str(), member) {
                        ("@context", context) => {
                            context_count = context_count.saturating_add(1);
                            if context_count > MAX_CONTEXTS {
                                return Err(RdfError::Graph("it names contexts again and again"));
                            }
                            check_context(context, contexts)?;
                        }
                        // The same statements can be written in other places with `@included`,
                        // `@reverse` or a full IRI as a key: the signature would fit, and who reads
                        // the members by name would not see them.
                        (name, _)
                            if contexts == Contexts::Bundled
                                && (name.starts_with('@') || name.contains(':')) =>
                        {
                            return Err(lost("a member is a keyword or an IRI, not a word"));
                        }
                        // JSON literals: nothing in them is JSON-LD.
                        ("claims" | "changes", Value::Object(_) | Value::Array(_)) if ours => {}
                        (_, Value::Null) => return Err(lost("a member is null")),
                        _ => open.push(member),
                    }
                }
            }
            Value::Array(list) if list.contains(&Value::Null) => {
                return Err(lost("an array holds null"));
            }
            Value::Array(list) => open.extend(list),
            // Wherever a context makes it a name, it would name a blank node.
            Value::String(text) if text.starts_with("_:") => {
                return Err(lost("a blank node has a name"));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

/// Only bundled contexts by name. An inline context could give a word another meaning.
fn check_context(context: &Value, contexts: Contexts) -> Result<(), RdfError> {
    let one = std::slice::from_ref(context);
    if context.as_array().is_some_and(|list| list.len() > MAX_CONTEXT_ENTRIES) {
        return Err(RdfError::Graph("it names more than 16 contexts at once"));
    }
    for part in context.as_array().map_or(one, Vec::as_slice) {
        match part {
            Value::String(iri) if context::is_known(iri) => {}
            Value::String(iri) => {
                return Err(RdfError::UnknownContext(iri.chars().take(120).collect()));
            }
            Value::Object(inline) if contexts == Contexts::Inline => {
                check_inline(inline)?;
            }
            _ => return Err(RdfError::UnknownContext("an inline context".into())),
        }
    }
    Ok(())
}

/// Inline definitions import nothing, and every IRI in them is one: the library takes what only
/// looks like one.
fn check_inline(inline: &serde_json::Map<String, Value>) -> Result<(), RdfError> {
    let mut open: Vec<&Value> = inline.values().collect();
    if inline.contains_key("@import") {
        return Err(RdfError::UnknownContext("an inline context with @import".into()));
    }
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if text.contains(char::is_whitespace) => {
                let shown = text.chars().take(120).collect();
                return Err(RdfError::UnknownContext(shown));
            }
            Value::Object(object) => {
                if let Some(nested) = object.get("@context") {
                    check_context(nested, Contexts::Inline)?;
                }
                open.extend(object.iter().filter(|(n, _)| *n != "@context").map(|(_, v)| v));
            }
            Value::Array(list) => open.extend(list),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    Ok(())
}

/// A statement by its parts, each as it is written in N-Quads: a literal begins with a quote, an IRI
/// with `<`, and only a blank node with `_:`.
type Parts = [String; 4];

fn parts(quad: &LexicalQuad) -> Parts {
    let graph = quad.3.as_ref().map(ToString::to_string).unwrap_or_default();
    [quad.0.to_string(), quad.1.to_string(), quad.2.to_string(), graph]
}

/// A dataset is a set: what stands there twice is there once.
fn without_repeats(quads: Vec<LexicalQuad>) -> Vec<LexicalQuad> {
    let mut seen = BTreeSet::new();
    quads.into_iter().filter(|quad| seen.insert(parts(quad))).collect()
}

fn check_graph(quads: &[LexicalQuad]) -> Result<(), RdfError> {
    if quads.is_empty() {
        return Err(RdfError::Graph("it says nothing"));
    }
    if quads.len() > MAX_QUADS {
        return Err(RdfError::Graph("it has more than 4096 statements"));
    }
    // The first step of RDFC-1.0 (hash first degree quads), without the hash.
    let mut around: BTreeMap<String, Vec<Parts>> = BTreeMap::new();
    let mut neighbours: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for quad in quads {
        let parts = parts(quad);
        let labels: BTreeSet<&String> = parts.iter().filter(|p| p.starts_with("_:")).collect();
        for label in &labels {
            let seen = parts.clone().map(|part| match part {
                part if part == **label => "_:a".to_owned(),
                part if part.starts_with("_:") => "_:z".to_owned(),
                part => part,
            });
            around.entry((*label).clone()).or_default().push(seen);
            let others = labels.iter().filter(|l| l != &label).map(|l| (*l).clone());
            neighbours.entry((*label).clone()).or_default().extend(others);
        }
    }
    let mut alike: BTreeMap<Vec<Parts>, Vec<String>> = BTreeMap::new();
    for (label, mut lines) in around {
        lines.sort();
        alike.entry(lines).or_default().push(label);
    }
    let ambiguous: Vec<&String> = alike.values().filter(|l| l.len() > 1).flatten().collect();
    if ambiguous.len() > MAX_AMBIGUOUS {
        return Err(RdfError::Graph("too many of its blank nodes look alike"));
    }
    let crowded = |label: &&String| {
        neighbours.get(*label).is_some_and(|around| around.len() > MAX_NEIGHBOURS)
    };
    if ambiguous.iter().any(crowded) {
        return Err(RdfError::Graph("blank nodes that look alike have too many around them"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn credential() -> Value {
        json!({
            "@context": [context::CREDENTIALS_V2, context::GRIDPASS_V1],
            "type": ["VerifiableCredential", "GridpassVisa"],
            "issuer": "did:example:issuer",
            "credentialSubject": {
                "id": "did:example:holder",
                "role": {"definition": "bafk", "name": "flex.gb.aggregator"},
                "claims": {"zone": "GB-1", "kw": 10, "nested": {"b": null, "a": [1.50, "x"]}},
            },
        })
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Result<String, RdfError> {
        let mut value = credential();
        change(&mut value);
        canonical_nquads(&value)
    }

    #[test]
    fn claims_are_one_json_literal_in_canonical_form() -> Result<(), RdfError> {
        let quads = canonical_nquads(&credential())?;
        let literal = r#""{\"kw\":10,\"nested\":{\"a\":[1.5,\"x\"],\"b\":null},\"zone\":\"GB-1\"}"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON>"#;
        assert!(quads.contains(literal), "{quads}");
        Ok(())
    }

    #[test]
    fn an_unknown_or_inline_context_is_refused() {
        for context in [
            json!([context::CREDENTIALS_V2, "https://attacker.example/v1"]),
            json!([context::CREDENTIALS_V2, {"role": "https://attacker.example/role"}]),
            json!([context::CREDENTIALS_V2, ["https://w3id.org/gridpass/v1"]]),
        ] {
            let refused = changed(|v| v["@context"] = context.clone());
            assert!(matches!(refused, Err(RdfError::UnknownContext(_))), "{context}");
        }
        let nested = changed(|v| v["credentialSubject"]["@context"] = json!({"role": "x:y"}));
        assert!(matches!(nested, Err(RdfError::UnknownContext(_))));
    }

    #[test]
    fn a_member_that_expansion_would_drop_is_refused() {
        for (name, value) in
            [("capacityKw", json!(7)), ("role", Value::Null), ("undefined", json!({"id": "x:y"}))]
        {
            let refused = changed(|v| v["credentialSubject"][name] = value);
            assert!(matches!(refused, Err(RdfError::Expansion(_))), "{name}: {refused:?}");
        }
    }

    #[test]
    fn a_graph_made_to_take_for_ever_is_refused_at_once() {
        let refused = changed(|v| v["evidence"] = json!(vec![json!({"type": "Evidence"}); 40]));
        assert!(refused.is_err(), "an undefined type");
        let refused = changed(|v| {
            v["evidence"] = json!(vec![json!({"type": "VerifiableCredential"}); 40]);
        });
        assert_eq!(refused, Err(RdfError::Graph("too many of its blank nodes look alike")));
        let named = changed(|v| v["evidence"] = json!({"id": "_:b0"}));
        assert!(matches!(named, Err(RdfError::Expansion(_))));
    }
}
