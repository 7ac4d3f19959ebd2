//! The configuration of a node: a TOML file in which everything has a default.

use crate::net::NetworkSettings;
use serde::{Deserialize, Serialize};

/// The node's configuration. The default is that of a machine for the node alone: a program that embeds one decides
/// about `network.listen` and `network.max_memory_mib`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct NodeSettings {
    /// The version of this file's format.
    pub version: u32,
    /// How often a peer is asked what it knows, in seconds.
    pub catch_up_seconds: u64,
    /// How long the payloads of a sealed channel are sealed with one key at most, in seconds; 84 hours at
    /// most.
    pub epoch_seconds: u64,
    /// The network.
    pub network: NetworkSettings,
    /// Figures.
    pub metrics: MetricsSettings,
    /// What it does where nobody is there who may know how far it has sent: said at the start, and in no file.
    #[serde(skip)]
    pub alone: Alone,
}

/// What a node does that is to send and meets nobody for ten seconds who may know how far it has sent. A number
/// that it gives twice is proof against it for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alone {
    /// It goes on behind what it has of its own, unless records of its log are lost.
    #[default]
    UnlessLost,
    /// It does not where it sent nothing with the store that it has: it may have had another one, as where its
    /// wallet was restored.
    Never,
    /// It does: who starts it answers for it that nobody has more of it than it has itself.
    Always,
}

/// Where figures are given to Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MetricsSettings {
    /// The address of an HTTP server with `/metrics` and `/ready`, such as 127.0.0.1:9480; empty for
    /// none.
    pub listen: String,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            version: 1,
            catch_up_seconds: 10,
            epoch_seconds: 24 * 3600,
            network: NetworkSettings::default(),
            metrics: MetricsSettings::default(),
            alone: Alone::default(),
        }
    }
}
