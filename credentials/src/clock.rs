//! What a clock that was ahead left in a wallet, and how it is put right once the owner says that the clock
//! is right now. What is undone was refused, for its date, by everybody whose clock was right.

use crate::content_id::ContentId;
use crate::issued::{ACTS, Event, ISSUED};
use crate::keeping::{self, CHARTERS, KeepError, PINNED, TRUST, to_record};
use crate::own_list::{OwnList, own_lists};
use crate::register;
use crate::role::RoleDefinition;
use crate::trust::{IdentityMaterial, Trust, TrustPack};
use crate::visa::StatusEntry;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::Snapshot;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::clock::{Undone, check_ahead, is_ahead, without_end};
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;

/// What was put right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutRight {
    /// Own status lists with changes that were ahead: they count as made by now, and are to be published.
    pub lists: Vec<String>,
    /// What was suspended, reinstated or revoked ahead: visas of the register, those of others, and
    /// authorisations of nodes.
    pub visas: Vec<String>,
    /// Visas and authorisations of nodes that were signed ahead, and are not revoked: everybody refuses
    /// them until then.
    pub signed: Vec<String>,
    /// Charters that were ahead, and are forgotten: the one before them counts again.
    pub charters: Vec<ContentId>,
    /// Charters that were signed ahead: they are to be signed anew. Pinned ones count no more until then.
    pub unsigned: Vec<ContentId>,
    /// Whether the pinned trust pack is ahead, and nothing is known that could take its place.
    pub pack_left: bool,
    /// What became of the logs that are kept.
    pub logs: Undone,
}

impl PutRight {
    /// Whether there was nothing to put right.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self == &Self::default()
    }
}

/// Puts right what is dated later than the clock, because the owner says that the clock is right; all of it
/// in one change of the wallet. `latest` is how late it can be by what the owner said.
///
/// # Errors
/// [`KeepError`] if what is kept cannot be read or written;
/// [`WalletError::ClockBehind`] where something is dated
/// later than `now`, and not later than `latest`: nothing is changed then.
pub fn believe_clock(
    wallet: &mut Wallet,
    now: UnixMillis,
    latest: UnixMillis,
    rng: &mut dyn CryptoRng,
) -> Result<PutRight, KeepError> {
    let (mut right, mut changes) = (PutRight::default(), Changes::default());
    let mut lists = own_lists(wallet)?;
    for (one, _) in register::authorisations(wallet)? {
        if is_ahead(one.valid_from, now) && !is_revoked(&lists, &one.principal, &one.status) {
            right.signed.push(one.id);
        }
    }
    for list in &mut lists {
        for change in &list.changes {
            check_ahead(change.at, now, latest)?;
        }
        if list.believe_clock(now) {
            list.stage(&mut changes)?;
            right.lists.push(list.id.clone());
        }
    }
    for mut record in register::issued(wallet)? {
        let is_changed = put_right(&mut record.events, now);
        let is_signed_ahead = is_ahead(record.issued, now);
        if !is_changed && !is_signed_ahead {
            continue;
        }
        let id = record.read()?.id;
        if is_signed_ahead {
            // Else it would count as issued after whatever is done from now on.
            record.issued = now;
            if record.state() != "revoked" {
                right.signed.push(id.clone());
            }
        }
        changes.put(ISSUED, &id, to_record(&record)?);
        if is_changed {
            right.visas.push(id);
        }
    }
    for mut act in register::acts(wallet)? {
        if put_right(&mut act.events, now) {
            changes.put(ACTS, &act.id, to_record(&act)?);
            right.visas.push(act.id);
        }
    }
    let own: Vec<Did> = wallet.identities()?.into_iter().map(|identity| identity.did).collect();
    for mut charter in keeping::charters(wallet)? {
        check_ahead(charter.charter().dated, now, latest)?;
        if is_ahead(charter.charter().dated, now) {
            changes.remove(CHARTERS, charter.id().as_str());
            right.charters.push(charter.id().clone());
            continue;
        }
        let signatures = charter.drop_ahead(&own, now);
        for date in &signatures {
            check_ahead(*date, now, latest)?;
        }
        if !signatures.is_empty() {
            changes.put(CHARTERS, charter.id().as_str(), to_record(&charter.to_json())?);
            right.unsigned.push(charter.id().clone());
        }
    }
    match pack_before(wallet, now, latest)? {
        Before::Counts => {}
        Before::Unknown => right.pack_left = true,
        Before::Pack(bytes, dropped) => {
            changes.put(TRUST, PINNED, bytes);
            right.charters.extend(dropped.dated);
            right.unsigned.extend(dropped.signed);
        }
    }
    for list in [&mut right.charters, &mut right.unsigned] {
        list.sort();
        list.dedup();
    }
    right.logs = wallet.believe_clock(changes, rng, now, latest)?;
    Ok(right)
}

/// Dates as of now what happened later; gives whether anything did.
fn put_right(events: &mut [Event], now: UnixMillis) -> bool {
    let mut is_changed = false;
    for event in events.iter_mut().filter(|e| is_ahead(e.at, now)) {
        event.at = now;
        is_changed = true;
    }
    is_changed
}

fn is_revoked(lists: &[OwnList], by: &Did, entry: &StatusEntry) -> bool {
    let mut own = lists.iter().filter(|list| list.id == entry.list && &list.issuer == by);
    own.any(|list| list.bits().and_then(|bits| bits.get(entry.index)) == Ok(true))
}

enum Before {
    /// What is pinned counts.
    Counts,
    /// It does not, and neither does what remains of it.
    Unknown,
    /// What remains of it, and the charters that do not.
    Pack(Vec<u8>, Dropped),
}

/// Charters that a pinned pack loses.
#[derive(Default)]
struct Dropped {
    /// They are dated ahead, or follow one that is.
    dated: Vec<ContentId>,
    /// They are not: signatures are, without which they do not count.
    signed: Vec<ContentId>,
}

/// The pinned pack without the charters that are ahead, or are signed ahead, and without the ends of logs that
/// are: beside a log that goes on otherwise since, a pack with such an end could be followed by no other. Its logs
/// count as obtained by now.
fn pack_before(wallet: &Wallet, now: UnixMillis, latest: UnixMillis) -> Result<Before, KeepError> {
    let is_pack_ahead = match keeping::pinned(wallet, now) {
        Ok(_) => false,
        Err(KeepError::Trust(e)) if e.is_from_future() => true,
        Err(_) => return Ok(Before::Counts),
    };
    let Ok(held) = keeping::pinned_even_ahead(wallet, now) else { return Ok(Before::Unknown) };
    for charter in held.history() {
        check_ahead(charter.charter().dated, now, latest)?;
    }
    let (mut identities, mut is_cut) = (Vec::new(), false);
    for material in held.identities() {
        for date in [material.seen].into_iter().chain(material.confirmed) {
            check_ahead(date, now, latest)?;
            is_cut |= is_ahead(date, now);
        }
        let cut = cut_off(material, now);
        is_cut |= cut.is_some();
        identities.push(cut.as_ref().unwrap_or(material).taken_at(now));
    }
    if !is_pack_ahead && !is_cut {
        return Ok(Before::Counts);
    }
    let charters = held.history_until(now);
    if held.history_until(latest).len() > charters.len()
        && let Some(next) = held.history().get(charters.len())
    {
        // As with what is dated so: perhaps its signatures count already.
        let dates = next.clone().drop_ahead(&next.named_signers(), now);
        let known = dates.into_iter().min().unwrap_or(latest);
        return Err(WalletError::ClockBehind { known, now }.into());
    }
    let Some(newest) = charters.last() else { return Ok(Before::Unknown) };
    let known = keeping::definitions(wallet)?;
    let definitions: Vec<&RoleDefinition> = known
        .iter()
        .filter(|(id, _)| newest.charter().role(id).is_some())
        .map(|(_, definition)| definition)
        .collect();
    let (_, bytes) = TrustPack::new(charters, &definitions, identities).encode()?;
    if Trust::open(&bytes, None, now).is_err() {
        return Ok(if is_pack_ahead { Before::Unknown } else { Before::Counts });
    }
    let (mut dropped, mut is_dated) = (Dropped::default(), false);
    for charter in held.history().iter().skip(charters.len()) {
        // What follows one that is forgotten is forgotten with it.
        is_dated |= is_ahead(charter.charter().dated, now);
        let list = if is_dated { &mut dropped.dated } else { &mut dropped.signed };
        list.push(charter.id().clone());
    }
    Ok(Before::Pack(bytes, dropped))
}

/// A log without the entries at its end that are ahead, where it has such and others before them.
fn cut_off(material: &IdentityMaterial, now: UnixMillis) -> Option<IdentityMaterial> {
    if material.did.method() != "webvh" {
        return None;
    }
    let log = material.to_snapshot().ok()?;
    let document = without_end(&log.document, now).filter(|rest| !rest.is_empty())?;
    Some(IdentityMaterial::of(&material.did, &Snapshot { document, ..log }))
}
