//! The codes of this crate. See [`gridpass_identity::code`] for what a code is.

gridpass_identity::codes! {
    SCENARIO_MALFORMED = "GP-SCENARIO-MALFORMED", Malformed,
        "The scenario lacks a member, has one that is unknown, or breaks a limit.",
        "Correct it as the message says; examples/README.md has every member.";
    SCENARIO_REFERENCE = "GP-SCENARIO-REFERENCE", Malformed,
        "The scenario names something that it does not have, or that does not fit where it is named.",
        "Correct the name that the message shows; steps refer only to earlier ones.";
    SCENARIO_TABLE = "GP-SCENARIO-TABLE", Failed,
        "A case of the scenario's table comes out otherwise than it says.",
        "Correct the case or what the channel requires; the message has what came out.";
    DOCUMENT_UNKNOWN = "GP-DOCUMENT-UNKNOWN", Malformed,
        "The step sends no document, or the document answers one that its step does not name.",
        "Give the step a document, and the step that it answers in `replyTo`.";
    DOCUMENT_IO = "GP-DOCUMENT-IO", Internal,
        "The document could not be written.",
        "Look at the reason in the message: whether there is room on the disk.";
}
