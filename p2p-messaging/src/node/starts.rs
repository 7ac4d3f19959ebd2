//! Whether a store is the one that its node had last. One that took the place of another, and a copy from before its
//! last start, lack messages that the node sent. What tells it stands twice: beside the log, and where the node's key
//! is kept, in its wallet: how often the node was started with which store. `spec/log.md` section 5.

use super::{Hold, NodeError};
use crate::codes;
use crate::store::Store;
use gridpass_identity::json;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;

/// The file beside the log.
const STARTS: &str = "starts.json";
const VERSION: u32 = 1;

/// What the wallet of a node keeps of its store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KnownStore {
    version: u32,
    /// Which store: a random name that it got at its first start.
    store: String,
    /// How often the node was started with it.
    starts: u64,
    /// After which restoring of the wallet that was.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    restored: Option<String>,
}

/// The same beside the log, and what the store may lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Starts {
    version: u32,
    store: String,
    starts: u64,
    /// It was found to be another store, or an old copy, and up to which record is not noted yet.
    found_old: bool,
    /// Up to which record own messages may be lacking.
    lacks_until: u64,
}

/// Whether a store is not the one that its node had last, by what its wallet and its folder know.
fn is_old(known: Option<&KnownStore>, found: Option<&Starts>, restored: Option<&str>) -> bool {
    // Beside a wallet that was restored a store is a copy, until it was started with that wallet.
    let Some(known) = known else { return restored.is_some() && found.is_some() };
    found.is_none_or(|found| found.store != known.store || found.starts < known.starts)
        || (restored.is_some() && known.restored.as_deref() != restored)
}

impl Hold {
    /// Counts a start of the node, of whose store its wallet knows this, and that its wallet was restored, if so, in
    /// words that tell one restoring from another. A store that is not the one that the node had last is marked: the
    /// node asks others how far it has sent. Gives what the wallet keeps from now on, before the node is started;
    /// nothing where the start could not be counted, which harms nobody.
    ///
    /// # Errors
    /// [`NodeError`] where a store cannot be marked.
    pub fn count_start(
        &self,
        known: Option<&KnownStore>,
        restored: Option<&str>,
    ) -> Result<Option<KnownStore>, NodeError> {
        let store = self.store();
        let failed = |e: String| NodeError::Folder(store.join(STARTS), e);
        let found = read(&store).map_err(|e| failed(e.to_string()))?;
        let old = is_old(known, found.as_ref(), restored);
        let mut starts = match found {
            Some(found) => found,
            None => Starts {
                version: VERSION,
                store: random_name().map_err(|e| failed(e.to_string()))?,
                starts: 0,
                found_old: false,
                lacks_until: 0,
            },
        };
        starts.starts = starts.starts.saturating_add(1);
        starts.found_old |= old;
        match write(&store, &starts) {
            Ok(()) => {}
            // A disk that is full keeps no node from starting, which makes room.
            Err(e) if !old => {
                tracing::warn!("this start is not counted in {}: {e}", store.display());
                return Ok(None);
            }
            Err(e) => return Err(failed(e.to_string())),
        }
        let restored = restored.map(str::to_owned);
        let Starts { store, starts, .. } = starts;
        Ok(Some(KnownStore { version: VERSION, store, starts, restored }))
    }
}

/// Lets a store that was opened doubt what it has, where it is marked. Gives what is told of it when that is new.
pub(super) fn doubt(folder: &Path, store: &mut Store) -> Result<Option<String>, NodeError> {
    let failed = |e: std::io::Error| NodeError::Folder(folder.join(STARTS), e.to_string());
    let Some(mut starts) = read(folder).map_err(failed)? else { return Ok(None) };
    let found_old = starts.found_old;
    if found_old {
        // Of what it sent with the other one, nobody knows how much there was.
        starts.lacks_until = store.last_number().max(1);
        starts.found_old = false;
        if let Err(e) = write(folder, &starts) {
            // It is found again at the next start.
            tracing::warn!("that the store is an old one is not noted: {e}");
        }
    }
    store.doubt_until(starts.lacks_until);
    Ok(found_old.then(|| {
        let code = codes::LOG_DAMAGED;
        format!(
            "the store is another one than this node had last, or an older copy of it, or its wallet was restored since: \
             own messages may be lost, and it asks its peers how far it has sent [{code}]"
        )
    }))
}

/// What stands beside a log; nothing where that cannot be read as it should be.
fn read(store: &Path) -> std::io::Result<Option<Starts>> {
    match std::fs::read(store.join(STARTS)) {
        Ok(bytes) => {
            let found: Option<Starts> = serde_json::from_slice(&bytes).ok();
            Ok(found.filter(|found| found.version == VERSION))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn write(store: &Path, starts: &Starts) -> std::io::Result<()> {
    let half = store.join(".starts.json");
    let mut out = std::fs::File::create(&half)?;
    out.write_all(&serde_json::to_vec(starts)?)?;
    out.sync_all()?;
    std::fs::rename(&half, store.join(STARTS))?;
    std::fs::File::open(store)?.sync_all()
}

fn random_name() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checking::Chain;
    use crate::node::hold;
    use crate::test_kit::{header, key};

    /// Starts a node in a folder, as far as its store goes: what its wallet keeps, whether own messages may be
    /// lacking, and whether that is told.
    fn start(
        folder: &Path,
        known: Option<&KnownStore>,
        restored: Option<&str>,
    ) -> (KnownStore, bool, bool) {
        let held = hold(folder).expect("nobody has it");
        let known = held.count_start(known, restored).expect("counts").expect("counted");
        drop(held);
        let place = folder.join("store");
        let (mut store, _) = Store::open(&place).expect("opens");
        let told = doubt(&place, &mut store).expect("reads").is_some();
        (known, store.may_lack(&Chain::of(&header(&key(1)))), told)
    }

    #[test]
    fn a_store_that_was_removed_is_found_out_and_its_node_stays_in_doubt() {
        let folder = tempfile::tempdir().expect("a folder");
        let (known, lacks, told) = start(folder.path(), None, None);
        assert_eq!((lacks, told), (false, false), "it is new");
        let (known, lacks, _) = start(folder.path(), Some(&known), None);
        assert!(!lacks);
        std::fs::remove_dir_all(folder.path().join("store")).expect("removed");
        let (other, lacks, told) = start(folder.path(), Some(&known), None);
        assert_eq!((lacks, told), (true, true));
        assert_ne!(other.store, known.store);
        // It is told once, and in doubt until it has sent with this one.
        let (other, lacks, told) = start(folder.path(), Some(&other), None);
        assert_eq!((lacks, told), (true, false));
        // Where the wallet could not keep it, it is found once more.
        let (_, lacks, told) = start(folder.path(), Some(&known), None);
        assert_eq!((lacks, told), (true, true));
        assert_eq!(other.starts, 2);
    }

    #[test]
    fn a_copy_from_before_the_last_start_is_found_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, ..) = start(folder.path(), None, None);
        let file = folder.path().join("store").join(STARTS);
        let copy = std::fs::read(&file).expect("it stands there");
        let (second, lacks, _) = start(folder.path(), Some(&first), None);
        assert!(!lacks);
        std::fs::write(&file, &copy).expect("the copy");
        let (third, lacks, told) = start(folder.path(), Some(&second), None);
        assert_eq!((lacks, told), (true, true));
        // That is noted in the copy, and counted on from there.
        let (_, _, told) = start(folder.path(), Some(&third), None);
        assert!(!told);
        // What is damaged says nothing for the store.
        std::fs::write(&file, b"{").expect("damaged");
        assert!(start(folder.path(), Some(&third), None).1);
    }

    #[test]
    fn a_store_beside_a_wallet_that_was_restored_is_doubted_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (backed_up, ..) = start(folder.path(), None, None);
        // The wallet and the store come from one evening, and it sent afterwards: nothing else shows that.
        let restored = Some("from a backup of then");
        let (since, lacks, told) = start(folder.path(), Some(&backed_up), restored);
        assert_eq!((lacks, told), (true, true));
        let (_, lacks, told) = start(folder.path(), Some(&since), restored);
        assert_eq!((lacks, told), (true, false));
        // Who is sure removes the mark in the profile.
        assert!(!start(folder.path(), Some(&since), None).2);
        // A backup from before the first start knows of no store.
        assert!(start(folder.path(), None, restored).2);
        assert!(start(folder.path(), Some(&since), Some("from another backup")).2);
    }
}
