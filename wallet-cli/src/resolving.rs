//! What is known of DIDs, for a call: what a DID says itself, what was given, what the wallet keeps.

use crate::context::GlobalArgs;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{
    NoSnapshots, OfflineResolver, Resolution, ResolveError, Resolver, Snapshot, SnapshotStore as _,
};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::snapshots::{Fixed, add_snapshot};

/// Resolves without a wallet where that is enough, else with the snapshots of the profile's.
pub struct LazyResolver<'g> {
    pub global: &'g GlobalArgs,
    /// What was given on the command line, and of whom. It counts beside what the wallet keeps, and
    /// never in its place: a log without its last entries hides which key is in other hands.
    pub given: Option<(Did, Snapshot)>,
    /// Opened when it was needed.
    pub wallet: std::cell::OnceCell<Wallet>,
}

impl<'g> LazyResolver<'g> {
    /// A resolver for a call.
    pub fn new(global: &'g GlobalArgs) -> Self {
        Self { global, given: None, wallet: std::cell::OnceCell::new() }
    }

    /// A resolver over a wallet that is open already.
    pub fn with_wallet(global: &'g GlobalArgs, wallet: Wallet) -> Self {
        let resolver = Self::new(global);
        let _ = resolver.wallet.set(wallet);
        resolver
    }

    fn open_wallet(&self, did: &Did) -> Result<&Wallet, ResolveError> {
        if let Some(wallet) = self.wallet.get() {
            return Ok(wallet);
        }
        // Without a wallet there is nothing more to know.
        if self.global.profile().is_err() {
            return Err(ResolveError::NotFound(did.clone()));
        }
        let wallet = self.global.wallet().map_err(|e| ResolveError::Store {
            did: did.clone(),
            code: e.code,
            reason: e.message,
        })?;
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
