//! The codes of this crate. See [`crate::code`] for what a code is.

crate::codes! {
    INTERNAL = "GP-INTERNAL", Internal,
        "Something happened that the program takes to be impossible.",
        "Report it with the output of `gridpass doctor`.";
    // DIDs and their resolution
    DID_MALFORMED = "GP-DID-MALFORMED", Malformed,
        "The text is not a DID or DID URL as DID Core section 3 defines it, or not one that its method allows.",
        "Check for missing characters or a pasted line break; ask its owner for the DID again.";
    DID_METHOD_UNKNOWN = "GP-DID-METHOD-UNKNOWN", Untrusted,
        "The DID uses a method that Gridpass does not resolve.",
        "Use did:key, did:jwk, did:web or did:webvh.";
    DID_NOT_FOUND = "GP-DID-NOT-FOUND", NotFound,
        "No document for this DID is at hand.",
        "Import its log or snapshot with `gridpass id resolve DID --log FILE --save` or fetch it with `--fetch`.";
    DID_DOCUMENT_MALFORMED = "GP-DID-DOCUMENT-MALFORMED", Malformed,
        "The DID document cannot be read: bad JSON, a missing property, or over a limit.",
        "Ask the DID's owner for a correct document.";
    DID_DOCUMENT_OTHER_ID = "GP-DID-DOCUMENT-OTHER-ID", Failed,
        "The document's id is not the DID that was asked for.",
        "The document belongs to somebody else: do not use it, and tell the DID's owner.";
    DID_DEACTIVATED = "GP-DID-DEACTIVATED", Revoked,
        "The DID's owner has deactivated it.",
        "Ask the owner which DID replaces it.";
    DID_NOT_YET = "GP-DID-NOT-YET", Indeterminate,
        "The DID had no document at the time asked about, or none was seen then.",
        "Ask about a later time, or get an older snapshot.";
    WEBVH_LOG_INVALID = "GP-WEBVH-LOG-INVALID", Failed,
        "The did:webvh log breaks a rule of did:webvh 1.0 (its hashes, proofs, keys, times or parameters), or does not go on from the one that is known.",
        "If it is only older than the one that is known, go on with that one, and ask its sender for the current one; else do not use the DID, and compare with its owner's log.";
    WEBVH_WITNESS_MISSING = "GP-WEBVH-WITNESS-MISSING", Indeterminate,
        "Fewer witnesses approved the did:webvh log entry than its parameters ask for.",
        "Get the current did-witness.json that stands beside the log.";
    WEBVH_ENTRY_REFUSED = "GP-WEBVH-ENTRY-REFUSED", Usage,
        "The change would make a did:webvh log that every reader must refuse.",
        "Nothing was changed: correct what was asked, or wait, as the message says.";
    FETCH_FAILED = "GP-FETCH-FAILED", Network,
        "The document could not be fetched over HTTPS.",
        "Check the name, the network and the server's certificate, then try again.";
    // Keys
    KEY_MALFORMED = "GP-KEY-MALFORMED", Malformed,
        "The key is not a valid key of its type: wrong encoding, wrong length, or not a usable point on its curve.",
        "Get the key again from its owner.";
    KEY_TYPE_UNSUITABLE = "GP-KEY-TYPE-UNSUITABLE", Usage,
        "A key of this type cannot do what is asked of it.",
        "Sign with Ed25519 or P-256; seal with X25519 or P-256. A node's key is Ed25519.";
    KEY_CURRENT = "GP-KEY-CURRENT", Ok,
        "The key was listed for this purpose at that time, and still is.",
        "Nothing to do.";
    KEY_ROTATED_SINCE = "GP-KEY-ROTATED-SINCE", Ok,
        "The key was listed for this purpose at that time, and has been replaced since.",
        "Nothing to do: an orderly rotation leaves earlier signatures valid.";
    KEY_ROTATED = "GP-KEY-ROTATED", Expired,
        "The key had been replaced before that time.",
        "Ask the signer to sign again with the current key.";
    KEY_COMPROMISED = "GP-KEY-COMPROMISED", Revoked,
        "The key's owner marked it as compromised, from before that time.",
        "Treat what it signed as forged; ask the signer for a new signature.";
    KEY_COMPROMISED_SINCE = "GP-KEY-COMPROMISED-SINCE", Indeterminate,
        "The key was marked as compromised later; whoever has it can date a signature back, and the time is only claimed.",
        "Get proof that the signature existed before the compromise, or a new signature.";
    KEY_NOT_LISTED = "GP-KEY-NOT-LISTED", Failed,
        "The signer's DID document does not list this key for this purpose at that time.",
        "Treat the signature as not the signer's.";
    KEY_EXPIRED = "GP-KEY-EXPIRED", Expired,
        "The verification method's own expiry had passed at that time.",
        "Ask the signer to sign again with the current key.";
    // JSON and JOSE
    JSON_MALFORMED = "GP-JSON-MALFORMED", Malformed,
        "The JSON is not well formed, repeats a key in an object, or is over a limit of size or depth.",
        "Correct the document at the place named.";
    JWS_MALFORMED = "GP-JWS-MALFORMED", Malformed,
        "The signed message is not a JWS of the form that Gridpass reads.",
        "Check that the file is whole and is a compact JWS.";
    JWS_HEADER_REFUSED = "GP-JWS-HEADER-REFUSED", Failed,
        "The JWS header asks for something that must be refused: another algorithm, an unknown critical extension, or a missing key id.",
        "Ask the signer for EdDSA or ES256, with the key's DID URL in kid.";
    SIGNATURE_VALID = "GP-SIGNATURE-VALID", Ok,
        "The signature is the key's own over exactly these bytes.",
        "Nothing to do.";
    SIGNATURE_INVALID = "GP-SIGNATURE-INVALID", Failed,
        "The signature does not fit the bytes and the key.",
        "The content was changed or signed by another key: do not use it.";
    SIGNED_IN_FUTURE = "GP-SIGNED-IN-FUTURE", Failed,
        "The signature says that it was made later than now, or than the time that is asked about.",
        "Check this machine's clock, or the time that you gave with --at; then the signer's. What this wallet signed itself while its clock was ahead is put right with `gridpass wallet clock --is-right DATE`.";
    SIGNER_OTHER = "GP-SIGNER-OTHER", Failed,
        "The signer is another than the one expected.",
        "Do not use it as the expected signer's.";
    ADDRESSED = "GP-ADDRESSED", Ok,
        "The signer addressed it to this audience.",
        "Nothing to do.";
    NOT_ADDRESSED = "GP-NOT-ADDRESSED", Failed,
        "The signer addressed it to others: somebody may have passed it on.",
        "Ask the signer whether it was meant for you.";
    AUDIENCE_UNKNOWN = "GP-AUDIENCE-UNKNOWN", Indeterminate,
        "The signature does not say whom it is for, so that anybody could have passed it on.",
        "Ask the sender to seal with `gridpass seal --sign-with`, which names the recipients under the signature.";
    PAYLOAD_MISSING = "GP-PAYLOAD-MISSING", Usage,
        "The JWS is detached, and the payload that it signs was not given.",
        "Give the signed file with --payload FILE.";
    JWE_MALFORMED = "GP-JWE-MALFORMED", Malformed,
        "The sealed message is not a JWE of the form that Gridpass reads.",
        "Check that the file is whole; ask the sender to seal again.";
    JWE_HEADER_REFUSED = "GP-JWE-HEADER-REFUSED", Failed,
        "The JWE asks for something that must be refused: another algorithm, compression, or an unknown critical extension.",
        "Ask the sender for ECDH-ES+A256KW with A256GCM and no compression.";
    JWE_NOT_FOR_US = "GP-JWE-NOT-FOR-US", NotFound,
        "No key of this wallet is among the recipients.",
        "Ask the sender to seal to a current key of yours; show it with `gridpass id show`.";
    JWE_OPEN_FAILED = "GP-JWE-OPEN-FAILED", Failed,
        "The sealed message does not open: it was changed, or the key is not the one it was sealed to.",
        "Ask the sender to send it again.";
    UNSIGNED = "GP-UNSIGNED", Indeterminate,
        "The sealed content carries no signature.",
        "Ask the sender to sign it, or accept it with --insecure-accept-unsigned.";
    SEALED_UNSIGNED = "GP-SEALED-UNSIGNED", Ok,
        "The content was opened; it carries no signature, and that was accepted.",
        "Do not take it as anybody's word.";
    SEAL_NO_KEY = "GP-SEAL-NO-KEY", NotFound,
        "The recipient's DID document lists no key for keyAgreement that Gridpass can seal to.",
        "Ask the recipient for a DID with an X25519 or P-256 key agreement key.";
    SEAL_FAILED = "GP-SEAL-FAILED", Internal,
        "Sealing failed inside the cryptographic library.",
        "Report it with the output of `gridpass doctor`.";
    // Wallet and store
    WALLET_NOT_FOUND = "GP-WALLET-NOT-FOUND", NotFound,
        "There is no wallet in this profile.",
        "Create one with `gridpass init --name NAME`, or restore one with `gridpass wallet restore`.";
    WALLET_EXISTS = "GP-WALLET-EXISTS", Conflict,
        "There is a wallet in this place already, and a wallet is never overwritten.",
        "Choose another profile name with --profile. If a call that made it failed, it is whole: look with `gridpass wallet status`.";
    WALLET_EMPTY = "GP-WALLET-EMPTY", NotFound,
        "No wallet was made in this folder: its store is empty, as a call leaves it that failed or was cut off.",
        "Nothing is lost: remove the folder and make the wallet anew.";
    WALLET_UNLOCK_FAILED = "GP-WALLET-UNLOCK-FAILED", Locked,
        "The passphrase or recovery phrase does not open this wallet.",
        "Try again; `gridpass wallet slots list` shows which ways there are.";
    WALLET_IN_USE = "GP-WALLET-IN-USE", Locked passes,
        "Another process has this wallet open.",
        "Wait for it or stop it, then try again; `--wait-for-wallet TIME`, such as 30s, waits for it.";
    WALLET_TAMPERED = "GP-WALLET-TAMPERED", Failed,
        "A record does not authenticate: it was altered, moved from another record or taken from another wallet.",
        "Stop using this copy and restore the last backup into a new profile.";
    WALLET_VERSION = "GP-WALLET-VERSION", Configuration,
        "The wallet was written in a format version that this program does not know.",
        "Use a newer gridpass.";
    WALLET_OUTDATED = "GP-WALLET-OUTDATED", Conflict,
        "The wallet is older than the log of its own identity: it was restored from a backup from before the keys were rotated.",
        "Work with the wallet that rotated them, or restore its last backup; if both are lost, make a new identity with `gridpass id new`, and have what was issued to the old one issued anew.";
    CLOCK_BEHIND = "GP-CLOCK-BEHIND", Conflict,
        "The clock is more than five minutes behind a date that this wallet signed with: it is wrong now, or it was ahead then.",
        "Set the clock right and try again. If it is right now, and was ahead then, call `gridpass wallet clock --is-right DATE`, with the date by a calendar: it undoes what was dated ahead.";
    WALLET_LIMIT = "GP-WALLET-LIMIT", Usage,
        "The record, name or count is over a limit of the wallet.",
        "Make it smaller, as the message says.";
    WALLET_LAST_SLOT = "GP-WALLET-LAST-SLOT", Conflict,
        "Removing this slot would leave no way to open the wallet.",
        "Add another slot first.";
    WALLET_SLOT_NOT_FOUND = "GP-WALLET-SLOT-NOT-FOUND", NotFound,
        "The wallet has no slot of that number.",
        "List them with `gridpass wallet slots list`.";
    PASSPHRASE_WEAK = "GP-PASSPHRASE-WEAK", Usage,
        "The passphrase is shorter than 8 characters.",
        "Choose a longer one; four unrelated words are good.";
    PHRASE_MALFORMED = "GP-PHRASE-MALFORMED", Malformed,
        "The recovery phrase is not 24 words of the BIP-39 English list with a right checksum.",
        "Check the words and their order against your copy.";
    KDF_REFUSED = "GP-KDF-REFUSED", Failed,
        "The key derivation parameters are weaker than the minimum or larger than the maximum.",
        "Stop using this copy and restore the last backup into a new profile.";
    STORE_IO = "GP-STORE-IO", Configuration,
        "The operating system refused to read or write the wallet's files.",
        "Check the disk's free space and the folder's permissions, then try again. A wallet opens only where it can be written: from a disk that is full or read-only copy the whole folder (`gridpass wallet list --json` names it as home) to another, and name that with --home.";
    STORE_UNCONFIRMED = "GP-STORE-UNCONFIRMED", Configuration,
        "The operating system refused while a change of the wallet was being written: it may have been made, whole, and it may not.",
        "Do not repeat it before you have looked: keys and identities with `gridpass id show` and `gridpass id list`, visas and their state with `gridpass visa list --issued` and `gridpass visa list`, roles and charters with `gridpass role list` and `gridpass charter show`, ways in with `gridpass wallet slots list`, the rest with `gridpass wallet status`. Before that, check the disk's free space and its health. What is there needs only its file: `gridpass visa export`, `gridpass status publish -o lists.json`.";
    STORE_DAMAGED = "GP-STORE-DAMAGED", Failed,
        "The wallet's files are damaged: records that were written are missing or changed on disk.",
        "Keep the folder as it is and restore the last backup into a new profile.";
    IDENTITY_NOT_FOUND = "GP-IDENTITY-NOT-FOUND", NotFound,
        "The wallet has no identity of that name or DID.",
        "List them with `gridpass id list`.";
    IDENTITY_EXISTS = "GP-IDENTITY-EXISTS", Conflict,
        "The wallet already has an identity of that name or DID.",
        "Look at it with `gridpass id show`: a call that failed may have made it, and it is whole. Else choose another name with --name, or another place for a did:web with --location.";
    IDENTITY_CANNOT_ROTATE = "GP-IDENTITY-CANNOT-ROTATE", Usage,
        "This DID method has no rotation here: only did:webvh has a log that proves every change of keys.",
        "Make a new identity with `gridpass id new`, for an organisation with --method webvh, and have what was issued to the old one issued anew.";
    IDENTITY_CANNOT_DEACTIVATE = "GP-IDENTITY-CANNOT-DEACTIVATE", Usage,
        "This DID method has no end here that others could see: only did:webvh has a log in which it is written.",
        "Take the document of a did:web down; of any of them, revoke what it issued, and have what was issued to it revoked.";
    IDENTITY_DEACTIVATED = "GP-IDENTITY-DEACTIVATED", Revoked,
        "The identity was given up: its DID is deactivated, and nothing that is signed as it from then on counts.",
        "Act as another identity (`gridpass id list`), or make one with `gridpass id new` and have what was issued to this one issued anew.";
    IDENTITY_KEY_MISSING = "GP-IDENTITY-KEY-MISSING", NotFound,
        "The identity has no active key for this purpose in this wallet.",
        "Show its keys with `gridpass id show`.";
    COMPROMISE_TIME = "GP-COMPROMISE-TIME", Usage,
        "No key can be marked as compromised since that time: it has not come yet, or every key is marked since an earlier one.",
        "Give the time since which the keys are, or may be, in other hands; `gridpass id show` says what is marked.";
    NODE_CANNOT_ACT = "GP-NODE-CANNOT-ACT", Denied,
        "A node identity signs and authenticates for its node; it cannot issue or act as the participant.",
        "Use a participant identity.";
    // Backups
    BACKUP_MALFORMED = "GP-BACKUP-MALFORMED", Malformed,
        "The file is not a Gridpass backup, is truncated, or breaks a limit.",
        "Use another copy of the backup; check copies with `gridpass wallet backup-verify`.";
    BACKUP_CHECKSUM = "GP-BACKUP-CHECKSUM", Failed,
        "The backup's content does not match the checksum in its manifest.",
        "Use another copy of the backup.";
    BACKUP_UNLOCK_FAILED = "GP-BACKUP-UNLOCK-FAILED", Locked,
        "The passphrase, recovery phrase or age identity given does not open this backup.",
        "Use the phrase of the wallet that made it, or the identity it was made for.";
    BACKUP_FOREIGN = "GP-BACKUP-FOREIGN", Untrusted,
        "The backup is of another wallet than the one expected, or mixes records of two wallets.",
        "Check the wallet id with `gridpass wallet backup-verify`.";
    BACKUP_NO_RECIPIENT = "GP-BACKUP-NO-RECIPIENT", Configuration,
        "The wallet has no recovery phrase that a backup could be for.",
        "Make one with `gridpass wallet slots add-recovery --recovery-out WORDS`, or give the backup a passphrase of its own: --backup-passphrase-file FILE.";
    BACKUP_VERIFIED = "GP-BACKUP-VERIFIED", Ok,
        "The backup is whole, and everything in it that could be checked is right.",
        "Nothing to do.";
    BACKUP_STALE = "GP-BACKUP-STALE", Indeterminate,
        "Keys were made or rotated, or visas issued, suspended or revoked, after the last backup, so that it cannot restore that.",
        "Back up now with `gridpass wallet backup -o FILE`.";
}

crate::coded!(
    crate::did::DidError,
    crate::document::DocumentError,
    crate::jws::JwsError,
    crate::key::KeyError,
    crate::method::webvh::WebvhError,
    crate::resolve::ResolveError,
    crate::wallet::WalletError,
    crate::wallet::identities::IdentityError,
    crate::wallet::store::StoreError,
);
#[cfg(feature = "backup")]
crate::coded!(crate::wallet::backup::BackupError);
#[cfg(feature = "seal")]
crate::coded!(crate::jwe::JweError, crate::wallet::messages::SealError);
