//! `gridpass init`: a new wallet.

use super::partial::{Partial, leftovers};
use crate::context::{GlobalArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::secrets::{
    HandedOver, check_recovery_destination, hand_over_recovery_words, read_secret_file,
};
use crate::warnings::hint;
use clap::Args;
use gridpass_identity::codes::{STORE_IO, STORE_UNCONFIRMED};
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::{Passphrase, RecoveryPhrase, Unlock};
use gridpass_identity::wallet::store::StoreError;
use gridpass_identity::wallet::{LockedWallet, Wallet, WalletError};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Make a wallet in a profile of its own
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass init --name dso-north\n  \
     gridpass init --name node-1 --passphrase-file /run/secrets/wallet --recovery-out words.txt"
))]
pub struct InitArgs {
    /// The name of the wallet, and of its profile unless --profile names another
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Write the 24 recovery words to this new file instead of showing them
    #[arg(long, value_name = "FILE")]
    recovery_out: Option<PathBuf>,
}

pub fn run(global: &GlobalArgs, args: &InitArgs) -> Outcomes {
    let profile = global.profile.as_deref().unwrap_or(&args.name);
    let dir = global.profile_dir(profile)?;
    if dir.exists() {
        return Err(StoreError::Exists(dir.display().to_string()).into());
    }
    let recovery_out = args.recovery_out.as_deref();
    if let (Some(words), Some(profiles)) = (recovery_out, dir.parent()) {
        put_words_aside(profiles, words);
    }
    check_recovery_destination(recovery_out, global.secrets.no_input)?;
    let passphrase = global.secrets.new_passphrase(&format!("wallet {:?}", args.name), None)?;
    let (wallet, _, handed) = create_wallet(&dir, &args.name, &passphrase, |phrase| {
        hand_over_recovery_words(phrase, recovery_out)
    })?;
    let handed = handed.what();
    let json = json!({
        "profile": profile,
        "wallet_id": wallet.id(),
        "name": args.name,
        "folder": dir,
        "recovery_words": handed,
    });
    let text = format!(
        "Wallet {:?} is ready in {}\n  id              {}\n  recovery words  {handed}\n\
         next: gridpass id new --name root --method webvh --location YOUR.DOMAIN",
        args.name,
        crate::shown::shown(dir.display()),
        wallet.id(),
    );
    Ok(Answer::new("gridpass.init/1", json, text))
}

/// Puts the file of words aside that a killed call left: in its folder, beside the profiles, is a wallet that
/// never had a name, which they open. That goes with this call, and they would open nothing.
fn put_words_aside(profiles: &Path, words: &Path) {
    let Ok(left) = leftovers(profiles) else { return };
    let mut aside = words.as_os_str().to_owned();
    aside.push(".unused");
    let aside = PathBuf::from(aside);
    if left.is_empty() || !words.is_file() || aside.exists() {
        return;
    }
    // Whatever else is in the file: it is somebody's, and the call is refused.
    let phrase = read_secret_file(words).ok().and_then(|text| RecoveryPhrase::parse(&text).ok());
    let Some(phrase) = phrase else { return };
    let mut wallets = left.iter().map(|dir| dir.join("wallet"));
    let is_unused = wallets.any(|dir| is_new_and_opened_by(&dir, &phrase).unwrap_or(false));
    if is_unused && std::fs::rename(words, &aside).is_ok() {
        hint(format_args!(
            "note: the words in {} were of a wallet that was never made, and open nothing: they are in {} now",
            crate::shown::shown(words.display()),
            crate::shown::shown(aside.display())
        ));
    }
}

/// One that was being restored is of somebody's words, which open it elsewhere: it has records.
fn is_new_and_opened_by(dir: &Path, phrase: &RecoveryPhrase) -> Result<bool, WalletError> {
    let locked = LockedWallet::open(Box::new(SledStore::open(dir)?))?;
    let is_new = locked.status()?.records == 0;
    Ok(is_new && locked.unlock(Unlock::Recovery(phrase)).is_ok())
}

/// Makes a wallet in a new folder: under another name first, so that a call that is cut off
/// leaves nothing that looks like a wallet.
///
/// `hand_over` gives the recovery phrase away before the wallet has its name: there is never a
/// wallet whose backups are for words that nobody was given.
pub fn create_wallet(
    dir: &Path,
    name: &str,
    passphrase: &Passphrase,
    hand_over: impl FnOnce(&RecoveryPhrase) -> Result<HandedOver, Failure>,
) -> Result<(Wallet, RecoveryPhrase, HandedOver), Failure> {
    let build = |partial: &Path| {
        let store = Box::new(SledStore::create(partial)?);
        let (wallet, phrase) = Wallet::create(store, name, passphrase, &mut rng(), now())?;
        let handed = hand_over(&phrase)?;
        Ok((wallet, (phrase, handed)))
    };
    let (phrase, handed) = build_in_place(dir, build, |(_, handed)| handed.keep())?;
    let wallet = reopen(dir, Unlock::Recovery(&phrase))?;
    Ok((wallet, phrase, handed))
}

/// Opens a wallet again under its own name, so that what is acknowledged is what is there.
pub fn reopen(dir: &Path, unlock: Unlock<'_>) -> Result<Wallet, Failure> {
    let open = || -> Result<Wallet, WalletError> {
        LockedWallet::open(Box::new(SledStore::open(dir)?))?.unlock(unlock)
    };
    open().map_err(|e| made_all_the_same(e.into(), dir))
}

/// What fails once a wallet has its name: it is not made again, under no other name either.
fn made_all_the_same(failure: Failure, dir: &Path) -> Failure {
    let profile = dir.file_name().unwrap_or_default().to_string_lossy();
    let message = format!("{}; the wallet is in {} all the same", failure.message, dir.display());
    let next = format!(
        "Do not make it again: look at it with `gridpass --profile {profile} wallet status`, and open it with \
         `gridpass --profile {profile} id list`."
    );
    Failure { message, next: Some(next), ..failure }
}

/// A folder that goes again holds nothing that anybody has to look for.
fn thrown_away(failure: Failure) -> Failure {
    match failure.code == STORE_UNCONFIRMED {
        true => Failure::new(STORE_IO, failure.message),
        false => failure,
    }
}

/// Lets `build` fill a folder beside `dir`, gives it that name and tells `named`, whatever comes
/// after. Nothing is left of an attempt that failed before; what one left that was killed goes with the
/// next.
pub fn build_in_place<T>(
    dir: &Path,
    build: impl FnOnce(&Path) -> Result<(Wallet, T), Failure>,
    named: impl FnOnce(&mut T),
) -> Result<T, Failure> {
    let io = |e: std::io::Error| {
        Failure::from(StoreError::Io { action: format!("making {}", dir.display()), source: e })
    };
    if dir.exists() {
        return Err(StoreError::Exists(dir.display().to_string()).into());
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parent = dir.parent().unwrap_or(Path::new("."));
    create_private_dir_all(parent).map_err(io)?;
    let partial = Partial::make(parent, &name).map_err(io)?;
    let inside = partial.wallet();
    let (wallet, mut rest) = build(&inside).map_err(thrown_away)?;
    drop(wallet);
    std::fs::rename(&inside, dir).map_err(|e| {
        // Another call was faster; its wallet stays.
        if dir.exists() { StoreError::Exists(dir.display().to_string()).into() } else { io(e) }
    })?;
    named(&mut rest);
    std::fs::File::open(parent).and_then(|d| d.sync_all()).map_err(|e| {
        let action = format!("syncing {}", parent.display());
        made_all_the_same(StoreError::Unconfirmed { action, source: e }.into(), dir)
    })?;
    Ok(rest)
}

fn create_private_dir_all(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
