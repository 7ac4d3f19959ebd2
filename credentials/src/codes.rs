//! The codes of this crate. See [`gridpass_identity::code`] for what a code is.

gridpass_identity::codes! {
    CID_MALFORMED = "GP-CID-MALFORMED", Malformed,
        "The text is not the name of a Gridpass document: a CIDv1 of raw bytes with sha2-256, in base32.",
        "Ask for the CID again; it starts with bafkrei and has 59 characters.";
    CID_OTHER = "GP-CID-OTHER", Failed,
        "The document's bytes do not hash to the CID that was asked for.",
        "Do not use it: it was altered, or is another document. Get it again from somebody else.";
    DOCUMENT_NOT_CANONICAL = "GP-DOCUMENT-NOT-CANONICAL", Malformed,
        "The document is not in its canonical form (JCS, RFC 8785), which alone has a CID.",
        "Write it anew with the tool that made it; do not format it by hand.";
    ROLE_MALFORMED = "GP-ROLE-MALFORMED", Malformed,
        "The role definition lacks a member, has one that is unknown, or breaks a limit.",
        "Correct it as the message says; spec/role-definition.md has every member.";
}
