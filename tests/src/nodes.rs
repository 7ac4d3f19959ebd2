//! Nodes in this process, for benchmarks: participants of [`crate::messages::Market`] that are their
//! own nodes, on loopback, with a clock that goes on from [`NOW`].

use crate::channels::SCHEMA;
use crate::messages::Market;
use crate::world::{self, NOW, Party, in_days};
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::node::{Material, Node, NodeKey, NodeSettings, material_of};
use gridpass_policy::channel::SignedChannel;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

/// The time: [`NOW`] when it is first asked, and on from there.
#[must_use]
pub fn clock() -> UnixMillis {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    NOW.plus_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// The presentation of a market's participant: an aggregator, or an operator.
#[must_use]
pub fn presentation(market: &Market, party: &Party, operator: bool) -> Secured {
    let role = match &market.operators {
        Some(operators) if operator => operators,
        _ => &market.role,
    };
    let visa = world::visa(&market.regulator, party, role, |_| ());
    let visa = world::issue(&market.regulator, &visa);
    let audience = market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: in_days(30) };
    world::present_as(party, &[&visa], Form::Jwt, &binding)
}

/// The channel of a market, as its owner signs it.
///
/// # Panics
/// If it cannot be signed.
#[must_use]
pub fn channel(market: &Market) -> Value {
    let mut channel = SignedChannel::unsigned(market.descriptor.clone()).expect("a channel");
    channel.sign(market.regulator.at(market.descriptor.dated)).expect("signs");
    channel.to_json()
}

/// A bid to send, with a payload of about so many bytes.
#[must_use]
pub fn bid(number: usize, bytes: usize) -> Asked {
    let more = "x".repeat(bytes.saturating_sub(32));
    let attributes = [("zone".to_owned(), json!("GB-1")), ("quantityKw".to_owned(), json!(5))];
    Asked::Send(NewMessage {
        channel: "flex.gb.bids".into(),
        topic: "bids".into(),
        version: None,
        payload: format!("{{\"bid\":{number},\"more\":\"{more}\"}}").into_bytes(),
        recipients: Vec::new(),
        thread: None,
        attributes: Map::from_iter(attributes),
        lifetime_millis: None,
        reference: None,
    })
}

/// Starts a node that a participant is itself.
///
/// # Panics
/// If it does not start.
pub async fn start(folder: &Path, market: &Market, party: &Party, operator: bool) -> Node {
    start_with(folder, market, party, &presentation(market, party, operator)).await
}

/// The same, with a presentation of its own.
///
/// # Panics
/// If it does not start.
pub async fn start_with(
    folder: &Path,
    market: &Market,
    party: &Party,
    presentation: &Secured,
) -> Node {
    start_set(folder, market, party, presentation, |_| ()).await
}

/// The same, with settings of its own.
///
/// # Panics
/// If it does not start.
pub async fn start_set(
    folder: &Path,
    market: &Market,
    party: &Party,
    presentation: &Secured,
    set: impl FnOnce(&mut NodeSettings),
) -> Node {
    start_at(folder, market, party, (presentation, clock), set).await
}

/// The same, with a clock of its own.
///
/// # Panics
/// If it does not start.
pub async fn start_at(
    folder: &Path,
    market: &Market,
    party: &Party,
    (presentation, clock): (&Secured, fn() -> UnixMillis),
    set: impl FnOnce(&mut NodeSettings),
) -> Node {
    let place = material_of(folder);
    let (mut material, _) = Material::open(&place, party.did.clone(), NOW).expect("a folder");
    let roles: Vec<_> =
        [Some(&market.role), market.operators.as_ref()].into_iter().flatten().collect();
    let charter =
        world::sign_charter(world::charter(&[&market.regulator], &roles), &[&market.regulator]);
    let mut files = vec![
        world::pack(&[charter], &roles),
        channel(market).to_string().into_bytes(),
        SCHEMA.to_vec(),
        presentation.text().as_bytes().to_vec(),
    ];
    let lists = market.lists(&[]);
    files.extend(lists.iter().map(|l| l.secured().text().as_bytes().to_vec()));
    for file in files {
        material.give(&file, NOW).expect("taken");
    }
    let mut settings = NodeSettings::default();
    settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
    settings.network.discover = false;
    set(&mut settings);
    let key = NodeKey { key: party.key.clone(), key_id: party.key_id.clone() };
    Node::start(folder, key, settings, clock).await.expect("it starts")
}
