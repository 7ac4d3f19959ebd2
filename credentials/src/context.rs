//! The JSON-LD contexts that are known, each pinned by its bytes. None is ever fetched, and a
//! document that names another is refused.

use ssi_json_ld::ContextLoader;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The base context of VCDM 2.0, the first of every credential.
pub const CREDENTIALS_V2: &str = "https://www.w3.org/ns/credentials/v2";
/// The base context of version 1.1.
pub const CREDENTIALS_V1: &str = "https://www.w3.org/2018/credentials/v1";
/// The context of Gridpass: static, protected, without `@vocab`. An identifier, not an address.
pub const GRIDPASS_V1: &str = "https://w3id.org/gridpass/v1";

/// A context that this crate carries.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// What documents call it.
    pub iri: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every context that is known.
pub const BUNDLED: [Bundled; 6] = [
    Bundled { iri: CREDENTIALS_V2, text: ssi_contexts::CREDENTIALS_V2 },
    Bundled { iri: GRIDPASS_V1, text: include_str!("../../spec/context/v1.jsonld") },
    Bundled {
        iri: "https://w3id.org/security/data-integrity/v2",
        text: ssi_contexts::W3ID_DATA_INTEGRITY_V2,
    },
    Bundled { iri: "https://w3id.org/security/multikey/v1", text: ssi_contexts::W3ID_MULTIKEY_V1 },
    // The W3C's own, for the examples of its specifications. It has `@vocab`, so a visa may not
    // name it; documents that are no visas may.
    Bundled {
        iri: "https://www.w3.org/ns/credentials/examples/v2",
        text: ssi_contexts::CREDENTIALS_EXAMPLES_V2,
    },
    // The data model before 2.0, for credentials that are no visas.
    Bundled { iri: CREDENTIALS_V1, text: ssi_contexts::CREDENTIALS_V1 },
];

/// Whether a context is known by this name.
#[must_use]
pub fn is_known(iri: &str) -> bool {
    BUNDLED.iter().any(|c| c.iri == iri)
}

/// The loader of exactly these contexts; `None` never, unless a bundled text were not JSON, which
/// a test excludes.
pub(crate) fn loader() -> Option<&'static ContextLoader> {
    static LOADER: LazyLock<Option<ContextLoader>> = LazyLock::new(|| {
        let map: HashMap<String, String> =
            BUNDLED.iter().map(|c| (c.iri.to_owned(), c.text.to_owned())).collect();
        ContextLoader::empty().with_context_map_from(map).ok()
    });
    LOADER.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    /// A changed byte here changes what every signature means.
    #[test]
    fn every_context_is_the_pinned_one() {
        let digests = [
            "8a9f494a89ecc51db093e90e84713e07e84d6d9204364a9b3c7868b21751236f",
            "2cdf50fdfbc3b7f77d9615a135bb4dde028f8925d57c05c267129a3d927b3b2c",
            "0f77743daf5b4e8fc067fc5ba5b21044283053aa717fc6b0219843bed3b00363",
            "00e1592fd321ed9b843aee80f4f25e23a3fa53e514e73dc9d109fc4e0aaadf1c",
            "e6600df812cdc1872f20b42ab0c1cecac39755b7ed381e7f6a88dac7baab54d6",
            "ab4ddd9a531758807a79a5b450510d61ae8d147eab966cc9a200c07095b0cdcc",
        ];
        for (context, digest) in BUNDLED.iter().zip(digests) {
            let found: String =
                Sha256::digest(context.text).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(found, digest, "{}", context.iri);
        }
        assert!(loader().is_some());
    }

    #[test]
    fn our_context_is_protected_and_has_no_vocabulary() {
        let ours = BUNDLED[1].text;
        assert!(!ours.contains("@vocab"));
        let json: serde_json::Value = serde_json::from_str(ours).expect("JSON");
        let mut open = vec![&json];
        while let Some(value) = open.pop() {
            if let Some(context) = value.get("@context") {
                assert_eq!(context["@protected"], true, "{context}");
            }
            open.extend(value.as_object().into_iter().flat_map(|o| o.values()));
        }
    }
}
