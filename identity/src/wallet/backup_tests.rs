use super::*;
use crate::key::KeyType;
use crate::wallet::identities::{IdentityKind, NewDid, NewIdentity};
use crate::wallet::store::MemoryStore;
use crate::wallet::tests::{now, rng};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery")
}

/// A wallet with one identity, its recovery phrase, and its backup for that phrase.
fn backed_up() -> Result<(MemoryStore, RecoveryPhrase, Vec<u8>), Box<dyn std::error::Error>> {
    let store = MemoryStore::default();
    let (mut wallet, phrase) =
        Wallet::create(Box::new(store.clone()), "dso", &passphrase(), &mut rng(), now())?;
    let new = NewIdentity {
        name: "root".into(),
        kind: IdentityKind::Participant,
        did: NewDid::Key(KeyType::Ed25519),
    };
    wallet.new_identity(&new, &mut rng(), now())?;
    let locked = LockedWallet::open(Box::new(store.clone()))?;
    let file = locked.backup(&Protection::Recipients(&[]), now().plus_millis(1))?;
    Ok((store, phrase, file))
}

#[test]
fn restores_with_the_file_and_the_words_alone() -> TestResult {
    let (store, phrase, file) = backed_up()?;
    let backup = Backup::open(&file, &BackupSecret::Recovery(&phrase))?;
    let report = backup.verify(Unlock::Recovery(&phrase))?;
    assert_eq!(report.outcome(), crate::report::Outcome::Passed);
    let target = MemoryStore::default();
    let restored = backup.restore(Box::new(target.clone()), Unlock::Recovery(&phrase))?;
    let original =
        LockedWallet::open(Box::new(store))?.unlock(Unlock::Passphrase(&passphrase()))?;
    assert_eq!(restored.identities()?, original.identities()?);
    assert_eq!(restored.id(), original.id());
    assert!(!restored.status()?.diary.backup_is_stale());
    // It opens with the same passphrase as before.
    LockedWallet::open(Box::new(target))?.unlock(Unlock::Passphrase(&passphrase()))?;
    Ok(())
}

#[test]
fn refuses_to_restore_over_a_wallet() -> TestResult {
    let (store, phrase, file) = backed_up()?;
    let before = store.scan(b"")?;
    let backup = Backup::open(&file, &BackupSecret::Recovery(&phrase))?;
    let error = backup
        .restore(Box::new(store.clone()), Unlock::Recovery(&phrase))
        .expect_err("there is a wallet");
    assert_eq!(error.code(), codes::WALLET_EXISTS);
    assert_eq!(store.scan(b"")?, before);
    Ok(())
}

/// A reader bounds the file, which is longer than what is in it.
#[test]
fn makes_no_file_that_is_longer_than_is_read() -> TestResult {
    let (store, phrase, file) = backed_up()?;
    let plain = decrypt(&file, &BackupSecret::Recovery(&phrase))?;
    assert!(plain.len() < file.len());
    let locked = LockedWallet::open(Box::new(store))?;
    let later = now().plus_millis(1);
    let made = |limit: usize| {
        let protection = Protection::Recipients(&[]);
        export(locked.store.as_ref(), &locked.header, &protection, later, limit)
    };
    assert!(made(file.len().saturating_mul(2)).is_ok());
    for limit in [plain.len(), plain.len() - 1] {
        let error = made(limit).expect_err("too long");
        assert_eq!(error.code(), codes::WALLET_LIMIT, "{limit}");
    }
    Ok(())
}

#[test]
fn refuses_a_wrong_secret() -> TestResult {
    let (_, phrase, file) = backed_up()?;
    let other = RecoveryPhrase::generate(&mut rng());
    for secret in [
        BackupSecret::Recovery(&other),
        BackupSecret::Passphrase(&passphrase()),
        BackupSecret::AgeIdentity(&SecretBytes::new(b"AGE-SECRET-KEY-1NONSENSE".to_vec())),
    ] {
        let error = Backup::open(&file, &secret).expect_err("wrong secret");
        assert_eq!(error.code(), codes::BACKUP_UNLOCK_FAILED, "{secret:?}");
    }
    let backup = Backup::open(&file, &BackupSecret::Recovery(&phrase))?;
    let error = backup.verify(Unlock::Recovery(&other)).expect_err("wrong wallet secret");
    assert_eq!(error.code(), codes::WALLET_UNLOCK_FAILED);
    Ok(())
}

#[test]
fn refuses_a_truncated_or_altered_file_at_any_place() -> TestResult {
    let (_, phrase, file) = backed_up()?;
    let secret = BackupSecret::Recovery(&phrase);
    for cut in (0..file.len()).step_by(97).chain([file.len() - 1]) {
        assert!(Backup::open(&file[..cut], &secret).is_err(), "cut at {cut}");
        let mut altered = file.clone();
        altered[cut] ^= 1;
        assert!(Backup::open(&altered, &secret).is_err(), "altered at {cut}");
    }
    Ok(())
}

#[test]
fn refuses_a_foreign_backup_and_records_of_two_wallets() -> TestResult {
    let (_, phrase, file) = backed_up()?;
    let (_, other_phrase, other_file) = backed_up()?;
    let ours = Backup::open(&file, &BackupSecret::Recovery(&phrase))?;
    let theirs = Backup::open(&other_file, &BackupSecret::Recovery(&other_phrase))?;
    let error = theirs.expect_wallet(&ours.manifest().wallet_id).expect_err("foreign");
    assert_eq!(error.code(), codes::BACKUP_FOREIGN);
    // Somebody who can decrypt both puts a record of one into the other and seals it again.
    let mut mixed = Backup { manifest: ours.manifest.clone(), ..ours };
    let record = |b: &Backup| b.entries.iter().position(|(k, _)| k.starts_with(b"key/"));
    let (at, from) = (record(&mixed).expect("a key"), record(&theirs).expect("a key"));
    mixed.entries[at].1 = theirs.entries[from].1.clone();
    let report = mixed.verify(Unlock::Recovery(&phrase))?;
    assert_eq!(report.deciding().map(|c| c.code), Some(codes::WALLET_TAMPERED));
    let target = MemoryStore::default();
    let error = mixed
        .restore(Box::new(target.clone()), Unlock::Recovery(&phrase))
        .expect_err("mixed records");
    assert_eq!(error.code(), codes::WALLET_TAMPERED);
    assert!(target.scan(b"")?.is_empty(), "nothing was written");
    Ok(())
}

/// Whoever knows the age recipient, which stands in the clear, can write an age file for it.
#[test]
fn refuses_a_backup_from_which_somebody_left_out_a_record() -> TestResult {
    let (_, phrase, file) = backed_up()?;
    let mut backup = Backup::open(&file, &BackupSecret::Recovery(&phrase))?;
    let at = backup.entries.iter().position(|(k, _)| k.starts_with(b"key/")).expect("a key");
    backup.entries.remove(at);
    let report = backup.verify(Unlock::Recovery(&phrase))?;
    assert_eq!(report.deciding().map(|c| c.code), Some(codes::WALLET_TAMPERED));
    let target = MemoryStore::default();
    let restored = backup.restore(Box::new(target.clone()), Unlock::Recovery(&phrase));
    assert_eq!(restored.expect_err("a record less").code(), codes::WALLET_TAMPERED);
    assert!(target.scan(b"")?.is_empty(), "nothing was written");
    Ok(())
}

#[test]
fn refuses_a_content_that_does_not_match_its_manifest() -> TestResult {
    let (_, phrase, file) = backed_up()?;
    let plain = decrypt(&file, &BackupSecret::Recovery(&phrase))?;
    let text = std::str::from_utf8(&plain)?.to_owned();
    let lines: Vec<&str> = text.lines().collect();
    let without_last = format!("{}\n", lines[..lines.len() - 1].join("\n"));
    assert_eq!(
        Backup::parse(without_last.as_bytes()).expect_err("a line less").code(),
        codes::BACKUP_CHECKSUM
    );
    for (from, to) in [
        ("\"records\":", "\"records\":9"),
        ("\"version\":1", "\"version\":2"),
        ("gridpass-backup", "gridpass-bundle"),
    ] {
        let changed = text.replacen(from, to, 1);
        let error = Backup::parse(changed.as_bytes()).expect_err(to);
        assert_eq!(error.code(), codes::BACKUP_MALFORMED, "{to}: {error}");
    }
    assert_eq!(Backup::parse(b"").expect_err("empty").code(), codes::BACKUP_MALFORMED);
    Ok(())
}

#[test]
fn a_backup_for_a_passphrase_or_another_recipient_opens_with_it() -> TestResult {
    let (store, phrase, _) = backed_up()?;
    let locked = LockedWallet::open(Box::new(store))?;
    let own = Passphrase::new("a passphrase of the backup");
    let file = locked.backup(&Protection::Passphrase(&own), now())?;
    Backup::open(&file, &BackupSecret::Passphrase(&own))?;
    let error = Backup::open(&file, &BackupSecret::Recovery(&phrase)).expect_err("not for it");
    assert_eq!(error.code(), codes::BACKUP_UNLOCK_FAILED);

    let escrow = age::x25519::Identity::generate();
    let recipients = [escrow.to_public().to_string()];
    let file = locked.backup(&Protection::Recipients(&recipients), now())?;
    use age::secrecy::ExposeSecret as _;
    let text = SecretBytes::new(escrow.to_string().expose_secret().as_bytes().to_vec());
    Backup::open(&file, &BackupSecret::AgeIdentity(&text))?;
    Backup::open(&file, &BackupSecret::Recovery(&phrase))?;
    let error = locked.backup(&Protection::Recipients(&["age1x".into()]), now());
    assert_eq!(error.expect_err("no recipient").code(), codes::KEY_MALFORMED);
    Ok(())
}

/// Whoever has words that were removed opens no backup that is made later.
#[test]
fn a_backup_is_never_for_words_that_were_removed() -> TestResult {
    let store = MemoryStore::default();
    let (mut wallet, first) =
        Wallet::create(Box::new(store.clone()), "dso", &passphrase(), &mut rng(), now())?;
    let backup = || -> Result<Vec<u8>, BackupError> {
        let locked = LockedWallet::open(Box::new(store.clone()))?;
        locked.backup(&Protection::Recipients(&[]), now())
    };
    let opens = |file: &[u8], phrase: &RecoveryPhrase| {
        Backup::open(file, &BackupSecret::Recovery(phrase)).is_ok()
    };
    let second = RecoveryPhrase::generate(&mut rng());
    let id = wallet.add_slot(Unlock::Recovery(&second), &mut rng(), now())?;
    let file = backup()?;
    assert!(opens(&file, &second) && !opens(&file, &first));
    wallet.remove_slot(id)?;
    assert!(!wallet.status()?.backup_for_words);
    assert_eq!(backup().expect_err("nobody's").code(), codes::BACKUP_NO_RECIPIENT);
    // The older words still open the wallet, and are known only where they are at hand.
    assert!(!wallet.back_up_for(&second)?);
    assert!(wallet.back_up_for(&first)?);
    let file = backup()?;
    assert!(opens(&file, &first) && !opens(&file, &second));
    // What is removed beside the newest words changes nothing.
    let third = RecoveryPhrase::generate(&mut rng());
    wallet.add_slot(Unlock::Recovery(&third), &mut rng(), now())?;
    wallet.remove_slot(2)?;
    let file = backup()?;
    assert!(opens(&file, &third) && !opens(&file, &first));
    assert!(!wallet.back_up_for(&first)?, "they open it no more");
    Ok(())
}
