//! What a new channel begins with: the bounds that suit most channels, and nobody's right to anything.

use crate::channel::{
    ChannelDescriptor, FORMAT_VERSION, Indeterminate, MessageLimits, Mode, Retention, Sealing, TYPE,
};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleName;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;

impl ChannelDescriptor {
    /// The first version of a channel with the bounds that `gridpass channel new` writes where nothing
    /// else is asked for: broadcast, not sealed, messages that count for an hour at most and are kept
    /// for 30 days, and what cannot be decided is denied. It says of nobody that it may publish or
    /// subscribe and has no topic: both are added before it is signed, or it is refused.
    #[must_use]
    pub fn first(
        name: RoleName,
        title: &str,
        owner: Did,
        framework: ContentId,
        dated: UnixMillis,
    ) -> Self {
        const HOUR: u64 = 3600;
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            framework,
            name,
            version: 1,
            previous: None,
            dated,
            owner,
            title: title.to_owned(),
            mode: Mode::Broadcast,
            publish: Vec::new(),
            subscribe: Vec::new(),
            keep: Vec::new(),
            topics: Vec::new(),
            sealing: Sealing::None,
            retention: Retention { seconds: 30 * 24 * HOUR, history: false },
            receipts: false,
            limits: MessageLimits {
                max_payload_bytes: 65536,
                max_messages_per_minute: 60,
                max_lifetime_seconds: HOUR,
                max_recipients: 16,
            },
            max_status_age_seconds: 24 * HOUR,
            clock_skew_seconds: 30,
            indeterminate: Indeterminate::Deny,
            terms: None,
        }
    }
}
