//! Where secrets come from: a terminal prompt, a file, or a file descriptor. Never an argument,
//! never a plain environment variable; one may name the file.

use crate::codes;
use crate::output::{Failure, note};
use crate::warnings::warn;
use clap::Args;
use gridpass_identity::wallet::slot::{Passphrase, RecoveryPhrase};
use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Names the passphrase's file where no option says where the secret comes from.
const PASSPHRASE_FILE: &str = "GRIDPASS_PASSPHRASE_FILE";

/// The most bytes that are read of a secret.
const MAX_SECRET: u64 = 4096;

/// Where the secret that opens the wallet comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct SecretArgs {
    /// Read the wallet's passphrase from this file (its first line) [env: GRIDPASS_PASSPHRASE_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Secrets")]
    pub passphrase_file: Option<PathBuf>,
    /// Read the wallet's passphrase from this open file descriptor
    #[arg(
        long,
        global = true,
        value_name = "N",
        help_heading = "Secrets",
        conflicts_with = "passphrase_file"
    )]
    pub passphrase_fd: Option<u32>,
    /// Open the wallet with the 24 recovery words in this file instead
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Secrets",
        conflicts_with_all = ["passphrase_file", "passphrase_fd"]
    )]
    pub recovery_file: Option<PathBuf>,
    /// Never ask on the terminal; fail instead
    #[arg(long, global = true, help_heading = "Secrets")]
    pub no_input: bool,
}

/// What opens a wallet.
pub enum WalletSecret {
    /// A passphrase.
    Passphrase(Passphrase),
    /// 24 words.
    Recovery(RecoveryPhrase),
}

impl WalletSecret {
    /// For the library.
    pub fn unlock(&self) -> gridpass_identity::wallet::slot::Unlock<'_> {
        use gridpass_identity::wallet::slot::Unlock;
        match self {
            Self::Passphrase(passphrase) => Unlock::Passphrase(passphrase),
            Self::Recovery(phrase) => Unlock::Recovery(phrase),
        }
    }
}

impl SecretArgs {
    /// The secret for an existing wallet.
    pub fn wallet_secret(&self, what: &str) -> Result<WalletSecret, Failure> {
        if let Some(path) = &self.recovery_file {
            let text = read_secret_file(path)?;
            return Ok(WalletSecret::Recovery(RecoveryPhrase::parse(&text)?));
        }
        if let Some(passphrase) = self.given()? {
            return Ok(WalletSecret::Passphrase(passphrase));
        }
        let typed = self.ask(&format!("Passphrase of {what}: "))?;
        Ok(WalletSecret::Passphrase(Passphrase::new(&typed)))
    }

    /// A passphrase for something new: asked twice, or read from where `file` or the usual
    /// options say.
    pub fn new_passphrase(&self, what: &str, file: Option<&Path>) -> Result<Passphrase, Failure> {
        let given = match file {
            Some(path) => Some(Passphrase::new(&first_line(&read_secret_file(path)?))),
            None => self.given()?,
        };
        let passphrase = match given {
            Some(passphrase) => passphrase,
            None => {
                let first = self.ask(&format!("New passphrase for {what}: "))?;
                let second = self.ask("The same again: ")?;
                if *first != *second {
                    return Err(Failure::new(codes::USAGE, "the two passphrases differ")
                        .next("Call the command again and type the same twice."));
                }
                Passphrase::new(&first)
            }
        };
        passphrase.check_strength()?;
        Ok(passphrase)
    }

    /// The file of the passphrase: what an option says comes before what the environment says.
    fn file(&self) -> Option<PathBuf> {
        let optioned = self.passphrase_fd.is_some() || self.recovery_file.is_some();
        let named =
            || std::env::var_os(PASSPHRASE_FILE).filter(|name| !name.is_empty() && !optioned);
        self.passphrase_file.clone().or_else(|| named().map(PathBuf::from))
    }

    /// Whether the passphrase comes from somewhere without asking.
    pub fn is_given(&self) -> bool {
        self.file().is_some() || self.passphrase_fd.is_some()
    }

    fn given(&self) -> Result<Option<Passphrase>, Failure> {
        let text = if let Some(path) = &self.file() {
            read_secret_file(path)?
        } else if let Some(fd) = self.passphrase_fd {
            read_secret_file(Path::new(&format!("/dev/fd/{fd}")))?
        } else {
            return Ok(None);
        };
        Ok(Some(Passphrase::new(&first_line(&text))))
    }

    /// Asks on the terminal, so that standard input stays free for data.
    pub fn ask(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        let needed = || Failure::new(codes::INPUT_NEEDED, "a secret is needed and cannot be asked");
        if self.no_input || File::open("/dev/tty").is_err() {
            return Err(needed());
        }
        rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|_| needed())
    }
}

fn first_line(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
}

/// Reads a secret, warning where others could read it too.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let refuse = |reason: String| {
        Failure::new(codes::FILE_NOT_READ, format!("{} cannot be read: {reason}", path.display()))
    };
    let file = File::open(path).map_err(|e| refuse(e.to_string()))?;
    #[cfg(unix)]
    if let Ok(meta) = file.metadata() {
        use std::os::unix::fs::PermissionsExt as _;
        if meta.is_file() && meta.permissions().mode() & 0o077 != 0 {
            let path = path.display();
            let message = format!("other users can read {path}; close it with: chmod 600 {path}");
            warn(Some(codes::PERMISSIONS_OPEN), message);
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    file.take(MAX_SECRET).read_to_end(&mut bytes).map_err(|e| refuse(e.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Where 24 words went. Until [`HandedOver::keep`] says that they open something, dropping it
/// takes their file away again.
#[derive(Debug, Default)]
pub struct HandedOver {
    what: String,
    file: Option<PathBuf>,
}

impl HandedOver {
    /// The words open something now, or may do.
    pub fn keep(&mut self) {
        self.file = None;
    }

    /// Where the words are, in words.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            // The words in it open nothing; if it stays, the next call says that it exists.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Writes new words to a new file that only its owner can read, or shows them on the terminal.
/// Call it before the words open anything.
pub fn hand_over_recovery_words(
    phrase: &RecoveryPhrase,
    out: Option<&Path>,
) -> Result<HandedOver, Failure> {
    let words = phrase.expose_words()?;
    let Some(path) = out else {
        note(format_args!(
            "\nWrite down these 24 words, on paper, and keep them apart from this machine.\n\
             They open this wallet and its backups, and they are shown this once only.\n"
        ));
        for (i, line) in words.split(' ').collect::<Vec<_>>().chunks(6).enumerate() {
            note(format_args!(
                "  {:>2}  {}",
                i.saturating_mul(6).saturating_add(1),
                line.join(" ")
            ));
        }
        note("");
        return Ok(HandedOver { what: "shown on the terminal".into(), file: None });
    };
    write_private_file(path, Zeroizing::new(format!("{}\n", *words)).as_bytes())?;
    Ok(HandedOver { what: format!("written to {}", path.display()), file: Some(path.into()) })
}

/// Whether [`hand_over_recovery_words`] can work; asked before anything is made.
pub fn check_recovery_destination(out: Option<&Path>, no_input: bool) -> Result<(), Failure> {
    match out {
        Some(path) if path.exists() => Err(Failure::new(
            codes::FILE_EXISTS,
            format!("{} exists already, and a secret is never written over", path.display()),
        )
        .next(format!(
            "Choose another file for --recovery-out. If a call left this one that was killed, its words may open \
             nothing: `gridpass id list --recovery-file {}` tells whether they open the wallet.",
            path.display()
        ))),
        Some(_) => Ok(()),
        None if std::io::stderr().is_terminal() && !no_input => Ok(()),
        None => Err(Failure::new(codes::RECOVERY_NOWHERE, "no place to hand over 24 words")),
    }
}

/// Makes a file that only its owner can read; refuses one that exists.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a secret helps nobody, and its name would be taken.
            let _ = std::fs::remove_file(path);
        }
        written?;
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    };
    write().map_err(|e| {
        let code = if e.kind() == std::io::ErrorKind::AlreadyExists {
            codes::FILE_EXISTS
        } else {
            codes::FILE_NOT_WRITTEN
        };
        Failure::new(code, format!("{}: {e}", path.display()))
    })
}
