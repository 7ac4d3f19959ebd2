//! The files that a report is written to: all of them, or none.

use crate::codes;
use crate::context::OutputArgs;
use crate::output::Failure;
use std::path::{Path, PathBuf};

/// A file that is named for a report, by the option that names it.
pub type Named<'a> = (&'static str, Option<&'a PathBuf>);

/// Looks at the names before any work is done: each is a file of its own, and none that is read.
pub fn check(named: &[Named<'_>], read: &[&Path], force: bool) -> Result<(), Failure> {
    let mut taken: Vec<(&str, PathBuf)> = Vec::new();
    for (option, path) in named.iter().filter_map(|(option, path)| Some((*option, (*path)?))) {
        if path == Path::new("-") {
            let message = format!("{option} is written to a file, and - is none");
            return Err(Failure::new(codes::USAGE, message)
                .next("Name a file. To standard output goes the report with --json."));
        }
        let place = place(path);
        if let Some((other, _)) = taken.iter().find(|(_, p)| *p == place) {
            let message = format!("{other} and {option} name one file: {}", path.display());
            return Err(Failure::new(codes::USAGE, message).next("Give each a file of its own."));
        }
        if read.iter().any(|p| self::place(p) == place) {
            let message = format!("{option} would replace what is read: {}", path.display());
            return Err(Failure::new(codes::USAGE, message).next("Name another file."));
        }
        OutputArgs { output: Some(path.clone()), force }.check()?;
        taken.push((option, place));
    }
    Ok(())
}

/// Writes all: none is in its place before each could be written.
pub fn write(files: Vec<(&Path, Vec<u8>)>, force: bool) -> Result<(), Failure> {
    let mut staged = Vec::new();
    for (path, bytes) in files {
        let output = OutputArgs { output: Some(path.to_owned()), force };
        staged.push((path, output.stage(&bytes)?));
    }
    let mut settled = Vec::new();
    for (path, file) in staged {
        if let Err(e) = file.settle() {
            // What was replaced by force cannot come back; what is new is taken away again.
            let new: Vec<&Path> = if force { Vec::new() } else { settled };
            new.iter().for_each(|path| drop(std::fs::remove_file(path)));
            return Err(e);
        }
        settled.push(path);
    }
    Ok(())
}

/// Where a name leads, as far as what is there says.
fn place(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_written_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let (one, there, lost) = (at("one"), at("there"), at("nowhere/two"));
        let of = |paths: [&PathBuf; 2]| {
            paths.iter().map(|p| (p.as_path().to_owned(), b"x".to_vec())).collect::<Vec<_>>()
        };
        let write = |files: &[(PathBuf, Vec<u8>)], force| {
            write(files.iter().map(|(p, b)| (p.as_path(), b.clone())).collect(), force)
        };
        assert!(write(&of([&one, &lost]), false).is_err() && !one.exists());
        std::fs::write(&there, b"before").expect("written");
        assert!(write(&of([&one, &there]), false).is_err() && !one.exists());
        assert_eq!(std::fs::read(&there).expect("there"), b"before");
        write(&of([&one, &there]), true).expect("by force");
        assert_eq!(
            (std::fs::read(&one).expect("one"), std::fs::read(&there).expect("two")),
            (b"x".to_vec(), b"x".to_vec())
        );
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            2,
            "nothing is left"
        );
    }

    #[test]
    fn each_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("./a"));
        let c = folder.path().join("c");
        assert!(check(&[("--report", Some(&a)), ("--csv", Some(&c))], &[], false).is_ok());
        for (named, read) in [
            ([("--report", Some(&a)), ("--csv", Some(&b))], vec![]),
            ([("--report", Some(&a)), ("--csv", None)], vec![b.as_path()]),
            ([("--report", Some(&PathBuf::from("-"))), ("--csv", None)], vec![]),
        ] {
            let refused = check(&named, &read, true).expect_err("refused");
            assert_eq!(refused.code.id(), "GP-USAGE", "{refused}");
        }
    }
}
