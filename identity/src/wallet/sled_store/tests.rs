use super::*;
use crate::codes;
use crate::wallet::store::conformance;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn filled(dir: &Path) -> Result<(), StoreError> {
    let mut store = SledStore::create(dir)?;
    for i in 0..20_u8 {
        let mut batch = Batch::default();
        batch.put(format!("k/{i}"), vec![i; 3000]);
        store.commit(&batch)?;
    }
    Ok(())
}

#[test]
fn the_sled_store_conforms_and_reopens() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    conformance::all(&mut SledStore::create(&dir)?)?;
    assert_eq!(SledStore::open(&dir)?.scan(b"a/")?.len(), 2);
    Ok(())
}

#[test]
fn refuses_a_second_opener_and_names_the_first() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    let first = SledStore::create(&dir)?;
    let error = SledStore::open(&dir).expect_err("in use");
    assert_eq!(error.code(), codes::WALLET_IN_USE);
    assert!(error.to_string().contains(&format!("process {}", std::process::id())));
    drop(first);
    SledStore::open(&dir)?;
    Ok(())
}

#[test]
fn never_overwrites_and_never_makes_an_empty_one_on_opening() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    assert_eq!(SledStore::open(&dir).expect_err("none").code(), codes::WALLET_NOT_FOUND);
    filled(&dir)?;
    assert_eq!(SledStore::create(&dir).expect_err("exists").code(), codes::WALLET_EXISTS);
    for part in ["records", "head"] {
        let moved = temp.path().join("moved");
        fs::rename(dir.join(part), &moved)?;
        assert_eq!(SledStore::open(&dir).expect_err(part).code(), codes::STORE_DAMAGED);
        fs::rename(&moved, dir.join(part))?;
    }
    assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 20);
    Ok(())
}

#[test]
fn a_store_whose_making_was_cut_off_is_taken_up_and_a_damaged_one_is_not() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    drop(SledStore::open_or_create(&dir)?);
    // Cut off before `head`, before the records, and before the lock.
    for part in ["head", "records", "lock"] {
        let cut: &[&str] = match part {
            "head" => &["head"],
            "records" => &["head", "records"],
            _ => &["head", "records", "lock"],
        };
        for path in cut.iter().map(|name| dir.join(name)) {
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed?;
        }
        assert!(SledStore::open_or_create(&dir)?.scan(b"")?.is_empty(), "{part}");
        assert!(SledStore::open(&dir)?.scan(b"")?.is_empty(), "{part}");
    }
    let other = temp.path().join("other");
    filled(&other)?;
    assert_eq!(SledStore::open_or_create(&other)?.scan(b"k/")?.len(), 20);
    fs::remove_file(other.join("head"))?;
    let error = SledStore::open_or_create(&other).expect_err("its records are there");
    assert_eq!(error.code(), codes::STORE_DAMAGED);
    // Somebody's folder is not filled with ours.
    let folder = temp.path().join("folder");
    fs::create_dir(&folder)?;
    fs::write(folder.join("letter"), b"")?;
    let error = SledStore::open_or_create(&folder).expect_err("not a store");
    assert_eq!(error.code(), codes::STORE_DAMAGED);
    assert!(!folder.join("records").exists());
    Ok(())
}

#[test]
fn a_wallet_can_be_made_where_the_first_attempt_failed() -> TestResult {
    use crate::time::UnixMillis;
    use crate::wallet::slot::Passphrase;
    use crate::wallet::{LockedWallet, Wallet};
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    let now = UnixMillis::new(1_772_366_400_000);
    let weak = Passphrase::new("weak");
    let store = Box::new(SledStore::open_or_create(&dir)?);
    let error = Wallet::create(store, "dso", &weak, &mut rng, now).expect_err("weak");
    assert_eq!(error.code(), codes::PASSPHRASE_WEAK);
    let error = LockedWallet::open(Box::new(SledStore::open(&dir)?)).err().expect("empty");
    assert_eq!(error.code(), codes::WALLET_EMPTY, "{error}");
    let good = Passphrase::new("correct horse battery");
    let store = Box::new(SledStore::open_or_create(&dir)?);
    let (wallet, _) = Wallet::create(store, "dso", &good, &mut rng, now)?;
    let id = wallet.id().to_owned();
    drop(wallet);
    // A wallet that is there stays.
    let store = Box::new(SledStore::open_or_create(&dir)?);
    let error = Wallet::create(store, "dso", &good, &mut rng, now).expect_err("exists");
    assert_eq!(error.code(), codes::WALLET_EXISTS);
    let locked = LockedWallet::open(Box::new(SledStore::open(&dir)?))?;
    assert_eq!(locked.status()?.wallet_id, id);
    Ok(())
}

#[test]
fn what_a_newer_program_wrote_is_no_damage() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    filled(&dir)?;
    let head = fs::read_to_string(dir.join("head"))?;
    let newer = head.replace("\"version\":1", "\"version\":2");
    assert_ne!(newer, head);
    for (text, code) in [
        (newer.as_str(), codes::WALLET_VERSION),
        ("{\"version\":2,\"seal\":[]}", codes::WALLET_VERSION),
        ("{\"version\":1}", codes::STORE_DAMAGED),
    ] {
        fs::write(dir.join("head"), text)?;
        assert_eq!(SledStore::open(&dir).expect_err(text).code(), code, "{text}");
    }
    fs::write(dir.join("head"), head)?;
    assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 20);
    Ok(())
}

/// sled syncs once more where it is closed, and panics where the disk refuses.
#[test]
fn a_store_whose_closing_fails_has_kept_what_it_acknowledged() -> TestResult {
    use crate::wallet::sled_open::{faulty, is_closing};
    use std::sync::atomic::Ordering;
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    filled(&dir)?;
    let mut store = SledStore::open(&dir)?;
    let closed = faulty::panics_at_closing(&store.tree);
    let mut batch = Batch::default();
    batch.put("k/20", vec![1]);
    store.commit(&batch)?;
    drop(store);
    assert!(closed.load(Ordering::SeqCst) && !is_closing());
    assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 21);
    Ok(())
}

/// What stands in the way of `head` stands for the disk that takes no more, once the records are written.
#[test]
fn a_commit_that_may_be_there_says_so_and_is_there() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    filled(&dir)?;
    let mut store = SledStore::open(&dir)?;
    fs::create_dir(dir.join("head.next"))?;
    let mut batch = Batch::default();
    batch.put("k/20", vec![1]);
    let error = store.commit(&batch).expect_err("`head` cannot be written");
    assert_eq!(error.code(), codes::STORE_UNCONFIRMED, "{error}");
    drop(store);
    // Without it nothing can be acknowledged, and opening changes nothing but that.
    assert_eq!(SledStore::open(&dir).expect_err("`head`").code(), codes::STORE_IO);
    fs::remove_dir(dir.join("head.next"))?;
    assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 21);
    // A store that nothing is in yet is made anew: there is nothing to look for.
    let empty = temp.path().join("empty");
    fs::create_dir_all(empty.join("head.next"))?;
    let error = SledStore::open_or_create(&empty).expect_err("`head` cannot be written");
    assert_eq!(error.code(), codes::STORE_IO, "{error}");
    Ok(())
}

/// Root may look everywhere: a loop of links stands for what it may not look at.
#[cfg(unix)]
#[test]
fn what_cannot_be_looked_at_is_not_absent() -> TestResult {
    let temp = tempfile::tempdir()?;
    let link = temp.path().join("loop");
    std::os::unix::fs::symlink("loop", &link)?;
    assert_eq!(SledStore::open(&link).expect_err("a loop").code(), codes::STORE_IO);
    fs::write(temp.path().join("file"), b"")?;
    for none in ["file", "file/below", "absent"] {
        let error = SledStore::open(&temp.path().join(none)).expect_err(none);
        assert_eq!(error.code(), codes::WALLET_NOT_FOUND, "{none}");
    }
    Ok(())
}

#[test]
fn a_snapshot_that_was_cut_off_is_no_damage() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    filled(&dir)?;
    fs::write(dir.join("records/snap.FFFFFFFFFFFFFFF0.generating"), b"half")?;
    assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 20);
    Ok(())
}

#[test]
fn an_older_copy_of_the_records_is_damage() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    filled(&dir)?;
    let old = fs::read(dir.join("records/db"))?;
    let mut batch = Batch::default();
    batch.put("k/20", vec![1]);
    SledStore::open(&dir)?.commit(&batch)?;
    for entry in fs::read_dir(dir.join("records"))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("snap")) {
            fs::remove_file(path)?;
        }
    }
    fs::write(dir.join("records/db"), old)?;
    assert_eq!(SledStore::open(&dir).expect_err("rolled back").code(), codes::STORE_DAMAGED);
    Ok(())
}

/// A flipped bit is either harmless (every record is there) or told as damage.
#[test]
fn a_flipped_bit_is_harmless_or_told() -> TestResult {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("w");
    filled(&dir)?;
    let expected = SledStore::open(&dir)?.scan(b"")?;
    let whole = fs::read(dir.join("records/db"))?;
    let used = whole.iter().rposition(|b| *b != 0).unwrap_or(0);
    let copy = temp.path().join("copy");
    let mut told = 0;
    for i in 0..40 {
        fs::create_dir_all(copy.join("records"))?;
        fs::copy(dir.join("head"), copy.join("head"))?;
        for entry in fs::read_dir(dir.join("records"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), copy.join("records").join(entry.file_name()))?;
            }
        }
        let mut flipped = whole.clone();
        flipped[used * i / 40] ^= 0x10;
        fs::write(copy.join("records/db"), flipped)?;
        match SledStore::open(&copy).and_then(|s| s.scan(b"")) {
            Ok(found) => assert!(found == expected, "bit {i}: records changed silently"),
            Err(e) => {
                assert!(
                    e.code() == codes::STORE_DAMAGED || e.code() == codes::STORE_IO,
                    "bit {i}: {e}"
                );
                told += 1;
            }
        }
        fs::remove_dir_all(&copy)?;
    }
    assert!(told > 0, "at least one flipped bit hits a record");
    Ok(())
}
