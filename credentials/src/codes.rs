//! The codes of this crate. See [`gridpass_identity::code`] for what a code is.

gridpass_identity::codes! {
    CID_MALFORMED = "GP-CID-MALFORMED", Malformed,
        "The text is not the name of a Gridpass document or message: a CIDv1 with sha2-256, in base32.",
        "Ask for the CID again: a document's begins with bafkrei, a message's with bafyrei; each has 59 characters.";
    CID_OTHER = "GP-CID-OTHER", Failed,
        "The document's bytes do not hash to the CID that was asked for.",
        "Do not use it: it was altered, or is another document. Get it again from somebody else.";
    DOCUMENT_NOT_CANONICAL = "GP-DOCUMENT-NOT-CANONICAL", Malformed,
        "The document is not in its canonical form (JCS, RFC 8785), which alone has a CID.",
        "Write it anew with the tool that made it; do not format it by hand.";
    ROLE_MALFORMED = "GP-ROLE-MALFORMED", Malformed,
        "The role definition lacks a member, has one that is unknown, or breaks a limit.",
        "Correct it as the message says; spec/role-definition.md has every member.";
    SCHEMA_MALFORMED = "GP-SCHEMA-MALFORMED", Malformed,
        "The schema document cannot be used: it does not compile, refers outside, or breaks a limit.",
        "Correct it as the message says; spec/payload-schemas.md has every kind of schema.";
    ROLE_VERSION_TAKEN = "GP-ROLE-VERSION-TAKEN", Conflict,
        "Another definition of this role has this version number: nobody could tell them apart by it.",
        "Give the new one a number of its own, or none: `gridpass role define` counts on.";
    ROLE_UNCHANGED = "GP-ROLE-UNCHANGED", Conflict,
        "The new version of the role definition would say what the last one says.",
        "Name what is to change; `gridpass role show NAME` shows the last version.";
    // Securing
    SECURED_MALFORMED = "GP-SECURED-MALFORMED", Malformed,
        "The text is not a secured credential or presentation: no JWT, no SD-JWT, no JSON with one proof.",
        "Ask its sender for the file again, unchanged.";
    SECURED_TYPE = "GP-SECURED-TYPE", Failed,
        "The typ or cty of its header is not what VC-JOSE-COSE asks for (vc+jwt, vp+jwt, vc+sd-jwt).",
        "Do not take it for another kind of thing; ask the issuer to sign it with the right typ.";
    MODEL_BROKEN = "GP-VC-MODEL", Malformed,
        "It breaks a rule of the W3C Verifiable Credentials Data Model 2.0.",
        "Ask its issuer for a correct one; the message names the rule.";
    CONTEXT_UNKNOWN = "GP-CONTEXT-UNKNOWN", Failed,
        "It names a JSON-LD context that Gridpass does not carry, or defines words inline; no context is fetched.",
        "Do not use it: its words could mean anything.";
    JSON_LD_LOSS = "GP-JSON-LD-LOSS", Failed,
        "Read as JSON-LD, a member would be dropped or changed, so the signature would not cover it.",
        "Ask the issuer to define the member in a context, or to sign with vc+jwt.";
    JSON_LD_GRAPH = "GP-JSON-LD-GRAPH", Failed,
        "Its graph is empty, too large, or made so that canonicalising it would take for ever.",
        "Do not use it.";
    PROOF_MALFORMED = "GP-PROOF-MALFORMED", Malformed,
        "A member of the Data Integrity proof is missing or not what it must be.",
        "Ask its issuer for a correct one; the message names the member.";
    SD_JWT_MALFORMED = "GP-SD-JWT-MALFORMED", Failed,
        "The SD-JWT breaks a rule of RFC 9901: its disclosures, digests or key binding do not fit.",
        "Do not use it; ask the holder to present it again.";
    CLAIM_NOT_FOUND = "GP-CLAIM-NOT-FOUND", NotFound,
        "There is no claim of this name to disclose or withhold.",
        "`gridpass visa show` lists the claims and which of them can be withheld.";
    TRUST_DOCUMENT_OTHER = "GP-TRUST-DOCUMENT-OTHER", Conflict,
        "The new trust pack has another DID document of a did:web than the one that is pinned.",
        "Ask its signers by another way whether the document changed; then pin it with --adopt and --pin CID.";
    TRUST_LOG_END = "GP-TRUST-LOG-END", Conflict,
        "The log that is to take the place of the known one does not end as its owner said.",
        "Ask the owner of the DID by another way for the `versionId` of the log's last entry, and its charter's signers for a pack with that log; then give it as --replace-log DID=VERSION.";
    // Signatures of credentials and presentations
    SIGNING_TIME = "GP-SIGNING-TIME", Ok,
        "It says when it was signed.",
        "Nothing to do.";
    SIGNING_TIME_MISSING = "GP-SIGNING-TIME-MISSING", Failed,
        "It does not say when it was signed, so that its key cannot be judged.",
        "Ask the signer to sign it again with a time (iat, or created).";
    PROOF_PURPOSE = "GP-PROOF-PURPOSE", Failed,
        "The proof was made for another purpose than the one that is asked.",
        "Do not use it for this purpose.";
    PROOF_EXPIRED = "GP-PROOF-EXPIRED", Expired,
        "The signature counted until a time that is over.",
        "Ask its signer for a new one.";
    AUDIENCE_FITS = "GP-AUDIENCE-FITS", Ok,
        "It was made for this verifier.",
        "Nothing to do.";
    AUDIENCE_OTHER = "GP-AUDIENCE-OTHER", Failed,
        "It was made for another verifier: somebody may be passing it on.",
        "Ask the holder to present to you.";
    NONCE_FITS = "GP-NONCE-FITS", Ok,
        "It answers the nonce that was given.",
        "Nothing to do.";
    NONCE_OTHER = "GP-NONCE-OTHER", Failed,
        "It does not answer the nonce that was given: it may be a replay.",
        "Ask the holder to present again with the new nonce.";
    // Charter and trust pack
    CHARTER_MALFORMED = "GP-CHARTER-MALFORMED", Malformed,
        "The charter lacks a member, has one that is unknown, or breaks a limit.",
        "Make it with `gridpass charter`; spec/charter.md has every member.";
    CHARTER_SIGNED = "GP-CHARTER-SIGNED", Ok,
        "Enough of the signers signed the charter.",
        "Nothing to do.";
    CHARTER_SIGNERS_TOO_FEW = "GP-CHARTER-SIGNERS-TOO-FEW", Untrusted,
        "Fewer of the charter's signers signed it than its rule asks for; each signer, and each key, counts once.",
        "Send it to the missing signers: `gridpass charter sign FILE`.";
    CHARTER_SIGNER_UNKNOWN = "GP-CHARTER-SIGNER-UNKNOWN", Indeterminate,
        "The DID document of a signer is missing, so that its signature cannot be counted.",
        "Ask for a trust pack that has it, or import it with `gridpass id resolve DID --log FILE --save`.";
    CHARTER_FOLLOWS = "GP-CHARTER-FOLLOWS", Ok,
        "The charter is the first one, or follows the one before it.",
        "Nothing to do.";
    CHARTER_HISTORY_BROKEN = "GP-CHARTER-HISTORY-BROKEN", Failed,
        "A charter does not follow the one that stands before it.",
        "Do not use the pack; get it again from the charter's signers.";
    CHARTER_IN_FORCE = "GP-CHARTER-IN-FORCE", Ok,
        "The charter's date has come.",
        "Nothing to do.";
    CHARTER_ROLLBACK = "GP-CHARTER-ROLLBACK", Conflict,
        "The charter is older than the one that is held.",
        "Keep the one that you hold; ask who sent the older one, and why.";
    CHARTER_FORK = "GP-CHARTER-FORK", Conflict,
        "There are two different charters with one version number: the signers contradict themselves.",
        "Use neither before the signers have explained themselves; keep both as proof. Once they agreed on one, who holds the other leaves it with the CID that each of them told: `gridpass charter verify PACK --pin CID --adopt`, and `gridpass node add PACK --pin CID`.";
    CHARTER_UNCHANGED = "GP-CHARTER-UNCHANGED", Conflict,
        "The charter would say what the one before it says.",
        "Name what is to change; see what it says: `gridpass charter show`.";
    CHARTER_UNRELATED = "GP-CHARTER-UNRELATED", Conflict,
        "The charter belongs to another trust framework than the one that is held.",
        "In a wallet it takes the place of the other one only with the CID that its signers told you: `gridpass charter verify PACK --pin CID --adopt`. A node keeps the framework that it has: use a node for each.";
    TRUST_PACK_MALFORMED = "GP-TRUST-PACK-MALFORMED", Malformed,
        "The trust pack cannot be read.",
        "Ask the charter's signers for it again; `gridpass charter pack` writes one.";
    DEFINITION_LISTED = "GP-DEFINITION-LISTED", Ok,
        "The charter lists the role definition.",
        "Nothing to do.";
    DEFINITION_MISSING = "GP-DEFINITION-MISSING", Indeterminate,
        "A role definition that is referred to is not at hand.",
        "Ask for a trust pack that has it.";
    DEFINITION_NAME = "GP-DEFINITION-NAME", Failed,
        "A charter, visa or request calls a role definition by another name than its own.",
        "Do not use it; tell who signed it.";
    // Visas and their status
    VISA_MALFORMED = "GP-VISA-MALFORMED", Malformed,
        "The credential is not a visa of Gridpass: a member is missing, unknown or not what it must be.",
        "Ask its issuer for a correct one; spec/visa.md has every member.";
    STATUS_LIST_MALFORMED = "GP-STATUS-LIST-MALFORMED", Failed,
        "The status list cannot be read, contradicts itself, or breaks a limit.",
        "Ask the issuer for the list again; do not rely on the visas that it covers before.";
    STATUS_RANGE = "GP-STATUS-RANGE", Failed,
        "The visa's place lies outside its status list.",
        "Ask the issuer for a correct visa.";
    VISA_COUNT = "GP-VISA-COUNT", Malformed,
        "There are more visas than one verification takes, or none.",
        "Send only the visas that matter, and those that prove their issuers' authority.";
    VISA_IN_FORCE = "GP-VISA-IN-FORCE", Ok,
        "The visa is valid at this time.",
        "Nothing to do.";
    VISA_NOT_YET = "GP-VISA-NOT-YET", Failed,
        "The visa is not valid yet at this time.",
        "Wait until its validFrom, or check this machine's clock.";
    VISA_EXPIRED = "GP-VISA-EXPIRED", Expired,
        "The visa's validity is over.",
        "Ask its holder to renew it: `gridpass visa renew`.";
    VISA_VALIDITY_TOO_LONG = "GP-VISA-VALIDITY-TOO-LONG", Failed,
        "The visa is valid for longer than its role definition allows.",
        "Ask the issuer for one that keeps to the definition.";
    VISA_TOO_LARGE = "GP-VISA-TOO-LARGE", Usage,
        "The visa, with those that prove its issuer's authority, would fit into no presentation: these have at most 1 MiB.",
        "Say less in its claims, or issue several visas.";
    VISA_PROFILE = "GP-VISA-WELL-FORMED", Ok,
        "The credential is a visa.",
        "Nothing to do.";
    ROLE_NOT_LISTED = "GP-ROLE-NOT-LISTED", Untrusted,
        "The charter does not list the visa's role definition.",
        "Check that you hold the right and newest trust pack.";
    ROLE_LISTED = "GP-ROLE-LISTED", Ok,
        "The charter lists the visa's role definition.",
        "Nothing to do.";
    ROLE_RETIRED = "GP-ROLE-RETIRED", Expired,
        "The charter retired the role definition, and its grace period is over or the visa was issued after.",
        "Ask the issuer for a visa of the definition that replaced it.";
    ROLE_IN_GRACE = "GP-ROLE-IN-GRACE", Ok,
        "The charter retired the role definition; the visa still counts in its grace period.",
        "Renew the visa under the new definition before the grace period ends.";
    CLAIMS_FIT = "GP-CLAIMS-FIT", Ok,
        "The visa's claims fit the schema of its role definition.",
        "Nothing to do.";
    CLAIMS_UNFIT = "GP-CLAIMS-UNFIT", Failed,
        "The visa's claims do not fit the schema of its role definition.",
        "Correct the claims as the message says.";
    CLAIMS_WITHHELD = "GP-CLAIMS-WITHHELD", Ok,
        "The claims that are shown fit the schema; the holder withholds others.",
        "Ask the holder for the claim if you need it.";
    PRECONDITIONS_MET = "GP-PRECONDITIONS-MET", Ok,
        "The holder holds what the role requires first.",
        "Nothing to do.";
    PRECONDITIONS_UNMET = "GP-PRECONDITIONS-UNMET", Failed,
        "The holder does not hold what the role requires first.",
        "The holder must get, or renew, the visas that the message names.";
    PRECONDITIONS_UNKNOWN = "GP-PRECONDITIONS-UNKNOWN", Indeterminate,
        "The visas that the role requires first are not shown.",
        "Ask the holder to present them too.";
    // Chains
    CHAIN_ROOT = "GP-CHAIN-ROOT", Ok,
        "A root of the charter issued the visa.",
        "Nothing to do.";
    CHAIN_ROOT_REMOVED_SINCE = "GP-CHAIN-ROOT-REMOVED-SINCE", Ok,
        "The issuer was a root of the charter when it issued the visa and is none now; the definition lets its visas stand.",
        "Nothing to do, unless you know that the root was removed for misconduct.";
    CHAIN_ROOT_REMOVED = "GP-CHAIN-ROOT-REMOVED", Revoked,
        "The issuer is no longer a root of the charter, and the definition ends what it issued.",
        "Ask for a visa from a current root.";
    CHAIN_DELEGATED = "GP-CHAIN-DELEGATED", Ok,
        "The issuer held the role that the definition asks of issuers, at the time of issuance.",
        "Nothing to do.";
    ISSUER_NOT_ALLOWED = "GP-ISSUER-NOT-ALLOWED", Untrusted,
        "The role definition does not let this issuer issue the role.",
        "Treat the visa as forged; ask the holder for one from a proper issuer.";
    ISSUER_NOT_ROOT = "GP-ISSUER-NOT-ROOT", Untrusted,
        "The role definition names the issuer, and the charter never had it as a root.",
        "Check that you hold the newest trust pack.";
    CHAIN_LINK_MISSING = "GP-CHAIN-LINK-MISSING", Indeterminate,
        "The visa that would prove the issuer's authority is not at hand.",
        "Ask the holder to present it too, or import it.";
    CHAIN_CYCLE = "GP-CHAIN-CYCLE", Untrusted,
        "The issuers authorise each other, and no root stands behind them.",
        "Treat the visas as forged.";
    CHAIN_TOO_DEEP = "GP-CHAIN-TOO-DEEP", Untrusted,
        "More issuers stand between the visa and a root than its role definition allows.",
        "Ask for a visa from an issuer closer to the root.";
    ISSUER_REVOKED = "GP-ISSUER-REVOKED", Revoked,
        "The issuer's authority was revoked, or suspended, when it issued the visa.",
        "Ask for a visa from an issuer in good standing.";
    ISSUER_REVOKED_ENDS = "GP-ISSUER-REVOKED-ENDS", Revoked,
        "The issuer's authority was revoked later, and the role definition ends what it had issued.",
        "Ask for a visa from an issuer in good standing.";
    ISSUER_REVOKED_SINCE = "GP-ISSUER-REVOKED-SINCE", Ok,
        "The issuer's authority was revoked after it issued the visa; the role definition lets the visa stand.",
        "Nothing to do.";
    ISSUER_REVOKED_WHEN = "GP-ISSUER-REVOKED-WHEN", Indeterminate,
        "The issuer's authority is revoked, and its status list does not say since when.",
        "Ask its issuer for a list with dated changes.";
    // Status
    STATUS_CLEAR = "GP-STATUS-CLEAR", Ok,
        "The status list says that the visa is neither revoked nor suspended.",
        "Nothing to do.";
    STATUS_REINSTATED = "GP-STATUS-REINSTATED", Ok,
        "The visa was suspended before, and is reinstated.",
        "Nothing to do.";
    VISA_REVOKED = "GP-VISA-REVOKED", Revoked,
        "The visa is revoked.",
        "It cannot be used again; its holder must ask for a new one.";
    VISA_SUSPENDED = "GP-VISA-SUSPENDED", Revoked,
        "The visa is suspended.",
        "Wait until its issuer reinstates it; the holder can ask why.";
    STATUS_ENTRY_MISSING = "GP-STATUS-ENTRY-MISSING", Failed,
        "The visa says nowhere where its revocation would be written.",
        "Ask the issuer for one that does.";
    STATUS_UNKNOWN = "GP-STATUS-UNKNOWN", Indeterminate,
        "The visa's status list is not at hand.",
        "Get it from the issuer and give it with `--status FILE`.";
    STATUS_STALE = "GP-STATUS-STALE", Indeterminate,
        "The visa's status list is older than its role definition allows.",
        "Get a newer list from the issuer, who signs one each day; where that is your own organisation, in its wallet: `gridpass status publish -o lists.json`.";
    STATUS_SIGNER = "GP-STATUS-SIGNER", Indeterminate,
        "The status list is signed by someone who may not revoke this visa, so it says nothing.",
        "Get the list from the visa's issuer.";
    STATUS_REVOKER_LAPSED = "GP-STATUS-REVOKER-LAPSED", Indeterminate,
        "The visa is revoked or suspended by somebody who may do so by a visa of its own, and that one has ended or is suspended since, its role is listed no more, or its root was removed.",
        "Have the visa's issuer take it over, `gridpass visa revoke ID` (or `suspend`), or the visa of who revoked it renewed or reinstated; then take their new lists.";
    STATUS_PURPOSE = "GP-STATUS-PURPOSE", Failed,
        "The status list is for another purpose than the visa says.",
        "Ask the issuer for a correct list.";
    STATUS_ROLLBACK = "GP-STATUS-ROLLBACK", Failed,
        "The status list is older than one that was seen already: somebody shows an old state.",
        "Use the newer list.";
    STATUS_FORK = "GP-STATUS-FORK", Failed,
        "There are two different status lists with one version: their signer contradicts itself.",
        "Use neither; ask the issuer, and keep both as proof.";
    // Presentations
    PRESENTER = "GP-PRESENTER", Ok,
        "The presenter is the subject of the visas.",
        "Nothing to do.";
    PRESENTER_OTHER = "GP-PRESENTER-OTHER", Failed,
        "The presenter is not the subject of any of the visas, or not the one expected.",
        "Treat it as stolen; ask the visa's subject to present it.";
    PRESENTATION_UNBOUND = "GP-PRESENTATION-UNBOUND", Failed,
        "The presentation does not say for whom it is, or until when.",
        "Ask the holder to present to you: `gridpass visa present --to DID`.";
    BINDING_OLD = "GP-BINDING-OLD", Expired,
        "The key binding was made too long ago.",
        "Ask the holder to present again.";
    NODE_AUTHORISED = "GP-NODE-AUTHORISED", Ok,
        "The participant authorised the node for this, at this time.",
        "Nothing to do.";
    NODE_NOT_AUTHORISED = "GP-NODE-NOT-AUTHORISED", Denied,
        "The participant did not authorise the node for this purpose or channel.",
        "Authorise it: `gridpass visa authorise-node`.";
    // Files that travel, and what the wallet keeps
    PARCEL_MALFORMED = "GP-PARCEL-MALFORMED", Malformed,
        "The file is not one that Gridpass writes for others, or is damaged.",
        "Ask its sender for it again, unchanged.";
    PARCEL_KIND = "GP-PARCEL-KIND", Usage,
        "The file is of another kind than this command takes.",
        "The message says what it is; use the command for that.";
    REQUEST_MALFORMED = "GP-REQUEST-MALFORMED", Malformed,
        "The text is not a visa request or refusal.",
        "Ask its sender for the file that `gridpass visa request` or `gridpass visa refuse` wrote.";
    REQUEST_ANSWERED = "GP-REQUEST-ANSWERED", Conflict,
        "A visa was issued for this request already.",
        "Have its file once more with `gridpass visa export ID`, or issue a second one with --again.";
    REQUEST_REFUSED = "GP-REQUEST-REFUSED", Conflict,
        "This request was refused from here already.",
        "Ask its holder for a new request, or issue a visa for this one with `gridpass visa issue FILE --despite-refusal`.";
    TRUST_NOT_PINNED = "GP-TRUST-NOT-PINNED", Configuration,
        "No trust pack is pinned, so there is nothing to verify against.",
        "Get one from your regulator and adopt it: `gridpass charter verify PACK --adopt`.";
    NOT_KEPT = "GP-NOT-KEPT", NotFound,
        "The wallet has no such visa, definition or charter.",
        "List what there is: visas that you hold with `gridpass visa list`, those that you issued with `gridpass visa list --issued`, roles with `gridpass role list`.";
    NAME_AMBIGUOUS = "GP-NAME-AMBIGUOUS", Usage,
        "The name fits several things.",
        "Give the id, the hash or the CID, as the list shows it (`gridpass visa list`, `gridpass role list`).";
    RECORD_UNREADABLE = "GP-RECORD-UNREADABLE", Malformed,
        "A record or an input file is not what it must be.",
        "Correct the file; if it is a record of the wallet, run `gridpass doctor`.";
    STATUS_UNCHANGED = "GP-STATUS-UNCHANGED", Conflict,
        "The visa is in that state already, or cannot leave the one that it is in.",
        "Look at it: `gridpass visa list --issued`. If others may not know it yet, give them the list: `gridpass status publish -o lists.json`.";
    RESOURCE_DIGEST = "GP-RESOURCE-DIGEST", Failed,
        "A related resource has another digest than the credential says.",
        "Correct the digest, or leave the resource out.";
}

gridpass_identity::coded!(
    crate::accepting::AcceptError,
    crate::charter::CharterError,
    crate::content_id::ContentIdError,
    crate::general::GeneralError,
    crate::issuing::IssueError,
    crate::keeping::KeepError,
    crate::parcel::ParcelError,
    crate::request::RequestError,
    crate::role::RoleError,
    crate::schema::SchemaError,
    crate::secured::SecuredError,
    crate::status::StatusError,
    crate::trust::IdentityMaterialError,
    crate::trust::TrustError,
    crate::verifier::VerifierError,
    crate::visa::VisaError,
);
