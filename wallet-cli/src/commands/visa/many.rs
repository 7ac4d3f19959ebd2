//! What is the same where several requests are answered in one call: which are meant, where the answers go, and
//! how it is told what came of each.

use crate::codes;
use crate::context::OutputArgs;
use crate::output::{Failure, counted};
use crate::shown::shown;
use crate::warnings::step;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::request::{Received, VisaRequest};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Whether a path is a folder's, of one that is there or is to be made.
pub fn names_folder(path: &Path) -> bool {
    path.is_dir() || path.to_string_lossy().ends_with(std::path::MAIN_SEPARATOR)
}

/// Whether several requests are named, or a folder of them.
pub fn are_several(paths: &[PathBuf]) -> bool {
    paths.len() > 1 || paths.iter().any(|path| path.is_dir())
}

fn usage<T>(message: String, next: &str) -> Result<T, Failure> {
    Err(Failure::new(codes::USAGE, message).next(next))
}

/// The requests that are named, those of a folder by their names; and what else is in the folders.
pub fn files(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, PassedOver), Failure> {
    let mut all: Vec<PathBuf> = Vec::new();
    let mut passed_over = PassedOver::default();
    for path in paths {
        let named = match path.is_dir() {
            true => files_in(path, &mut passed_over)?,
            false => vec![path.clone()],
        };
        for file in named {
            if file.file_name().is_none() || file == Path::new("-") {
                let message = format!("{} is no file", file.display());
                return usage(message, "Name the files of the requests, or their folder.");
            }
            if !all.contains(&file) {
                all.push(file);
            }
        }
    }
    Ok((all, passed_over))
}

/// What is in a folder and is not taken for a request: hidden files, folders, pipes and the like.
#[derive(Default)]
pub struct PassedOver(Vec<PathBuf>);

impl PassedOver {
    /// For programs.
    pub fn json(&self) -> Value {
        self.0.iter().map(|path| json!(path.display().to_string())).collect()
    }

    /// For people.
    pub fn text(&self) -> String {
        let line = |path: &PathBuf| format!("passed over: {}\n", shown(path.display()));
        self.0.iter().map(line).collect()
    }
}

/// The files in a folder by their names, without hidden ones. What cannot be looked at, such as a link that leads
/// nowhere, may have been a request: reading it says why it is none.
fn files_in(folder: &Path, passed_over: &mut PassedOver) -> Result<Vec<PathBuf>, Failure> {
    let mut read = || -> std::io::Result<Vec<PathBuf>> {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if is_hidden || path.metadata().is_ok_and(|meta| !meta.is_file()) {
                others.push(path);
            } else {
                files.push(path);
            }
        }
        files.sort();
        others.sort();
        passed_over.0.extend(others);
        Ok(files)
    };
    read().map_err(|e| Failure::new(codes::FILE_NOT_READ, format!("{}: {e}", folder.display())))
}

/// A request's file, for programs; with its bytes where the name is no text.
pub fn named(file: &Path) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("request".into(), json!(file.display().to_string()));
    if file.to_str().is_none() {
        let bytes = STANDARD.encode(file.as_os_str().as_encoded_bytes());
        row.insert("request_base64".into(), json!(bytes));
    }
    row
}

/// Which request it is, for programs: what its holder and its refusal call it by.
pub fn about(request: &Received<VisaRequest>) -> Map<String, Value> {
    let asked = &request.statement;
    let about =
        [("id", json!(request.id)), ("holder", json!(asked.holder)), ("role", json!(asked.role))];
    about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The requests by the file that the answer to each is written to: named alike, in the folder that is given.
pub fn targets(
    paths: &[PathBuf],
    output: &OutputArgs,
    answers: &str,
) -> Result<(BTreeMap<PathBuf, PathBuf>, PassedOver), Failure> {
    let may_be_folder = |path: &&Path| path.is_dir() || path.symlink_metadata().is_err();
    let Some(folder) = output.file().filter(may_be_folder) else {
        let message = format!("the {answers} of several requests are written into a folder");
        return usage(message, "Name a folder for them with -o DIR.");
    };
    let mut all: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let (files, passed_over) = files(paths)?;
    for file in files {
        let target = folder.join(file.file_name().unwrap_or_default());
        let there = target.canonicalize().ok();
        if there.is_some() && there == file.canonicalize().ok() {
            let message = format!("{} would be written over", file.display());
            let next = format!("Write the {answers} into another folder than the requests'.");
            return usage(message, &next);
        }
        if let Some(other) = all.insert(target, file.clone()) {
            let message = format!("{} and {} have one name", other.display(), file.display());
            return usage(message, "Call it for each of their folders, with a folder of its own.");
        }
    }
    Ok((all, passed_over))
}

/// Makes the folder that answers are written into, where it is not there.
pub fn make_folder(output: &OutputArgs) -> Result<(), Failure> {
    match output.file().filter(|path| !path.is_dir()) {
        None => Ok(()),
        Some(folder) => std::fs::create_dir(folder).map_err(|e| {
            Failure::new(codes::FILE_NOT_WRITTEN, format!("{}: {e}", folder.display()))
        }),
    }
}

/// Of two exit statuses the worse one: what failed before what cannot be decided, and of two alike the first.
pub fn worse(first: u8, second: u8) -> u8 {
    let rank = |exit: u8| match exit {
        0 => 0,
        11 => 1,
        _ => 2,
    };
    if rank(second) > rank(first) { second } else { first }
}

/// Why something stands in the way of one request, or what it is answered with is not where it should be.
pub struct NotDone {
    /// In a word: `failed`, or what was decided all the same.
    pub what: &'static str,
    /// What there is of it all the same, for programs.
    pub more: Box<Map<String, Value>>,
    pub failure: Failure,
}

impl NotDone {
    /// One that is called so.
    pub fn new(what: &'static str, failure: Failure) -> Self {
        Self { what, more: Box::default(), failure }
    }

    /// Says more to programs.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.into(), value);
        self
    }

    /// The members of its row.
    fn members(&self) -> Map<String, Value> {
        let (failure, exit) = (&self.failure, codes::exit_status(self.failure.code.class()));
        let mut row = (*self.more).clone();
        let said = [
            ("outcome", json!(self.what)),
            ("code", json!(failure.code)),
            ("message", json!(failure.message)),
            ("next", json!(failure.remedy())),
            ("exit", json!(exit)),
            ("transient", json!(failure.is_transient())),
        ];
        row.extend(said.into_iter().map(|(name, value)| (name.to_owned(), value)));
        row
    }
}

impl From<Failure> for NotDone {
    fn from(failure: Failure) -> Self {
        Self::new("failed", failure)
    }
}

/// What came of requests so far.
pub struct Told {
    all: usize,
    counts: BTreeMap<&'static str, usize>,
    failed: String,
    passed_over: PassedOver,
    /// For programs, in the order in which they were answered.
    rows: Vec<Value>,
    pub exit: u8,
}

impl Told {
    /// Of so many.
    pub fn of(all: usize, passed_over: PassedOver) -> Self {
        let (counts, failed, rows) = (BTreeMap::new(), String::new(), Vec::new());
        Self { all, counts, failed, passed_over, rows, exit: 0 }
    }

    /// Tells what came of the next one: which it is, as far as that is known, and in a word, with more for programs,
    /// or as what stands in the way.
    pub fn tell(
        &mut self,
        file: &Path,
        about: Map<String, Value>,
        done: Result<(&'static str, Value), NotDone>,
    ) {
        let (number, all) = (self.rows.len().saturating_add(1), self.all);
        let name = shown(file.display());
        let mut row = named(file);
        row.extend(about);
        let what = match done {
            Ok((what, more)) => {
                step(format_args!("{number}/{all} {name}: {what}"), format!("{name}: {what}"));
                row.insert("outcome".into(), json!(what));
                row.insert("exit".into(), json!(0));
                if let Value::Object(more) = more {
                    row.extend(more);
                }
                what
            }
            Err(not_done) => {
                let (what, e) = (not_done.what, &not_done.failure);
                step(format_args!("{number}/{all} {name}: {what}: {e}"), format!("{name}: {e}"));
                self.failed.push_str(&format!(
                    "{name}: {} [{}]\n  next: {}\n",
                    shown(&e.message),
                    e.code,
                    shown(e.remedy())
                ));
                self.exit = worse(self.exit, codes::exit_status(e.code.class()));
                row.extend(not_done.members());
                what
            }
        };
        let count = self.counts.entry(what).or_default();
        *count = count.saturating_add(1);
        self.rows.push(Value::Object(row));
    }

    /// How many it was so for.
    pub fn count(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// For people: how many of each, why some failed, and what was passed over.
    pub fn text(&self) -> String {
        let said: Vec<String> =
            self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let said = if said.is_empty() { "nothing to do".to_owned() } else { said.join(", ") };
        let of = counted(self.all, "request", "requests");
        format!("Of {of}: {said}\n{}{}", self.failed, self.passed_over.text())
    }

    /// For programs: the rows, what was passed over, and how many there are of each that may come of one. A count is
    /// called as what it counts, in one word.
    pub fn json(self, outcomes: &[&'static str]) -> Map<String, Value> {
        let mut json = Map::new();
        for what in outcomes {
            json.insert(what.replace([' ', '-'], "_"), json!(self.count(what)));
        }
        json.insert("passed_over".into(), self.passed_over.json());
        json.insert("requests".into(), Value::Array(self.rows));
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_worse_than_what_cannot_be_decided() {
        for (first, second, worst) in
            [(0, 0, 0), (0, 11, 11), (11, 0, 11), (11, 10, 10), (13, 11, 13), (13, 10, 13)]
        {
            assert_eq!(worse(first, second), worst, "{first} {second}");
        }
    }

    #[test]
    fn a_row_says_what_is_done_all_the_same_and_a_count_is_one_word() {
        let mut told = Told::of(2, PassedOver(vec!["a/.b".into()]));
        let failure = Failure::new(codes::FETCH_TIMEOUT, "it is late");
        let not_done = NotDone::new("issued-not-written", failure).with("visa", json!("v"));
        told.tell(Path::new("a/1"), Map::new(), Err(not_done));
        told.tell(Path::new("a/2"), Map::new(), Ok(("issued before", json!({"visa": "w"}))));
        assert_eq!(told.exit, 7);
        assert!(told.text().ends_with("passed over: a/.b\n"), "{}", told.text());
        let json = told.json(&["issued before", "issued-not-written", "failed"]);
        let counts =
            ["issued_before", "issued_not_written", "failed"].map(|name| json[name].clone());
        assert_eq!(counts, [json!(1), json!(1), json!(0)]);
        assert_eq!(json["passed_over"], json!(["a/.b"]));
        let (first, second) = (&json["requests"][0], &json["requests"][1]);
        assert_eq!((&first["visa"], &first["exit"]), (&json!("v"), &json!(7)));
        assert_eq!((&first["transient"], &second["exit"]), (&json!(true), &json!(0)));
        assert_eq!(Told::of(0, PassedOver::default()).text(), "Of 0 requests: nothing to do\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_given_whole() {
        use std::os::unix::ffi::OsStrExt as _;
        let file = Path::new(std::ffi::OsStr::from_bytes(b"a/\xff"));
        assert_eq!(named(file)["request_base64"], json!(STANDARD.encode(b"a/\xff")));
        assert!(!named(Path::new("a/b")).contains_key("request_base64"));
    }
}
