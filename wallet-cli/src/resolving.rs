//! What is known of DIDs, for a call: what a DID says itself, what was given, what the wallet keeps.

use crate::codes;
use crate::context::GlobalArgs;
use crate::output::Failure;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{
    NoSnapshots, OfflineResolver, Resolution, ResolveError, Resolver, Snapshot, SnapshotStore as _,
    check_did,
};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::snapshots::{Fixed, add_snapshot};
use serde::Serialize;
use std::cell::{Cell, OnceCell};

/// A DID from the command line, as its method allows it. One that was cut short is nobody's, and what is made
/// for it would be lost without a word.
pub fn parse_did(text: &str) -> Result<Did, Failure> {
    let did = Did::parse(text)?;
    check_did(&did)?;
    Ok(did)
}

/// As [`parse_did`], of several.
pub fn parse_dids(texts: &[String]) -> Result<Vec<Did>, Failure> {
    texts.iter().map(|text| parse_did(text)).collect()
}

/// As [`parse_did`], of whoever something is for: its reader may know methods that are not known here.
pub fn parse_audience(text: &str) -> Result<Did, Failure> {
    let did = Did::parse(text)?;
    match check_did(&did) {
        Ok(()) | Err(ResolveError::UnknownMethod(_)) => Ok(did),
        Err(e) => Err(e.into()),
    }
}

/// Whether an answer rests on what the wallet knows, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WalletAsked {
    /// The DID says all that can be known of it.
    NotNeeded,
    /// What it knows counts.
    Asked,
    /// There is none here.
    NoneHere,
    /// There is one, or there may be, and what it knows does not count.
    NotAsked,
}

impl WalletAsked {
    /// A line for people, where what comes out rests on less than is known.
    pub fn line(self) -> &'static str {
        match self {
            Self::NotNeeded | Self::Asked | Self::NoneHere => "",
            Self::NotAsked => {
                "the wallet was NOT ASKED: if it keeps a newer log of this DID, or one that contradicts \
                 this one, that is not found out\n"
            }
        }
    }
}

/// Resolves without a wallet where that is enough, else with the snapshots of the profile's.
pub struct LazyResolver<'g> {
    pub global: &'g GlobalArgs,
    /// What was given on the command line, and of whom. It counts beside what the wallet keeps, and
    /// never in its place: a log without its last entries hides which key is in other hands.
    pub given: Option<(Did, Snapshot)>,
    /// That the wallet is to be left alone, as whoever calls says.
    pub without_wallet: bool,
    /// Opened when it was needed.
    pub wallet: OnceCell<Wallet>,
    asked: Cell<WalletAsked>,
}

impl<'g> LazyResolver<'g> {
    /// A resolver for a call.
    pub fn new(global: &'g GlobalArgs) -> Self {
        let asked = Cell::new(WalletAsked::NotNeeded);
        Self { global, given: None, without_wallet: false, wallet: OnceCell::new(), asked }
    }

    /// A resolver over a wallet that is open already.
    pub fn with_wallet(global: &'g GlobalArgs, wallet: Wallet) -> Self {
        let resolver = Self::new(global);
        let _ = resolver.wallet.set(wallet);
        resolver
    }

    /// Whether the wallet was asked so far.
    pub fn asked(&self) -> WalletAsked {
        self.asked.get()
    }

    fn open_wallet(&self, did: &Did) -> Result<&Wallet, ResolveError> {
        let failed = |e: Failure| {
            self.asked.set(WalletAsked::NotAsked);
            let (code, reason) = (e.code, e.message);
            Err(ResolveError::Store { did: did.clone(), code, reason })
        };
        let nothing = |asked| {
            self.asked.set(asked);
            Err(ResolveError::NotFound(did.clone()))
        };
        if let Some(wallet) = self.wallet.get() {
            self.asked.set(WalletAsked::Asked);
            return Ok(wallet);
        }
        if self.without_wallet {
            return nothing(WalletAsked::NotAsked);
        }
        match self.global.profile() {
            Ok(_) => {}
            // Without a wallet there is nothing more to know.
            Err(e) if e.code == identity_codes::WALLET_NOT_FOUND => {
                return nothing(WalletAsked::NoneHere);
            }
            Err(_) if self.global.home().is_err() => return nothing(WalletAsked::NoneHere),
            // Wallets that cannot be seen are not absent; nor are several, of which none was named.
            Err(e) => return failed(e),
        }
        let wallet = match self.global.wallet() {
            Ok(wallet) => wallet,
            Err(e) => return failed(e),
        };
        self.asked.set(WalletAsked::Asked);
        Ok(self.wallet.get_or_init(|| wallet))
    }
}

impl Resolver for LazyResolver<'_> {
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError> {
        if let Some((given, snapshot)) = &self.given
            && given == did
        {
            let mut all = match self.open_wallet(did) {
                Ok(wallet) => wallet.snapshots(did)?,
                Err(ResolveError::NotFound(_)) => Vec::new(),
                Err(e) => return Err(e),
            };
            add_snapshot(did, &mut all, snapshot.clone());
            return OfflineResolver::new(&Fixed(all)).resolve(did);
        }
        match OfflineResolver::new(&NoSnapshots).resolve(did) {
            Err(ResolveError::NotFound(_)) => {
                OfflineResolver::new(self.open_wallet(did)?).resolve(did)
            }
            resolved => resolved,
        }
    }
}

/// Whether the wallet would have been asked, and could not be: what is given can be judged without it.
pub fn is_unasked(code: Code) -> bool {
    code == codes::INPUT_NEEDED || code == codes::PROFILE_AMBIGUOUS
}
