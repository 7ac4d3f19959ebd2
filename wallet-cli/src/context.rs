//! Where this call works: the profile's folder, the time, the randomness, files.

use crate::codes;
use crate::commands::arguments::parse_duration;
use crate::output::Failure;
use crate::secrets::SecretArgs;
use clap::Args;
use etcetera::BaseStrategy as _;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_identity::code::Code;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::store::StoreError;
use gridpass_identity::wallet::{LockedWallet, Wallet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The largest message or document that is read: 16 MiB.
pub const MAX_INPUT: u64 = 16 * 1024 * 1024;

/// How long after a wallet was found open it is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct GlobalArgs {
    /// Which wallet; needed only where there are several
    #[arg(long, global = true, env = "GRIDPASS_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,
    /// The folder that holds the profiles [default: gridpass in the XDG data directory]
    #[arg(long, global = true, env = "GRIDPASS_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Wait up to so long for a wallet that another call has open, such as 30s; a bare number is of seconds
    #[arg(long, global = true, value_name = "TIME", value_parser = seconds)]
    pub wait_for_wallet: Option<u64>,
    /// Answer with one JSON object
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub secrets: SecretArgs,
}

/// Seconds of `30s` or `2m`, or of a number alone.
fn seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(seconds) => Ok(seconds),
        Err(_) => parse_duration(text).map(|millis| millis / 1000).map_err(|e| e.message),
    }
}

/// The system's randomness.
pub fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// The system's time.
pub use gridpass_messaging::node::system_clock as now;

impl GlobalArgs {
    /// The folder that holds the profiles.
    pub fn home(&self) -> Result<PathBuf, Failure> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        etcetera::choose_base_strategy()
            .map(|dirs| dirs.data_dir().join("gridpass"))
            .map_err(|e| Failure::new(codes::HOME_UNKNOWN, e.to_string()))
    }

    /// The names of the profiles that hold a wallet.
    pub fn profiles(&self) -> Result<Vec<String>, Failure> {
        let dir = self.home()?.join("profiles");
        let refuse = |e: std::io::Error| {
            Failure::new(codes::HOME_UNKNOWN, format!("{}: {e}", dir.display()))
        };
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            // Wallets that cannot be seen are not absent.
            Err(e) => return Err(refuse(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(refuse)?;
            if let Some(name) = entry.file_name().to_str()
                && is_profile_name(name)
                && entry.path().is_dir()
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The folder of a profile by its name.
    pub fn profile_dir(&self, name: &str) -> Result<PathBuf, Failure> {
        if !is_profile_name(name) {
            return Err(Failure::new(codes::PROFILE_NAME, no_profile_name(name)));
        }
        Ok(self.home()?.join("profiles").join(name))
    }

    /// The profile that this call is about: the one named, or the only one.
    pub fn profile(&self) -> Result<String, Failure> {
        if let Some(name) = &self.profile {
            self.profile_dir(name)?;
            return Ok(name.clone());
        }
        let names = self.profiles()?;
        match names.as_slice() {
            [only] => Ok(only.clone()),
            [] => {
                let home = self.home()?;
                let message = format!("there is no wallet in {}", home.display());
                Err(Failure::new(gridpass_identity::codes::WALLET_NOT_FOUND, message))
            }
            _ => {
                let message = format!("there are the profiles {}", names.join(", "));
                Err(Failure::new(codes::PROFILE_AMBIGUOUS, message))
            }
        }
    }

    /// The wallet of the profile, not unlocked.
    pub fn locked_wallet(&self) -> Result<LockedWallet, Failure> {
        let store = self.store(&self.profile_dir(&self.profile()?)?)?;
        Ok(LockedWallet::open(Box::new(store))?)
    }

    /// The store in a profile's folder; where another call has it open, it is waited for as long as was said.
    pub fn store(&self, dir: &Path) -> Result<SledStore, StoreError> {
        let patience = Duration::from_secs(self.wait_for_wallet.unwrap_or(0));
        // A time too far away to be told is no end.
        let end = Instant::now().checked_add(patience);
        loop {
            match SledStore::open(dir) {
                Err(StoreError::InUse { .. }) if end.is_none_or(|end| Instant::now() < end) => {
                    std::thread::sleep(ASK_AGAIN);
                }
                opened => return opened,
            }
        }
    }

    /// The wallet of the profile, unlocked.
    pub fn wallet(&self) -> Result<Wallet, Failure> {
        let locked = self.locked_wallet()?;
        let secret = self.secrets.wallet_secret(&format!("wallet {:?}", self.profile()?))?;
        Ok(locked.unlock(secret.unlock())?)
    }

    /// The wallet with the pinned trust pack, where none was named: not everybody who verifies has one.
    pub fn wallet_of_trust(&self) -> Result<Wallet, Failure> {
        self.wallet().map_err(|failure| {
            if failure.code.id() == gridpass_identity::codes::WALLET_NOT_FOUND.id() {
                return failure
                    .next("Name the trust pack with --trust FILE; no wallet is needed then.");
            }
            failure
        })
    }
}

/// Why a name is none: an empty one mostly comes from a variable that was set to nothing.
fn no_profile_name(name: &str) -> String {
    match name {
        "" => {
            "the name of the profile is empty: GRIDPASS_PROFILE is set to nothing, or --profile is"
                .to_owned()
        }
        _ => format!("{name:?}, from --profile or GRIDPASS_PROFILE, is no profile name"),
    }
}

fn is_profile_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        })
}

/// Reads a file, or standard input for `-`.
pub fn read_input(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let more = limit.saturating_add(1);
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(more).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(more).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::new(codes::FILE_NOT_READ, format!("{}: {e}", path.display())))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        let message = format!("{} has more than {limit} bytes", path.display());
        return Err(Failure::new(codes::FILE_TOO_LARGE, message));
    }
    Ok(bytes)
}

/// Says what to do with a file that is too large, where the command knows.
pub fn if_too_large(failure: Failure, next: &str) -> Failure {
    match failure.code {
        code if code == codes::FILE_TOO_LARGE => failure.next(next),
        _ => failure,
    }
}

/// Reads text, or standard input for `-`, without its last line end; `malformed` where it is none.
pub fn read_text(path: &Path, limit: u64, malformed: Code) -> Result<String, Failure> {
    let text = String::from_utf8(read_input(path, limit)?)
        .map_err(|_| Failure::new(malformed, format!("{} is not text", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Where a command's bytes go.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Write to this file instead of standard output
    #[arg(short, long, alias = "out", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

impl OutputArgs {
    /// Refuses a file that exists, or that cannot be made, before any work is done: what is issued or
    /// revoked stays so, whether its file can be written or not.
    pub fn check(&self) -> Result<(), Failure> {
        let Some(path) = self.file() else { return Ok(()) };
        self.check_name(path)?;
        // It is written through a file beside it; this one is gone again at once.
        beside(path, 0o600).map(drop).map_err(|e| not_written(path, &e))
    }

    fn check_name(&self, path: &Path) -> Result<(), Failure> {
        if path.is_dir() {
            let message = format!("{} is a folder", path.display());
            return Err(Failure::new(codes::FILE_NOT_WRITTEN, message)
                .next(format!("Name a file in it: -o {}.", path.join("FILE").display())));
        }
        if path.metadata().is_ok_and(|meta| !meta.is_file()) {
            // A device or a pipe must not become a file, even by force.
            let message = format!("{} is not an ordinary file", path.display());
            return Err(Failure::new(codes::FILE_NOT_WRITTEN, message)
                .next("Write to standard output with -o - instead."));
        }
        // A link that leads nowhere is there, too.
        if path.symlink_metadata().is_ok() && !self.force {
            return Err(file_exists(path));
        }
        Ok(())
    }

    /// The file, where the output is not standard output.
    pub fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// Writes to the file, whole or not at all. Gives the bytes back where there is none.
    pub fn write(&self, bytes: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
        self.write_with_mode(bytes, 0o666)
    }

    /// As [`OutputArgs::write`], into a file that only its owner can read.
    pub fn write_private(&self, bytes: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
        self.write_with_mode(bytes, 0o600)
    }

    fn write_with_mode(&self, bytes: Vec<u8>, mode: u32) -> Result<Option<Vec<u8>>, Failure> {
        if self.file().is_none() {
            return Ok(Some(bytes));
        }
        self.stream_with_mode(mode, |out| {
            let written = out.write_all(&bytes);
            written.map_err(|e| Failure::new(codes::FILE_NOT_WRITTEN, e.to_string()))
        })?;
        Ok(None)
    }

    /// Lets `fill` write the file, whole or not at all: what is too large to be held.
    pub fn stream<T>(
        &self,
        fill: impl FnOnce(&mut dyn std::io::Write) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.stream_with_mode(0o666, fill)
    }

    /// Writes the file beside its place: it is there only when it is put into it.
    pub fn stage(&self, bytes: &[u8]) -> Result<Staged, Failure> {
        let (staged, ()) = self.staged(0o666, |out| {
            let written = out.write_all(bytes);
            written.map_err(|e| Failure::new(codes::FILE_NOT_WRITTEN, e.to_string()))
        })?;
        Ok(staged)
    }

    fn stream_with_mode<T>(
        &self,
        mode: u32,
        fill: impl FnOnce(&mut dyn std::io::Write) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (staged, made) = self.staged(mode, fill)?;
        staged.settle()?;
        Ok(made)
    }

    fn staged<T>(
        &self,
        mode: u32,
        fill: impl FnOnce(&mut dyn std::io::Write) -> Result<T, Failure>,
    ) -> Result<(Staged, T), Failure> {
        let Some(path) = self.file() else {
            return Err(Failure::new(codes::USAGE, "no file is named to write to"));
        };
        self.check_name(path)?;
        let failed = |e: std::io::Error| not_written(path, &e);
        let file = beside(path, mode).map_err(failed)?;
        let mut out = std::io::BufWriter::new(file);
        let made = fill(&mut out)?;
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        Ok((Staged { file, path: path.to_owned(), force: self.force }, made))
    }
}

/// A file that is written, and is not in its place yet. Where it is dropped, nothing is left of it.
pub struct Staged {
    file: tempfile::NamedTempFile,
    path: PathBuf,
    force: bool,
}

impl Staged {
    /// Puts it into its place.
    pub fn settle(self) -> Result<(), Failure> {
        let Self { file, path, force } = self;
        let settle = || -> std::io::Result<()> {
            if force {
                file.persist(&path)?;
            } else {
                file.persist_noclobber(&path)?;
            }
            std::fs::File::open(folder_of(&path))?.sync_all()
        };
        settle().map_err(|e| not_written(&path, &e))
    }
}

fn not_written(path: &Path, e: &std::io::Error) -> Failure {
    match e.kind() {
        std::io::ErrorKind::AlreadyExists => file_exists(path),
        _ => Failure::new(codes::FILE_NOT_WRITTEN, format!("{}: {e}", path.display())),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file of another name in the same folder, which goes when it is dropped.
fn beside(path: &Path, mode: u32) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder.tempfile_in(folder_of(path))
}

fn file_exists(path: &Path) -> Failure {
    Failure::new(codes::FILE_EXISTS, format!("{} exists already", path.display()))
}
