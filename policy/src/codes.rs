//! The codes of this crate. See [`gridpass_identity::code`] for what a code is.

gridpass_identity::codes! {
    SCHEMA_MALFORMED = "GP-SCHEMA-MALFORMED", Malformed,
        "The schema document cannot be used: it does not compile, refers outside, or breaks a limit.",
        "Correct it as the message says; spec/payload-schemas.md has every kind of schema.";
}
