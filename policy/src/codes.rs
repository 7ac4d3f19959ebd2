//! The codes of this crate. See [`gridpass_identity::code`] for what a code is.

/// Of payload schemas as of those of claims.
pub use gridpass_credentials::codes::SCHEMA_MALFORMED;

gridpass_identity::codes! {
    SCHEMA_MISSING = "GP-SCHEMA-MISSING", NotFound,
        "A document that the schema is pinned with is not at hand.",
        "Get it by its CID from the channel's owner, and give it with the schema.";
    SCHEMA_MEDIA_TYPE = "GP-SCHEMA-MEDIA-TYPE", Malformed,
        "The schema is of another kind than the topic's media type.",
        "JSON Schema goes with application/json, XSD with application/xml, CSV with text/csv, CIM with application/rdf+xml.";
    PAYLOAD_MALFORMED = "GP-PAYLOAD-MALFORMED", Malformed,
        "The payload cannot be read as what its media type says.",
        "Ask its sender for a correct one; the message names the place.";
    PAYLOAD_SCHEMA = "GP-PAYLOAD-SCHEMA", Failed,
        "The payload does not fit its topic's schema.",
        "Correct it at the places that the message names.";
    PAYLOAD_LIMIT = "GP-PAYLOAD-LIMIT", Failed,
        "The payload is nested deeper, or has more parts, than is read.",
        "Split it, or send it as a file.";
    PAYLOAD_FITS = "GP-PAYLOAD-FITS", Ok,
        "The payload fits its topic's schema.",
        "Nothing to do.";
    XML_FORBIDDEN = "GP-XML-FORBIDDEN", Failed,
        "The XML has a DOCTYPE, an entity, a processing instruction or a hint to a schema, none of which is taken.",
        "Do not open it with another program: this is how XML reads files and addresses that it should not.";
    CIM_HEADER = "GP-CIM-HEADER", Failed,
        "The header of the grid model is missing, or says what the channel does not take.",
        "See the message; the profiles that a channel takes stand in its schema.";
    EVOLUTION_BREAKS = "GP-EVOLUTION-BREAKS", Failed,
        "Something that fits the old schema does not fit the new one.",
        "Keep the old version of the topic beside the new one until nobody sends it any more.";
    EVOLUTION_UNDECIDED = "GP-EVOLUTION-UNDECIDED", Indeterminate,
        "Whether everything that fits the old schema fits the new one cannot be told here.",
        "Look at this place yourself, and try documents that you have.";
    // Channels
    CHANNEL_MALFORMED = "GP-CHANNEL-MALFORMED", Malformed,
        "The channel descriptor lacks a member, has one that is unknown, or breaks a limit.",
        "Correct it as the message says; spec/channel.md has every member.";
    REQUIREMENT_MALFORMED = "GP-REQUIREMENT-MALFORMED", Malformed,
        "A requirement cannot be read, compares what does not fit, or can never or always hold.",
        "Correct it as the message says; `gridpass policy lint` names every place.";
    CHANNEL_SIGNED = "GP-CHANNEL-SIGNED", Ok,
        "The channel's owner signed its descriptor.",
        "Nothing to do.";
    CHANNEL_NOT_SIGNED = "GP-CHANNEL-NOT-SIGNED", Untrusted,
        "The channel descriptor does not carry a signature of its owner that holds.",
        "Ask the owner for the signed descriptor; the owner signs, also anew, with `gridpass channel sign`. A node takes it with `gridpass node add`, an auditor with `gridpass audit verify --channel FILE`.";
    CHANNEL_FOLLOWS = "GP-CHANNEL-FOLLOWS", Ok,
        "The descriptor follows the one that it names as its predecessor.",
        "Nothing to do.";
    CHANNEL_HISTORY_BROKEN = "GP-CHANNEL-HISTORY-BROKEN", Failed,
        "The descriptor does not follow its predecessor: a link, a name, or a version of a topic changed.",
        "Ask the owner; versions of topics are added and retired, never edited.";
    CHANNEL_FORK = "GP-CHANNEL-FORK", Conflict,
        "Two descriptors are of one version of a channel, and none of them comes before the other.",
        "Ask the owner which of them counts. A node leaves the other with `gridpass node leave CID`; the owner drops it with `gridpass channel remove CID`, or signs a version that follows.";
    CHANNEL_AMBIGUOUS = "GP-CHANNEL-AMBIGUOUS", Conflict,
        "A name stands for several channels: of several owners or frameworks, or several versions where one is asked for.",
        "Name the one that is meant by its CID; the message has them.";
    // Compiling
    CEDAR_REFUSED = "GP-CEDAR-REFUSED", Malformed,
        "The Cedar policy is not one forbid that the channel's schema validates strictly, without warning.",
        "Correct it as the message says; `gridpass policy lint --cedar` prints the schema.";
    // Decisions
    POLICY_ALLOWED = "GP-POLICY-ALLOWED", Ok,
        "Every requirement of the channel is satisfied.",
        "Nothing to do.";
    POLICY_UNMET = "GP-POLICY-UNMET", Denied,
        "A requirement of the channel is not satisfied.",
        "See its causes; `gridpass policy explain` says what would have to change.";
    POLICY_UNDECIDED = "GP-POLICY-UNDECIDED", Indeterminate,
        "Whether a requirement of the channel is satisfied cannot be decided, which the channel takes for a no.",
        "Get what is missing, mostly a fresher status list, and decide again.";
    POLICY_ERROR = "GP-POLICY-ERROR", Denied,
        "A policy could not be evaluated to its end, which is a denial.",
        "Tell the channel's owner: the policy has to be mended.";
    POLICY_EXCLUDED = "GP-POLICY-EXCLUDED", Denied,
        "Something holds that the channel excludes.",
        "See the message; what is excluded has to end first.";
    ROLE_NOT_HELD = "GP-ROLE-NOT-HELD", Denied,
        "No visa for a role that the channel asks for was shown.",
        "Ask its issuer for the visa with `gridpass visa request`, and present it.";
    VALUE_DIFFERS = "GP-VALUE-DIFFERS", Denied,
        "A comparison that the channel asks for is false.",
        "Send what your visa allows, or ask the issuer for a visa that says what you need.";
    VALUE_MISSING = "GP-VALUE-MISSING", Denied,
        "A value that the channel compares was not given, or is of another type.",
        "Give it; a claim that was withheld has to be disclosed.";
    OUTSIDE_WINDOW = "GP-OUTSIDE-WINDOW", Denied,
        "It is outside the window of time that the channel sets.",
        "Send it within the window.";
    SENDER_NOT_LISTED = "GP-SENDER-NOT-LISTED", Denied,
        "The channel names who may do this, and the sender is not among them.",
        "Ask the channel's owner.";
    TOO_MANY_VISAS = "GP-TOO-MANY-VISAS", Denied,
        "More than eight visas for one role were shown, and no more are looked at.",
        "Present only those that this channel needs.";
    // The facts before any requirement
    ADMISSION_EXPIRED = "GP-ADMISSION-EXPIRED", Expired,
        "What was established about the sender counted until a time that is over, or from one that has not come.",
        "Verify its presentation again, with fresh status lists.";
    ADMISSION_OTHER = "GP-ADMISSION-OTHER", Failed,
        "The facts were established for another channel, trust framework or message.",
        "Verify the presentation that the message names, for its channel and framework.";
    CHANNEL_NOT_YET = "GP-CHANNEL-NOT-YET", Denied,
        "This version of the channel counts from a time that has not come.",
        "Send under the version that counts now, or wait.";
    TOPIC_UNKNOWN = "GP-TOPIC-UNKNOWN", Denied,
        "The channel has no such topic, or no such version of it, or the version is retired.",
        "See the channel's topics with `gridpass channel show`.";
    TOPIC_SCHEMA_OTHER = "GP-TOPIC-SCHEMA-OTHER", Denied,
        "The message names another schema or media type than its topic's version has.",
        "Send it under the version of the topic that it was made for.";
    MESSAGE_TOO_LARGE = "GP-MESSAGE-TOO-LARGE", Denied,
        "The payload is larger than the channel allows.",
        "Send it as a file, or in parts.";
    MESSAGE_FROM_FUTURE = "GP-MESSAGE-FROM-FUTURE", Denied,
        "The message says it was made later than the clock skew allows.",
        "Set the sender's clock, or the receiver's where messages of several senders are early: `gridpass node status` there says so.";
    MESSAGE_EXPIRED = "GP-MESSAGE-EXPIRED", Expired,
        "The message counted until a time that is over.",
        "Nothing: its sender sends it anew if it still matters.";
    MESSAGE_LIFETIME = "GP-MESSAGE-LIFETIME", Denied,
        "The message expires before it was made, or counts for longer than the channel allows.",
        "Give it an expiry within the channel's limit.";
    MESSAGE_RECIPIENTS = "GP-MESSAGE-RECIPIENTS", Denied,
        "The message's recipients do not fit the channel's mode: none, one, or several different ones.",
        "Name recipients as the channel's mode asks.";
    MESSAGE_SEALING = "GP-MESSAGE-SEALING", Denied,
        "The message is not sealed in a channel that seals, or sealed in one that does not.",
        "Send it as the channel asks; plaintext in a sealed channel is never passed on.";
    MESSAGE_RATE = "GP-MESSAGE-RATE", Denied passes,
        "The sender sends more messages in a minute than the channel allows.",
        "Send more slowly.";
    ATTRIBUTE_UNKNOWN = "GP-ATTRIBUTE-UNKNOWN", Denied,
        "The message has an attribute that its topic does not have, or of another type, or lacks one.",
        "Give exactly the attributes of the topic; `gridpass channel show` lists them.";
    ATTRIBUTE_DIFFERS = "GP-ATTRIBUTE-DIFFERS", Denied,
        "An attribute of the message's header says another thing than its payload.",
        "Do not deliver it: policy was shown a value that the payload does not have.";
    // Lint
    LINT_ATTRIBUTE = "GP-LINT-ATTRIBUTE", Ok,
        "A requirement reads an attribute that its topic lacks, makes optional, or nobody checks.",
        "Declare it in the topic, with `from`, the place where the payload says the same.";
    LINT_CLAIM = "GP-LINT-CLAIM", Ok,
        "A requirement reads a claim that visas for the role, or for its issuers, do not carry, or not as this type.",
        "Correct the requirement, or define a new version of the role.";
    LINT_ROLE = "GP-LINT-ROLE", Ok,
        "A requirement names a role that the charter does not list, or lists as retired.",
        "List it with `gridpass charter add-role`, or name another.";
    LINT_STATUS_AGE = "GP-LINT-STATUS-AGE", Ok,
        "The channel lets a status be older than the role's definition does.",
        "The stricter one counts; write it in the channel to avoid surprises.";
    LINT_INDETERMINATE = "GP-LINT-INDETERMINATE", Ok,
        "The channel takes what cannot be decided for a yes.",
        "Set `indeterminate` to deny, unless silence does more harm than a message too many.";
    LINT_EXCLUSION = "GP-LINT-EXCLUSION", Ok,
        "A requirement asks that a visa is not held, or that the sender is not one of some DIDs: whoever is meant leaves the visa out, or takes another DID.",
        "Ask for a visa that the excluded do not get, or have theirs revoked.";
    LINT_RECIPIENTS = "GP-LINT-RECIPIENTS", Ok,
        "A requirement compares recipients that a message of the channel does not have: a broadcast names none, and a message to two has no `recipient`.",
        "Make the channel unicast, leave the recipients out of the requirement, or compare `recipients` where there may be several.";
    LINT_ARRIVAL = "GP-LINT-ARRIVAL", Ok,
        "A requirement closes at a time that the message names, and none of the topic asks when the message came.",
        "Where all readers are there when it closes, compare `arrived` too; else leave it as it is.";
    LINT_NEVER = "GP-LINT-NEVER", Ok,
        "A requirement, or a part of it, can never hold as it is written.",
        "Correct it: who subscribes or keeps sends nothing, and nothing is two things at once.";
    LINT_OVER = "GP-LINT-OVER", Ok,
        "A topic whose versions are all retired, or a requirement whose time is over.",
        "Write the channel's next version without it, or with what takes its place.";
    LINT_EMPTY = "GP-LINT-EMPTY", Ok,
        "A requirement asks that a message's set is within another, which an empty set always is.",
        "Ask beside it for what the set must contain, or let the payload's schema refuse an empty one.";
    LINT_RETENTION = "GP-LINT-RETENTION", Ok,
        "Messages may count for longer than peers keep them: who was away gets less than what still counts.",
        "Keep them at least for as long as `maxLifetimeSeconds`.";
    LINT_FRAMEWORK = "GP-LINT-FRAMEWORK", Ok,
        "The channel belongs to another trust framework.",
        "Lint it with the trust pack of its own framework.";
    LINT_ERRORS = "GP-LINT-ERRORS", Failed,
        "The channel has places that can never work as they are written.",
        "Correct each place that is marked as an error.";
    CASES_DIFFER = "GP-CASES-DIFFER", Failed,
        "A policy case came out otherwise than it expects.",
        "Read the differences; either the case or the channel is wrong.";
    CASES_MALFORMED = "GP-CASES-MALFORMED", Malformed,
        "The file of policy cases cannot be read, or a case in it cannot be asked.",
        "Correct it as the message says; spec/policy-cases.md has the format.";
    // Terms
    NO_KEEPERS = "GP-NO-KEEPERS", Denied,
        "The channel has nobody hold messages for others.",
        "Ask the channel's owner for a version of it with `keep`, or subscribe.";
    ACTION_NOT_PERMITTED = "GP-ACTION-NOT-PERMITTED", Denied,
        "No permission of the data's terms covers this action; what is not permitted is denied.",
        "Ask the channel's owner for terms that permit it.";
    // Recorded decisions
    DECISION_MALFORMED = "GP-DECISION-MALFORMED", Malformed,
        "The text is not a recorded decision or admission of a known version.",
        "Ask for the file again, unchanged.";
    DECISION_DIFFERS = "GP-DECISION-DIFFERS", Failed,
        "Made again from the same facts, the decision comes out differently.",
        "Do not rely on it: it was altered, or not made by this policy.";
    DECISION_RECOMPUTED = "GP-DECISION-RECOMPUTED", Ok,
        "Made again from the recorded facts, the decision has the same bytes.",
        "Nothing to do.";
}

gridpass_identity::coded!(
    crate::cases::CaseError,
    crate::channel::ChannelError,
    crate::comparison::ComparisonError,
    crate::decision::RecordError,
    crate::keeping::KeepChannelError,
    crate::payload::SchemaError,
    crate::policy::PolicyError,
    crate::requirement::RequirementError,
);
