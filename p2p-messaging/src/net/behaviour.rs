//! The swarm: transports, behaviours and their limits. Every setting that differs from libp2p's
//! default says why.

use super::codec::{SYNC, SyncCodec};
use super::gate::Gated;
use super::pending::Pending;
use super::settings::NetworkSettings;
use super::streams::Streams;
use crate::envelope::MAX_WIRE;
use gridpass_identity::key::{KeyError, KeyType, SecretKey};
use libp2p::allow_block_list::{self, AllowedPeers, BlockedPeers};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{
    StreamProtocol, SwarmBuilder, autonat, connection_limits, dcutr, gossipsub, identify, kad,
    mdns, memory_connection_limits, noise, ping, relay, request_response, tcp, yamux,
};
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// All behaviours of a node.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    connections: connection_limits::Behaviour,
    pending: Pending,
    memory: Toggle<memory_connection_limits::Behaviour>,
    pub(super) blocked: allow_block_list::Behaviour<BlockedPeers>,
    allowed: Toggle<allow_block_list::Behaviour<AllowedPeers>>,
    pub(super) gossip: Gated,
    pub(super) sync: request_response::Behaviour<SyncCodec>,
    pub(super) streams: Streams,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) kad: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    relay_client: relay::client::Behaviour,
    relay: Toggle<relay::Behaviour>,
    dcutr: dcutr::Behaviour,
    autonat: Toggle<autonat::Behaviour>,
}

/// The score of a peer below which it is told and believed nothing.
pub const GRAYLIST: f64 = -80.0;

/// The name that gossip knows a message by: the hash of topic and all bytes, so that nobody can send
/// other bytes under the name of a message that has not come.
#[must_use]
pub fn gossip_id(topic: &str, wire: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(u64::try_from(topic.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(topic.as_bytes());
    hash.update(wire);
    let mut id = hash.finalize().to_vec();
    id.truncate(20);
    id
}

/// The most bytes of subscriptions and control messages that one RPC brings.
const MAX_CONTROL: usize = 64 * 1024;

/// How gossip works.
pub(super) fn gossip_config() -> Result<gossipsub::Config, String> {
    gossipsub::ConfigBuilder::default()
        // The first after 5 s would leave a node that just started without a mesh.
        .heartbeat_initial_delay(Duration::from_millis(100))
        .heartbeat_interval(Duration::from_secs(1))
        // Nothing is passed on before the checking core said so.
        .validate_messages()
        // The envelope's signature is the authentication.
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|m| gossip_id(m.topic.as_str(), &m.data).into())
        .max_transmit_size(MAX_WIRE.saturating_add(1024))
        // All that a node subscribes to is said at once; 16 KiB are for some two hundred topics.
        .max_control_message_size(MAX_CONTROL)
        // 5,000 would be gigabytes for one slow peer; catching up brings what is dropped.
        .connection_handler_queue_len(512)
        .duplicate_cache_time(Duration::from_secs(120))
        .flood_publish(true)
        .build()
        .map_err(|e| e.to_string())
}

/// How peers are scored. What is at fault whoever looks counts (P4); how much a peer delivers does
/// not (P3), since channels are quiet for hours.
#[must_use]
pub(super) fn topic_scores() -> gossipsub::TopicScoreParams {
    gossipsub::TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 300.0,
        first_message_deliveries_weight: 0.05,
        first_message_deliveries_decay: 0.9,
        first_message_deliveries_cap: 100.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Times the square of how many: the third is the last.
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: 0.99,
        ..gossipsub::TopicScoreParams::default()
    }
}

pub(super) fn scores() -> (gossipsub::PeerScoreParams, gossipsub::PeerScoreThresholds) {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let params = gossipsub::PeerScoreParams {
        app_specific_weight: 1.0,
        // Several nodes of a site share an address.
        ip_colocation_factor_threshold: 32.0,
        ip_colocation_factor_whitelist: loopback.into(),
        decay_interval: Duration::from_secs(1),
        // To whom too much was sent at once is told so, and catches up: it did nothing wrong.
        slow_peer_weight: 0.0,
        ..gossipsub::PeerScoreParams::default()
    };
    let thresholds = gossipsub::PeerScoreThresholds {
        gossip_threshold: -10.0,
        publish_threshold: -40.0,
        graylist_threshold: GRAYLIST,
        ..gossipsub::PeerScoreThresholds::default()
    };
    (params, thresholds)
}

/// The node's key as libp2p has it.
///
/// # Errors
/// [`KeyError::Unsuitable`] for a key that is not Ed25519.
pub fn keypair(key: &SecretKey) -> Result<libp2p::identity::Keypair, KeyError> {
    // The secrets of all types have 32 bytes: another's would make the peer id of nobody.
    let found = key.key_type();
    if found != KeyType::Ed25519 {
        return Err(KeyError::Unsuitable { found, asked: "be a node's" });
    }
    let mut seed = zeroize::Zeroizing::new(key.to_secret_bytes().expose_secret().to_vec());
    libp2p::identity::Keypair::ed25519_from_bytes(seed.as_mut_slice())
        .map_err(|_| KeyError::Malformed("not the bytes of an Ed25519 key"))
}

/// Builds the swarm of a node.
///
/// # Errors
/// A sentence: a key that is not Ed25519, or a transport that cannot be had.
pub(super) fn build(
    keypair: libp2p::identity::Keypair,
    settings: &NetworkSettings,
    streams: Streams,
) -> Result<Swarm<Behaviour>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|e| text(&e))?
        .with_quic()
        .with_dns()
        .map_err(|e| text(&e))?
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .map_err(|e| text(&e))?
        .with_behaviour(|key, relay_client| behaviour(key, relay_client, settings, streams))
        .map_err(|e| text(&e))?
        // Ten seconds would part those who have little to say.
        .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(120)))
        .build();
    Ok(swarm)
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

fn behaviour(
    key: &libp2p::identity::Keypair,
    relay_client: relay::client::Behaviour,
    settings: &NetworkSettings,
    streams: Streams,
) -> Result<Behaviour, Boxed> {
    let me = key.public().to_peer_id();
    // Else few peers with many connections would take all of them. How many others begin at once is
    // bound for each address too.
    let max = settings.max_peers.saturating_mul(settings.max_connections_per_peer);
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_outgoing(Some(settings.max_peers))
        .with_max_established(Some(max))
        .with_max_established_per_peer(Some(settings.max_connections_per_peer));
    let mut blocked = allow_block_list::Behaviour::<BlockedPeers>::default();
    for peer in settings.block.iter().filter_map(super::peer_of) {
        blocked.block_peer(peer);
    }
    let allowed = (!settings.allow.is_empty()).then(|| {
        let mut allowed = allow_block_list::Behaviour::<AllowedPeers>::default();
        for peer in settings.allow.iter().filter_map(super::peer_of) {
            allowed.allow_peer(peer);
        }
        allowed
    });
    let memory = usize::try_from(settings.max_memory_mib.saturating_mul(1024 * 1024))
        .ok()
        .filter(|bytes| *bytes > 0)
        .map(memory_connection_limits::Behaviour::with_max_bytes);
    let sync_config = request_response::Config::default()
        .with_request_timeout(Duration::from_secs(20))
        .with_max_concurrent_streams(64);
    let sync = request_response::Behaviour::with_codec(
        SyncCodec,
        [(SYNC, request_response::ProtocolSupport::Full)],
        sync_config,
    );
    let identify = identify::Config::new("/gridpass/1".into(), key.public())
        .with_agent_version(format!("gridpass/{}", env!("CARGO_PKG_VERSION")))
        // A place at a relay comes after the connection with it: others would hear of it late.
        .with_push_listen_addr_updates(true);
    let kad = settings.discover.then(|| {
        let mut config = kad::Config::new(StreamProtocol::new("/gridpass/kad/1"));
        config.set_periodic_bootstrap_interval(Some(Duration::from_secs(300)));
        config.set_record_filtering(kad::StoreInserts::FilterBoth);
        let store = kad::store::MemoryStore::new(me);
        let mut kad = kad::Behaviour::with_config(me, store, config);
        // Peers are looked for; nothing is stored for anybody.
        kad.set_mode(Some(kad::Mode::Server));
        kad
    });
    let mdns = match settings.lan {
        true => Some(mdns::tokio::Behaviour::new(mdns::Config::default(), me)?),
        false => None,
    };
    let relay = settings.relay.then(|| {
        let config = relay::Config {
            // Two minutes and 128 KiB are for a handshake; a node behind NAT lives on it.
            max_circuit_duration: Duration::from_secs(3600),
            max_circuit_bytes: 64 * 1024 * 1024,
            max_circuits: 128,
            // Four would be four peers of a node that is reached through it alone.
            max_circuits_per_peer: 16,
            ..relay::Config::default()
        };
        relay::Behaviour::new(me, config)
    });
    let autonat =
        settings.discover.then(|| autonat::Behaviour::new(me, autonat::Config::default()));
    Ok(Behaviour {
        connections: connection_limits::Behaviour::new(limits),
        pending: Pending::new(settings),
        memory: memory.into(),
        blocked,
        allowed: allowed.into(),
        gossip: Gated::new(gossip_config()?, scores())?,
        sync,
        streams,
        identify: identify::Behaviour::new(identify),
        // A connection that fell silent is found out within a minute.
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(Duration::from_secs(10))
                .with_timeout(Duration::from_secs(10)),
        ),
        kad: kad.into(),
        mdns: mdns.into(),
        relay_client,
        relay: relay.into(),
        dcutr: dcutr::Behaviour::new(me),
        autonat: autonat.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_ed25519_is_no_nodes() {
        let of = |key_type| SecretKey::from_bytes(key_type, &[7; 32]).expect("a key");
        let key = of(KeyType::Ed25519);
        let peer = keypair(&key).expect("a pair").public().to_peer_id();
        assert_eq!(crate::net::key_of(&peer), Some(key.public_key()));
        for found in [KeyType::P256, KeyType::X25519] {
            let error = keypair(&of(found)).expect_err("another type");
            assert_eq!(error, KeyError::Unsuitable { found, asked: "be a node's" });
            assert_eq!(error.code(), gridpass_identity::codes::KEY_TYPE_UNSUITABLE);
        }
    }
}
