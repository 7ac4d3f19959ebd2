//! The mark that `wallet restore` leaves for the node of its profile, which may have sent before.

use crate::output::Failure;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::store::StoreError;
use std::io::Write as _;
use std::path::Path;

/// The file in a profile's folder that says that its wallet came from a backup.
const RESTORED: &str = "restored";

/// From which backup the wallet of a profile came, if from one: a line that another restoring does not leave in it.
pub fn restored(profile: &Path) -> Option<String> {
    let path = profile.join(RESTORED);
    let said = || std::fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
    path.exists().then(said)
}

/// Says so in a profile's folder, from a backup of this time.
pub fn mark_restored(profile: &Path, created: UnixMillis) -> Result<(), Failure> {
    let path = profile.join(RESTORED);
    let mark = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&path)?;
        writeln!(file, "from a backup of {created}")?;
        file.sync_all()?;
        std::fs::File::open(profile)?.sync_all()
    };
    mark().map_err(|source| {
        let action = format!("writing {}", path.display());
        StoreError::Io { action, source }.into()
    })
}
