//! Message keys that are disclosed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};
use zeroize::Zeroizing;

/// A message key that is disclosed. It opens one message, and is none of the exporter's own secrets.
/// Whoever has the bundle has it; a log of who prints its entries need not.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosed(Zeroizing<Vec<u8>>);

impl Disclosed {
    /// Takes over what a bundle lists: 32 bytes, if it is right.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Disclosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disclosed({} bytes, not shown)", self.0.len())
    }
}

impl Serialize for Disclosed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::new(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Disclosed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(ByteBuf::deserialize(deserializer)?.into_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disclosed_key_is_not_printed_and_is_bytes_in_the_file() {
        let bytes = vec![7; 32];
        let key = Disclosed::new(bytes.clone());
        assert_eq!(format!("{key:?}"), "Disclosed(32 bytes, not shown)");
        let written = serde_ipld_dagcbor::to_vec(&key).expect("CBOR");
        assert_eq!(written, serde_ipld_dagcbor::to_vec(&ByteBuf::from(bytes)).expect("CBOR"));
        let read: Disclosed = serde_ipld_dagcbor::from_slice(&written).expect("it reads");
        assert_eq!(read, key);
    }
}
