//! How the task begins.

use super::super::behaviour::build;
use super::super::book::Book;
use super::super::relays::Places;
use super::super::settings::NetworkSettings;
use super::super::streams::Streams;
use super::super::{Command, MAX_COMMANDS, NetEvent};
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
) -> Result<mpsc::Sender<Command>, String> {
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
/// A sentence: an address that cannot be listened on, or a transport that cannot be had.
pub fn start_with<E: From<NetEvent> + Send + 'static>(
    keypair: libp2p::identity::Keypair,
    settings: &NetworkSettings,
    events: mpsc::Sender<E>,
    library: Arc<dyn Library>,
) -> Result<(mpsc::Sender<Command>, Exchange), String> {
    let (streams_in, streams) = mpsc::channel(MAX_INCOMING);
    let mut swarm = build(keypair, settings, Streams::new(streams_in))?;
    for address in &settings.listen {
        swarm.listen_on(address.clone()).map_err(|e| format!("{address}: {}", causes(&e)))?;
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
