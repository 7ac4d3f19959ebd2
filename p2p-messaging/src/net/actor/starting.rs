//! How the task begins.

use super::super::behaviour::build;
use super::super::book::Book;
use super::super::pending::TurnedAway;
use super::super::relays::Places;
use super::super::settings::NetworkSettings;
use super::super::streams::Streams;
use super::super::{Command, MAX_COMMANDS, NetEvent, NetworkError};
use super::Actor;
use super::missed::Missed;
use crate::exchange::{Exchange, Library, Nothing};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// The most streams that came and were not looked at.
const MAX_INCOMING: usize = 256;

/// Starts the network of a peer that has nothing to give in block exchange.
///
/// # Errors
/// As for [`start_with`].
pub fn start<E: From<NetEvent> + Send + 'static>(
    keypair: libp2p::identity::Keypair,
    settings: &NetworkSettings,
    events: mpsc::Sender<E>,
) -> Result<mpsc::Sender<Command>, NetworkError> {
    start_with(keypair, settings, events, Arc::new(Nothing)).map(|(commands, _)| commands)
}

/// What an error says, and what it comes from: of transports some say nothing themselves.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !text.is_empty() && said.last() != Some(&text) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ")
}

/// Starts the network on the current runtime. `events` get what it tells; it ends when the commands
/// end. Peers are given blocks of the library.
///
/// # Errors
/// [`NetworkError`].
pub fn start_with<E: From<NetEvent> + Send + 'static>(
    keypair: libp2p::identity::Keypair,
    settings: &NetworkSettings,
    events: mpsc::Sender<E>,
    library: Arc<dyn Library>,
) -> Result<(mpsc::Sender<Command>, Exchange), NetworkError> {
    let (streams_in, streams) = mpsc::channel(MAX_INCOMING);
    let mut swarm =
        build(keypair, settings, Streams::new(streams_in)).map_err(NetworkError::Transport)?;
    for address in &settings.listen {
        swarm
            .listen_on(address.clone())
            .map_err(|e| NetworkError::Listen { address: address.clone(), reason: causes(&e) })?;
    }
    for address in &settings.external {
        swarm.add_external_address(address.clone());
    }
    let (sender, commands) = mpsc::channel(MAX_COMMANDS);
    let telling = events.clone();
    let tell = move |event: NetEvent| {
        // Who goes on is accused again.
        let _ = telling.try_send(event.into());
    };
    let exchange = Exchange::start(library, sender.downgrade(), streams, tell);
    let mut actor = Actor {
        swarm,
        exchange: exchange.clone(),
        events,
        backlog: VecDeque::new(),
        peers: HashMap::new(),
        shares: HashMap::new(),
        asked: HashMap::new(),
        book: Book::default(),
        places: Places::at(&settings.relays, Instant::now()),
        lends: settings.relay && settings.external.is_empty(),
        max_peers: usize::try_from(settings.max_peers).unwrap_or(usize::MAX),
        short_of_memory: None,
        turned_away: TurnedAway::default(),
        reachable: None,
        wanted: usize::try_from(settings.wanted_peers).unwrap_or(usize::MAX),
        looks: settings.discover || settings.lan,
        looked: None,
        missed: Missed::default(),
    };
    for address in settings.peers.iter().chain(&settings.relays) {
        actor.befriend(address.clone());
    }
    tokio::spawn(actor.run(commands));
    Ok((sender, exchange))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[tokio::test]
    async fn an_address_that_cannot_be_listened_on_is_told() {
        let address: libp2p::Multiaddr = "/memory/7".parse().expect("an address");
        let settings = NetworkSettings {
            listen: vec![address.clone()],
            discover: false,
            ..NetworkSettings::default()
        };
        let (events, _told) = mpsc::channel::<NetEvent>(1);
        let keypair = libp2p::identity::Keypair::generate_ed25519();
        let error = start(keypair, &settings, events).expect_err("no such transport");
        let NetworkError::Listen { address: named, reason } = &error else { panic!("{error}") };
        assert_eq!((named, error.code()), (&address, codes::NODE_NETWORK));
        assert_eq!(error.to_string(), format!("{address}: {reason}"));
    }
}
