//! The same question of two XML Schemas, told from their declarations: what was added as optional,
//! removed, required, narrowed. Anything else that changed is undecided.

use super::Findings;
use crate::payload::XsdSchema;
use crate::payload::xml::{self, Element, Visitor};
use gridpass_identity::code::Code;
use std::collections::{BTreeMap, BTreeSet};

/// An element of a schema file, without annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Node>,
}

#[derive(Default)]
struct Tree {
    open: Vec<Node>,
    root: Option<Node>,
    skipping: usize,
}

impl Visitor for Tree {
    fn start(&mut self, element: &Element<'_>) -> Result<(), (Code, String)> {
        if self.skipping > 0 || element.local() == "annotation" {
            self.skipping = self.skipping.saturating_add(1);
            return Ok(());
        }
        let attributes = element.attributes.iter().map(|(_, n, v)| (n.clone(), v.clone()));
        self.open.push(Node {
            name: element.local().to_owned(),
            attributes: attributes.collect(),
            children: Vec::new(),
        });
        Ok(())
    }

    fn text(&mut self, _: &str) {}

    fn end(&mut self, _: &[String]) -> Result<(), (Code, String)> {
        if self.skipping > 0 {
            self.skipping = self.skipping.saturating_sub(1);
            return Ok(());
        }
        if let Some(node) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(node),
                None => self.root = Some(node),
            }
        }
        Ok(())
    }
}

/// A top-level declaration's kind, namespace and name.
type Name = (String, String, String);

/// What is declared at the top of all files, by name; and everything else at the top.
type Declared = (BTreeMap<Name, Node>, Vec<Node>, Vec<BTreeMap<String, String>>);

fn declared(schema: &XsdSchema) -> Declared {
    let (mut named, mut rest, mut heads) = (BTreeMap::new(), Vec::new(), Vec::new());
    for text in schema.files().values() {
        let mut tree = Tree::default();
        // They were read when the schema was compiled; locations are no hints to elsewhere there.
        let text = text.replace("schemaLocation", "location");
        let _ = xml::walk(text.as_bytes(), xml::MAX_ELEMENTS, &mut tree);
        let Some(root) = tree.root else { continue };
        let namespace = root.attributes.get("targetNamespace").cloned().unwrap_or_default();
        heads.push(root.attributes);
        for node in root.children {
            match (node.name.as_str(), node.attributes.get("name").cloned()) {
                ("include" | "import", _) => {}
                (_, Some(name)) => {
                    named.insert((node.name.clone(), namespace.clone(), name), node);
                }
                _ => rest.push(node),
            }
        }
    }
    heads.sort();
    (named, rest, heads)
}

pub(super) fn compare(old: &XsdSchema, new: &XsdSchema, found: &mut Findings) {
    let (before, rest_before, heads_before) = declared(old);
    let (after, rest_after, heads_after) = declared(new);
    let (roots_before, roots_after) = (&old.manifest().roots, &new.manifest().roots);
    if !roots_after.is_empty()
        && (roots_before.is_empty() || !roots_before.iter().all(|r| roots_after.contains(r)))
    {
        found.breaks("/roots", "a root element is no longer taken");
    }
    if heads_before != heads_after || rest_before != rest_after {
        found.undecided("/", "namespaces, defaults or redefinitions changed");
    }
    // What a wildcard or an untyped element lets through hangs on everything that is declared.
    let open = |all: &BTreeMap<Name, Node>| all.values().any(is_open);
    if before != after && (open(&before) || open(&after)) {
        found.undecided("/", "it has wildcards or untyped elements, and something changed");
    }
    for (name, node) in &before {
        let (kind, local) = (&name.0, &name.2);
        let place = format!("{kind} {local}");
        match after.get(name) {
            None if kind == "element" => found.breaks(&place, "the element is gone"),
            None => found.undecided(&place, "it is gone; what used it may have changed"),
            Some(now) => compare_nodes(node, now, &place, found),
        }
    }
}

fn is_open(node: &Node) -> bool {
    let untyped = matches!(node.name.as_str(), "element" | "attribute")
        && !node.attributes.contains_key("type")
        && !node.attributes.contains_key("ref")
        && !node.children.iter().any(|c| c.name.ends_with("Type"));
    let any = |v: &String| v.ends_with("anyType");
    matches!(node.name.as_str(), "any" | "anyAttribute")
        || untyped
        || node.attributes.values().any(any)
        || node.children.iter().any(is_open)
}

fn compare_nodes(old: &Node, new: &Node, place: &str, found: &mut Findings) {
    if old == new {
        return;
    }
    compare_attributes(old, new, place, found);
    match old.name.as_str() {
        "restriction" => compare_restriction(old, new, place, found),
        "sequence" | "all" => compare_particles(old, new, place, found),
        _ => compare_children(old, new, place, found),
    }
}

/// Attributes of the schema's own element: occurrence and use can widen, nothing else may change.
fn compare_attributes(old: &Node, new: &Node, place: &str, found: &mut Findings) {
    let names: BTreeSet<_> = old.attributes.keys().chain(new.attributes.keys()).collect();
    for name in names {
        let (before, after) = (old.attributes.get(name), new.attributes.get(name));
        if before == after {
            continue;
        }
        let occurs = |v: Option<&String>| match v.map(String::as_str) {
            None => Some(1),
            Some("unbounded") => Some(u64::MAX),
            Some(number) => number.parse().ok(),
        };
        match (name.as_str(), occurs(before), occurs(after)) {
            ("minOccurs", Some(b), Some(a)) if a > b => {
                found.breaks(place, format!("it must occur {a} times now"));
            }
            ("maxOccurs", Some(b), Some(a)) if a < b => {
                found.breaks(place, format!("it may occur only {a} times now"));
            }
            ("minOccurs" | "maxOccurs", Some(_), Some(_)) => {}
            ("use", ..) => {
                let (before, after) = (before.map(String::as_str), after.map(String::as_str));
                if after == Some("required") || after == Some("prohibited") {
                    found.breaks(place, "the attribute is required now, or prohibited");
                } else if before == Some("prohibited") {
                    found.undecided(place, "the attribute is no longer prohibited");
                }
            }
            ("id", ..) => {}
            _ => found.undecided(place, format!("{name} changed")),
        }
    }
}

fn named(node: &Node) -> Option<(&str, &str)> {
    let name = node.attributes.get("name").or_else(|| node.attributes.get("ref"))?;
    Some((node.name.as_str(), name.as_str()))
}

/// Children of which those with a name are matched by it; the others must be the same, in order.
fn compare_children(old: &Node, new: &Node, place: &str, found: &mut Findings) {
    let plain = |n: &Node| -> Vec<Node> {
        n.children.iter().filter(|c| named(c).is_none()).cloned().collect()
    };
    let (before, after) = (plain(old), plain(new));
    // Among named particles an unnamed one has its place: a choice between two elements.
    let order = |n: &Node| -> Vec<String> {
        let group = |c: &&Node| !matches!(c.name.as_str(), "attribute" | "attributeGroup");
        n.children
            .iter()
            .filter(group)
            .map(|c| format!("{:?}", named(c).unwrap_or((&c.name, ""))))
            .collect()
    };
    if !before.is_empty() && order(old) != order(new) {
        found.undecided(place, "the order of its parts changed");
    }
    if before.len() == after.len() && before.iter().zip(&after).all(|(b, a)| b.name == a.name) {
        for (b, a) in before.iter().zip(&after) {
            compare_nodes(b, a, &format!("{place}/{}", b.name), found);
        }
    } else {
        found.undecided(place, "its structure changed");
    }
    for child in old.children.iter() {
        let Some((kind, name)) = named(child) else { continue };
        let place = format!("{place}/{kind} {name}");
        match new.children.iter().find(|c| named(c) == Some((kind, name))) {
            None => found.breaks(&place, "it is gone"),
            Some(now) => compare_nodes(child, now, &place, found),
        }
    }
    for child in new.children.iter() {
        let Some((kind, name)) = named(child) else { continue };
        if old.children.iter().any(|c| named(c) == Some((kind, name))) {
            continue;
        }
        let place = format!("{place}/{kind} {name}");
        let required = child.attributes.get("use").is_some_and(|u| u == "required");
        match kind {
            "attribute" if required => found.breaks(&place, "it is new and required"),
            "attribute" => {}
            // In a choice, another way can only let more through.
            _ if old.name == "choice" => {}
            _ => found.undecided(&place, "it is new"),
        }
    }
}

/// A sequence: the old particles in their order, with optional new ones between them.
fn compare_particles(old: &Node, new: &Node, place: &str, found: &mut Findings) {
    let wild = |n: &Node| n.children.iter().any(|c| named(c).is_none());
    if wild(old) || wild(new) {
        return compare_children(old, new, place, found);
    }
    let mut rest = new.children.iter();
    for child in &old.children {
        let Some((kind, name)) = named(child) else { continue };
        let place_of = format!("{place}/{kind} {name}");
        loop {
            let Some(next) = rest.next() else {
                found.breaks(&place_of, "it is gone, or stands at another place");
                break;
            };
            if named(next) == Some((kind, name)) {
                compare_nodes(child, next, &place_of, found);
                break;
            }
            must_be_optional(next, place, found);
        }
    }
    for next in rest {
        must_be_optional(next, place, found);
    }
}

fn must_be_optional(node: &Node, place: &str, found: &mut Findings) {
    if node.attributes.get("minOccurs").is_none_or(|m| m != "0") {
        let name = named(node).map_or("", |(_, name)| name);
        found.breaks(place, format!("{name} is new and required"));
    }
}

/// Facets: enumerations can grow, bounds widen.
fn compare_restriction(old: &Node, new: &Node, place: &str, found: &mut Findings) {
    let values = |n: &Node| -> BTreeSet<String> {
        let all = n.children.iter().filter(|c| c.name == "enumeration");
        all.filter_map(|c| c.attributes.get("value").cloned()).collect()
    };
    let (before, after) = (values(old), values(new));
    match (before.is_empty(), after.is_empty()) {
        (_, true) => {}
        (true, false) => found.breaks(place, "only some values fit now"),
        (false, false) => {
            for value in before.difference(&after) {
                found.breaks(place, format!("the value {value:?} no longer fits"));
            }
        }
    }
    let others = |n: &Node| -> Vec<Node> {
        n.children.iter().filter(|c| c.name != "enumeration").cloned().collect()
    };
    let (before, after) = (others(old), others(new));
    // Patterns of one step are alternatives, and white space decides what the others see.
    for word in ["pattern", "whiteSpace"] {
        let of = |list: &[Node]| -> Vec<Node> {
            list.iter().filter(|n| n.name == word).cloned().collect()
        };
        if of(&before) != of(&after) {
            found.undecided(place, format!("{word} changed"));
        }
    }
    for facet in &after {
        let same = before.iter().find(|b| b.name == facet.name);
        if before.contains(facet) {
            continue;
        }
        let number = |n: &Node| n.attributes.get("value").and_then(|v| v.parse::<i64>().ok());
        let wider = match (facet.name.as_str(), same.and_then(number), number(facet)) {
            ("minInclusive" | "minExclusive" | "minLength", Some(b), Some(a)) => Some(a <= b),
            (
                "maxInclusive" | "maxExclusive" | "maxLength" | "totalDigits" | "fractionDigits",
                Some(b),
                Some(a),
            ) => Some(a >= b),
            _ => None,
        };
        match wider {
            Some(true) => {}
            Some(false) => found.breaks(place, format!("{} was narrowed", facet.name)),
            None if same.is_none() && facet.name != "whiteSpace" && named(facet).is_none() => {
                found.undecided(place, format!("{} is new", facet.name));
            }
            None => found.undecided(place, format!("{} changed", facet.name)),
        }
    }
    {
        // Facets that went away can only let more through; parts of a complex type are no facets.
        let facets = ["pattern", "minInclusive", "maxInclusive", "minExclusive", "maxExclusive"];
        let lengths = ["length", "minLength", "maxLength", "totalDigits", "fractionDigits"];
        let gone = before.iter().filter(|b| after.iter().all(|a| a.name != b.name));
        for node in gone {
            let name = node.name.as_str();
            if !facets.contains(&name) && !lengths.contains(&name) {
                found.undecided(place, format!("{name} is gone"));
            }
        }
    }
}
