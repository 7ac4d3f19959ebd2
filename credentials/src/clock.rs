//! What a clock that was ahead left in a wallet, and how it is put right once the owner says that the clock
//! is right now. What is undone was refused, for its date, by everybody whose clock was right.

use crate::charter::SignedCharter;
use crate::content_id::ContentId;
use crate::issued::ISSUED;
use crate::keeping::{self, CHARTERS, KeepError, PINNED, TRUST, to_record};
use crate::own_list::own_lists;
use crate::register;
use crate::role::RoleDefinition;
use crate::trust::{IdentityMaterial, Trust, TrustPack};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::clock::{Undone, is_ahead};
use gridpass_identity::wallet::{Changes, Wallet};
use rand_core::CryptoRng;

/// What was put right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutRight {
    /// Own status lists with changes that were ahead: they count as made by now, and are to be published.
    pub lists: Vec<String>,
    /// Visas of the register whose last change was ahead.
    pub visas: Vec<String>,
    /// Charters that were ahead, and are forgotten: the one before them counts again.
    pub charters: Vec<ContentId>,
    /// Whether the pinned trust pack is ahead, and nothing is known that could take its place.
    pub pack_left: bool,
    /// What became of the logs of own identities.
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
/// in one change of the wallet.
///
/// # Errors
/// [`KeepError`] if what is kept cannot be read or written.
pub fn believe_clock(
    wallet: &mut Wallet,
    now: UnixMillis,
    rng: &mut dyn CryptoRng,
) -> Result<PutRight, KeepError> {
    let (mut right, mut changes) = (PutRight::default(), Changes::default());
    for mut list in own_lists(wallet)? {
        if list.believe_clock(now) {
            list.stage(&mut changes)?;
            right.lists.push(list.id);
        }
    }
    for mut record in register::issued(wallet)? {
        let mut is_changed = false;
        for event in record.events.iter_mut().filter(|e| is_ahead(e.at, now)) {
            event.at = now;
            is_changed = true;
        }
        if is_changed {
            let id = record.read()?.id;
            changes.put(ISSUED, &id, to_record(&record)?);
            right.visas.push(id);
        }
    }
    for charter in keeping::charters(wallet)? {
        if is_ahead(charter.charter().dated, now) {
            changes.remove(CHARTERS, charter.id().as_str());
            right.charters.push(charter.id().clone());
        }
    }
    match pack_before(wallet, now)? {
        Before::Counts => {}
        Before::Unknown => right.pack_left = true,
        Before::Pack(bytes, dropped) => {
            changes.put(TRUST, PINNED, bytes);
            right.charters.extend(dropped);
            right.charters.sort();
            right.charters.dedup();
        }
    }
    right.logs = wallet.believe_clock(changes, rng, now)?;
    Ok(right)
}

enum Before {
    /// What is pinned counts.
    Counts,
    /// It does not, and neither does what remains of it.
    Unknown,
    /// What remains of it, and the charters that do not.
    Pack(Vec<u8>, Vec<ContentId>),
}

/// The pinned pack without the charters that are ahead.
fn pack_before(wallet: &Wallet, now: UnixMillis) -> Result<Before, KeepError> {
    match keeping::pinned(wallet, now) {
        Err(KeepError::Trust(e)) if e.is_from_future() => {}
        _ => return Ok(Before::Counts),
    }
    let Ok(held) = keeping::pinned_even_ahead(wallet, now) else { return Ok(Before::Unknown) };
    let is_past = |c: &&SignedCharter| !is_ahead(c.charter().dated, now);
    let charters: Vec<SignedCharter> = held.history().iter().take_while(is_past).cloned().collect();
    let Some(newest) = charters.last() else { return Ok(Before::Unknown) };
    let known = keeping::definitions(wallet)?;
    let definitions: Vec<&RoleDefinition> = known
        .iter()
        .filter(|(id, _)| newest.charter().role(id).is_some())
        .map(|(_, definition)| definition)
        .collect();
    let identities: Vec<IdentityMaterial> =
        held.identities().iter().map(|material| material.taken_at(now)).collect();
    let (_, bytes) = TrustPack::new(&charters, &definitions, identities).encode()?;
    if Trust::open(&bytes, None, now).is_err() {
        return Ok(Before::Unknown);
    }
    let dropped = held.history().iter().skip(charters.len());
    Ok(Before::Pack(bytes, dropped.map(|c| c.id().clone()).collect()))
}
