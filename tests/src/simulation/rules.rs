//! The numbers by which a node behaves beside its checking core, copied from where they stand, since
//! most are private to the node. Those that can be seen from outside are held against the code below.

/// gossipsub's heartbeat, `net/behaviour.rs`; the node's own tick is as long.
pub const TICK_MILLIS: u64 = 1_000;
/// gossipsub 0.50's `mesh_n`, which the node leaves as it is.
pub const MESH: usize = 6;
/// `mesh_n_low`: with fewer, others are taken in.
pub const MESH_LOW: usize = 5;
/// `mesh_n_high`: from so many on, some are sent away, and nobody else who dialled is let in.
pub const MESH_HIGH: usize = 12;
/// `mesh_outbound_min`: so many of the mesh are peers that the node dialled itself.
pub const MESH_OUTBOUND: usize = 2;
/// `retain_scores`: the best are not sent away.
pub const MESH_BEST: usize = 4;
/// `prune_backoff`.
pub const BACKOFF_MILLIS: u64 = 60_000;
/// `opportunistic_graft_ticks`, and how many are taken in then.
pub const BETTER_TICKS: u64 = 60;
/// `opportunistic_graft_peers`.
pub const BETTER: usize = 2;
/// `opportunistic_graft_threshold`.
pub const BETTER_BELOW: f64 = 20.0;
/// `gossip_lazy`: at least so many outside the mesh are told what there is.
pub const LAZY: usize = 6;
/// `gossip_factor`: or a quarter of them.
pub const LAZY_PART: usize = 4;
/// `history_gossip`: heartbeats for which others are told of a message.
pub const TOLD_TICKS: u64 = 3;
/// `history_length`: heartbeats for which it can be asked for.
pub const HELD_TICKS: u64 = 5;
/// `iwant_followup_time`.
pub const WANTED_MILLIS: u64 = 3_000;
/// The node's `duplicate_cache_time`.
pub const SEEN_MILLIS: u64 = 120_000;
/// The node's `connection_handler_queue_len`.
pub const QUEUE: u32 = 512;
/// `gossip_threshold`, `publish_threshold` and `graylist_threshold` of the node.
pub const GOSSIP_ABOVE: f64 = -10.0;
/// The node's `publish_threshold`.
pub const PUBLISH_ABOVE: f64 = -40.0;
/// What is at fault costs this times the square of how many: P4 of the node's topics.
pub const INVALID: f64 = -10.0;

/// `FAULT` of `node/peers/conduct.rs`.
pub const FAULT: f64 = 30.0;
/// `UNHELPFUL` of `node/peers/conduct.rs`.
pub const UNHELPFUL: f64 = 0.2;
/// `BLOCK_MILLIS` of `node/peers/conduct.rs`.
pub const BLOCK_MILLIS: u64 = 600_000;
/// `IDLE_MILLIS` of `node/peers/conduct.rs`.
pub const IDLE_MILLIS: u64 = 60_000;
/// `SHUT_BELOW` of `node/peers/accounts.rs`.
pub const SHUT_BELOW: f64 = -200.0;
/// `MAX_DENIED` of `node/peers/accounts.rs`.
pub const MAX_DENIED: f64 = 400.0;
/// `DENIED_FORGOTTEN` of `node/peers/accounts.rs`: how many of them a second.
pub const DENIED_FORGOTTEN: f64 = 2.0 / 60.0;
/// `BROKEN` of `node/peers/promises.rs`.
pub const BROKEN: f64 = 5.0;
/// `MOST_SAID` of `node/peers/promises.rs`.
pub const BROKEN_MOST: u32 = 6;
/// `MOST_SILENT` of `node/peers/promises.rs`.
pub const BROKEN_MOST_SILENT: u32 = 3;
/// `TOGETHER_MILLIS` of `node/peers/promises.rs`.
pub const TOGETHER_MILLIS: u64 = 5_000;
/// `FORGOTTEN_MILLIS` of `node/peers/promises.rs`.
pub const FORGOTTEN_MILLIS: u64 = 60_000;
/// `LOOK_AGAIN_MILLIS` of `node/peers/promises.rs`.
pub const LOOK_AGAIN_MILLIS: u64 = 10_000;
/// `ROUNDS` of `node/rounds.rs`: of so many all but one go to peers that read.
pub const ROUNDS: usize = 4;
/// How much of a score is left after a second, there and for the marks of gossip.
pub const FORGETS: f64 = 0.99;
/// `UNREPORTED_MILLIS` of `node/worker.rs`: later gossip does not pass on what waited.
pub const UNREPORTED_MILLIS: u64 = 4_000;
/// `catch_up_seconds` of the node's settings.
pub const CATCH_UP_TICKS: u64 = 10;
/// `HOPELESS_MILLIS` of `node/catch_up.rs`.
pub const HOPELESS_MILLIS: u64 = 600_000;
/// `MAX_RANGES` of `node/catch_up.rs`.
pub const MAX_RANGES: usize = 1024;
/// `MAX_HOLES` of `node/catch_up.rs`.
pub const MAX_HOLES: usize = 16;
/// `MAX_PAGE` of `sync/wire.rs`.
pub const MAX_PAGE: usize = 1024 * 1024;
/// The request timeout of `net/behaviour.rs`.
pub const REQUEST_MILLIS: u64 = 20_000;
/// `MAX_FETCHES` of `node/fetch.rs`.
pub const MAX_FETCHES: usize = 1024;
/// `MAX_TRIES` of `node/fetch.rs`.
pub const MAX_TRIES: usize = 4;
/// `FETCH_MILLIS` of `node/fetch.rs`.
pub const FETCH_MILLIS: u64 = 30_000;
/// `EVIDENCE_MILLIS` of `node/fetch.rs`.
pub const EVIDENCE_MILLIS: u64 = 5_000;
/// `max_peers` of the network's settings: from three quarters on room is made.
pub const MAX_PEERS: usize = 128;
/// `max_peers` times `max_connections_per_peer`: what `net/behaviour.rs` refuses more than. With one
/// connection each, so many peers.
pub const MAX_CONNECTIONS: usize = 512;
/// `max_peers_per_participant` of the network's settings.
pub const MAX_NODES: usize = 16;
/// How many of those without use make room at once, `node/peers/conduct.rs`.
pub const MAKE_ROOM: usize = 4;
/// Dialled again after so long, twice as long each time, `net/book.rs`.
pub const DIAL_FIRST: u64 = 500;
/// And at most so long.
pub const DIAL_LAST: u64 = 60_000;
/// Half of `wanted_peers` of the network's settings: each dials so many, and is dialled by as many.
pub const DIALLED: usize = 8;
/// Ping's interval and timeout of `net/behaviour.rs`: then a connection that fell silent is closed.
pub const SILENT_MILLIS: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_messaging::net::NetworkSettings;
    use gridpass_messaging::node::NodeSettings;
    use libp2p::gossipsub;

    #[test]
    fn the_numbers_are_those_of_the_node_and_of_gossipsub() {
        let network = NetworkSettings::default();
        assert_eq!(network.max_peers as usize, MAX_PEERS);
        assert_eq!(network.max_peers_per_participant as usize, MAX_NODES);
        let connections = network.max_peers * network.max_connections_per_peer;
        assert_eq!(connections as usize, MAX_CONNECTIONS);
        assert_eq!(network.wanted_peers as usize, 2 * DIALLED);
        assert_eq!(NodeSettings::default().catch_up_seconds, CATCH_UP_TICKS);
        assert_eq!(gridpass_messaging::sync::MAX_PAGE, MAX_PAGE);
        let gossip = gossipsub::Config::default();
        let mesh = [gossip.mesh_n(), gossip.mesh_n_low(), gossip.mesh_n_high()];
        assert_eq!(mesh, [MESH, MESH_LOW, MESH_HIGH]);
        assert_eq!(gossip.mesh_outbound_min(), MESH_OUTBOUND);
        assert_eq!(gossip.retain_scores(), MESH_BEST);
        assert_eq!(gossip.gossip_lazy(), LAZY);
        assert_eq!(gossip.gossip_factor() * LAZY_PART as f64, 1.0);
        assert_eq!(
            (gossip.history_gossip() as u64, gossip.history_length() as u64),
            (TOLD_TICKS, HELD_TICKS)
        );
        assert_eq!(gossip.prune_backoff().as_millis() as u64, BACKOFF_MILLIS);
        assert_eq!(gossip.opportunistic_graft_ticks(), BETTER_TICKS);
        assert_eq!(gossip.opportunistic_graft_peers(), BETTER);
        let thresholds = gossipsub::PeerScoreThresholds::default();
        assert_eq!(thresholds.opportunistic_graft_threshold, BETTER_BELOW);
    }
}
