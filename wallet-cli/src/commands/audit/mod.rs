//! `gridpass audit`: evidence bundles, written by who took part and verified by who did not.

mod csv;
mod diff;
mod export;
mod html;
mod outputs;
mod text;
mod verify;
mod words;

use crate::codes;
use crate::context::GlobalArgs;
use crate::help;
use crate::output::{Failure, Outcomes};
use clap::Subcommand;
use gridpass_messaging::bundle::{BEGINNING, MAX_BUNDLE, begins};
use std::io::Read;
use std::path::Path;

/// Evidence bundles: write one, verify it without a network, compare two
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass audit export --channel flex.gb.bids -o bids.car\n  \
     gridpass audit verify bids.car --trust trust.json --html report.html\n  \
     gridpass audit diff north.car flexgen.car"
))]
pub enum AuditCommand {
    Export(export::ExportArgs),
    Verify(verify::VerifyArgs),
    Diff(diff::DiffArgs),
}

pub fn run(global: &GlobalArgs, command: &AuditCommand) -> Outcomes {
    match command {
        AuditCommand::Export(args) => export::run(global, args),
        AuditCommand::Verify(args) => verify::run(global, args),
        AuditCommand::Diff(args) => diff::run(args),
    }
}

/// The bytes of a bundle. What is too large, or begins as none, is not read.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |e: std::io::Error| Failure::new(codes::FILE_NOT_READ, format!("{}: {e}", path.display()));
    if path == Path::new("-") {
        return read_all(path, std::io::stdin().lock(), 0);
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let length = if meta.is_file() { meta.len() } else { 0 };
    if length > MAX_BUNDLE {
        return Err(too_large(path));
    }
    read_all(path, file, length)
}

fn read_all(path: &Path, mut from: impl Read, length: u64) -> Result<Vec<u8>, Failure> {
    let failed =
        |e: std::io::Error| Failure::new(codes::FILE_NOT_READ, format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    let first = u64::try_from(BEGINNING).unwrap_or(u64::MAX);
    from.by_ref().take(first).read_to_end(&mut bytes).map_err(failed)?;
    begins(&bytes)?;
    let room = usize::try_from(length.saturating_sub(first)).unwrap_or(usize::MAX);
    if bytes.try_reserve_exact(room).is_err() {
        let message = format!("{} needs more memory than there is", path.display());
        return Err(Failure::new(codes::FILE_TOO_LARGE, message).next(SMALLER));
    }
    let more = MAX_BUNDLE.saturating_sub(first).saturating_add(1);
    from.take(more).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BUNDLE {
        return Err(too_large(path));
    }
    Ok(bytes)
}

/// What to do with a bundle that is too large.
const SMALLER: &str = "Ask the exporter for several bundles, each of a part of the time: `gridpass audit export --from TIME \
                       --until TIME`.";

fn too_large(path: &Path) -> Failure {
    let message = format!("{} has more than the 8 GiB that a bundle may have", path.display());
    Failure::new(codes::FILE_TOO_LARGE, message).next(SMALLER)
}

#[cfg(test)]
mod hostile_tests;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives zeros, and fails whoever wants more than the beginning.
    struct Short(usize);

    impl Read for Short {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("more than the beginning is read"));
            }
            let count = into.len().min(self.0);
            into[..count].fill(0);
            self.0 = self.0.saturating_sub(count);
            Ok(count)
        }
    }

    #[test]
    fn of_what_is_no_bundle_only_the_beginning_is_read() {
        let refused = read_all(Path::new("zeros"), Short(BEGINNING), 2 << 30).expect_err("zeros");
        assert_eq!(refused.code.id(), "GP-BUNDLE-MALFORMED", "{refused}");
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_by_its_length() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(MAX_BUNDLE + 1).expect("sparse");
        let refused = read(file.path()).expect_err("too large");
        assert_eq!(refused.code.id(), "GP-FILE-TOO-LARGE", "{refused}");
        assert!(refused.next.is_some_and(|next| next.contains("audit export --from")));
        file.as_file().set_len(MAX_BUNDLE).expect("sparse");
        assert_eq!(read(file.path()).expect_err("zeros").code.id(), "GP-BUNDLE-MALFORMED");
    }
}
