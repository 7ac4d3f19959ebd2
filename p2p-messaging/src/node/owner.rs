//! Whose store it is: what one participant was sent is not another's, and its places and receipts neither.

use super::NodeError;
use crate::store::PARTICIPANT;
use gridpass_identity::did::Did;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;

/// The version of its file.
const VERSION: u32 = 1;

/// What of it is the same in every version.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    version: u32,
    participant: Did,
}

/// Refuses the store of another participant. A node that was its own participant may have been authorised
/// since. Gives whether it is still to be noted whose it is.
pub(super) fn check(store: &Path, participant: &Did, node: &Did) -> Result<bool, NodeError> {
    let path = store.join(PARTICIPANT);
    let failed = |e: String| NodeError::Folder(path.clone(), e);
    match std::fs::read(&path) {
        Ok(bytes) => {
            // Whose the store is nobody can tell but its operator.
            let damaged = |e: serde_json::Error| {
                failed(format!(
                    "it says whose the store is, and cannot be read ({e}): if the store is of {participant}, \
                     for whom this node acts, remove this file, and the node writes it anew"
                ))
            };
            let Version { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
            if version != VERSION {
                return Err(failed(format!("its version is {version}, and 1 is known")));
            }
            let file: File = serde_json::from_slice(&bytes).map_err(damaged)?;
            if &file.participant == participant {
                return Ok(false);
            }
            if &file.participant != node {
                let whose = file.participant;
                return Err(failed(format!(
                    "the store is of {whose}, and this node acts for {participant}: give the node that \
                     participant's authorisation (`gridpass node add`), or a folder of its own"
                )));
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e.to_string())),
    }
    Ok(true)
}

/// Notes whose a store is. Not before it was opened: beside this file a store that is empty has lost what it had.
pub(super) fn note(store: &Path, participant: &Did) -> Result<(), NodeError> {
    let path = store.join(PARTICIPANT);
    let failed = |e: String| NodeError::Folder(path.clone(), e);
    let file = File { version: VERSION, participant: participant.clone() };
    let bytes = serde_json::to_vec(&file).map_err(|e| failed(e.to_string()))?;
    let half = store.join(".participant.json");
    let write = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&half)?;
        out.write_all(&bytes)?;
        out.sync_all()?;
        std::fs::rename(&half, &path)?;
        std::fs::File::open(store)?.sync_all()
    };
    write().map_err(|e| failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::test_kit;

    #[test]
    fn a_store_stays_its_participants() {
        let folder = tempfile::tempdir().expect("a folder");
        let did = |number| test_kit::did_of(&test_kit::key(number)).did().clone();
        let (node, one, other) = (did(1), did(2), did(3));
        let store = folder.path();
        // It began as its own participant, and was authorised then.
        for (participant, new) in [(&node, true), (&node, false), (&one, true), (&one, false)] {
            assert_eq!(check(store, participant, &node).expect("its own"), new);
            note(store, participant).expect("noted");
        }
        for participant in [&other, &node] {
            let refused = check(store, participant, &node).expect_err("another's");
            assert_eq!(refused.code(), codes::NODE_FOLDER);
            assert!(refused.to_string().contains(one.as_str()), "{refused}");
        }
        check(store, &one, &did(4)).expect("by another of its nodes");
        std::fs::write(store.join(PARTICIPANT), "{\"version\":2}").expect("written");
        let refused = check(store, &one, &node).expect_err("of a later version");
        assert!(refused.to_string().contains("version is 2"), "{refused}");
        // A disk was full, or it was damaged: what leads out is said.
        for damaged in ["", "{\"version\":1,\"partici", "{\"version\":1}"] {
            std::fs::write(store.join(PARTICIPANT), damaged).expect("written");
            let refused = check(store, &one, &node).expect_err("whose it is nobody knows");
            assert_eq!(refused.code(), codes::NODE_FOLDER);
            let told = refused.to_string();
            assert!(told.contains("remove this file") && told.contains(one.as_str()), "{told}");
        }
    }
}
