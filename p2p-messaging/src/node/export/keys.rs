//! The keys of sealed messages that go into a bundle: each opens one message, and no other.

use super::super::NodeKey;
use super::blocks::read_entry as read;
use super::gathering::Gathered;
use crate::bundle::Disclosed;
use crate::checking::Chain;
use crate::envelope::Header;
use crate::log::LogSnapshot;
use crate::sealing::{Epoch, HandedKey, Ring, SignedStatement, Statement};
use crate::store::Entry;
use gridpass_credentials::content_id::ContentId;
use std::collections::HashSet;

/// The most statements that are looked through for one epoch.
const MAX_GRANTS: usize = 16;

/// Puts the keys that this node has into the entries of its messages. Gives how many.
pub(super) fn disclose(gathered: &mut Gathered, log: &LogSnapshot, key: &NodeKey) -> u64 {
    let mut ring = Ring::default();
    let mut sought: HashSet<(ContentId, Chain)> = HashSet::new();
    let mut count = 0_u64;
    let mut messages = std::mem::take(&mut gathered.messages);
    for selected in &mut messages {
        let Some(epoch) = &selected.header.epoch else { continue };
        let chain = Chain::of(&selected.header);
        if sought.insert((epoch.clone(), chain.clone()))
            && let Some(handed) = find(gathered, log, key, epoch, &selected.header)
        {
            ring.insert(&chain, &handed);
        }
        if let Some(found) = ring.message_key(&selected.header) {
            selected.entry.key = Some(Disclosed::new(found.expose().to_vec()));
            count = count.saturating_add(1);
        }
    }
    gathered.messages = messages;
    count
}

/// The earliest key of an epoch that this node has: as a member of it, or by a grant.
fn find(
    gathered: &Gathered,
    log: &LogSnapshot,
    key: &NodeKey,
    id: &ContentId,
    header: &Header,
) -> Option<HandedKey> {
    let node = key.key_id.did();
    let epoch = gathered.documents.get(id).and_then(|at| match read(log, *at)? {
        Entry::Document(bytes) | Entry::Epoch(bytes) => Epoch::parse(&bytes).ok(),
        _ => None,
    });
    let named = epoch.filter(|e| e.check(header).is_ok());
    if let Some(handed) = named.and_then(|e| e.take(node, &key.key).ok()) {
        return Some(handed);
    }
    let chain = Chain::of(header);
    let grants = gathered.grants.get(id)?.iter().rev().take(MAX_GRANTS);
    let taken = grants.filter_map(|at| match read(log, *at)? {
        Entry::Grant { statement, .. } => {
            match SignedStatement::parse(&statement).ok()?.statement() {
                Statement::Grant(grant, _) if grant.chain == chain && &grant.to == node => {
                    grant.take(&key.key).ok()
                }
                Statement::Grant(..) | Statement::Membership(_) => None,
            }
        }
        _ => None,
    });
    taken.flatten().filter(|k| k.epoch.as_ref() == Some(id)).min_by_key(|k| k.from)
}
