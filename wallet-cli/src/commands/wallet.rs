//! `gridpass wallet`: the wallet itself, its ways in and its backups.

use super::clock;
use super::init::{build_in_place, reopen};
use super::restored::{mark_own_lists, mark_restored};
use crate::codes;
use crate::context::{GlobalArgs, OutputArgs, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted};
use crate::secrets::{
    WalletSecret, check_recovery_destination, hand_over_recovery_words, read_secret_file,
};
use crate::warnings::warn;
use clap::{Args, Subcommand};
use gridpass_credentials::register;
use gridpass_identity::report::{Check, Report};
use gridpass_identity::secret::SecretBytes;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::backup::{
    Backup, BackupSecret, MAX_BACKUP, Protection, age_identity,
};
use gridpass_identity::wallet::identities::IdentityKind;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::{Passphrase, RecoveryPhrase, SlotKind, Unlock};
use gridpass_identity::wallet::{Diary, Status, Wallet, WalletError};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The wallet itself: its state, its ways in, its backups
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass wallet status\n  gridpass wallet backup -o dso-north.gpb"
))]
pub enum WalletCommand {
    Status(StatusArgs),
    List(ListArgs),
    Clock(clock::ClockArgs),
    Passphrase(PassphraseArgs),
    #[command(subcommand)]
    Slots(SlotsCommand),
    Backup(BackupArgs),
    BackupVerify(BackupVerifyArgs),
    Restore(RestoreArgs),
}

/// Show what can be known of the wallet without a secret
#[derive(Args)]
#[command(after_help = help!("  gridpass wallet status\n  gridpass wallet status --json"))]
pub struct StatusArgs {}

/// List the profiles of this machine
#[derive(Args)]
#[command(after_help = help!("  gridpass wallet list"))]
pub struct ListArgs {}

/// Replace the passphrase; nothing is encrypted anew but the wallet's key
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass wallet passphrase\n  \
     gridpass wallet passphrase --passphrase-file old.txt --new-passphrase-file new.txt\n  \
     gridpass wallet passphrase --recovery-file words.txt      (forgotten: adds a new one)"
))]
pub struct PassphraseArgs {
    /// Read the new passphrase from this file
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

/// The ways into the wallet: passphrases and recovery phrases
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass wallet slots list\n  gridpass wallet slots add-recovery --recovery-out words.txt"
))]
pub enum SlotsCommand {
    /// List the ways in
    #[command(after_help = help!("  gridpass wallet slots list"))]
    List,
    /// Add a second passphrase
    #[command(after_help = help!(
        "  gridpass wallet slots add-passphrase --new-passphrase-file deputy.txt"
    ))]
    AddPassphrase(PassphraseArgs),
    /// Add a recovery phrase; from then on backups are for this one
    #[command(after_help = help!("  gridpass wallet slots add-recovery --recovery-out words.txt"))]
    AddRecovery {
        /// Write the 24 words to this new file instead of showing them
        #[arg(long, value_name = "FILE")]
        recovery_out: Option<PathBuf>,
    },
    /// Remove a way in; the last one stays. Backups are for the newest recovery phrase, or for none once that is
    /// removed
    #[command(after_help = help!(
        "  gridpass wallet slots remove 2\n  \
         gridpass wallet slots remove 5 --recovery-file older.txt      backups are for these words then"
    ))]
    Remove {
        /// Its number, from `slots list`
        id: u32,
    },
}

/// Write a backup, which the recovery phrase opens unless another protection is named
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass wallet backup -o dso-north.gpb                    no secret is asked\n  \
     gridpass wallet backup -o b.gpb --recipient age1…          for an escrow key as well\n  \
     gridpass wallet backup -o b.gpb --backup-passphrase-file p.txt"
))]
pub struct BackupArgs {
    /// Write it to this file: a backup never goes to standard output
    #[arg(short, long, alias = "out", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Another age recipient who can decrypt the file too
    #[arg(long, value_name = "AGE1…")]
    recipient: Vec<String>,
    /// Encrypt for the passphrase in this file instead of the recovery phrase
    #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
    backup_passphrase_file: Option<PathBuf>,
}

/// What opens a backup.
#[derive(Args)]
pub struct BackupSecretArgs {
    /// The backup's own passphrase is in this file
    #[arg(long, value_name = "FILE")]
    backup_passphrase_file: Option<PathBuf>,
    /// An age identity (AGE-SECRET-KEY-1…) is in this file
    #[arg(long, value_name = "FILE", conflicts_with = "backup_passphrase_file")]
    identity_file: Option<PathBuf>,
}

/// Check a backup without restoring it: whole, unaltered, and every record opens
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass wallet backup-verify dso-north.gpb --recovery-file words.txt\n  \
     gridpass wallet backup-verify b.gpb --backup-passphrase-file p.txt --passphrase-file w.txt"
))]
pub struct BackupVerifyArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    secret: BackupSecretArgs,
    /// Refuse the backup of any other wallet than this id
    #[arg(long, value_name = "ID")]
    expect_wallet: Option<String>,
    /// Print the age identity of the recovery phrase, for `age -d -i -`, and stop
    #[arg(long, requires = "recovery_file")]
    show_age_identity: bool,
}

/// Restore a backup into a new profile; a wallet is never overwritten
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass wallet restore dso-north.gpb --profile restored --recovery-file words.txt"
))]
pub struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    secret: BackupSecretArgs,
    /// Refuse the backup of any other wallet than this id
    #[arg(long, value_name = "ID")]
    expect_wallet: Option<String>,
}

pub fn run(global: &GlobalArgs, command: &WalletCommand) -> Outcomes {
    match command {
        WalletCommand::Status(_) => show_status(global),
        WalletCommand::List(_) => list(global),
        WalletCommand::Clock(args) => clock::run(global, args),
        WalletCommand::Passphrase(args) => passphrase(global, args),
        WalletCommand::Slots(command) => slots(global, command),
        WalletCommand::Backup(args) => backup(global, args),
        WalletCommand::BackupVerify(args) => backup_verify(global, args),
        WalletCommand::Restore(args) => restore(global, args),
    }
}

/// Where a way in may have been added, or removed.
const LOOK_AT_SLOTS: &str =
    "Look which ways in there are: `gridpass wallet slots list`. Do it again if it is not done.";

fn time(time: Option<UnixMillis>) -> String {
    time.map_or_else(|| "never".to_owned(), |t| t.to_string())
}

fn slots_text(status: &Status) -> String {
    let mut text = String::new();
    for slot in &status.slots {
        let kind = match slot.kind {
            SlotKind::Passphrase => "passphrase",
            SlotKind::Recovery => "recovery phrase",
        };
        text.push_str(&format!("  {:>3}  {kind:<16} since {}\n", slot.id, slot.created));
    }
    text
}

/// What a backup of that time lacks: what changed since, and when.
pub fn changed_since(diary: &Diary, backup: Option<UnixMillis>) -> Option<String> {
    let after = |at: &UnixMillis| backup.is_none_or(|backup| *at > backup);
    let keys = diary.last_key_change.filter(after).map(|at| format!("keys changed at {at}"));
    let visas = diary.last_issuing.filter(after);
    let visas = visas.map(|at| format!("what was issued, or its status, changed at {at}"));
    let both: Vec<String> = keys.into_iter().chain(visas).collect();
    (!both.is_empty()).then(|| both.join(", and "))
}

/// The warning that the last backup lacks something, where that is so.
pub fn warn_of_backup(profile: &str, status: &Status) {
    if let Some(changed) = changed_since(&status.diary, status.diary.last_backup) {
        let message = format!(
            "{changed}, and the last backup was {}; back up now: gridpass --profile {profile} \
             wallet backup -o FILE",
            status.diary.last_backup.map_or_else(|| "never made".into(), |t| format!("at {t}")),
        );
        warn(Some(gridpass_identity::codes::BACKUP_STALE), message);
    }
}

/// The same after a change, which is made whether or not more can be told of it.
pub fn warn_after_change(global: &GlobalArgs, wallet: &Wallet) {
    if let (Ok(profile), Ok(status)) = (global.profile(), wallet.status()) {
        warn_of_backup(&profile, &status);
    }
}

fn show_status(global: &GlobalArgs) -> Outcomes {
    let profile = global.profile()?;
    let status = global.locked_wallet()?.status()?;
    warn_of_backup(&profile, &status);
    let text = format!(
        "Wallet {:?} (profile {profile})\n  id           {}\n  made         {}\n  \
         records      {}\n  last change  {} (of keys)\n  last issuing {} (or change of a status)\n  \
         last backup  {}\n  backups for  {}\nWays in:\n{}",
        status.name,
        status.wallet_id,
        status.created,
        status.records,
        time(status.diary.last_key_change),
        time(status.diary.last_issuing),
        time(status.diary.last_backup),
        if status.backup_for_words {
            "the newest recovery words"
        } else {
            "nobody: add recovery words"
        },
        slots_text(&status),
    );
    let json = json!({
        "profile": profile,
        "wallet": status,
        "backup_is_stale": status.diary.backup_is_stale(),
    });
    Ok(Answer::new("gridpass.wallet.status/1", json, text))
}

fn list(global: &GlobalArgs) -> Outcomes {
    let profiles = global.profiles()?;
    let text = if profiles.is_empty() {
        "No wallets here.\nnext: gridpass init --name NAME".to_owned()
    } else {
        profiles.join("\n")
    };
    let json = json!({ "home": global.home()?, "profiles": profiles });
    Ok(Answer::new("gridpass.wallet.list/1", json, text))
}

fn passphrase(global: &GlobalArgs, args: &PassphraseArgs) -> Outcomes {
    let locked = global.locked_wallet()?;
    let secret = global.secrets.wallet_secret("the wallet")?;
    let mut wallet = locked.unlock(secret.unlock())?;
    let new = new_passphrase(global, args)?;
    let (slot, text) = match &secret {
        WalletSecret::Passphrase(old) => {
            let changed = wallet.change_passphrase(old, &new, &mut rng(), now());
            let slot = changed.map_err(|e| {
                Failure::from(e).look(
                    "One of the two opens the wallet: try the new passphrase with `gridpass id list`, then \
                     the old one.",
                )
            })?;
            (slot, format!("The passphrase is changed (slot {slot}); the old one opens no more."))
        }
        WalletSecret::Recovery(_) => {
            let added = wallet.add_slot(Unlock::Passphrase(&new), &mut rng(), now());
            let slot = added.map_err(|e| Failure::from(e).look(LOOK_AT_SLOTS))?;
            let text = format!(
                "A new passphrase opens the wallet (slot {slot}); older ones still do.\n\
                 next: gridpass wallet slots list, then gridpass wallet slots remove N"
            );
            (slot, text)
        }
    };
    Ok(Answer::new("gridpass.wallet.passphrase/1", json!({ "slot": slot }), text))
}

fn new_passphrase(global: &GlobalArgs, args: &PassphraseArgs) -> Result<Passphrase, Failure> {
    let file = args.new_passphrase_file.as_deref();
    if file.is_none() && global.secrets.is_given() {
        // The usual options hold the old one: never take it for the new one.
        let message = "the old passphrase was not asked for, and the new one was not given";
        return Err(Failure::new(codes::INPUT_NEEDED, message)
            .next("Give the new one with --new-passphrase-file FILE."));
    }
    global.secrets.new_passphrase("the wallet", file)
}

fn slots(global: &GlobalArgs, command: &SlotsCommand) -> Outcomes {
    match command {
        SlotsCommand::List => {
            let status = global.locked_wallet()?.status()?;
            let json = json!({ "slots": status.slots });
            Ok(Answer::new("gridpass.wallet.slots/1", json, slots_text(&status)))
        }
        SlotsCommand::AddPassphrase(args) => {
            let mut wallet = global.wallet()?;
            let new = new_passphrase(global, args)?;
            let added = wallet.add_slot(Unlock::Passphrase(&new), &mut rng(), now());
            let id = added.map_err(|e| Failure::from(e).look(LOOK_AT_SLOTS))?;
            let text = format!("Slot {id}: another passphrase opens the wallet.");
            Ok(Answer::new("gridpass.wallet.slots/1", json!({ "added": id }), text))
        }
        SlotsCommand::AddRecovery { recovery_out } => {
            check_recovery_destination(recovery_out.as_deref(), global.secrets.no_input)?;
            let mut wallet = global.wallet()?;
            let phrase = RecoveryPhrase::generate(&mut rng());
            // First the words, then the slot: backups must not be for words that nobody has.
            let mut handed = hand_over_recovery_words(&phrase, recovery_out.as_deref())?;
            let added = wallet.add_slot(Unlock::Recovery(&phrase), &mut rng(), now());
            if matches!(added, Ok(_) | Err(WalletError::Store(_))) {
                handed.keep(); // a store that fails may have written the slot all the same
            }
            let added = added.map_err(|e| {
                Failure::from(e).look(
                    "Look whether the slot is there: `gridpass wallet slots list`. If it is, its words are those \
                     that you were given now; else destroy them, for they open nothing, and do it again.",
                )
            });
            let (id, handed) = (added?, handed.what());
            let text = format!(
                "Slot {id}: another recovery phrase opens the wallet, {handed}.\n\
                 Backups are for this one from now on.\n\
                 next: gridpass wallet backup -o FILE"
            );
            Ok(Answer::new("gridpass.wallet.slots/1", json!({ "added": id }), text))
        }
        SlotsCommand::Remove { id } => {
            let locked = global.locked_wallet()?;
            let secret = global.secrets.wallet_secret("the wallet")?;
            let mut wallet = locked.unlock(secret.unlock())?;
            let before = wallet.status()?.backup_for_words;
            wallet.remove_slot(*id).map_err(|e| Failure::from(e).look(LOOK_AT_SLOTS))?;
            let mut text = format!(
                "Slot {id} is removed. Backups made before still open with it: destroy them if \
                 its secret is in other hands."
            );
            let mut for_words = wallet.status()?.backup_for_words;
            // Whose words are at hand and still open the wallet can open its backups, too.
            if let WalletSecret::Recovery(phrase) = &secret
                && before
                && !for_words
            {
                for_words = wallet.back_up_for(phrase)?;
                if for_words {
                    text.push_str("\nBackups are for the words that you gave from now on.");
                }
            }
            if !for_words {
                warn(
                    Some(gridpass_identity::codes::BACKUP_NO_RECIPIENT),
                    "backups are for no recovery phrase from now on: add one with `gridpass wallet slots \
                     add-recovery`, or give each backup a passphrase of its own",
                );
            }
            let json = json!({ "removed": id, "backup_for_words": for_words });
            Ok(Answer::new("gridpass.wallet.slots/1", json, text))
        }
    }
}

fn backup(global: &GlobalArgs, args: &BackupArgs) -> Outcomes {
    let output = OutputArgs { output: args.output.clone(), force: args.force };
    let Some(path) = output.file() else {
        let message = "a backup goes to a file: -o FILE";
        return Err(Failure::new(codes::USAGE, message).next("Add -o FILE."));
    };
    output.check()?;
    let mut locked = global.locked_wallet()?;
    let words = locked.status()?.backup_for_words;
    let passphrase = match &args.backup_passphrase_file {
        Some(file) => Some(global.secrets.new_passphrase("the backup", Some(file))?),
        None => None,
    };
    let protection = match &passphrase {
        Some(passphrase) => Protection::Passphrase(passphrase),
        None => Protection::Recipients(&args.recipient),
    };
    let now = now();
    let file = locked.backup(&protection, now)?;
    let bytes = file.len();
    output.write_private(file)?;
    // Only once the file is on the disk.
    locked.note_backup(now).map_err(|e| {
        let failure = Failure::from(e);
        let file = crate::shown::shown(path.display());
        let message = format!("{}; the backup is in {file} all the same", failure.message);
        Failure { message, ..failure }.next(format!(
            "It is whole, as `gridpass wallet backup-verify {file}` tells; the wallet may still say that its \
             last backup is an older one."
        ))
    })?;
    let opens_with = match protection {
        Protection::Passphrase(_) => "its own passphrase",
        Protection::Recipients([]) => "the recovery phrase",
        Protection::Recipients(_) if words => "the recovery phrase, and the recipients named",
        Protection::Recipients(_) => "the keys of the recipients named",
    };
    let secret = match &args.backup_passphrase_file {
        Some(file) => format!("--backup-passphrase-file {}", crate::shown::shown(file.display())),
        None if words => "--recovery-file WORDS".to_owned(),
        None => "--identity-file KEY".to_owned(),
    };
    let json = json!({ "file": path, "bytes": bytes, "created": now, "opens_with": opens_with });
    let text = format!(
        "Backup written to {} ({bytes} bytes); it opens with {opens_with}.\n\
         next: gridpass wallet backup-verify {} {secret}",
        crate::shown::shown(path.display()),
        crate::shown::shown(path.display()),
    );
    Ok(Answer::new("gridpass.wallet.backup/1", json, text))
}

/// What opens the age layer, and what opens the wallet inside; often the same words.
struct Opened {
    backup: Backup,
    wallet_secret: WalletSecret,
}

fn open_backup(
    global: &GlobalArgs,
    file: &Path,
    args: &BackupSecretArgs,
    expect_wallet: Option<&str>,
) -> Result<Opened, Failure> {
    let limit = u64::try_from(MAX_BACKUP).unwrap_or(u64::MAX);
    let bytes = read_input(file, limit)?;
    // Before a secret is asked for that cannot open it.
    looks_like_a_backup(file, &bytes)?;
    let text = |path: &Path| read_secret_file(path);
    let own_passphrase;
    let age_text;
    let mut wallet_secret = None;
    let secret = if let Some(path) = &args.backup_passphrase_file {
        own_passphrase = Passphrase::new(text(path)?.lines().next().unwrap_or_default());
        BackupSecret::Passphrase(&own_passphrase)
    } else if let Some(path) = &args.identity_file {
        age_text = SecretBytes::new(text(path)?.as_bytes().to_vec());
        BackupSecret::AgeIdentity(&age_text)
    } else {
        let phrase = match &global.secrets.recovery_file {
            Some(path) => RecoveryPhrase::parse(&text(path)?)?,
            None => RecoveryPhrase::parse(&ask_for_words(global)?)
                .map_err(|e| Failure::from(e).next("Give the words with --recovery-file WORDS."))?,
        };
        wallet_secret = Some(WalletSecret::Recovery(phrase));
        match &wallet_secret {
            Some(WalletSecret::Recovery(phrase)) => BackupSecret::Recovery(phrase),
            _ => return Err(Failure::new(gridpass_identity::codes::INTERNAL, "just set")),
        }
    };
    let backup = Backup::open(&bytes, &secret)?;
    if let Some(id) = expect_wallet {
        backup.expect_wallet(id)?;
    }
    let wallet_secret = match wallet_secret {
        Some(secret) => secret,
        None => global.secrets.wallet_secret("the wallet in the backup")?,
    };
    Ok(Opened { backup, wallet_secret })
}

/// What is no age file is told before a secret is asked for.
fn looks_like_a_backup(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    const AGE: &[u8] = b"age-encryption.org/";
    if bytes.starts_with(AGE) {
        return Ok(());
    }
    let other = || {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let kind = value.get("type")?.as_str()?.strip_prefix("gridpass-")?;
        // A name, and no text of a stranger's choice.
        let is_name = kind.len() <= 40 && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        is_name.then(|| format!("it is a {}", kind.replace('-', " ")))
    };
    let what = if bytes.is_empty() {
        "it is empty".to_owned()
    } else if bytes.starts_with(b"-----BEGIN AGE") {
        "it is an age file in text form, and a backup is binary".to_owned()
    } else {
        other().unwrap_or_else(|| "it is of another kind".to_owned())
    };
    let message = format!("{} is no backup: {what}", file.display());
    Err(Failure::new(gridpass_identity::codes::BACKUP_MALFORMED, message)
        .next("Name the file that `gridpass wallet backup -o FILE` wrote."))
}

fn ask_for_words(global: &GlobalArgs) -> Result<zeroize::Zeroizing<String>, Failure> {
    global.secrets.ask("The 24 recovery words: ").map_err(|e| {
        e.next(
            "A backup opens with the 24 words of its wallet, in a file: --recovery-file WORDS; or with \
             the passphrase of its own, --backup-passphrase-file FILE, if it was made with one.",
        )
    })
}

fn backup_verify(global: &GlobalArgs, args: &BackupVerifyArgs) -> Outcomes {
    if args.show_age_identity
        && let Some(path) = &global.secrets.recovery_file
    {
        let phrase = RecoveryPhrase::parse(&read_secret_file(path)?)?;
        let identity = age_identity(&phrase)?;
        let raw = format!("{}\n", identity.as_str()).into_bytes();
        let json = json!({ "identity": identity.as_str() });
        let answer = Answer::new("gridpass.wallet.age-identity/1", json, "");
        return Ok(answer.with_raw(raw));
    }
    let expect = args.expect_wallet.as_deref();
    let opened = open_backup(global, &args.file, &args.secret, expect)?;
    let mut report = opened.backup.verify(opened.wallet_secret.unlock())?;
    if let Ok(status) = global.locked_wallet().and_then(|w| Ok(w.status()?))
        && status.wallet_id == opened.backup.manifest().wallet_id
        && let created = opened.backup.manifest().created
        && let Some(changed) = changed_since(&status.diary, Some(created))
    {
        let sentence = format!("in the wallet {changed}, after this backup");
        report.push(Check::indeterminate("age", gridpass_identity::codes::BACKUP_STALE, sentence));
    }
    let json = json!({ "manifest": opened.backup.manifest() });
    Ok(Answer::new("gridpass.wallet.backup-verify/1", json, "").with_report(&report))
}

fn restore(global: &GlobalArgs, args: &RestoreArgs) -> Outcomes {
    let Some(profile) = &global.profile else {
        let message = "say into which new profile to restore";
        return Err(Failure::new(codes::USAGE, message).next("Add --profile NAME."));
    };
    let dir = global.profile_dir(profile)?;
    let expect = args.expect_wallet.as_deref();
    let opened = open_backup(global, &args.file, &args.secret, expect)?;
    let build = |partial: &Path| {
        let store = Box::new(SledStore::create(partial)?);
        let wallet = opened.backup.restore(store, opened.wallet_secret.unlock())?;
        mark_restored(partial, opened.backup.manifest().created)?;
        mark_own_lists(partial, &wallet)?;
        Ok((wallet, ()))
    };
    build_in_place(&dir, build, |()| {})?;
    let wallet = reopen(&dir, opened.wallet_secret.unlock())?;
    let mut report = Report::default();
    let identities = wallet.identities()?.len();
    let manifest = opened.backup.manifest();
    let sentence = format!(
        "wallet {:?} as of {}, {}, in {}",
        manifest.wallet_name,
        manifest.created,
        counted(identities, "identity", "identities"),
        crate::shown::shown(dir.display())
    );
    report.push(Check::passed("restore", gridpass_identity::codes::BACKUP_VERIFIED, sentence));
    // What others were given since is not in the backup, and must be known before the next is signed.
    let first = before_it_signs(profile, &wallet, manifest.created)?;
    let json = json!({
        "profile": profile,
        "manifest": manifest,
        "identities": identities,
        "first": first,
    });
    let mut answer = Answer::new("gridpass.wallet.restore/1", json, "").with_report(&report);
    for step in &first {
        answer.text.push_str(&format!("first: {step}\n"));
    }
    answer.text.push_str(&format!("next: gridpass id list --profile {profile}\n"));
    Ok(answer)
}

/// What the owner of a restored wallet fetches before it signs anything.
fn before_it_signs(
    profile: &str,
    wallet: &Wallet,
    created: UnixMillis,
) -> Result<Vec<String>, Failure> {
    let mut steps = Vec::new();
    for identity in wallet.identities()?.iter().filter(|i| i.did.method() == "webvh") {
        let did = &identity.did;
        steps.push(format!(
            "the keys of {did} may have been rotated since. Save its published log: gridpass --profile \
             {profile} id resolve {did} --fetch --save (or --log did.jsonl --save). Before that sign and \
             rotate nothing: by keys that were replaced it is refused, and a second log is a fork"
        ));
    }
    for identity in wallet.identities()?.iter().filter(|i| i.kind == IdentityKind::Node) {
        steps.push(format!(
            "the node {} may have sent more than this machine knows. Start it, and connect it with a peer before it \
             sends: gridpass --profile {profile} node status --wait 1m --peers 1. Alone it sends nothing: two messages \
             with one number are proof against it",
            identity.did
        ));
    }
    if register::is_issuer(wallet)? {
        steps.push(format!(
            "this wallet issued. Fetch the status lists that you published last, and accept them: \
             gridpass --profile {profile} status accept lists.json. Before that publish, issue and \
             revoke nothing: a list that is signed by what was known at {created} would take back what \
             was revoked since"
        ));
    }
    Ok(steps)
}
