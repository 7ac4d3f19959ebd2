//! XML as it may come from anybody: UTF-8, well-formed, without a DOCTYPE, without entities but the
//! five that XML has itself, without processing instructions and hints to schemas elsewhere; bounded
//! in depth, elements and attributes. Everything that reads XML here walks it with [`walk`].

use super::Violation;
use crate::codes;
use crate::value::{MAX_TEXT, Value, ValueType};
use gridpass_identity::code::Code;
use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use serde_json::Value as Json;
use std::io::{BufRead, Read};

/// The deepest nesting.
pub(super) const MAX_DEPTH: usize = 64;
/// The most elements of one payload; a CIM model is not held to it.
pub(super) const MAX_ELEMENTS: usize = 200_000;
const MAX_ATTRIBUTES: usize = 128;
/// The longest run of text, or tag, in bytes.
const MAX_PIECE: usize = 4 * 1024 * 1024;

/// An attribute: the namespace of its name, the local name, its value.
pub(super) type Attribute = (String, String, String);

/// An element that begins.
pub(super) struct Element<'e> {
    /// Local names from the root to it.
    pub(super) path: &'e [String],
    /// The namespace of its name; empty if none.
    pub(super) namespace: &'e str,
    /// Its attributes: namespace, local name, value.
    pub(super) attributes: &'e [Attribute],
}

impl Element<'_> {
    /// Its local name.
    pub(super) fn local(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// An attribute's value.
    pub(super) fn attribute(&self, namespace: &str, local: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(ns, name, _)| ns == namespace && name == local);
        found.map(|(_, _, value)| value.as_str())
    }
}

/// What a walk is told. An error ends it.
pub(super) trait Visitor {
    /// An element begins.
    fn start(&mut self, element: &Element<'_>) -> Result<(), (Code, String)>;
    /// Text of the element that was begun last.
    fn text(&mut self, text: &str);
    /// An element ends.
    fn end(&mut self, path: &[String]) -> Result<(), (Code, String)>;
}

/// Why a walk ended early.
pub(super) struct Fault {
    pub(super) offset: u64,
    pub(super) path: String,
    pub(super) code: Code,
    pub(super) sentence: String,
}

impl Fault {
    /// As a violation, with line and column where the bytes are at hand.
    pub(super) fn located(self, payload: Option<&[u8]>) -> Violation {
        let place = match payload.and_then(|p| line_and_column(p, self.offset)) {
            Some((line, column)) => format!("line {line}, column {column}, {}", self.path),
            None => format!("byte {}, {}", self.offset, self.path),
        };
        Violation::new(self.code, place, self.sentence)
    }
}

pub(super) fn line_and_column(payload: &[u8], offset: u64) -> Option<(usize, usize)> {
    let before = payload.get(..usize::try_from(offset).ok()?.min(payload.len()))?;
    let lines = before.iter().filter(|b| **b == b'\n').count();
    let last = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i.saturating_add(1));
    let column = before.len().saturating_sub(last);
    Some((lines.saturating_add(1), column.saturating_add(1)))
}

fn malformed(reason: impl std::fmt::Display) -> (Code, String) {
    (codes::PAYLOAD_MALFORMED, format!("it is not well-formed XML: {reason}"))
}

fn forbidden(what: &str) -> (Code, String) {
    (codes::XML_FORBIDDEN, format!("{what} is not taken"))
}

/// Walks a document to its end.
pub(super) fn walk<R: BufRead>(
    input: R,
    max_elements: usize,
    visitor: &mut dyn Visitor,
) -> Result<(), Fault> {
    let mut reader = NsReader::from_reader(Pieces { inner: input, left: MAX_PIECE });
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut state =
        Walk { path: Vec::new(), elements: 0, rooted: false, begun: false, max_elements };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        reader.get_mut().left = MAX_PIECE;
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event.into_owned(),
            Err(e) => {
                let offset = reader.error_position();
                return Err(state.fault(offset, malformed(e)));
            }
        };
        let offset = reader.buffer_position();
        let step = match &event {
            Event::Eof => {
                return if state.path.is_empty() && state.rooted {
                    Ok(())
                } else {
                    Err(state.fault(offset, malformed("it ends too early, or has no element")))
                };
            }
            Event::Start(start) => {
                let namespace = match reader.resolver().resolve_element(start.name()).0 {
                    ResolveResult::Bound(ns) => Ok(text_of(ns.as_ref())),
                    ResolveResult::Unbound => Ok(String::new()),
                    ResolveResult::Unknown(_) => Err(malformed("a prefix is not declared")),
                };
                namespace.and_then(|ns| {
                    let attributes = attributes(&reader, start)?;
                    state.start(start, &ns, &attributes, visitor)
                })
            }
            Event::End(_) => {
                let ended = visitor.end(&state.path);
                state.path.pop();
                ended
            }
            other => state.other(other, visitor),
        };
        state.begun = true;
        step.map_err(|why| state.fault(offset, why))?;
    }
}

/// A reader that ends a piece of markup or text that is too long for memory, however long the
/// document may be.
struct Pieces<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Pieces<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut available = self.fill_buf()?;
        let count = available.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Pieces<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let left = self.left;
        let available = self.inner.fill_buf()?;
        if left == 0 && !available.is_empty() {
            return Err(std::io::Error::other("a piece of it is longer than 4 MiB"));
        }
        Ok(available.get(..left.min(available.len())).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

struct Walk {
    path: Vec<String>,
    elements: usize,
    rooted: bool,
    /// Whether anything stood before: a declaration and a byte order mark only begin a document.
    begun: bool,
    max_elements: usize,
}

impl Walk {
    fn fault(&self, offset: u64, (code, sentence): (Code, String)) -> Fault {
        Fault { offset, path: format!("/{}", self.path.join("/")), code, sentence }
    }

    fn start(
        &mut self,
        start: &BytesStart<'_>,
        namespace: &str,
        attributes: &[Attribute],
        visitor: &mut dyn Visitor,
    ) -> Result<(), (Code, String)> {
        if !is_name(start.name().as_ref()) {
            return Err(malformed("an element has no proper name"));
        }
        if self.path.is_empty() && std::mem::replace(&mut self.rooted, true) {
            return Err(malformed("it has a second root element"));
        }
        self.elements = self.elements.saturating_add(1);
        if self.path.len() >= MAX_DEPTH || self.elements > self.max_elements {
            let sentence = "it is nested too deep, or has too many elements".to_owned();
            return Err((codes::PAYLOAD_LIMIT, sentence));
        }
        self.path.push(text_of(start.local_name().as_ref()));
        visitor.start(&Element { path: &self.path, namespace, attributes })
    }

    fn other(
        &mut self,
        event: &Event<'_>,
        visitor: &mut dyn Visitor,
    ) -> Result<(), (Code, String)> {
        let text = match event {
            Event::DocType(_) => return Err(forbidden("a DOCTYPE")),
            Event::PI(_) => return Err(forbidden("a processing instruction")),
            Event::Decl(_) if self.begun => {
                return Err(malformed("a declaration stands within it"));
            }
            Event::Decl(decl) => {
                let encoding = decl.encoding().transpose().map_err(malformed)?;
                let utf8 = encoding.is_none_or(|e| e.eq_ignore_ascii_case(b"utf-8"));
                let first = decl.version().is_ok_and(|v| v.as_ref() == b"1.0");
                return if utf8 && first {
                    Ok(())
                } else {
                    Err(forbidden("another encoding than UTF-8, or another version than XML 1.0"))
                };
            }
            Event::Comment(text) => {
                return only_characters(utf8(text.as_ref())?);
            }
            Event::Text(text) => {
                let text = utf8(text.as_ref())?;
                if text.contains("]]>") {
                    return Err(malformed("there is ]]> in its text"));
                }
                text.to_owned()
            }
            Event::CData(_) | Event::GeneralRef(_) if self.path.is_empty() => {
                return Err(malformed("there is text outside its root"));
            }
            Event::CData(text) => utf8(text.as_ref())?.to_owned(),
            Event::GeneralRef(reference) => {
                let name = utf8(reference.as_ref())?;
                match reference.resolve_char_ref().map_err(malformed)? {
                    Some(c) => c.to_string(),
                    None => resolve_predefined_entity(name)
                        .ok_or_else(|| forbidden("an entity"))?
                        .to_owned(),
                }
            }
            _ => return Ok(()),
        };
        only_characters(&text)?;
        if self.path.is_empty() {
            // The reader has taken a byte order mark away.
            let blank = text.trim_matches([' ', '\t', '\r', '\n']).is_empty();
            return if blank { Ok(()) } else { Err(malformed("there is text outside its root")) };
        }
        visitor.text(&text);
        Ok(())
    }
}

/// XML 1.0, production 2: what may stand in a document, also by reference.
fn only_characters(text: &str) -> Result<(), (Code, String)> {
    let refused = |c: char| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(refused) {
        return Err(malformed("it has a character that XML has not"));
    }
    Ok(())
}

/// Namespaces in XML 1.0, section 4: a name with at most one prefix. The characters are those of
/// XML 1.0 in ASCII, and every one beyond it.
fn is_name(name: &[u8]) -> bool {
    let part = |part: &[u8]| {
        let begins = |b: &u8| b.is_ascii_alphabetic() || *b == b'_' || *b >= 0x80;
        let goes_on = |b: &u8| begins(b) || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        part.first().is_some_and(begins) && part.iter().all(goes_on)
    };
    let mut parts = name.split(|b| *b == b':');
    let proper = parts.by_ref().take(2).all(part);
    proper && parts.next().is_none()
}

fn utf8(bytes: &[u8]) -> Result<&str, (Code, String)> {
    std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn attributes<R>(
    reader: &NsReader<R>,
    start: &BytesStart<'_>,
) -> Result<Vec<Attribute>, (Code, String)> {
    let mut all = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(malformed)?;
        if all.len() >= MAX_ATTRIBUTES {
            return Err((codes::PAYLOAD_LIMIT, "an element has too many attributes".into()));
        }
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        let namespace = match namespace {
            ResolveResult::Bound(ns) => text_of(ns.as_ref()),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(_) => return Err(malformed("a prefix is not declared")),
        };
        let local = text_of(local.as_ref());
        if matches!(local.as_str(), "schemaLocation" | "noNamespaceSchemaLocation") {
            return Err(forbidden("a hint to a schema elsewhere"));
        }
        only_characters(utf8(&attribute.value)?)?;
        if !is_name(attribute.key.as_ref()) || attribute.value.contains(&b'<') {
            return Err(malformed("an attribute has no proper name, or < in its value"));
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| forbidden("an entity, or a broken reference,"))?;
        only_characters(&value)?;
        if all.iter().any(|(ns, name, _)| ns == &namespace && name == &local) {
            return Err(malformed("an element has one attribute twice"));
        }
        all.push((namespace, local, value.into_owned()));
    }
    Ok(all)
}

/// Reads what stands at one path: `/A/B/C` or `/A/B/@c`, by local names. Nothing where it stands
/// there more than once.
struct Reading<'p> {
    elements: Vec<&'p str>,
    attribute: Option<&'p str>,
    found: Vec<String>,
    open: bool,
}

impl Visitor for Reading<'_> {
    fn start(&mut self, element: &Element<'_>) -> Result<(), (Code, String)> {
        let here = element.path.iter().map(String::as_str).eq(self.elements.iter().copied());
        match (here, self.attribute) {
            (true, Some(name)) => {
                self.found.extend(element.attribute("", name).map(str::to_owned));
            }
            (true, None) => {
                self.found.push(String::new());
                self.open = true;
            }
            // A child: its text is its own.
            (false, _) => self.open = false,
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.open
            && let Some(last) = self.found.last_mut()
            && last.len() <= MAX_TEXT
        {
            last.push_str(text);
        }
    }

    fn end(&mut self, _: &[String]) -> Result<(), (Code, String)> {
        self.open = false;
        Ok(())
    }
}

pub(super) fn read(payload: &[u8], path: &str, value_type: ValueType) -> Option<Value> {
    let mut elements: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let attribute = elements.last().and_then(|l| l.strip_prefix('@'));
    if attribute.is_some() {
        elements.pop();
    }
    let mut reading = Reading { elements, attribute, found: Vec::new(), open: false };
    walk(payload, MAX_ELEMENTS, &mut reading).ok()?;
    let [text] = reading.found.as_slice() else { return None };
    let text = if attribute.is_some() { text.as_str() } else { text.trim() };
    let json = match value_type {
        ValueType::Text | ValueType::Time => Json::from(text),
        ValueType::Integer => Json::from(text.parse::<i64>().ok()?),
        ValueType::Boolean => Json::from(match text {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        ValueType::Texts => Json::from(text.split_ascii_whitespace().collect::<Vec<_>>()),
    };
    Value::read(&json, value_type)
}
