//! The same question of two JSON Schemas.

use super::Findings;
use serde_json::{Map, Value};
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The deepest that is compared; below it nothing can be told.
const MAX_DEPTH: usize = 24;

/// Words that say nothing about what fits.
const ANNOTATIONS: [&str; 11] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Words that are compared. Any other that changed is undecided.
const COMPARED: [&str; 17] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "uniqueItems",
    "$ref",
];

/// The most pairs of schemas that are compared: two that refer to themselves can be unfolded into
/// more than anybody waits for.
const MAX_PAIRS: usize = 20_000;

/// Words that nothing else counts on: without them more fits.
const LOOSEN: [&str; 9] = [
    "pattern",
    "format",
    "multipleOf",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "not",
    "allOf",
    "propertyNames",
    "dependentRequired",
];

/// Whether a part of it, below the root, has a name that references could mean.
fn names_inner_resources(root: &Value) -> bool {
    let mut open: Vec<&Value> = root.as_object().into_iter().flat_map(|o| o.values()).collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                if ["$id", "$anchor", "$dynamicAnchor"].iter().any(|w| object.contains_key(*w)) {
                    return true;
                }
                open.extend(object.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    false
}

struct Pair<'p> {
    old_root: &'p Value,
    new_root: &'p Value,
    left: Cell<usize>,
}

pub(super) fn compare(old: &Value, new: &Value, found: &mut Findings) {
    if old != new && (names_inner_resources(old) || names_inner_resources(new)) {
        found.undecided("", "a part of it has an $id or anchor of its own");
    }
    let left = Cell::new(MAX_PAIRS);
    Pair { old_root: old, new_root: new, left }.compare(old, new, "", MAX_DEPTH, found);
}

impl Pair<'_> {
    fn compare(&self, old: &Value, new: &Value, place: &str, depth: usize, found: &mut Findings) {
        let left = self.left.get().checked_sub(1);
        let (Some(depth), Some(left)) = (depth.checked_sub(1), left) else {
            found.undecided(place, "it is nested, or refers to itself, too deep to tell");
            return;
        };
        self.left.set(left);
        // The same words mean the same only where what they refer to is the same: anywhere in the
        // document.
        if old == new && (!refers(old) || self.old_root == self.new_root) {
            return;
        }
        let (Some(old), Some(new)) = (resolve(self.old_root, old), resolve(self.new_root, new))
        else {
            found.undecided(place, "a reference is not followed here");
            return;
        };
        match (old, new) {
            (_, Value::Bool(true)) | (Value::Bool(false), _) => {}
            (_, Value::Bool(false)) => found.breaks(place, "nothing fits any more"),
            (Value::Bool(true), Value::Object(new)) => {
                self.compare_objects(&Map::new(), new, place, depth, found);
            }
            (Value::Object(old), Value::Object(new)) => {
                self.compare_objects(old, new, place, depth, found);
            }
            _ => found.undecided(place, "it is no schema"),
        }
    }

    fn compare_objects(
        &self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        place: &str,
        depth: usize,
        found: &mut Findings,
    ) {
        for word in new.keys().chain(old.keys()).collect::<BTreeSet<_>>() {
            let known = ANNOTATIONS.contains(&word.as_str()) || COMPARED.contains(&word.as_str());
            // A word that went away can only let more through; one that is new or other may not.
            let same = old.get(word) == new.get(word) && !new.get(word).is_some_and(refers);
            // These look at what other words let through, so that they change with them.
            let evaluated = word.starts_with("unevaluated");
            // Some words that go away let more through; others are what another word counts on.
            let loosens = !new.contains_key(word) && LOOSEN.contains(&word.as_str());
            if !known && !loosens && (!same || evaluated) {
                found.undecided(place, format!("{word} is new or changed"));
            }
        }
        compare_types(old, new, place, found);
        compare_values(old, new, place, found);
        compare_bounds(old, new, place, found);
        self.compare_properties(old, new, place, depth, found);
        match (old.get("items"), new.get("items")) {
            (_, None) => {}
            (before, Some(after)) => {
                let before = before.unwrap_or(&Value::Bool(true));
                self.compare(before, after, &format!("{place}/items"), depth, found);
            }
        }
    }

    fn compare_properties(
        &self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        place: &str,
        depth: usize,
        found: &mut Findings,
    ) {
        let required = |s: &Map<String, Value>| -> BTreeSet<String> {
            let list = s.get("required").and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|n| n.as_str().map(str::to_owned)).collect()
        };
        for name in required(new).difference(&required(old)) {
            found.breaks(&format!("{place}/required"), format!("{name} is required now"));
        }
        let properties = |s: &Map<String, Value>| {
            s.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (before, after) = (properties(old), properties(new));
        let others = |s: &Map<String, Value>| {
            s.get("additionalProperties").cloned().unwrap_or(Value::Bool(true))
        };
        if old.contains_key("patternProperties") || new.contains_key("patternProperties") {
            if old.get("additionalProperties") != new.get("additionalProperties") || before != after
            {
                found.undecided(place, "patternProperties stands beside what changed");
            }
            return;
        }
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for name in names {
            let was = before.get(name).cloned().unwrap_or_else(|| others(old));
            let is = after.get(name).cloned().unwrap_or_else(|| others(new));
            self.compare(&was, &is, &format!("{place}/properties/{name}"), depth, found);
        }
        let place = format!("{place}/additionalProperties");
        self.compare(&others(old), &others(new), &place, depth, found);
    }
}

/// Whether anything in it refers elsewhere.
fn refers(schema: &Value) -> bool {
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                if object.keys().any(|k| k.starts_with('$') && k.ends_with("ef")) {
                    return true;
                }
                open.extend(object.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    false
}

/// What a schema that is nothing but a reference refers to.
fn resolve<'s>(root: &'s Value, schema: &'s Value) -> Option<&'s Value> {
    let mut schema = schema;
    for _ in 0..16 {
        let Some(object) = schema.as_object() else { return Some(schema) };
        if object.contains_key("$dynamicRef") {
            return None;
        }
        let Some(reference) = object.get("$ref") else { return Some(schema) };
        let others = object.keys().any(|k| k != "$ref" && !ANNOTATIONS.contains(&k.as_str()));
        let pointer = reference.as_str().and_then(|r| r.strip_prefix('#'))?;
        if others
            || !(pointer.is_empty() || pointer.starts_with('/'))
            || pointer.contains(['~', '%'])
        {
            return None;
        }
        schema = root.pointer(pointer)?;
    }
    None
}

fn list(value: Option<&Value>) -> Option<BTreeSet<String>> {
    match value? {
        Value::Array(list) => Some(list.iter().map(ToString::to_string).collect()),
        one => Some(std::iter::once(one.to_string()).collect()),
    }
}

fn compare_types(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    place: &str,
    found: &mut Findings,
) {
    let Some(after) = list(new.get("type")) else { return };
    match list(old.get("type")) {
        // What `enum` and `const` let through may all be of the type.
        None if old.contains_key("enum") || old.contains_key("const") => {
            found.undecided(place, "it has a type now");
        }
        None => found.breaks(place, "it has a type now"),
        Some(before) => {
            let number = "\"number\"".to_owned();
            let lost =
                before.difference(&after).any(|t| !(t == "\"integer\"" && after.contains(&number)));
            if lost {
                found.breaks(place, "a type that it could have is gone");
            }
        }
    }
}

fn compare_values(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    place: &str,
    found: &mut Findings,
) {
    let values = |s: &Map<String, Value>| match (s.get("const"), s.get("enum")) {
        (Some(one), None) => Some(std::iter::once(one.to_string()).collect()),
        (None, several) => list(several),
        // Both: what fits is in both.
        (Some(one), Some(_)) => Some(std::iter::once(one.to_string()).collect()),
    };
    if new.contains_key("const") && new.contains_key("enum") {
        found.undecided(place, "it has both const and enum");
        return;
    }
    let (before, after): (Option<BTreeSet<String>>, Option<BTreeSet<String>>) =
        (values(old), values(new));
    match (before, after) {
        (_, None) => {}
        (None, Some(_)) => found.breaks(place, "only some values fit now"),
        (Some(before), Some(after)) => {
            for value in before.difference(&after) {
                found.breaks(place, format!("the value {value} no longer fits"));
            }
        }
    }
}

/// The bound that the exclusive one beside a word comes to: of whole numbers the next one.
fn exclusive(schema: &Map<String, Value>, word: &str) -> Option<i64> {
    let (exclusive, next) = match word {
        "minimum" => ("exclusiveMinimum", 1),
        "maximum" => ("exclusiveMaximum", -1),
        _ => return None,
    };
    let bound = schema.get(exclusive)?.as_i64()?;
    let is_whole = schema.get("type").is_some_and(|kind| kind == "integer");
    if is_whole { bound.checked_add(next) } else { Some(bound) }
}

fn compare_bounds(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    place: &str,
    found: &mut Findings,
) {
    for (word, worse) in [
        ("minimum", Ordering::Greater),
        ("maximum", Ordering::Less),
        ("minLength", Ordering::Greater),
        ("maxLength", Ordering::Less),
        ("minItems", Ordering::Greater),
        ("maxItems", Ordering::Less),
        ("minProperties", Ordering::Greater),
        ("maxProperties", Ordering::Less),
    ] {
        let Some(after) = new.get(word) else { continue };
        // What the exclusive bound of before left out does not have to fit.
        if let Some((bound, after)) = exclusive(old, word).zip(after.as_i64())
            && after.cmp(&bound) != worse
        {
            continue;
        }
        let before = old.get(word);
        if before == Some(after) {
            continue;
        }
        match before.map(|b| (b.as_i64(), after.as_i64())) {
            None => found.breaks(place, format!("{word} is new")),
            Some((Some(before), Some(after))) if after.cmp(&before) == worse => {
                found.breaks(place, format!("{word} was {before}, and is {after}"));
            }
            Some((Some(_), Some(_))) => {}
            Some(_) => found.undecided(place, format!("{word} changed, and is no whole number")),
        }
    }
    let unique = |s: &Map<String, Value>| s.get("uniqueItems").is_some_and(|u| u == true);
    if unique(new) && !unique(old) {
        found.breaks(place, "its items must differ now");
    }
}
