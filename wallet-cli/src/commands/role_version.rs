//! A new version of a role definition beside the one before it.

use super::arguments::{Change, differences};
use crate::output::Failure;
use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleDefinition;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the new one says otherwise, beside which version it is.
fn changes(old: &RoleDefinition, new: &RoleDefinition) -> Vec<Change> {
    let value = |d: &RoleDefinition| serde_json::to_value(d).unwrap_or_default();
    let mut changes = differences(&value(old), &value(new));
    changes.retain(|c| !["/version", "/previous"].contains(&c.place.as_str()));
    changes
}

/// Refuses a version number that another definition of the name has; of one that somebody else wrote it is
/// said, since a signer must have it to look at it.
pub fn is_taken(new: &RoleDefinition, twin: &ContentId, is_from_file: bool) -> Result<(), Failure> {
    let message = format!("{} {} is another definition here: {twin}", new.name, new.version);
    if is_from_file {
        let message = format!("{message}. The name alone means neither; give CIDs");
        crate::warnings::warn(Some(codes::ROLE_VERSION_TAKEN), message);
        return Ok(());
    }
    Err(Failure::new(codes::ROLE_VERSION_TAKEN, message))
}

/// Refuses a version that says what the last one says: a command that is repeated by mistake must not
/// leave two definitions of one meaning.
pub fn refuse_unchanged(old: &RoleDefinition, new: &RoleDefinition) -> Result<(), Failure> {
    if !changes(old, new).is_empty() {
        return Ok(());
    }
    let message = format!("{} says so already, in version {}", old.name, old.version);
    Err(Failure::new(codes::ROLE_UNCHANGED, message).next(format!(
        "See what it says: `gridpass role show {0}`; its file: `gridpass role show {0} -o FILE`.",
        old.name
    )))
}

/// The claims that a definition requires.
fn required(definition: &RoleDefinition) -> BTreeSet<String> {
    let named = definition.claims.get("required").and_then(Value::as_array);
    named.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What is not in the new version and was in the last, what is new in it, and what it says otherwise: a
/// definition is written anew each time, so that what is not named is gone; and what is new and required,
/// holders of the last version do not have.
pub fn warning(
    (old_id, old): (&ContentId, &RoleDefinition),
    (new_id, new): (&ContentId, &RoleDefinition),
) -> Option<String> {
    let (mut dropped, mut changed, mut added) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for change in changes(old, new) {
        // Said below, by the names of claims.
        if change.place.starts_with("/claims/required") {
            continue;
        }
        let claim = change.place.strip_prefix("/claims/properties/");
        let first = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
        match (claim, &change.old, &change.new) {
            (Some(rest), None, _) if !rest.contains('/') => {
                added.insert(format!("the claim {rest}"));
            }
            (None, None, _) if change.place.matches('/').count() == 1 => {
                added.insert(first(change.place.trim_start_matches('/')));
            }
            (Some(rest), _, None) if !rest.contains('/') => {
                dropped.insert(format!("the claim {rest}"));
            }
            (Some(rest), _, _) => {
                changed.insert(format!("the claim {}", first(rest)));
            }
            (None, _, None) if change.place.matches('/').count() == 1 => {
                dropped.insert(first(change.place.trim_start_matches('/')));
            }
            (None, _, _) => {
                changed.insert(first(change.place.trim_start_matches('/')));
            }
        }
    }
    let (before, now) = (required(old), required(new));
    let claims = |of: &BTreeSet<String>, but: &BTreeSet<String>| -> BTreeSet<String> {
        of.difference(but).map(|name| format!("the claim {name}")).collect()
    };
    let (requires, mut frees) = (claims(&now, &before), claims(&before, &now));
    frees.retain(|claim| !dropped.contains(claim));
    if [&dropped, &changed, &added, &requires, &frees].iter().all(|set| set.is_empty()) {
        return None;
    }
    let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut text = format!("note: version {}", new.version);
    if !dropped.is_empty() {
        text.push_str(&format!(" drops what {} had: {};", old.version, list(&dropped)));
    }
    let more =
        [("adds", &added), ("requires from now on", &requires), ("requires no more", &frees)];
    for (verb, set) in more {
        if !set.is_empty() {
            text.push_str(&format!(" {verb} {};", list(set)));
        }
    }
    if !changed.is_empty() {
        text.push_str(&format!(" changes {};", list(&changed)));
    }
    text.push_str(&format!(" see it with `gridpass role diff {old_id} {new_id}`"));
    Some(text)
}
