//! JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037) of public keys.

use crate::json;
use crate::key::{KeyError, Point, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A public JWK. A document that carries the private `d` is refused, not read past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jwk {
    /// `OKP` or `EC`.
    pub kty: String,
    /// `Ed25519`, `X25519` or `P-256`.
    pub crv: String,
    /// base64url of the key (OKP), or of the x-coordinate (EC).
    pub x: String,
    /// base64url of the y-coordinate (EC only).
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// `sig` or `enc`.
    #[serde(
        default,
        rename = "use",
        deserialize_with = "json::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub key_use: Option<String>,
    /// Must be absent: a private key in a public document is compromised.
    #[serde(default, deserialize_with = "json::present", skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    /// The JWK of a public key, with the members that RFC 7638 hashes and no others.
    #[must_use]
    pub fn from_public_key(key: &PublicKey) -> Self {
        let okp = |crv: &str, x: &[u8]| Self {
            kty: "OKP".into(),
            crv: crv.into(),
            x: URL_SAFE_NO_PAD.encode(x),
            y: None,
            key_use: None,
            d: None,
        };
        match &key.0 {
            Point::Ed25519(key) => okp("Ed25519", key.as_bytes()),
            Point::X25519(bytes) => okp("X25519", bytes),
            Point::P256(key) => {
                let point = p256::ecdsa::VerifyingKey::from(key).to_sec1_point(false);
                let (x, y) = point.as_bytes().get(1..).unwrap_or_default().split_at(32);
                Self {
                    kty: "EC".into(),
                    crv: "P-256".into(),
                    y: Some(URL_SAFE_NO_PAD.encode(y)),
                    ..okp("", x)
                }
            }
        }
    }

    /// The key that the JWK describes.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for another type or curve, a member too many or too few, bad
    /// base64url, a wrong length, an unusable point, or a private member.
    pub fn to_public_key(&self) -> Result<PublicKey, KeyError> {
        if self.d.is_some() {
            return Err(KeyError::Malformed("the JWK holds a private key"));
        }
        let bytes = |text: &str| {
            let bytes = URL_SAFE_NO_PAD
                .decode(text.as_bytes().get(..64.min(text.len())).unwrap_or_default())
                .map_err(|_| KeyError::Malformed("not base64url without padding"))?;
            <[u8; 32]>::try_from(bytes).map_err(|_| KeyError::Malformed("a member has 32 bytes"))
        };
        match (self.kty.as_str(), self.crv.as_str(), &self.y) {
            ("OKP", "Ed25519", None) => PublicKey::ed25519(&bytes(&self.x)?),
            ("OKP", "X25519", None) => PublicKey::x25519(&bytes(&self.x)?),
            ("EC", "P-256", Some(y)) => {
                let mut point = vec![4];
                point.extend(bytes(&self.x)?);
                point.extend(bytes(y)?);
                PublicKey::p256(&point)
            }
            _ => Err(KeyError::Malformed("a kty, crv or y that Gridpass does not use")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, SecretKey};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(seed: [u8; 32], which in 0..3usize) {
            let key_type = [KeyType::Ed25519, KeyType::P256, KeyType::X25519][which];
            if let Ok(secret) = SecretKey::from_bytes(key_type, &seed) {
                let jwk = Jwk::from_public_key(&secret.public_key());
                let text = serde_json::to_string(&jwk).expect("a JWK is JSON");
                let read: Jwk = serde_json::from_str(&text).expect("and reads back");
                prop_assert_eq!(read.to_public_key(), Ok(secret.public_key()));
            }
        }
    }

    #[test]
    fn refuses_a_private_key_and_mixed_members() {
        for text in [
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":null}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","y":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"EC","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","y":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ] {
            let jwk: Jwk = serde_json::from_str(text).expect("shaped like a JWK");
            assert!(jwk.to_public_key().is_err(), "{text}");
        }
    }
}
