//! How large the content models of an XML Schema become once they are unrolled, before anything
//! unrolls them: a few lines of nested `maxOccurs` are millions of particles.

use super::xml::{Element, Visitor};
use crate::codes;
use gridpass_identity::code::Code;
use std::collections::BTreeMap;

pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The most particles of one type or group, all that it extends and refers to counted.
pub(super) const MAX_PARTICLES: u64 = 10_000;
/// How often the validator writes a particle out; above that it counts.
const MAX_COPIES: u64 = 16;

/// A named group or type, or one that stands within an element.
#[derive(Debug, Default)]
struct Component {
    particles: u64,
    /// The groups that it refers to and the type that it extends, by local name, and how often.
    refers: Vec<(String, u64)>,
}

/// Counts the particles of all files of a schema. Components of one local name count together.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    components: BTreeMap<String, Component>,
    /// The components that are open, by name.
    open: Vec<(usize, String)>,
    /// How often what is read now would be written out, for each open element.
    factors: Vec<u64>,
    unnamed: usize,
}

impl Sizes {
    /// The largest component.
    pub(super) fn largest(&self) -> u64 {
        let mut known = BTreeMap::new();
        self.components.keys().map(|name| self.size(name, 32, &mut known)).max().unwrap_or_default()
    }

    fn size(&self, name: &str, depth: usize, known: &mut BTreeMap<String, u64>) -> u64 {
        if let Some(size) = known.get(name) {
            return *size;
        }
        let Some(component) = self.components.get(name) else { return 0 };
        // A circle is refused by the library; deeper than this nobody writes.
        let Some(deeper) = depth.checked_sub(1) else { return u64::MAX };
        let size = component.refers.iter().fold(component.particles, |sum, (other, times)| {
            sum.saturating_add(self.size(other, deeper, known).saturating_mul(*times))
        });
        known.insert(name.to_owned(), size);
        size
    }

    fn current(&mut self) -> Option<&mut Component> {
        let (_, name) = self.open.last()?;
        self.components.get_mut(name)
    }
}

fn copies(element: &Element<'_>) -> u64 {
    let number = |name: &str| element.attribute("", name).and_then(|t| t.parse::<u64>().ok());
    number("maxOccurs").max(number("minOccurs")).unwrap_or(1).clamp(1, MAX_COPIES)
}

/// A reference without its prefix.
fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

impl Visitor for Sizes {
    fn start(&mut self, element: &Element<'_>) -> Result<(), (Code, String)> {
        let depth = element.path.len();
        if depth > 512 {
            return Err((codes::PAYLOAD_LIMIT, "it is nested too deep".into()));
        }
        let mut factor = self.factors.last().copied().unwrap_or(1);
        if element.namespace == XSD {
            let reference = element.attribute("", "ref").map(local);
            match element.local() {
                "complexType" | "group" if reference.is_none() => {
                    let name = element.attribute("", "name").map_or_else(
                        || {
                            self.unnamed = self.unnamed.saturating_add(1);
                            format!("#{}", self.unnamed)
                        },
                        local,
                    );
                    self.components.entry(name.clone()).or_default();
                    self.open.push((depth, name));
                    factor = 1;
                }
                "sequence" | "choice" | "all" => {
                    factor = factor.saturating_mul(copies(element));
                }
                "group" => {
                    let times = factor.saturating_mul(copies(element));
                    if let (Some(component), Some(name)) = (self.current(), reference) {
                        component.refers.push((name, times));
                    }
                }
                "extension" => {
                    if let (Some(base), Some(component)) =
                        (element.attribute("", "base").map(local), self.current())
                    {
                        component.refers.push((base, 1));
                    }
                }
                "element" | "any" => {
                    let times = factor.saturating_mul(copies(element));
                    if let Some(component) = self.current() {
                        component.particles = component.particles.saturating_add(times);
                    }
                }
                _ => {}
            }
        }
        self.factors.push(factor);
        Ok(())
    }

    fn text(&mut self, _: &str) {}

    fn end(&mut self, path: &[String]) -> Result<(), (Code, String)> {
        self.factors.pop();
        if self.open.last().is_some_and(|(depth, _)| *depth == path.len()) {
            self.open.pop();
        }
        Ok(())
    }
}
