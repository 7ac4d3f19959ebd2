//! `gridpass charter show`, and what differs between two charters.

use super::args::ShowArgs;
use super::draft::Draft;
use crate::context::{GlobalArgs, now};
use crate::output::{Answer, Outcomes, counted};
use crate::shown::{quoted, shown};
use gridpass_credentials::charter::{Charter, ListedRole, SignedCharter};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::issuable::obstacles;
use gridpass_credentials::keeping;
use gridpass_identity::time::UnixMillis;
use serde_json::json;

pub fn run(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    let draft = args.file.as_deref().map(Draft::read).transpose()?;
    let (signed, known) = match &draft {
        Some(draft) => (draft.signed.clone(), draft.definitions.clone()),
        None => {
            let trust = keeping::pinned(&global.wallet()?, now())?;
            let known = trust.definitions().map(|(id, r)| (id.clone(), r.definition.clone()));
            (trust.charter().clone(), known.collect())
        }
    };
    let charter = signed.charter();
    let mut text = format!(
        "{}\n  version   {} of {}\n  CID       {}\n  previous  {}\n  rule      {} of {}\n",
        shown(&charter.name),
        charter.version,
        charter.dated,
        signed.id(),
        charter.previous.as_ref().map_or("(it is the first)", ContentId::as_str),
        charter.rule.threshold,
        counted(charter.rule.signers.len(), "signer", "signers"),
    );
    let named = signed.named_signers();
    for did in &charter.rule.signers {
        let mark = if named.contains(did) { "signed" } else { "      " };
        text.push_str(&format!("  signer    {mark} {did}\n"));
    }
    for did in &charter.roots {
        text.push_str(&format!("  root      {did}\n"));
    }
    for role in &charter.roles {
        let state = role.retired.map(|t| format!("  ({})", retirement(role, t, now())));
        text.push_str(&format!(
            "  role      {} {}{}\n",
            role.name,
            role.definition,
            state.unwrap_or_default()
        ));
    }
    for (what, list) in [("schema", &charter.schemas), ("channel", &charter.channels)] {
        for listed in list {
            text.push_str(&format!("  {what:<9} {} {}\n", shown(&listed.name), listed.document));
        }
    }
    let obstacles = obstacles(charter, &known);
    for one in &obstacles {
        text.push_str(&format!("  note      {} {}: {}\n", one.name, one.definition, one.why));
    }
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    if let Some(draft) = &draft {
        // The CID of the one before stands in it: nobody could put another one into the file.
        let before = draft.before.last().filter(|c| Some(c.id()) == charter.previous.as_ref());
        if let Some(before) = before.map(SignedCharter::charter) {
            changed = changes(before, charter);
            text.push_str(&format!("It changes version {}:\n", before.version));
            changed.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        let is_new = |id: &ContentId| before.is_none_or(|c| c.charter().role(id).is_none());
        new.extend(draft.definitions.iter().filter(|(id, _)| is_new(id)));
        for (id, definition) in &new {
            let pretty = serde_json::to_string_pretty(definition).unwrap_or_default();
            text.push_str(&format!("It brings the definition {id}\n{}", quoted(&pretty)));
        }
        text.push_str("Nothing was verified; that is `gridpass charter verify PACK`.");
    }
    let notes: Vec<_> = obstacles
        .iter()
        .map(|o| json!({"definition": o.definition, "name": o.name, "why": o.why}))
        .collect();
    let new: Vec<_> = new.iter().map(|(id, d)| json!({"cid": id, "definition": d})).collect();
    let json = json!({
        "charter": charter,
        "cid": signed.id(),
        "signers": named,
        "verified": args.file.is_none(),
        "changes": changed,
        "definitions": new,
        "notes": notes,
    });
    Ok(Answer::new("gridpass.charter.show/1", json, text))
}

/// When a role ends, or ended.
fn retirement(role: &ListedRole, retired: UnixMillis, now: UnixMillis) -> String {
    let end = retired.plus_millis(role.grace_seconds.unwrap_or(0).saturating_mul(1000));
    let word = if role.is_retired(now) { "retired" } else { "retires on" };
    format!("{word} {retired}, grace until {end}")
}

/// What a charter says otherwise than another, a line for each thing; but for its version and date.
pub fn changes(old: &Charter, new: &Charter) -> Vec<String> {
    let mut lines = Vec::new();
    if old.name != new.name {
        lines.push(format!("name      {} -> {}", shown(&old.name), shown(&new.name)));
    }
    for (what, before, after) in
        [("root", &old.roots, &new.roots), ("signer", &old.rule.signers, &new.rule.signers)]
    {
        let added = after.iter().filter(|did| !before.contains(did));
        lines.extend(added.map(|did| format!("{what:<9} added    {did}")));
        let removed = before.iter().filter(|did| !after.contains(did));
        lines.extend(removed.map(|did| format!("{what:<9} removed  {did}")));
    }
    if old.rule.threshold != new.rule.threshold {
        lines.push(format!("threshold {} -> {}", old.rule.threshold, new.rule.threshold));
    }
    for role in &new.roles {
        let said = |word: &str| format!("role      {word} {} {}", role.name, role.definition);
        match old.role(&role.definition) {
            None => lines.push(said("listed  ")),
            Some(before) if before == role => {}
            Some(_) => {
                let state = role.retired.map(|t| retirement(role, t, new.dated));
                let state = state.unwrap_or_else(|| "in force again".into());
                lines.push(format!("{}: {state}", said("changed ")));
            }
        }
    }
    for role in old.roles.iter().filter(|r| new.role(&r.definition).is_none()) {
        lines.push(format!("role      removed  {} {}", role.name, role.definition));
    }
    for (what, before, after) in
        [("schema", &old.schemas, &new.schemas), ("channel", &old.channels, &new.channels)]
    {
        for listed in after.iter().filter(|d| !before.contains(d)) {
            lines.push(format!("{what:<9} listed   {} {}", shown(&listed.name), listed.document));
        }
        for listed in before.iter().filter(|d| !after.contains(d)) {
            lines.push(format!("{what:<9} removed  {} {}", shown(&listed.name), listed.document));
        }
    }
    lines
}
