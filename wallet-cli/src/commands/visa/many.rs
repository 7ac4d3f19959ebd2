//! What is the same where several requests are answered in one call: which are meant, where the answers go, and
//! how it is told what came of each.

use crate::codes;
use crate::context::OutputArgs;
use crate::output::Failure;
use crate::shown::shown;
use crate::warnings::step;
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

/// The requests that are named, those of a folder by their names.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all: Vec<PathBuf> = Vec::new();
    for path in paths {
        let named = match path.is_dir() {
            true => files_in(path)?,
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
    if all.is_empty() {
        return usage("there is no request in the folder".into(), "Name the requests' folder.");
    }
    Ok(all)
}

/// The files in a folder by their names, without hidden ones.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !is_hidden && entry.path().is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    };
    read().map_err(|e| Failure::new(codes::FILE_NOT_READ, format!("{}: {e}", folder.display())))
}

/// The requests by the file that the answer to each is written to: named alike, in the folder that is given.
pub fn targets(
    paths: &[PathBuf],
    output: &OutputArgs,
    answers: &str,
) -> Result<BTreeMap<PathBuf, PathBuf>, Failure> {
    let may_be_folder = |path: &&Path| path.is_dir() || path.symlink_metadata().is_err();
    let Some(folder) = output.file().filter(may_be_folder) else {
        let message = format!("the {answers} of several requests are written into a folder");
        return usage(message, "Name a folder for them with -o DIR.");
    };
    let mut all: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for file in files(paths)? {
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
    Ok(all)
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

/// What came of requests so far.
pub struct Told {
    all: usize,
    counts: BTreeMap<&'static str, usize>,
    failed: String,
    /// For programs, in the order in which they were answered.
    pub rows: Vec<Value>,
    pub exit: u8,
}

impl Told {
    /// Of so many.
    pub fn of(all: usize) -> Self {
        Self { all, counts: BTreeMap::new(), failed: String::new(), rows: Vec::new(), exit: 0 }
    }

    /// Tells what came of the next one: in a word, with more for programs, or as what it failed with.
    pub fn tell(
        &mut self,
        file: &Path,
        failed: &'static str,
        done: Result<(&'static str, Value), Failure>,
    ) {
        let (number, all) = (self.rows.len().saturating_add(1), self.all);
        let name = shown(file.display());
        let mut row = Map::new();
        row.insert("request".into(), json!(file.display().to_string()));
        let what = match done {
            Ok((what, more)) => {
                step(format_args!("{number}/{all} {name}: {what}"), format!("{name}: {what}"));
                row.insert("outcome".into(), json!(what));
                if let Value::Object(more) = more {
                    row.extend(more);
                }
                what
            }
            Err(e) => {
                step(format_args!("{number}/{all} {name}: {failed}: {e}"), format!("{name}: {e}"));
                let next = e.next.as_deref().unwrap_or(e.code.0.remedy);
                self.failed.push_str(&format!(
                    "{name}: {} [{}]\n  next: {}\n",
                    shown(&e.message),
                    e.code,
                    shown(next)
                ));
                self.exit = worse(self.exit, codes::exit_status(e.code.class()));
                row.insert("outcome".into(), json!(failed));
                row.insert("code".into(), json!(e.code));
                row.insert("message".into(), json!(e.message));
                row.insert("next".into(), json!(next));
                failed
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

    /// For people: how many of each, and why some failed.
    pub fn text(&self) -> String {
        let said: Vec<String> =
            self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let of = match self.all {
            1 => "1 request".to_owned(),
            all => format!("{all} requests"),
        };
        format!("Of {of}: {}\n{}", said.join(", "), self.failed)
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
}
