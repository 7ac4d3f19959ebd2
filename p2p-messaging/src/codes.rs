//! The codes of this crate. See [`gridpass_identity::code`] for what a code is.

use gridpass_identity::code::Code;

/// The code that a reason names: of a policy, a receipt, a report. Nothing for one that this version does
/// not know. Those of the crates below are found too.
#[must_use]
pub fn find(id: &str) -> Option<Code> {
    let below = [
        gridpass_policy::codes::ALL,
        gridpass_credentials::codes::ALL,
        gridpass_identity::codes::ALL,
    ];
    below.into_iter().flatten().chain(ALL).find(|code| code.id() == id).copied()
}

gridpass_identity::codes! {
    ENVELOPE_MALFORMED = "GP-ENVELOPE-MALFORMED", Malformed,
        "The bytes are not an envelope in its one encoding, or its header lacks or contradicts something.",
        "Nothing: whoever made it has to make it as spec/envelope.md says.";
    ENVELOPE_VERSION = "GP-ENVELOPE-VERSION", Malformed,
        "The envelope is of a version that this one does not know.",
        "Update Gridpass; newer participants may know it.";
    ENVELOPE_TOPIC = "GP-ENVELOPE-TOPIC", Failed,
        "The envelope is of another channel than the one in which it was passed on.",
        "Nothing: the peer that passed it on answers for it.";
    ENVELOPE_ORDER = "GP-ENVELOPE-ORDER", Failed,
        "The envelope says that it was made before one that it follows, or after one that follows it.",
        "Do not rely on its time; show it to the channel's owner.";
    ENVELOPE_TOO_OLD = "GP-ENVELOPE-TOO-OLD", Expired,
        "The envelope is older than the channel keeps its messages.",
        "Nothing: it is not taken up any more.";
    SCHEMA_NOT_HERE = "GP-SCHEMA-NOT-HERE", Indeterminate,
        "The schema of the topic has not arrived, so the payload cannot be checked.",
        "It is asked for of peers, and what came waits for it. To send, give it to the node: `gridpass node add FILE`, and each XSD that it names.";
    ENVELOPE_TOO_LARGE = "GP-ENVELOPE-TOO-LARGE", Malformed,
        "The envelope is larger than any channel allows.",
        "Send a large payload as a file.";
    ENVELOPE_ADMITTED = "GP-ENVELOPE-ADMITTED", Ok,
        "The envelope is authentic, in order, and its channel's policy allows it.",
        "Nothing to do.";
    ENVELOPE_DUPLICATE = "GP-ENVELOPE-DUPLICATE", Ok,
        "The envelope was taken before.",
        "Nothing to do.";
    CHANNEL_UNKNOWN = "GP-CHANNEL-UNKNOWN", NotFound,
        "The envelope is of a channel that is not kept here.",
        "Join the channel with the descriptor that its owner signed.";
    SENDER_SIGNER = "GP-SENDER-SIGNER", Failed,
        "The envelope's key does not belong to its sender, or to the node that it says signed it.",
        "Do not believe it: anybody can name somebody else as the sender.";
    SEQUENCE_FORK = "GP-SEQUENCE-FORK", Failed,
        "The sender signed two different envelopes with one number: both are kept as proof.",
        "Do not rely on either; show both to the channel's owner.";
    SEQUENCE_BROKEN = "GP-SEQUENCE-BROKEN", Failed,
        "The envelope names another predecessor than the one that the sender signed.",
        "Do not rely on it; show both to the channel's owner.";
    SEQUENCE_GAP = "GP-SEQUENCE-GAP", Indeterminate,
        "Envelopes of the sender that come before this one have not arrived.",
        "They are asked for; `gridpass node status` shows what is missing.";
    SEALING_MALFORMED = "GP-SEALING-MALFORMED", Malformed,
        "The bytes are not a sealed payload, an epoch, or keys that were handed over.",
        "Nothing: whoever made them has to make them as spec/sealing.md says.";
    SEALING_EPOCH = "GP-SEALING-EPOCH", Failed,
        "The envelope names an epoch that is another sender's, for other recipients, or too old.",
        "Nothing: the peer that passed it on answers for it.";
    EPOCH_MISSING = "GP-EPOCH-MISSING", Indeterminate,
        "The epoch that the envelope names has not arrived.",
        "It is asked for; the envelope waits for it.";
    SEALING_HELD = "GP-SEALING-HELD", Ok,
        "The payload is sealed to nobody who is known not to be entitled to it.",
        "Nothing to do.";
    SEALING_STRANGER = "GP-SEALING-STRANGER", Denied,
        "The payload is sealed to somebody who may not read the channel.",
        "The sender has to begin an epoch without it: its node does so with the next message.";
    SEALING_LEFT_OUT = "GP-SEALING-LEFT-OUT", Denied,
        "The payload was not sealed to this participant's node, which may read the channel and said so.",
        "Ask the sender for it: its node hands the key over when it hears from this one.";
    SEALING_NO_KEY = "GP-SEALING-NO-KEY", Indeterminate,
        "The key of the payload has not arrived.",
        "It is asked for; the message is delivered when it comes.";
    SEALING_BROKEN = "GP-SEALING-BROKEN", Failed,
        "The payload does not open with the key that its sender handed over.",
        "Do not rely on it; ask the sender.";
    SEALING_EPOCHS = "GP-SEALING-EPOCHS", Denied,
        "More epochs of the sender's messages began within an hour than its peers take.",
        "Its node begins fewer by itself: send again in the next hour, or to those to whom it sent lately.";
    SEALING_GRANTS = "GP-SEALING-GRANTS", Denied,
        "A sender handed over more keys within an hour, or for one epoch, than a node takes.",
        "They are asked for again in the next hour; if it goes on, ask the sender.";
    SEALING_TOO_MANY = "GP-SEALING-TOO-MANY", Denied,
        "More nodes may read the channel than one epoch has room for.",
        "Send to named recipients, or in several channels.";
    PRESENTATION_MISSING = "GP-PRESENTATION-MISSING", Indeterminate,
        "The presentation that the envelope names has not arrived.",
        "It is asked for; the envelope waits for it.";
    AUTHORISATION_MISSING = "GP-AUTHORISATION-MISSING", Indeterminate,
        "The authorisation of the node that signed the envelope has not arrived.",
        "It is asked for; the envelope waits for it.";
    WAITED_TOO_LONG = "GP-WAITED-TOO-LONG", Indeterminate,
        "What the envelope waited for did not come in time, or there was no room to wait.",
        "Catching up brings it again; ask the sender to be reachable.";
    SYNC_MALFORMED = "GP-SYNC-MALFORMED", Malformed,
        "The bytes are not a message that peers send each other.",
        "Ask only what the protocol's version knows, within its bounds: spec/sync.md.";
    SYNC_STRANGER = "GP-SYNC-STRANGER", Denied,
        "The asker did not say who it is, or may not read the channel.",
        "Say hello first, with a presentation that satisfies the channel's subscribe requirements.";
    RECEIPT_MALFORMED = "GP-RECEIPT-MALFORMED", Malformed,
        "The bytes are not a receipt, or its signature or signer is not the recipient's.",
        "Nothing: whoever made it has to make it as spec/receipt.md says.";
    RECEIPT_EARLY = "GP-RECEIPT-EARLY", Failed,
        "A receipt says that it was signed before a message was made that it says to be delivered or kept.",
        "Do not count on it: its signer's clock, or its signer, is wrong.";
    // The node
    NODE_FOLDER = "GP-NODE-FOLDER", Configuration,
        "A file of the node's folder cannot be read or written.",
        "See the message: mostly permissions, or a full disk.";
    NODE_CONFIGURATION = "GP-NODE-CONFIGURATION", Configuration,
        "The node's configuration file has something that is not known or not possible.",
        "`gridpass config show` prints every setting with its default.";
    NODE_AUTHORISATION = "GP-NODE-AUTHORISATION", Configuration,
        "The authorisation is for another node, not for messages, or over.",
        "Give the node's DID to the participant, who runs `gridpass visa authorise-node`.";
    NODE_PRESENTATION = "GP-NODE-PRESENTATION", Usage,
        "The presentation is of another participant than the one that the node acts for.",
        "Give the one that this participant made, with `gridpass visa present ROLE --to CHANNEL --for 30d -o FILE`.";
    NODE_FILE = "GP-NODE-FILE", Malformed,
        "The file is none that a node takes, or it is damaged or cut off.",
        "Give what the message names; where it was meant to be one of these, ask for it again, unchanged.";
    NODE_VISA = "GP-NODE-VISA", Usage,
        "A visa was given to a node, which has no use for it.",
        "Its holder runs `gridpass visa accept FILE` and `gridpass visa present ROLE --to CHANNEL --for 30d -o SHOWN`; then `gridpass node add SHOWN`.";
    NODE_FULL = "GP-NODE-FULL", Configuration,
        "The node keeps as much of this as it ever does.",
        "Remove from its folder what is not needed any more.";
    NODE_NETWORK = "GP-NODE-NETWORK", Network,
        "The node cannot listen where it is told to.",
        "Another program may use the port: change `listen` in the configuration, or stop that program.";
    NODE_NOT_RUNNING = "GP-NODE-NOT-RUNNING", Network,
        "No node answers for this profile.",
        "Start it with `gridpass node run`, and call this again.";
    NODE_SILENT = "GP-NODE-SILENT", Indeterminate,
        "Nothing is heard in a channel, and of those who read it only peers of one participant are connected, or none.",
        "Ask others whether the channel is quiet; name peers of more than one operator under `peers` in the configuration.";
    NODE_BUSY = "GP-NODE-BUSY", Timeout passes,
        "The node has as much to do as it takes on.",
        "Call again in a moment.";
    NODE_REQUEST = "GP-NODE-REQUEST", Usage,
        "The node does not understand what it was asked, or cannot do it.",
        "Correct what the message names, and ask again: what a command takes its --help says, and what a node takes, spec/control.md.";
    NODE_STARTING = "GP-NODE-STARTING", Locked passes,
        "A node starts or ends in this folder, or another program has its store: nothing was changed.",
        "Call again in a moment, when the node answers.";
    PAYLOAD_FORGOTTEN = "GP-PAYLOAD-FORGOTTEN", Expired,
        "The node does not keep what the message says any more.",
        "Ask its sender, or whoever keeps a bundle with it; the channel's retention says for how long payloads are kept.";
    NODE_NUMBER = "GP-NODE-NUMBER", Conflict,
        "The number is greater than the last one of the node's log: it is of another log, such as one from before the store was made anew.",
        "Begin at 0; the ids of the messages tell which you had.";
    NODE_REFERENCE = "GP-NODE-REF", Conflict,
        "The `ref` was given to another message in this channel, which was sent: this one was not.",
        "Give every message a `ref` of its own, and the same one only to send the same message again.";
    CLOCK_MOVED = "GP-CLOCK-MOVED", Configuration,
        "The machine's clock was just set forward, by more than the channel lets clocks differ.",
        "Set it right; where it is right now (it was wrong when the node started, or the machine slept), send again in five minutes, or start the node again.";
    NODE_CLOCK_BEHIND = "GP-NODE-CLOCK-BEHIND", Configuration,
        "The machine's clock is behind: messages of several senders are dated ahead of it, and are taken only when their time has come here.",
        "Set it right, and see that it is kept so (NTP): what was left aside is asked for again at once.";
    CHAIN_AHEAD = "GP-CHAIN-AHEAD", Conflict,
        "The node's last message in the channel is dated ahead: it was sent when its clock was wrong.",
        "Wait until the time that the message names, or send with a node of another key: `gridpass id new --node`.";
    NODE_TICKET = "GP-NODE-TICKET", Malformed,
        "The text is not a join ticket.",
        "Copy the whole line that `gridpass node invite` printed.";
    NO_PRESENTATION = "GP-NO-PRESENTATION", Configuration,
        "The node has no presentation for this channel that counts.",
        "The participant runs `gridpass visa present ROLE --to CHANNEL --for 30d -o FILE`; then `gridpass node add FILE`.";
    RIGHT_ENDS = "GP-RIGHT-ENDS", Indeterminate,
        "What the node shows for itself ends soon: its authorisation, a presentation, or a visa in one.",
        "Make it anew before that, and `gridpass node add` it: from then on nothing comes any more. `next` says how.";
    NO_TOPIC = "GP-NO-TOPIC", NotFound,
        "The channel has no such topic, or no version of it that counts.",
        "`gridpass channel show` lists topics and versions.";
    NO_ANSWER = "GP-NO-ANSWER", Timeout,
        "Nobody answered in time.",
        "See later with `gridpass listen`; `gridpass receipts` says who has the message.";
    NOT_DURABLE = "GP-NOT-DURABLE", Configuration,
        "The message could not be kept, and was not sent.",
        "See the message: mostly a full disk. Make room and send again; where the node ended, start it first: `gridpass node run`. Nothing that was acknowledged is lost.";
    MAY_BE_KEPT = "GP-MAY-BE-KEPT", Indeterminate,
        "The disk failed while the message was written: nobody can tell whether it was kept. If it was, it is sent when the node runs again.",
        "Start the node again (`gridpass node run`), look whether `gridpass outbox` has it, and repeat it with the same --ref; without one only where it is not there.";
    SYNC_BUSY = "GP-SYNC-BUSY", Timeout passes,
        "The peer works on as much for the asker as it does for one.",
        "Nothing: it is asked again, or another is.";
    CONTENT_KIND = "GP-CONTENT-KIND", Malformed,
        "The document is none that is published: anybody could have it from then on.",
        "Publish role definitions, charters and trust packs; give everything else to those who need it.";
    CONTENT_NOT_FOUND = "GP-CONTENT-NOT-FOUND", NotFound,
        "Nobody who was asked has a document of this CID.",
        "`gridpass ipfs status` says who is asked; connect with somebody who has it, or name a Kubo node with --kubo.";
    // Files
    FILE_MALFORMED = "GP-FILE-MALFORMED", Malformed,
        "The bytes are not a manifest, a list of blocks, or a reference to a file.",
        "Nothing: whoever made them has to make them as spec/files.md says.";
    FILE_TOO_LONG = "GP-FILE-TOO-LONG", Usage,
        "The file has more bytes than one file may have.",
        "Split it, and send its parts.";
    FILE_DAMAGED = "GP-FILE-DAMAGED", Failed,
        "A block of the file is not as it was sent: damaged on disk, or sealed with another key.",
        "`gridpass file fetch` gets again what is damaged; if it stays so, ask the sender.";
    FILE_IO = "GP-FILE-IO", Configuration,
        "The operating system refused to read or write a part of the file.",
        "See the message: mostly permissions. When it is mended, `gridpass file resume` goes on where it stood.";
    FILE_FULL = "GP-FILE-FULL", Configuration,
        "There is no room on the disk for more of the file.",
        "Make room: the node looks again every few seconds, and goes on where it stood.";
    FILE_UNKNOWN = "GP-FILE-UNKNOWN", NotFound,
        "The node has no such file, or the message refers to none.",
        "`gridpass file status` lists the files; `gridpass inbox` the messages that refer to some.";
    FILE_SEALING = "GP-FILE-SEALING", Configuration,
        "The file is sealed where the channel is not, or plain where it is, or was made for another channel.",
        "Send it with `gridpass file send`, which asks the node how the channel is.";
    FILE_LATE = "GP-FILE-LATE", Timeout passes,
        "The file is not whole yet.",
        "The node goes on: `gridpass file status` says how far it is, and why it stands still.";
    FILE_PAUSED = "GP-FILE-PAUSED", Conflict,
        "The operator lets the file stand.",
        "`gridpass file resume` goes on with it; then fetch it again.";
    // Evidence bundles
    BUNDLE_MALFORMED = "GP-BUNDLE-MALFORMED", Malformed,
        "The file is no evidence bundle in its one form: cut off, out of order, or with blocks that nothing lists.",
        "Ask the exporter for it again; compare the SHA-256 of both files.";
    BUNDLE_VERSION = "GP-BUNDLE-VERSION", Malformed,
        "The evidence bundle is of a version that this one does not know.",
        "Verify it with a newer Gridpass.";
    BUNDLE_BLOCK = "GP-BUNDLE-BLOCK", Failed,
        "A block of the evidence bundle was altered: its bytes hash to another name.",
        "Do not rely on the file; ask the exporter for it again.";
    BUNDLE_PART_MISSING = "GP-BUNDLE-PART-MISSING", Indeterminate,
        "Something that is needed to decide is not in the evidence bundle.",
        "Ask the exporter, or another participant, for a bundle with it.";
    BUNDLE_INTACT = "GP-BUNDLE-INTACT", Ok,
        "The part is in its one form, and hashes to the name by which others refer to it.",
        "Nothing to do.";
    BUNDLE_SIGNED = "GP-BUNDLE-SIGNED", Ok,
        "The exporter signed the manifest of the evidence bundle.",
        "Nothing to do.";
    BUNDLE_EXPORTER = "GP-BUNDLE-EXPORTER", Failed,
        "The manifest of the evidence bundle is not signed by the participant that it names, or its node.",
        "Messages still prove themselves; do not believe what the bundle says was recorded.";
    BUNDLE_FRAMEWORK = "GP-BUNDLE-FRAMEWORK", Untrusted,
        "The evidence bundle belongs to another trust framework than the trust pack.",
        "Verify it with the trust pack of its framework, obtained from its signers and not with the bundle.";
    BUNDLE_RECORD = "GP-BUNDLE-RECORD", Failed,
        "What the exporter says that it wrote down contradicts itself: its times, or its numbers.",
        "Ask the exporter, and others for their bundles of the same: one of the times is not true.";
    BUNDLE_SELECTION = "GP-BUNDLE-SELECTION", Failed,
        "A message in the evidence bundle is none of those that it says it is of, or stands there twice.",
        "Ask the exporter for a bundle of the right selection.";
    BUNDLE_FORK = "GP-BUNDLE-FORK", Failed,
        "What the evidence bundle gives as proof that a sender contradicts itself proves nothing.",
        "Do not hold it against the sender; ask the exporter.";
    FACTS_CONFIRMED = "GP-FACTS-CONFIRMED", Ok,
        "What was recorded was established again from its evidence.",
        "Nothing to do.";
    FACTS_DIFFER = "GP-FACTS-DIFFER", Failed,
        "The evidence contradicts what was recorded.",
        "Do not rely on the decision; ask the exporter how it came to it.";
    FACTS_OPEN = "GP-FACTS-OPEN", Indeterminate,
        "What was recorded does not follow from the evidence at hand, and is not contradicted by it.",
        "Ask other participants for their bundles, and compare with `gridpass audit diff`.";
    CHARTER_AHEAD = "GP-CHARTER-AHEAD", Indeterminate,
        "It was decided by a charter that the trust pack does not have.",
        "Get the framework's newer trust pack from its signers, and verify again.";
    REVOKED_UNHEARD = "GP-REVOKED-UNHEARD", Ok,
        "A visa or authorisation was revoked or suspended when the message was decided, and the list that says so was not read.",
        "Compare with the channel's maxStatusAgeSeconds: within it, the decision was right.";
    CHARTER_UNHEARD = "GP-CHARTER-UNHEARD", Ok,
        "A newer charter was dated before the decision, and by it a visa of the sender did not count; the exporter went by an older one.",
        "Ask the exporter when it heard of the newer charter: by that one it might have decided otherwise.";
    PAYLOAD_WITHHELD = "GP-PAYLOAD-WITHHELD", Ok,
        "The payload is not in the evidence bundle; the hash of it was signed.",
        "Ask for the payload and compare its hash, if you need to see it.";
    SEQUENCE_KEPT = "GP-SEQUENCE-KEPT", Ok,
        "The message stands in its place among those of its sender.",
        "Nothing to do.";
    NOTHING_ASKED = "GP-NOTHING-ASKED", Ok,
        "There is nothing of this kind to verify.",
        "Nothing to do.";
    RECEIPT_HOLDS = "GP-RECEIPT-HOLDS", Ok,
        "A receipt is signed by the recipient or its node, and speaks of the message.",
        "Nothing to do.";
    RECEIPT_UNLINKED = "GP-RECEIPT-UNLINKED", Ok,
        "A receipt speaks of a message with this number, and what lies between it and the message that the receipt names is not in the bundle.",
        "Do not count it for this message; ask for a bundle with the messages up to the one that the receipt names.";
    RECEIPT_DIFFERS = "GP-RECEIPT-DIFFERS", Ok,
        "A recipient's receipts say both that a message was refused and that it was taken, or otherwise than its own record.",
        "Ask the recipient: its nodes may have decided otherwise, each by what it knew.";
    RECEIPT_NONE = "GP-RECEIPT-NONE", Ok,
        "Nobody's receipt for the message is there.",
        "Ask its recipients for their bundles, if it matters whether they had it.";
    // The log
    LOG_DAMAGED = "GP-LOG-DAMAGED", Failed,
        "Records of the log are lost, or may be: a place whose checksum does not fit, a file or an end that is gone, a record that cannot be read, the store of a wallet that was restored, a store that is not the one that the node had last.",
        "Copy the folder before anything else; `gridpass node check` names each place. Connect a peer: others may still have the messages.";
    LOG_TORN = "GP-LOG-TORN", Ok,
        "The log ended in bytes that are no record: mostly a write that was cut off before it was acknowledged.",
        "They are kept beside; if the machine did not stop just before, treat it as damage.";
    LOG_MANY_FILES = "GP-LOG-MANY-FILES", Indeterminate,
        "The log has as many closed files as a node closes early: payloads that are over stay until the open one is full.",
        "It is closed at 64 MiB, and they are forgotten then. If they must go before: export what is needed as evidence, `gridpass node stop`, move `store` out of the node's folder, and start it while its peers run: it learns from them what it sent.";
    DISK_SHORT = "GP-DISK-SHORT", Indeterminate,
        "Less than 512 MiB of the node's disk are left: what is over is forgotten at once, and soon no files are fetched.",
        "Make room on the disk, or give up files with `gridpass file remove`; where it is full nothing that comes is kept.";
    LOG_VERSION = "GP-LOG-VERSION", Malformed,
        "The log, or a record in it, is of a version that is not known.",
        "Open it with the version of Gridpass that wrote it.";
    LOG_IN_USE = "GP-LOG-IN-USE", Locked,
        "The log is open already, in another process or in this one.",
        "Stop the node that has it; two must never write one log.";
    LOG_IO = "GP-LOG-IO", Configuration,
        "The operating system refused to read or write the log.",
        "See the message: mostly a full disk, or permissions. Mend that; where the node ended, start it again with `gridpass node run`. Nothing that was acknowledged is lost.";
}

gridpass_identity::coded!(
    crate::bundle::BundleError,
    crate::bundle::PayloadError,
    crate::content::ContentError,
    crate::envelope::EnvelopeError,
    crate::files::FileError,
    crate::log::LogError,
    crate::net::NetworkError,
    crate::node::ExportError,
    crate::node::MaterialError,
    crate::node::NodeError,
    crate::node::TicketError,
    crate::receipt::ReceiptError,
    crate::sealing::SealingError,
    crate::store::StoreError,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_by_its_name_whichever_crate_it_is_of() {
        let of_each = [
            gridpass_identity::codes::SIGNATURE_INVALID,
            gridpass_credentials::codes::VISA_REVOKED,
            gridpass_policy::codes::POLICY_UNMET,
            NOT_DURABLE,
        ];
        for code in of_each {
            assert_eq!(find(code.id()), Some(code));
        }
        assert_eq!(find("GP-OF-A-LATER-VERSION"), None);
    }
}
