//! The recovery words of the wallets of a place: they are random, and open a wallet without the work that a
//! passphrase costs each call, which was half of what the tests did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// Which words open which profile, as far as that is sure.
#[derive(Default)]
pub struct Words(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Copies of them, apart from the place: a test may move its own, or look for secrets there.
    copies: Option<tempfile::TempDir>,
    profiles: BTreeMap<String, PathBuf>,
    /// Ways in or wallets were changed: nobody knows here which words are whose.
    is_lost: bool,
}

impl Words {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("no test ends within")
    }

    /// The words that open the wallet that a call is for.
    pub fn of(&self, args: &[&str]) -> Option<PathBuf> {
        let known = self.known();
        if known.is_lost || args.contains(&"--home") || is_about_wallets(args) {
            return None;
        }
        let mut all = known.profiles.values();
        match (value_of(args, "--profile"), all.next(), all.next()) {
            (Some(profile), _, _) => known.profiles.get(profile).cloned(),
            (None, Some(only), None) => Some(only.clone()),
            (None, _, _) => None,
        }
    }

    /// A call was made, in a folder.
    pub fn notice(&self, folder: &Path, args: &[&str], went_well: bool) {
        let mut known = self.known();
        let changes = |what: &&str| matches!(*what, "slots" | "passphrase" | "restore");
        if args.contains(&"wallet") && args.iter().any(changes) {
            known.is_lost = true;
        }
        let Some(words) = value_of(args, "--recovery-out") else { return };
        if !went_well || known.is_lost || !args.contains(&"init") || args.contains(&"--home") {
            return;
        }
        let copies = match known.copies.take() {
            Some(copies) => copies,
            None => tempfile::tempdir().expect("a folder"),
        };
        let name = |option| value_of(args, option);
        let profile = name("--profile").or_else(|| name("--name")).unwrap_or_default().to_owned();
        let copy = copies.path().join(&profile);
        std::fs::copy(folder.join(words), &copy).expect("the words were written");
        known.copies = Some(copies);
        known.profiles.insert(profile, copy);
    }
}

/// Whether a call makes a wallet, or is about the wallet itself.
fn is_about_wallets(args: &[&str]) -> bool {
    args.iter().any(|arg| matches!(*arg, "init" | "wallet"))
}

fn value_of<'a>(args: &[&'a str], option: &str) -> Option<&'a str> {
    let place = args.iter().position(|arg| *arg == option)?;
    args.get(place.checked_add(1)?).copied()
}
