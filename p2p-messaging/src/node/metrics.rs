//! The node's figures, for Prometheus.

use crate::checking::{Checked, Verdict};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    verdict: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    channel: String,
}

/// The figures.
pub(crate) struct Metrics {
    registry: Registry,
    checked: Family<Outcome, Counter>,
    kept: Counter,
    failed: Counter,
    /// The last group was not kept.
    failing: AtomicBool,
    sent: Counter,
    receipts: Counter,
    blocked: Counter,
    verified: Counter,
    waiting: Gauge,
    peers: Gauge,
    log_bytes: Gauge,
    silent: Gauge,
    without_right: Gauge,
    authorised_until: Gauge,
    presentation_until: Family<OfChannel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("gridpass"),
            checked: Family::default(),
            kept: Counter::default(),
            failed: Counter::default(),
            failing: AtomicBool::new(false),
            sent: Counter::default(),
            receipts: Counter::default(),
            blocked: Counter::default(),
            verified: Counter::default(),
            waiting: Gauge::default(),
            peers: Gauge::default(),
            log_bytes: Gauge::default(),
            silent: Gauge::default(),
            without_right: Gauge::default(),
            authorised_until: Gauge::default(),
            presentation_until: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("checked", "Envelopes checked, by verdict", metrics.checked.clone());
        registry.register("kept", "Records made durable", metrics.kept.clone());
        registry.register("commit_failures", "Groups not kept", metrics.failed.clone());
        registry.register("sent", "Own messages sent", metrics.sent.clone());
        registry.register("receipts", "Receipts taken", metrics.receipts.clone());
        registry.register("blocked_peers", "Peers shut out", metrics.blocked.clone());
        let help = "Presentations verified, with the authorisation of a node where one speaks";
        registry.register("presentations_verified", help, metrics.verified.clone());
        registry.register("waiting", "Envelopes that wait", metrics.waiting.clone());
        registry.register("peers", "Peers connected", metrics.peers.clone());
        registry.register("log_bytes", "Size of the log", metrics.log_bytes.clone());
        let help = "Channels in which nothing is heard, with readers of one participant or none";
        registry.register("silent_channels", help, metrics.silent.clone());
        let help = "Channels that this node may not read, or of which that cannot be said";
        registry.register("channels_without_right", help, metrics.without_right.clone());
        let help = "Until when the node is authorised, in seconds since 1970; 0 where it is not";
        registry.register("authorised_until_seconds", help, metrics.authorised_until.clone());
        let help = "Until when the presentation for a channel counts, in seconds since 1970";
        registry.register("presentation_until_seconds", help, metrics.presentation_until.clone());
        metrics
    }
}

impl Metrics {
    pub(super) fn checked(&self, checked: &Checked) {
        let verdict = match checked.verdict {
            Verdict::Admit => "admit",
            Verdict::Refuse => "refuse",
            Verdict::Wait => "wait",
            Verdict::Fault => "fault",
            Verdict::Ignore => "ignore",
        };
        self.checked.get_or_create(&Outcome { verdict, code: checked.code.id() }).inc();
    }

    pub(super) fn kept(&self, count: usize) {
        self.kept.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        self.failing.store(false, Ordering::Relaxed);
    }

    /// How large the log is now: what was kept is counted with it.
    pub(super) fn logged(&self, bytes: u64) {
        self.log_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn failed(&self) {
        self.failed.inc();
        self.failing.store(true, Ordering::Relaxed);
    }

    /// Whether the last group was kept.
    pub(super) fn keeps(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }

    pub(super) fn sent(&self) {
        self.sent.inc();
    }

    pub(super) fn receipt(&self) {
        self.receipts.inc();
    }

    pub(super) fn blocked(&self) {
        self.blocked.inc();
    }

    pub(super) fn state(&self, waiting: usize, peers: usize) {
        let small = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.waiting.set(small(waiting));
        self.peers.set(small(peers));
    }

    /// So many presentations were verified since it began.
    pub(super) fn verified(&self, presentations: u64) {
        self.verified.inner().store(presentations, Ordering::Relaxed);
    }

    pub(super) fn silent(&self, channels: usize) {
        self.silent.set(i64::try_from(channels).unwrap_or(i64::MAX));
    }

    pub(super) fn without_right(&self, channels: usize) {
        self.without_right.set(i64::try_from(channels).unwrap_or(i64::MAX));
    }

    /// Until when the node is authorised, and may show what it has for each channel.
    pub(super) fn ends(
        &self,
        authorised: Option<UnixMillis>,
        presentations: &BTreeMap<&ContentId, UnixMillis>,
    ) {
        let seconds = |until: UnixMillis| i64::try_from(until.get() / 1000).unwrap_or(i64::MAX);
        self.authorised_until.set(authorised.map_or(0, seconds));
        // Of a channel that was left nothing is said any more.
        self.presentation_until.clear();
        for (channel, until) in presentations {
            let of = OfChannel { channel: channel.to_string() };
            self.presentation_until.get_or_create(&of).set(seconds(*until));
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_rights_end() {
        let (metrics, channel) = (Metrics::default(), ContentId::of_nothing());
        let until = UnixMillis::new(1_800_000_000_500);
        metrics.ends(Some(until), &BTreeMap::from([(&channel, until)]));
        let text = metrics.text();
        assert!(text.contains("gridpass_authorised_until_seconds 1800000000\n"), "{text}");
        let of = format!("gridpass_presentation_until_seconds{{channel=\"{channel}\"}} 1800000000");
        assert!(text.contains(&of), "{text}");
        metrics.ends(None, &BTreeMap::new());
        let text = metrics.text();
        assert!(text.contains("gridpass_authorised_until_seconds 0\n"), "{text}");
        assert!(!text.contains("gridpass_presentation_until_seconds{"), "it was left: {text}");
    }
}
