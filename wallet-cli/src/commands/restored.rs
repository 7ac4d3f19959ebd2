//! The marks that `wallet restore` leaves: for the node of its profile, which may have sent before; and for its
//! issuers, whose own lists may have been published since, with more in them.

use crate::codes;
use crate::context::GlobalArgs;
use crate::output::Failure;
use crate::warnings::warn;
use gridpass_credentials::register;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::visa::Purpose;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::store::StoreError;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// The file in a profile's folder that says that its wallet came from a backup.
const RESTORED: &str = "restored";
/// The file in a profile's folder that names the own lists, as they are elsewhere, that a restored wallet was not
/// given yet: each on a line, its signer, its id, and the version that the backup has.
const LISTS: &str = "lists-to-take";

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

/// How a list is named in the mark, and before which the version stands.
fn named(issuer: &Did, id: &str) -> String {
    format!("{issuer} {id} ")
}

/// How the lists of a signer begin in the mark.
fn of(issuer: &Did) -> String {
    format!("{issuer} ")
}

fn line(issuer: &Did, id: &str, version: u64) -> String {
    format!("{}{version}", named(issuer, id))
}

/// The own lists that a restored wallet was not given yet, each by its signer, id and version. None in a
/// profile that was not restored.
pub fn lists_to_take(profile: &Path) -> Result<BTreeSet<String>, Failure> {
    let path = profile.join(LISTS);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(source) => {
            let action = format!("reading {}", path.display());
            Err(StoreError::Io { action, source }.into())
        }
    }
}

/// Says in a profile's folder which own lists are to be taken; where there are none, nothing.
fn mark_lists(profile: &Path, all: &BTreeSet<String>) -> Result<(), Failure> {
    let (path, new) = (profile.join(LISTS), profile.join("lists-to-take.new"));
    let mark = || -> std::io::Result<()> {
        if all.is_empty() {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        } else {
            let mut file = std::fs::File::create(&new)?;
            for one in all {
                writeln!(file, "{one}")?;
            }
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
        }
        std::fs::File::open(profile)?.sync_all()
    };
    mark().map_err(|source| {
        let action = format!("writing {}", path.display());
        StoreError::Io { action, source }.into()
    })
}

/// Says in a profile's folder which lists are its own as a backup has them: others may have newer ones.
pub fn mark_own_lists(profile: &Path, wallet: &Wallet) -> Result<(), Failure> {
    let ended = given_up(wallet)?;
    let own = register::signed_lists(wallet)?;
    let line = |list: &StatusList| line(&list.issuer, &list.id, list.version.unwrap_or(0));
    let all: BTreeSet<String> =
        own.iter().filter(|list| !ended.contains(&list.issuer)).map(line).collect();
    if all.is_empty() { Ok(()) } else { mark_lists(profile, &all) }
}

/// Which of the wallet's identities are given up: they publish nothing any more.
fn given_up(wallet: &Wallet) -> Result<Vec<Did>, Failure> {
    let mut all = Vec::new();
    for identity in wallet.identities()? {
        if wallet.deactivated(&identity)?.is_some() {
            all.push(identity.did);
        }
    }
    Ok(all)
}

/// Of identities that the restored wallet found to be given up nothing is to be taken: nobody publishes for them, and
/// says so.
pub fn none_of_ended(profile: &Path, wallet: &Wallet) -> Result<(), Failure> {
    given_up(wallet)?.iter().try_for_each(|did| none_to_take(profile, did))
}

/// The own lists of these were taken, or say nothing new, that are as new as the backup's, or newer: an older one says
/// nothing of what was published since. Revocations are taken over from any; of suspensions those of a list that is
/// older than the wallet's own by now are not, but for the one from which the backup itself goes on. Gives how many are
/// still to be taken.
pub fn own_lists_taken(
    profile: &Path,
    before: &[StatusList],
    taken: &[StatusList],
) -> Result<usize, Failure> {
    let mut all = lists_to_take(profile)?;
    let count = all.len();
    for list in taken {
        let (name, version) = (named(&list.issuer, &list.id), list.version.unwrap_or(0));
        let mut same = before.iter().filter(|b| b.id == list.id && b.issuer == list.issuer);
        let counts = list.purposes == [Purpose::Revocation.name()]
            || same.all(|own| own.version <= list.version);
        let is_open = |marked: &str| {
            // What stands there is of this program, or somebody changed it: that makes nobody stuck.
            let marked = marked.parse::<u64>().unwrap_or(0);
            marked > version || (marked < version && !counts)
        };
        all.retain(|one| one.strip_prefix(&name).is_none_or(is_open));
    }
    if all.len() != count {
        mark_lists(profile, &all)?;
    }
    Ok(all.len())
}

/// Who works with the wallet says that nothing of this signer was published that it does not know.
pub fn none_to_take(profile: &Path, issuer: &Did) -> Result<(), Failure> {
    let mut all = lists_to_take(profile)?;
    let count = all.len();
    all.retain(|one| !one.starts_with(&of(issuer)));
    if all.len() == count { Ok(()) } else { mark_lists(profile, &all) }
}

/// Refuses to publish lists of a signer by what a backup knew.
pub fn must_have_lists(profile: &Path, issuer: &Did) -> Result<(), Failure> {
    let open = lists_to_take(profile)?;
    let mut open = open.iter().filter_map(|one| one.strip_prefix(&of(issuer)));
    let Some(first) = open.next() else { return Ok(()) };
    let list = first.split(' ').next().unwrap_or_default();
    let (list, more) = (crate::shown::shown(list), open.count());
    let more = if more == 0 { String::new() } else { format!(", nor {more} more") };
    let message = format!(
        "this wallet was restored from a backup, and the list {list} that it published since was not taken{more}: what \
         was suspended or revoked after the backup would count again"
    );
    Err(Failure::new(codes::OWN_LISTS_OPEN, message))
}

/// Warns whoever signs lists by what a backup knew, and keeps nobody from it: what is to be revoked is revoked.
pub fn warn_of_lists(global: &GlobalArgs) {
    let profile = global.profile().and_then(|name| global.profile_dir(&name));
    if profile.and_then(|dir| lists_to_take(&dir)).is_ok_and(|open| !open.is_empty()) {
        let message = "this wallet was restored from a backup, and its own lists that were published since were not \
                       taken: what this writes leaves out what they say. Take them, `gridpass status accept \
                       lists.json`, and then `gridpass status publish -o lists.json`";
        warn(Some(codes::OWN_LISTS_OPEN), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_taken_is_named_until_none_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let profile = folder.path();
        let did = |text: &str| Did::parse(text).expect("a DID");
        let (me, other) = (did("did:web:a.example"), did("did:web:a.example:b"));
        assert!(lists_to_take(profile).expect("none").is_empty());
        must_have_lists(profile, &me).expect("it was not restored");
        none_to_take(profile, &me).expect("there is nothing");
        let all = [(&me, "urn:uuid:1"), (&me, "urn:uuid:2"), (&other, "urn:uuid:3")];
        let all = all.map(|(issuer, id)| line(issuer, id, 4));
        let all = BTreeSet::from(all);
        mark_lists(profile, &all).expect("marked");
        assert_eq!(lists_to_take(profile).expect("all"), all);
        let refused = must_have_lists(profile, &me).expect_err("two are open");
        assert_eq!(refused.code, codes::OWN_LISTS_OPEN);
        assert!(refused.message.contains("urn:uuid:1 ") && refused.message.contains("1 more"));
        none_to_take(profile, &me).expect("said");
        must_have_lists(profile, &me).expect("none is open");
        must_have_lists(profile, &other).expect_err("of the other one");
        none_to_take(profile, &other).expect("said");
        assert!(!profile.join(LISTS).exists());
    }
}
