//! DIDs and DID URLs as DID Core 1.0 section 3 writes them, bounded in length.

use crate::code::Code;
use crate::codes;
use serde::de::Visitor;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest DID or DID URL that is read, in bytes.
pub const MAX_LENGTH: usize = 2048;

/// The text is not a DID or DID URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {expected}: {reason}")]
pub struct DidError {
    /// The start of the text.
    pub text: String,
    /// `DID` or `DID URL`.
    pub expected: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl DidError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::DID_MALFORMED
    }

    pub(crate) fn new(text: &str, expected: &'static str, reason: &'static str) -> Self {
        Self { text: text.chars().take(100).collect(), expected, reason }
    }
}

/// A DID: `did:method:method-specific-id`. Syntax only; its method may ask for more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did {
    text: Arc<str>,
    /// Where the method-specific id starts.
    id_start: usize,
}

impl Did {
    /// Reads a DID.
    ///
    /// # Errors
    /// [`DidError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, DidError> {
        let refuse = |reason| Err(DidError::new(text, "DID", reason));
        if text.len() > MAX_LENGTH {
            return refuse("it is longer than 2048 bytes");
        }
        let Some(rest) = text.strip_prefix("did:") else {
            return refuse("it does not start with did:");
        };
        let Some((method, id)) = rest.split_once(':') else {
            return refuse("it has no method-specific id");
        };
        if method.is_empty()
            || !method.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        {
            return refuse("its method name is not of a-z and 0-9");
        }
        if id.is_empty() || id.ends_with(':') {
            return refuse("its method-specific id is empty or ends in a colon");
        }
        if !is_escaped_text(id, |b| matches!(b, b'.' | b'-' | b'_' | b':')) {
            return refuse("it holds a character that a DID cannot have");
        }
        Ok(Self { id_start: text.len().saturating_sub(id.len()), text: text.into() })
    }

    /// The whole DID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The method's name, such as `key`.
    #[must_use]
    pub fn method(&self) -> &str {
        let end = self.id_start.saturating_sub(1);
        self.text.get(4..end).unwrap_or_default()
    }

    /// What follows `did:method:`.
    #[must_use]
    pub fn method_specific_id(&self) -> &str {
        self.text.get(self.id_start..).unwrap_or_default()
    }

    /// The DID URL with this fragment, such as `did:key:z6Mk…#z6Mk…`.
    ///
    /// # Errors
    /// [`DidError`] if the fragment holds a character that it cannot have.
    pub fn with_fragment(&self, fragment: &str) -> Result<DidUrl, DidError> {
        DidUrl::parse(&format!("{}#{fragment}", self.text))
    }
}

/// A DID URL: a DID with an optional path, query and fragment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DidUrl {
    text: Arc<str>,
    did: Did,
}

impl DidUrl {
    /// Reads a DID URL. A bare DID is one.
    ///
    /// # Errors
    /// [`DidError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, DidError> {
        let refuse = |reason| Err(DidError::new(text, "DID URL", reason));
        if text.len() > MAX_LENGTH {
            return refuse("it is longer than 2048 bytes");
        }
        let end = text.find(['/', '?', '#']).unwrap_or(text.len());
        let (did, tail) = text.split_at(end);
        let did = Did::parse(did).map_err(|e| DidError { expected: "DID URL", ..e })?;
        let (before, fragment) = tail.split_once('#').unwrap_or((tail, ""));
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        // RFC 3986: pchar is unreserved, escaped, sub-delims, ":" and "@".
        let pchar = |b: u8| b"-._~!$&'()*+,;=:@".contains(&b);
        if !is_escaped_text(path, |b| pchar(b) || b == b'/')
            || !is_escaped_text(query, |b| pchar(b) || matches!(b, b'/' | b'?'))
            || !is_escaped_text(fragment, |b| pchar(b) || matches!(b, b'/' | b'?'))
        {
            return refuse("it holds a character that a DID URL cannot have");
        }
        Ok(Self { text: text.into(), did })
    }

    /// The whole DID URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The DID that it starts with.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The fragment without `#`, where there is one.
    #[must_use]
    pub fn fragment(&self) -> Option<&str> {
        self.text.split_once('#').map(|(_, fragment)| fragment)
    }
}

/// ASCII letters, digits, what `extra` allows, and `%` only before two hexadecimal digits.
fn is_escaped_text(text: &str, extra: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let ok = match b {
            b'%' => {
                let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
                hex(bytes.next()) && hex(bytes.next())
            }
            b => b.is_ascii_alphanumeric() || extra(b),
        };
        if !ok {
            return false;
        }
    }
    true
}

macro_rules! text_type {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.text)
            }
        }
        impl FromStr for $type {
            type Err = DidError;
            fn from_str(text: &str) -> Result<Self, DidError> {
                Self::parse(text)
            }
        }
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                /// Reads it where it stands: a copy of its own would only be thrown away.
                struct Read;
                impl Visitor<'_> for Read {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(stringify!($type))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Read)
            }
        }
    };
}
text_type!(Did);
text_type!(DidUrl);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_parts_of_a_did_url() -> Result<(), DidError> {
        let url = DidUrl::parse("did:web:dso.example%3A8443:grid/path?versionTime=2026#key-1")?;
        assert_eq!(url.did().method(), "web");
        assert_eq!(url.did().method_specific_id(), "dso.example%3A8443:grid");
        assert_eq!(url.fragment(), Some("key-1"));
        Ok(())
    }

    #[test]
    fn refuses_malformed_dids() {
        for text in [
            "",
            "did",
            "did:",
            "did:key",
            "did:key:",
            "did::z",
            "DID:key:z",
            "did:Key:z",
            "did:key:z ",
            " did:key:z",
            "did:key:z\n",
            "did:web:a%2",
            "did:web:a%zz",
            "did:web:a:",
            "did:web:é",
            "did:key:z#f",
            "did:key:z?q",
            "did:key:z/p",
            "did:k-y:z",
        ] {
            assert!(Did::parse(text).is_err(), "{text:?}");
        }
        assert!(Did::parse(&format!("did:key:{}", "z".repeat(MAX_LENGTH))).is_err());
    }

    #[test]
    fn refuses_malformed_did_urls() {
        for text in ["did:key:z#a#b", "did:key:z#a b", "did:key:z?a#%", "#f", "did:key:z/[x]"] {
            assert!(DidUrl::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_prints_the_same(text in "did:[a-z0-9]{1,5}:[a-zA-Z0-9:._%/?#-]{0,40}") {
            if let Ok(url) = DidUrl::parse(&text) {
                prop_assert_eq!(url.to_string(), text.clone());
                prop_assert!(Did::parse(url.did().as_str()).is_ok());
                let did = url.did();
                prop_assert_eq!(
                    format!("did:{}:{}", did.method(), did.method_specific_id()),
                    did.to_string()
                );
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,64}") {
            let _ = DidUrl::parse(&text);
        }
    }
}
