//! What an operator can set about the network, with its defaults.

use super::{peer_in, peer_of};
use gridpass_identity::did::Did;
use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};

/// The network of a node, as the configuration file has it under `[network]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct NetworkSettings {
    /// Where to listen. By default everywhere, `0.0.0.0` at port 4801: who can reach the machine can reach the node.
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach this node, where they are not those that it listens on.
    pub external: Vec<Multiaddr>,
    /// Peers to dial and keep in touch with, each address ending in `/p2p/…`.
    pub peers: Vec<Multiaddr>,
    /// Whether peers are looked for on the local network (mDNS).
    pub lan: bool,
    /// Whether peers are looked for through other peers (Kademlia).
    pub discover: bool,
    /// Whether this node carries connections for nodes that others do not reach. They are told of it
    /// at its `external` addresses or, where there are none, at those that it listens on.
    pub relay: bool,
    /// Relays through which others reach this node, each address ending in `/p2p/…`: it keeps in
    /// touch with them, and tells others its address at each.
    pub relays: Vec<Multiaddr>,
    /// The most peers.
    pub max_peers: u32,
    /// The most nodes of one participant, beside those that the operator named.
    pub max_peers_per_participant: u32,
    /// The most peers that do not say who they are and stay to have public documents by their CIDs,
    /// as a Kubo node does, beside those that the operator named.
    pub max_visitors: u32,
    /// The most connections with one peer.
    pub max_connections_per_peer: u32,
    /// Where given: only these nodes, by their did:key.
    pub allow: Vec<Did>,
    /// Never these nodes.
    pub block: Vec<Did>,
    /// How many peers discovery looks for.
    pub wanted_peers: u32,
    /// The most memory of the process, in MiB, over which no new connection is taken; 0 for no limit. All of the
    /// process counts: a large program that embeds a node, and leaves 4096 here, takes no peers, and says so in its status alone.
    pub max_memory_mib: u64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        let listen = ["/ip4/0.0.0.0/tcp/4801", "/ip4/0.0.0.0/udp/4801/quic-v1"];
        Self {
            listen: listen.into_iter().filter_map(|a| a.parse().ok()).collect(),
            external: Vec::new(),
            peers: Vec::new(),
            lan: false,
            discover: true,
            relay: false,
            relays: Vec::new(),
            max_peers: 128,
            max_peers_per_participant: 16,
            max_visitors: 16,
            max_connections_per_peer: 4,
            allow: Vec::new(),
            block: Vec::new(),
            wanted_peers: 16,
            max_memory_mib: 4096,
        }
    }
}

impl NetworkSettings {
    /// Names what would be passed over: an operator who set it would believe that it counts.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self) -> Result<(), String> {
        let addresses = [("peers", &self.peers), ("relays", &self.relays)];
        for (name, all) in addresses {
            if let Some(address) = all.iter().find(|a| peer_in(a).is_none()) {
                return Err(format!(
                    "network.{name}: {address} does not end in /p2p/ and a peer id"
                ));
            }
        }
        for (name, all) in [("allow", &self.allow), ("block", &self.block)] {
            if let Some(did) = all.iter().find(|did| peer_of(did).is_none()) {
                return Err(format!("network.{name}: {did} is no node: a did:key of Ed25519"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit;

    #[test]
    fn what_would_be_passed_over_is_named() {
        let node = test_kit::did_of(&test_kit::key(7)).did().clone();
        let peer = peer_of(&node).expect("a peer");
        let whole: Multiaddr = format!("/ip4/127.0.0.1/tcp/4801/p2p/{peer}").parse().expect("one");
        let cut: Multiaddr = "/ip4/127.0.0.1/tcp/4801".parse().expect("one");
        let web = Did::parse("did:web:dso.example").expect("a DID");
        let to = &whole;
        let of = |dids: &[&Did]| dids.iter().map(|d| (*d).clone()).collect::<Vec<Did>>();
        let good = NetworkSettings {
            peers: vec![to.clone()],
            relays: vec![to.clone()],
            allow: of(&[&node]),
            block: of(&[&node]),
            ..NetworkSettings::default()
        };
        assert_eq!(good.check(), Ok(()));
        let bad = [
            NetworkSettings { peers: vec![to.clone(), cut.clone()], ..good.clone() },
            NetworkSettings { relays: vec![cut], ..good.clone() },
            NetworkSettings { allow: of(&[&node, &web]), ..good.clone() },
            NetworkSettings { block: of(&[&web]), ..good },
        ];
        for (settings, name) in bad.iter().zip(["peers", "relays", "allow", "block"]) {
            let told = settings.check().expect_err(name);
            assert!(told.starts_with(&format!("network.{name}: ")), "{told}");
        }
    }
}
