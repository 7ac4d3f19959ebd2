//! The codes of the command line, and the table of all codes.

use gridpass_identity::code::{Class, Code};

gridpass_identity::codes! {
    USAGE = "GP-USAGE", Usage,
        "The command was called with words that do not fit together.",
        "Read the command's examples with --help.";
    INPUT_NEEDED = "GP-INPUT-NEEDED", Locked,
        "A secret is needed, and there is no terminal to ask for it or --no-input forbids it.",
        "Give it with --passphrase-file FILE or --passphrase-fd N.";
    FILE_NOT_READ = "GP-FILE-NOT-READ", NotFound,
        "The file named on the command line cannot be read.",
        "Check its name and its permissions.";
    FILE_NOT_WRITTEN = "GP-FILE-NOT-WRITTEN", Configuration,
        "The output cannot be written.",
        "Check the folder, its permissions and the free space.";
    FILE_EXISTS = "GP-FILE-EXISTS", Conflict,
        "The output file exists already.",
        "Choose another name, or add --force to replace it.";
    FILE_TOO_LARGE = "GP-FILE-TOO-LARGE", Usage,
        "The input is larger than this command takes.",
        "Check that it is the file that was meant; the message says how long it may be.";
    PROFILE_NAME = "GP-PROFILE-NAME", Usage,
        "The profile's name cannot be used.",
        "Use 1 to 64 of a-z, 0-9, dot, dash and underscore, starting with a letter or digit.";
    PROFILE_AMBIGUOUS = "GP-PROFILE-AMBIGUOUS", Configuration,
        "There are several profiles, and none was named.",
        "Name one with --profile NAME or GRIDPASS_PROFILE.";
    HOME_UNKNOWN = "GP-HOME-UNKNOWN", Configuration,
        "There is no folder to keep wallets in.",
        "Set GRIDPASS_HOME to a folder of yours.";
    FETCH_TIMEOUT = "GP-FETCH-TIMEOUT", Timeout passes,
        "The server did not answer in time.",
        "Try again later, or get the file by other means and give it with --log or --document.";
    RECOVERY_NOWHERE = "GP-RECOVERY-NOWHERE", Usage,
        "The recovery phrase is shown once, and there is no terminal to show it on.",
        "Have it written to a file of its own with --recovery-out FILE.";
    IDENTITY_UNNAMED = "GP-IDENTITY-UNNAMED", Usage,
        "The wallet has none or several identities, and none was named.",
        "Name one with --as NAME; list them with `gridpass id list`.";
    CONFIRMATION_NEEDED = "GP-CONFIRMATION-NEEDED", Usage,
        "What was asked for cannot be taken back, and it was not confirmed; nothing was done.",
        "Read what ends with it, in the message; then call it again on a terminal, or with --yes.";
    CODE_UNKNOWN = "GP-CODE-UNKNOWN", NotFound,
        "There is no such code.",
        "List all codes with `gridpass explain`.";
    PERMISSIONS_OPEN = "GP-PERMISSIONS-OPEN", Configuration,
        "Other users of this machine can read what only its owner should.",
        "Close it with chmod, as the message says.";
    CLOCK_WRONG = "GP-CLOCK-WRONG", Configuration,
        "This machine's clock shows a time before this program was made, or another day than the one that was given.",
        "Set the clock; expiry and freshness cannot be judged without it.";
    CLAIM_ARGUMENT = "GP-CLAIM-ARGUMENT", Usage,
        "A claim on the command line is not NAME=VALUE.",
        "Write it as --claim zone=GB-1, or give all of them in a file with --claims FILE.";
    DURATION = "GP-DURATION", Usage,
        "The text is not a length of time.",
        "Write a number and a unit: 90d, 24h, 10m, 30s.";
    LISTEN = "GP-LISTEN", Configuration,
        "The server cannot listen on this address, or stopped listening.",
        "Choose another port with --listen 127.0.0.1:PORT, or 0 for a free one.";
    KUBO_ADDRESS = "GP-KUBO-ADDRESS", Usage,
        "The text is not the address of a Kubo node's RPC.",
        "Write it as --kubo http://127.0.0.1:5001, without a path.";
    KUBO_UNREACHABLE = "GP-KUBO-UNREACHABLE", Network,
        "No Kubo node answers at this address, or not as one does.",
        "Start it with `ipfs daemon`, and see `ipfs config Addresses.API`.";
    KUBO_REFUSED = "GP-KUBO-REFUSED", NotFound,
        "The Kubo node answered that it has not, or cannot do, what it was asked.",
        "See the message.";
    KUBO_TIMEOUT = "GP-KUBO-TIMEOUT", Timeout,
        "The Kubo node did not answer in time: mostly it looks for a document that no peer of its has.",
        "Name the Kubo node among `peers` in the configuration of a node that has the document, and call again.";
    SCENARIO_UNKNOWN = "GP-SCENARIO-UNKNOWN", NotFound,
        "There is no market process of this name.",
        "`gridpass demo --list` names them.";
    DEMO_STUCK = "GP-DEMO-STUCK", Timeout,
        "The demonstration waited for something that did not come.",
        "Run it with --keep DIR and look into DIR/logs; if the machine was not overloaded, please report it.";
    WALLET_PARTIAL = "GP-WALLET-PARTIAL", Indeterminate,
        "A call that made a wallet was killed, and left its folder; nothing that was acknowledged is in it.",
        "Remove the folder, or leave it to the next `gridpass init` or `gridpass wallet restore`.";
    BACKUP_DUE = "GP-BACKUP-DUE", Ok,
        "Something was issued, or its status changed, within the last day, and the last backup is from before.",
        "Back up at the end of the day with `gridpass wallet backup -o FILE`.";
    OWN_LISTS_OPEN = "GP-OWN-LISTS-OPEN", Indeterminate,
        "The wallet was restored from a backup, and its own status lists that were published since were not taken: it may not know of all that was suspended and revoked.",
        "Fetch the lists that you published last, and take them: `gridpass status accept lists.json`. Only where the backup has all that was published: `gridpass status publish --despite-restore -o lists.json`.";
    IN_ORDER = "GP-IN-ORDER", Ok,
        "This was looked at and is in order.",
        "Nothing to do.";
}

/// Every code that this binary can print, by name.
#[must_use]
pub fn all() -> Vec<Code> {
    let mut codes: Vec<Code> = ALL
        .iter()
        .chain(gridpass_identity::codes::ALL)
        .chain(gridpass_credentials::codes::ALL)
        .chain(gridpass_policy::codes::ALL)
        .chain(gridpass_messaging::codes::ALL)
        .chain(gridpass_examples::codes::ALL)
        .copied()
        .collect();
    codes.sort_by_key(|code| code.id());
    codes
}

/// What an issuer does about a visa that everybody would refuse. The remedy of a check speaks to whoever is
/// shown one.
#[must_use]
pub fn to_issuer(code: Code) -> &'static str {
    use gridpass_credentials::codes as reasons;
    match code {
        reasons::ISSUER_NOT_ALLOWED | reasons::ISSUER_NOT_ROOT | reasons::CHAIN_TOO_DEEP => {
            "This identity may not issue it: `gridpass role show ROLE` says who may. If that changed, take the \
             newest trust pack: `gridpass charter verify PACK --adopt`."
        }
        reasons::CHAIN_LINK_MISSING => {
            "Keep the visa that lets you issue it: `gridpass visa accept FILE`."
        }
        reasons::ISSUER_REVOKED | reasons::VISA_SUSPENDED | reasons::VISA_REVOKED => {
            "Your own authority does not count: `gridpass visa list` shows it; ask who gave it to you."
        }
        reasons::VISA_EXPIRED | reasons::VISA_NOT_YET => {
            "See when your own authority counts (`gridpass visa list`), and what --from and --validity say."
        }
        reasons::ROLE_RETIRED => {
            "What the charter retired is not issued, and lets nobody issue: `gridpass role list` shows the \
             roles in force."
        }
        reasons::STATUS_STALE | reasons::STATUS_UNKNOWN => {
            "Get newer status lists from who signs them, and keep them: `gridpass status accept FILE`."
        }
        reasons::PRECONDITIONS_UNMET | reasons::PRECONDITIONS_UNKNOWN => {
            "Have the holder's visas that the message names, in force, and give them with --evidence FILE."
        }
        reasons::CLAIMS_UNFIT => "Correct the claims as the message says.",
        reasons::VISA_VALIDITY_TOO_LONG => "Give it a shorter --validity, or an earlier --from.",
        _ => "Correct what the message names.",
    }
}

/// The exit status of a class. The same for every command, and documented in the help of each.
#[must_use]
pub fn exit_status(class: Class) -> u8 {
    match class {
        Class::Ok => 0,
        Class::Internal => 1,
        Class::Usage => 2,
        Class::Configuration => 3,
        Class::Locked => 4,
        Class::NotFound => 5,
        Class::Network => 6,
        Class::Timeout => 7,
        Class::Conflict => 8,
        Class::Failed => 10,
        Class::Indeterminate => 11,
        Class::Expired => 12,
        Class::Revoked => 13,
        Class::Untrusted => 14,
        Class::Denied => 15,
        Class::Malformed => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let all = all();
        for pair in all.windows(2) {
            assert_ne!(pair[0].id(), pair[1].id());
        }
        for code in all {
            let id = code.id();
            assert!(id.starts_with("GP-") && !id.ends_with('-'), "{id}");
            assert!(id.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'), "{id}");
            for text in [code.0.meaning, code.0.remedy] {
                assert!(text.ends_with('.'), "{id}: {text}");
            }
        }
    }
}
