//! `gridpass charter publish`.

use super::args::PublishArgs;
use super::change::{Pinning, pin};
use super::draft::{Brought, Draft, following, history_of};
use super::pinned;
use crate::commands::arguments::trimmed;
use crate::content::MaybeStoreArgs;
use crate::context::{GlobalArgs, rng};
use crate::output::{Answer, Failure, Outcomes};
use crate::warnings::warn;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::trust::{Comparison, Trust, TrustError};
use gridpass_identity::did::Did;
use gridpass_messaging::content::PublicDocument;
use serde_json::json;

pub fn run(global: &GlobalArgs, args: &PublishArgs) -> Outcomes {
    args.output.check()?;
    let mut drafts = Vec::new();
    for path in &args.files {
        drafts.push(Draft::read(path)?);
    }
    let mut wallet = global.wallet()?;
    let held = pinned(&wallet)?;
    let mut merged = match (drafts.first(), &held) {
        (Some(first), _) => first.signed.clone(),
        (None, Some(held)) => held.charter().clone(),
        (None, None) => {
            let newest = keeping::charters(&wallet)?.pop();
            let none = KeepError::NotFound { what: "charter", name: "of its own".into() };
            newest.ok_or(none)?
        }
    };
    for draft in drafts.iter().skip(1) {
        merged.merge(&draft.signed)?;
    }
    // What this wallet's own signers added counts too.
    let id = merged.id().clone();
    for kept in keeping::charters(&wallet)?.iter().filter(|k| k.id() == &id) {
        merged.merge(kept)?;
    }
    let brought = Brought::by(&wallet, held.as_ref(), &drafts)?;
    let before: Vec<_> = drafts.into_iter().flat_map(|draft| draft.before).collect();
    let mut charters = history_of(&wallet, held.as_ref(), &before, &merged)?;
    charters.push(merged.clone());
    charters.extend(following(held.as_ref(), &merged));
    // What does not come into force leaves nothing behind here.
    let trust = match pin(&mut wallet, held.as_ref(), &charters, &brought)? {
        Pinning::Pinned(trust, _) => trust,
        Pinning::Elsewhere(..) => {
            let e = KeepError::NotNewer(Comparison::Unrelated);
            return Err(Failure::from(e).next(
                "This wallet holds another framework, and holds one only. What the last of enough signers wrote, \
                 each having signed the file of the one before, is the trust pack: `gridpass charter verify FILE \
                 --pin CID --adopt` pins it in the place of that framework. Copies that were signed apart are put \
                 together in a wallet of its own, `gridpass init --name NAME`.",
            ));
        }
        Pinning::Missing(report, _) => {
            let e = TrustError::Refused(report);
            return Err(Failure::new(e.code(), e.to_string()));
        }
    };
    brought.keep(&mut wallet)?;
    keeping::keep_charter(&mut wallet, &merged, &mut rng())?;
    let bytes = keeping::pinned_bytes(&wallet)?;
    // A node that runs for this profile opens no wallet, but this one may be in its way.
    drop(wallet);
    let published = publish_to(global, &args.store, &trust, &bytes)?;
    let missing = missing(&trust);
    if !missing.is_empty() {
        let rule = &trust.charter().charter().rule;
        let all: Vec<&str> = missing.iter().map(Did::as_str).collect();
        let message = format!(
            "{} of {} signers did not sign, and {} must: {}. Where a key of those who did is marked as stolen later, \
             their signatures may be too few. Have them sign, each the file of the one before, and publish that",
            missing.len(),
            rule.signers.len(),
            rule.threshold,
            all.join(", ")
        );
        warn(None, message);
    }
    let json = json!({
        "charter": trust.charter().id(),
        "pack": trust.id(),
        "version": trust.charter().charter().version,
        "unsigned": missing,
        "published": published,
    });
    let mut text = format!(
        "Charter {:?}, version {}, is in force and pinned\n  trust pack  {}\nnext: send the pack to \
         every participant, and tell them this CID by another way; the other signers adopt it before they make packs \
         or changes: `gridpass charter verify FILE --adopt`",
        trust.charter().charter().name,
        trust.charter().charter().version,
        trust.id()
    );
    for one in &published {
        text.push_str(&format!("\npublished {} {}", one.what, one.cid));
    }
    let answer = Answer::new("gridpass.charter.publish/1", json, text);
    if args.output.output.is_none() {
        return Ok(answer);
    }
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}

/// Which of a charter's signers did not sign it: it is in force without them.
fn missing(trust: &Trust) -> Vec<Did> {
    let signed = trust.charter().named_signers();
    let all = trust.charter().charter().rule.signers.iter();
    all.filter(|did| !signed.contains(did)).cloned().collect()
}

/// A document that was published with a charter.
#[derive(serde::Serialize)]
struct Published {
    what: &'static str,
    cid: ContentId,
    at: Vec<String>,
}

/// Publishes the pack, the charter that it ends with, and what that lists, where a store is named.
fn publish_to(
    global: &GlobalArgs,
    store: &MaybeStoreArgs,
    trust: &Trust,
    pack: &[u8],
) -> Result<Vec<Published>, Failure> {
    let Some(mut store) = store.open(global)? else { return Ok(Vec::new()) };
    let (_, charter) = ContentId::of_json(trust.charter().charter())?;
    let mut documents = vec![("trust pack", pack.to_vec()), ("charter", charter)];
    for (_, role) in trust.definitions() {
        documents.push(("role definition", role.definition.encode()?.1));
    }
    let mut published = Vec::new();
    for (what, bytes) in documents {
        let document = PublicDocument::read(trimmed(&bytes))?;
        let kept = store.publish(&document)?;
        published.push(Published { what, cid: document.id, at: kept.at });
    }
    Ok(published)
}
