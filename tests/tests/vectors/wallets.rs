//! Backups of wallets: what restores, and with which records.

use crate::{Case, Found, hex, refused, unhex};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::backup::{Backup, BackupError, BackupSecret};
use gridpass_identity::wallet::slot::{Passphrase, RecoveryPhrase, Unlock};
use gridpass_identity::wallet::store::MemoryStore;
use serde_json::{Value, json};

/// A backup, as the age file for its words or as what is in that: restored with the passphrase where one is
/// given, else with the words.
pub(crate) fn backup(case: &Case) -> Found {
    match restored(case) {
        Err(e) => refused(e.code()),
        Ok(wallet) => {
            let asked = case.input["records"].as_array().expect("records");
            let records: Vec<String> = asked.iter().map(|asked| value_of(&wallet, asked)).collect();
            Found::from([
                ("wallet_id", json!(wallet.id())),
                ("name", json!(wallet.status().expect("a status").name)),
                ("records", json!(records)),
            ])
        }
    }
}

fn restored(case: &Case) -> Result<Wallet, BackupError> {
    let words = RecoveryPhrase::parse(case.text("words").expect("words")).expect("24 words");
    let passphrase = case.text("passphrase").map(Passphrase::new);
    let backup = match case.text("file_hex") {
        Some(file) => Backup::open(&unhex(file), &BackupSecret::Recovery(&words))?,
        None => Backup::parse(case.text("plain").expect("a backup").as_bytes())?,
    };
    let unlock = passphrase.as_ref().map_or(Unlock::Recovery(&words), Unlock::Passphrase);
    backup.restore(Box::new(MemoryStore::default()), unlock)
}

fn value_of(wallet: &Wallet, asked: &Value) -> String {
    let text = |place: usize| asked[place].as_str().expect("text");
    let value = wallet.get(text(0), text(1)).expect("a record that opens").expect("a record");
    hex(value.expose_secret())
}
