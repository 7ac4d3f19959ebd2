//! Whose store it is: what one participant was sent is not another's, and its places and receipts neither.

use super::NodeError;
use gridpass_identity::did::Did;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;

/// The file in the store's folder. `spec/log.md`.
const NAME: &str = "participant.json";
/// Its version.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    version: u32,
    participant: Did,
}

/// Refuses the store of another participant, and notes whose it is where nobody did. A node that was its own
/// participant may have been authorised since.
pub(super) fn check(store: &Path, participant: &Did, node: &Did) -> Result<(), NodeError> {
    let path = store.join(NAME);
    let failed = |e: String| NodeError::Folder(path.clone(), e);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let file: File = serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
            if file.version != VERSION {
                let version = file.version;
                return Err(failed(format!("its version is {version}, and 1 is known")));
            }
            if &file.participant == participant {
                return Ok(());
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
        for participant in [&node, &node, &one, &one] {
            check(store, participant, &node).expect("its own");
        }
        for participant in [&other, &node] {
            let refused = check(store, participant, &node).expect_err("another's");
            assert_eq!(refused.code(), codes::NODE_FOLDER);
            assert!(refused.to_string().contains(one.as_str()), "{refused}");
        }
        check(store, &one, &did(4)).expect("by another of its nodes");
        std::fs::write(store.join(NAME), "{\"version\":2}").expect("written");
        check(store, &one, &node).expect_err("of a later version");
    }
}
