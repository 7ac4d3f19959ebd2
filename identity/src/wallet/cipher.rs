//! How records are encrypted: XChaCha20-Poly1305 under keys derived from one random data key.
//!
//! ```text
//! data key (32 random bytes) --HKDF-SHA256--> record key, name key, header key
//! record = version (1) || nonce (24) || ciphertext and tag
//! associated data = "gridpass-wallet/1" || wallet id (16) || the record's key in the store
//! ```
//! The associated data ties a record to its place: moved to another key, or into another wallet,
//! it does not open. A record's name is in the ciphertext; its key in the store is a keyed hash
//! of the name, so that a stolen disk does not say whom the wallet deals with.

use super::WalletError;
use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// 32 secret bytes that are wiped.
pub(super) type Key = Zeroizing<[u8; 32]>;

const RECORD_VERSION: u8 = 1;
const DOMAIN: &[u8] = b"gridpass-wallet/1";

/// The wallet's name for itself: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct WalletId(pub [u8; 16]);

/// Encrypts and decrypts records.
pub(super) struct Cipher {
    wallet_id: WalletId,
    record: Key,
    name: Key,
    header: Key,
}

/// Derives 32 bytes for one purpose (RFC 5869).
pub(super) fn derive(secret: &[u8], salt: &[u8], purpose: &[u8]) -> Result<Key, WalletError> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(purpose, key.as_mut())
        .map_err(|_| WalletError::Internal("HKDF gives 32 bytes"))?;
    Ok(key)
}

/// Encrypts: nonce || ciphertext and tag.
pub(super) fn encrypt(
    key: &Key,
    plain: &[u8],
    aad: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, WalletError> {
    let mut nonce = [0; 24];
    rng.fill_bytes(&mut nonce);
    let sealed = XChaCha20Poly1305::new((&**key).into())
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
        .map_err(|_| WalletError::Internal("the cipher takes messages of this size"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Decrypts what [`encrypt`] made; `None` if anything differs.
pub(super) fn decrypt(key: &Key, sealed: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
    XChaCha20Poly1305::new((&**key).into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad })
        .ok()
        .map(Zeroizing::new)
}

impl Cipher {
    pub(super) fn new(data_key: &Key, wallet_id: WalletId) -> Result<Self, WalletError> {
        let derive = |purpose: &[u8]| derive(data_key.as_slice(), &wallet_id.0, purpose);
        Ok(Self {
            wallet_id,
            record: derive(b"gridpass-wallet/1 record")?,
            name: derive(b"gridpass-wallet/1 name")?,
            header: derive(b"gridpass-wallet/1 header")?,
        })
    }

    /// Where a record is kept: `collection/` and 32 hexadecimal digits.
    pub(super) fn store_key(&self, collection: &str, name: &str) -> Result<Vec<u8>, WalletError> {
        let mut mac = self.mac(&self.name)?;
        mac.update(collection.as_bytes());
        mac.update(&[0]);
        mac.update(name.as_bytes());
        let tag = mac.finalize().into_bytes();
        let digits: String = tag.iter().take(16).map(|b| format!("{b:02x}")).collect();
        Ok(format!("{collection}/{digits}").into_bytes())
    }

    fn mac(&self, key: &Key) -> Result<Hmac<Sha256>, WalletError> {
        Hmac::new_from_slice(key.as_slice())
            .map_err(|_| WalletError::Internal("HMAC takes keys of any length"))
    }

    /// Authenticates the header, whose slots stand in the clear.
    pub(super) fn header_mac(&self, header: &[u8]) -> Result<Vec<u8>, WalletError> {
        let mut mac = self.mac(&self.header)?;
        mac.update(header);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    /// Compares in constant time.
    pub(super) fn verify_header_mac(&self, header: &[u8], tag: &[u8]) -> Result<(), WalletError> {
        let mut mac = self.mac(&self.header)?;
        mac.update(header);
        mac.verify_slice(tag).map_err(|_| WalletError::Tampered("the header".into()))
    }

    fn aad(&self, store_key: &[u8]) -> Vec<u8> {
        [DOMAIN, self.wallet_id.0.as_slice(), store_key].concat()
    }

    /// Encrypts a record for its place.
    pub(super) fn seal_record(
        &self,
        store_key: &[u8],
        name: &str,
        value: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, WalletError> {
        let length = u16::try_from(name.len())
            .map_err(|_| WalletError::Limit(format!("a name has {} bytes", name.len())))?;
        let mut plain = Zeroizing::new(Vec::with_capacity(
            value.len().saturating_add(name.len()).saturating_add(2),
        ));
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(name.as_bytes());
        plain.extend_from_slice(value);
        let sealed = encrypt(&self.record, &plain, &self.aad(store_key), rng)?;
        Ok([&[RECORD_VERSION], sealed.as_slice()].concat())
    }

    /// Decrypts a record from its place: its name and value.
    pub(super) fn open_record(
        &self,
        store_key: &[u8],
        sealed: &[u8],
    ) -> Result<(String, Zeroizing<Vec<u8>>), WalletError> {
        let tampered = || WalletError::Tampered(String::from_utf8_lossy(store_key).into_owned());
        let (version, sealed) = sealed.split_first().ok_or_else(tampered)?;
        if *version != RECORD_VERSION {
            return Err(WalletError::Version(u32::from(*version)));
        }
        let plain = decrypt(&self.record, sealed, &self.aad(store_key)).ok_or_else(tampered)?;
        let (length, rest) = plain.split_first_chunk::<2>().ok_or_else(tampered)?;
        let (name, value) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(tampered)?;
        let name = std::str::from_utf8(name).map_err(|_| tampered())?.to_owned();
        Ok((name, Zeroizing::new(value.to_vec())))
    }
}
