//! did:web: a document on a web server, read from dated snapshots.
//!
//! A snapshot says what one server sent at one time. It proves nothing about other times, so
//! [`resolve`] dates each document from when it was seen, and a caller asks for the age.

use crate::did::{Did, DidError};
use crate::document::DidDocument;
use crate::resolution::{DocumentVersion, Resolution, ResolveError, Snapshot, Source};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Where the document is published: `https://domain/.well-known/did.json`, or under the path.
///
/// # Errors
/// [`DidError`] if the identifier is not a domain name with an optional port and path: IP
/// addresses, empty or dotted path segments and escapes that hide a separator are refused.
pub fn document_url(did: &Did) -> Result<Url, DidError> {
    if did.method() != "web" {
        return Err(DidError::new(did.as_str(), "did:web", "its method is another"));
    }
    https_url(did, did.method_specific_id(), "did.json")
}

/// The DID-to-HTTPS transformation that did:web and did:webvh share.
pub(super) fn https_url(did: &Did, location: &str, file: &str) -> Result<Url, DidError> {
    let refuse = |reason| DidError::new(did.as_str(), "DID of a web location", reason);
    let mut segments = location.split(':');
    let authority = decode(segments.next().unwrap_or_default())
        .ok_or_else(|| refuse("its domain is not UTF-8 when unescaped"))?;
    // After unescaping, only a host and at most one port may remain.
    let mut parts = authority.splitn(2, ':');
    let host = parts.next().unwrap_or_default();
    let port = parts.next();
    if !host.split('.').all(is_label) || !host.contains('.') && host != "localhost" {
        return Err(refuse("its domain is not a domain name"));
    }
    if port.is_some_and(|p| p.parse::<u16>().is_err() || p.starts_with(['0', '+'])) {
        return Err(refuse("its port is not a number from 1 to 65535"));
    }
    let mut url = Url::parse(&format!("https://{authority}/"))
        .map_err(|_| refuse("its domain is not a domain name"))?;
    if !matches!(url.host(), Some(Host::Domain(_))) {
        return Err(refuse("its domain is an IP address"));
    }
    {
        let mut path =
            url.path_segments_mut().map_err(|()| refuse("its domain is not a domain name"))?;
        path.pop_if_empty();
        let mut any = false;
        for segment in segments {
            any = true;
            let segment = decode(segment)
                .ok_or_else(|| refuse("a path segment is not UTF-8 when unescaped"))?;
            let hides = segment.contains(['/', '\\', '\0']) || segment.trim() != segment;
            if segment.is_empty() || segment == "." || segment == ".." || hides {
                return Err(refuse("a path segment is empty, dotted or hides a separator"));
            }
            path.push(&segment);
        }
        if !any {
            path.push(".well-known");
        }
        path.push(file);
    }
    Ok(url)
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

/// Unescapes exactly once.
fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// The DID documents as they were seen, oldest first.
///
/// # Errors
/// [`ResolveError::Did`] for a malformed did:web, [`ResolveError::Document`] for a snapshot that is
/// not its document, [`ResolveError::NotFound`] for none.
pub fn resolve(did: &Did, snapshots: &[Snapshot]) -> Result<Resolution, ResolveError> {
    document_url(did)?;
    let mut versions = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots {
        let document = DidDocument::parse(&snapshot.document, did)?;
        versions.push(DocumentVersion {
            from: Some(snapshot.seen),
            version_id: None,
            document: Some(document),
        });
    }
    versions.sort_by_key(|v| v.from);
    let seen = snapshots.iter().map(|s| s.confirmed.unwrap_or(s.seen).max(s.seen)).max();
    let seen = Some(seen.ok_or_else(|| ResolveError::NotFound(did.clone()))?);
    Ok(Resolution { did: did.clone(), versions, source: Source::Snapshot, seen })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::time::UnixMillis;

    fn url(id: &str) -> Result<String, DidError> {
        document_url(&Did::parse(&format!("did:web:{id}"))?).map(|u| u.to_string())
    }

    #[test]
    fn transforms_as_the_method_says() -> Result<(), DidError> {
        assert_eq!(url("w3c-ccg.github.io")?, "https://w3c-ccg.github.io/.well-known/did.json");
        assert_eq!(
            url("w3c-ccg.github.io:user:alice")?,
            "https://w3c-ccg.github.io/user/alice/did.json"
        );
        assert_eq!(
            url("example.com%3A3000:user:alice")?,
            "https://example.com:3000/user/alice/did.json"
        );
        Ok(())
    }

    #[test]
    fn refuses_ip_addresses_traversal_and_hidden_separators() {
        for id in [
            "127.0.0.1",
            "127%2E0%2E0%2E1",
            "2130706433",
            "0x7f.1",
            "%5B%3A%3A1%5D",
            "example.com:..",
            "example.com:%2E%2E",
            "example.com:a%2Fb",
            "example.com:a%5Cb",
            "example.com::a",
            "example.com%3A0",
            "example.com%3A99999",
            "example.com%3A80%3A80",
            "example.com%2Fpath",
            "user%40example.com",
            "example.com%00",
            "example..com",
            "com",
            "example.com:a%20",
            "example.com%3A+80",
            "example.com%ff",
        ] {
            assert!(url(id).is_err(), "{id}");
        }
    }

    #[test]
    fn refuses_a_snapshot_of_another_did() {
        let did = Did::parse("did:web:dso.example").expect("a DID");
        let snapshot = Snapshot {
            seen: UnixMillis::new(1),
            confirmed: None,
            document: br#"{"id":"did:web:tso.example"}"#.to_vec(),
            witness: None,
        };
        let error = resolve(&did, &[snapshot]).expect_err("other id");
        assert_eq!(error.code(), codes::DID_DOCUMENT_OTHER_ID);
    }
}
