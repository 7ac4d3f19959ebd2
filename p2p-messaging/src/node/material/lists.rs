//! The files of status lists. A list that takes back a visa must not be forgotten: neither damage nor a
//! disk that is full may have the node believe an older one after a restart. So the name of a list's
//! file says the newest state that was seen and what its bytes hash to, and whose list it is stands in a
//! file of its own. A disk without room for a list still takes another name of the file that is there.

use super::MaterialError;
use super::folder::{Folder, hash};
use crate::codes;
use gridpass_credentials::verify::{SeenList, SeenLists, SeenState};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

/// Version and date of a state, as lists are ordered.
type Order = (u64, UnixMillis);

const PREFIX: &str = "list-";
const ENDING: &str = ".jwt";
const WHOSE: &str = "seen-";

/// What stands in a file about a list that was seen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    list: String,
    signer: Did,
    /// By which key the newest state was signed: it is judged again once that is marked as compromised. Older
    /// programs wrote nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<SeenState>,
    /// The newest states before it by other keys, which count where it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<SeenState>,
}

/// What the name of a list's file says.
struct Name {
    key: String,
    order: Order,
    sum: Option<String>,
}

impl Name {
    /// The name of a file of a list.
    fn read(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?.split('-');
        let key = parts.next().filter(|key| key.len() == 32)?.to_owned();
        let none = Self { key: key.clone(), order: (0, UnixMillis::new(0)), sum: None };
        let Some(version) = parts.next() else { return Some(none) };
        let order = (version.parse().ok()?, UnixMillis::new(parts.next()?.parse().ok()?));
        let sum = Some(parts.next()?.to_owned());
        parts.next().is_none().then_some(Self { key, order, sum })
    }

    fn of(key: &str, (version, dated): Order, bytes: &[u8]) -> String {
        format!("{PREFIX}{key}-{version}-{}-{}{ENDING}", dated.get(), hash(bytes))
    }
}

/// By list and signer.
fn key_of(list: &str, signer: &Did) -> String {
    hash(format!("{signer} {list}").as_bytes())
}

fn whose_name(key: &str) -> String {
    format!("{WHOSE}{key}.json")
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}

/// Whether a file says whose list was seen, and nothing else.
pub(super) fn says_whose(path: &Path) -> bool {
    name_of(path).starts_with(WHOSE)
}

/// Whether a file is what its name says; every other than a list's is.
///
/// # Errors
/// [`MaterialError`] for a list that is damaged, or that stands in the place of one that was not written.
pub(super) fn check(path: &Path, bytes: &[u8]) -> Result<(), MaterialError> {
    let sum = Name::read(name_of(path)).and_then(|name| name.sum);
    if sum.is_none_or(|sum| sum == hash(bytes)) {
        return Ok(());
    }
    let sentence = "this status list is damaged, or there was no room to write it: \
                    none is believed that is older than its name says";
    Err(MaterialError::new(codes::NODE_FOLDER, sentence))
}

/// What is known of the files of one list.
#[derive(Default)]
struct Files {
    newest: Option<Order>,
    names: Vec<String>,
}

/// The files of the lists, by list and signer.
#[derive(Default)]
pub(super) struct ListFiles(BTreeMap<String, Files>);

/// Whose list, and the newest state of it that was seen.
type Seen = ((String, Did), SeenList);

impl ListFiles {
    /// What the names in a folder say.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for path in paths {
            let Some(name) = Name::read(name_of(path)) else { continue };
            let files = all.0.entry(name.key).or_default();
            files.newest = files.newest.max(Some(name.order));
            files.names.push(name_of(path).to_owned());
        }
        all
    }

    /// Whether a newer state was seen, wherever it is now.
    pub(super) fn is_older(&self, (list, signer): &(String, Did), order: Order) -> bool {
        let files = self.0.get(&key_of(list, signer));
        files.and_then(|files| files.newest).is_some_and(|newest| newest > order)
    }

    /// The newest that was seen of the list that a file names, if any was.
    ///
    /// # Errors
    /// [`MaterialError`] if the file is damaged: it is not about the list of its own name.
    pub(super) fn seen(&self, path: &Path, bytes: &[u8]) -> Result<Option<Seen>, MaterialError> {
        let whose = serde_json::from_slice::<Whose>(bytes).ok();
        let whose = whose.map(|w| (key_of(&w.list, &w.signer), w));
        let Some((key, whose)) = whose.filter(|(key, _)| name_of(path) == whose_name(key)) else {
            let sentence = "it does not say whose status list was seen: it is damaged";
            return Err(MaterialError::new(codes::NODE_FOLDER, sentence));
        };
        Ok(self.0.get(&key).and_then(|files| files.newest).map(|order| {
            // Where it is of this order: a list is written after what says whose it is.
            let state = whose.newest.and_then(|newest| newest.read());
            let state = state.filter(|state| state.order == order);
            let mut state = state.unwrap_or_else(|| order.into());
            let before = whose.before.iter().filter_map(SeenState::read);
            state.before = before.filter(|before| before.order < order).collect();
            ((whose.list, whose.signer), state)
        }))
    }

    /// Keeps a state that is newer than every one before it that counts.
    ///
    /// # Errors
    /// [`MaterialError`] if it cannot be written. That it was seen is kept all the same, where the
    /// folder takes as much as a name.
    pub(super) fn keep(
        &mut self,
        folder: &Folder,
        (list, signer): &(String, Did),
        seen: &SeenList,
        bytes: &[u8],
    ) -> Result<(), MaterialError> {
        let (key, order) = (key_of(list, signer), seen.order);
        let (name, files) = (Name::of(&key, order, bytes), self.0.entry(key.clone()).or_default());
        files.newest = Some(order);
        let newest = SeenState::of(seen);
        let before = seen.before.iter().filter_map(SeenState::of).collect();
        let whose = Whose { list: list.clone(), signer: signer.clone(), newest, before };
        let whose = serde_json::to_vec(&whose)
            .map_err(|e| MaterialError::new(codes::NODE_FOLDER, e.to_string()));
        if let Err(e) = whose.and_then(|bytes| folder.write(&whose_name(&key), &bytes)) {
            tracing::error!(code = %e.code(), "whose list was seen is not kept: {e}");
        }
        let written = folder.write(&name, bytes);
        if written.is_err() && !files.names.contains(&name) {
            match files.names.last() {
                Some(before) => folder.rename(before, &name)?,
                None => folder.mark(&name)?,
            }
            files.names.pop();
        }
        files.names.retain(|before| before != &name);
        if written.is_ok() {
            for before in files.names.drain(..) {
                folder.remove(&before)?;
            }
        }
        files.names.push(name);
        written
    }

    /// Forgets every state of a list.
    ///
    /// # Errors
    /// [`MaterialError`] if a file of it cannot be removed.
    pub(super) fn forget(
        &mut self,
        folder: &Folder,
        (list, signer): &(String, Did),
    ) -> Result<(), MaterialError> {
        let key = key_of(list, signer);
        for name in self.0.remove(&key).map(|files| files.names).unwrap_or_default() {
            folder.remove(&name)?;
        }
        folder.remove(&whose_name(&key))
    }
}

/// What was seen and is not at hand counts too: nothing that is older is believed.
pub(super) fn note(seen: &mut SeenLists, key: (String, Did), state: SeenList) {
    match seen.entry(key) {
        Entry::Vacant(free) => {
            free.insert(state);
        }
        Entry::Occupied(mut known) => {
            let (held, new) = (known.get(), &state);
            let says_more = held.before.is_empty() && !new.before.is_empty();
            if held.order < new.order || (held.order == new.order && says_more) {
                known.insert(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{did_of, key};

    struct Scene {
        folder: Folder,
        place: tempfile::TempDir,
        list: (String, Did),
    }

    impl Scene {
        fn new() -> Self {
            let place = tempfile::tempdir().expect("a folder");
            let folder = Folder::open(place.path()).expect("opens");
            let list = ("https://lists.example/1".to_owned(), did_of(&key(1)).did().clone());
            Self { folder, place, list }
        }

        /// What is known after a restart: of the list's files, and what was seen.
        fn again(&self) -> (ListFiles, SeenLists, Vec<String>) {
            let paths = self.folder.files().expect("files");
            let (files, mut seen) = (ListFiles::of(&paths), SeenLists::new());
            for path in paths.iter().filter(|path| says_whose(path)) {
                let bytes = Folder::read(path).expect("read");
                let (key, state) = files.seen(path, &bytes).expect("whose it is").expect("seen");
                note(&mut seen, key, state);
                assert!(files.seen(path, &bytes[1..]).is_err(), "it is damaged");
            }
            let whole = |path: &&PathBuf| {
                !says_whose(path) && check(path, &Folder::read(path).expect("read")).is_ok()
            };
            let whole = paths.iter().filter(whole).map(|p| name_of(p).to_owned()).collect();
            (files, seen, whole)
        }

        /// Nothing can be written under this name: its half is in the way.
        fn refuses(&self, name: &str) {
            std::fs::create_dir(self.place.path().join(format!(".{name}"))).expect("made");
        }
    }

    fn order(version: u64) -> Order {
        (version, UnixMillis::new(version * 1000))
    }

    #[test]
    fn a_list_that_there_was_no_room_for_is_not_forgotten() {
        let s = Scene::new();
        let (mut files, ..) = s.again();
        files.keep(&s.folder, &s.list, &order(1).into(), b"one").expect("kept");
        let second = Name::of(&key_of(&s.list.0, &s.list.1), order(2), b"two");
        s.refuses(&second);
        files.keep(&s.folder, &s.list, &order(2).into(), b"two").expect_err("there is no room");
        let (mut files, seen, whole) = s.again();
        assert!(whole.is_empty(), "the older one is not what its name says: {whole:?}");
        assert_eq!(seen.get(&s.list), Some(&order(2).into()));
        assert!(files.is_older(&s.list, order(1)) && !files.is_older(&s.list, order(2)));
        // The next takes its place, and nothing else is left.
        files.keep(&s.folder, &s.list, &order(3).into(), b"three").expect("kept");
        let (files, seen, whole) = s.again();
        assert_eq!((whole.len(), files.0.len()), (1, 1));
        assert_eq!(files.0.values().next().expect("one").names, whole);
        assert_eq!(seen.get(&s.list), Some(&order(3).into()));
    }

    #[test]
    fn by_which_key_a_state_was_signed_is_known_without_the_list() {
        let s = Scene::new();
        let (mut files, ..) = s.again();
        let key = s.list.1.with_fragment("key-1").expect("a key id");
        let signed = Some((key, UnixMillis::new(1000)));
        let before = vec![SeenList { order: order(1), signed: signed.clone(), before: vec![] }];
        let state = SeenList { order: order(2), signed, before };
        files.keep(&s.folder, &s.list, &state, b"two").expect("kept");
        assert_eq!(s.again().1.get(&s.list), Some(&state), "with what was before it");
        // One that counts takes the place of one of a higher version that counts no more.
        files.keep(&s.folder, &s.list, &order(1).into(), b"one").expect("kept");
        let (mut files, seen, whole) = s.again();
        assert_eq!((seen.get(&s.list), whole.len()), (Some(&order(1).into()), 1));
        // As older programs wrote it.
        let whose = whose_name(&key_of(&s.list.0, &s.list.1));
        let older = serde_json::json!({"list": s.list.0, "signer": s.list.1}).to_string();
        s.folder.write(&whose, older.as_bytes()).expect("written");
        assert_eq!(s.again().1.get(&s.list), Some(&order(1).into()));
        files.forget(&s.folder, &s.list).expect("removed");
        assert!(s.folder.files().expect("files").is_empty());
    }

    #[test]
    fn the_first_that_there_was_no_room_for_is_not_forgotten_either() {
        let s = Scene::new();
        let mut files = ListFiles::default();
        s.refuses(&Name::of(&key_of(&s.list.0, &s.list.1), order(2), b"two"));
        files.keep(&s.folder, &s.list, &order(2).into(), b"two").expect_err("there is no room");
        let (files, seen, whole) = s.again();
        assert!(whole.is_empty() && files.is_older(&s.list, order(1)));
        assert_eq!(seen.get(&s.list), Some(&order(2).into()));
    }

    #[test]
    fn of_two_that_a_crash_left_the_newer_counts_also_if_it_is_damaged() {
        let s = Scene::new();
        let key = key_of(&s.list.0, &s.list.1);
        let names = [1, 2].map(|n| Name::of(&key, order(n), b"a list"));
        s.folder.write(&names[0], b"a list").expect("written");
        s.folder.write(&names[1], b"a lust").expect("written");
        let (mut files, _, whole) = s.again();
        assert_eq!(whole, [names[0].clone()]);
        assert!(files.is_older(&s.list, order(1)));
        files.keep(&s.folder, &s.list, &order(2).into(), b"a list").expect("kept");
        assert_eq!(s.again().2, [names[1].clone()]);
    }

    #[test]
    fn a_name_that_says_no_state_is_of_an_earlier_form() {
        let s = Scene::new();
        let key = key_of(&s.list.0, &s.list.1);
        let plain = format!("{PREFIX}{key}{ENDING}");
        s.folder.write(&plain, b"a list").expect("written");
        let (mut files, _, whole) = s.again();
        assert!(whole == [plain] && !files.is_older(&s.list, order(0)));
        files.keep(&s.folder, &s.list, &order(1).into(), b"one").expect("kept");
        assert_eq!(s.again().2, [Name::of(&key, order(1), b"one")]);
        for name in ["list-x.jwt", "list-1-2-3-4-5.jwt", "trust.json", "list-.jwt"] {
            assert!(Name::read(name).is_none(), "{name}");
        }
    }
}
