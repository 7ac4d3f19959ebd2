//! What a peer says by gossip before it is known: so many things and so many bytes of each peer.

use libp2p::gossipsub::{self, RawMessage};
use libp2p::swarm::{ConnectionId, THandlerOutEvent};
use std::collections::VecDeque;
use std::fmt::{self, Write as _};

/// The most that is held of what a peer says before it is known.
pub(super) const MAX_HELD: usize = 32;
/// The same in bytes: no ticket bounds it, since nobody knows yet whose it would be.
pub(super) const MAX_HELD_BYTES: usize = 256 * 1024;

pub(super) type Heard = THandlerOutEvent<gossipsub::Behaviour>;

/// What is held of a peer, in order.
#[derive(Default)]
pub(super) struct Held {
    pub(super) events: VecDeque<(ConnectionId, Heard)>,
    bytes: usize,
}

impl Held {
    /// Holds what is said, if there is room. What is too much is left to catching up.
    pub(super) fn keep(&mut self, connection: ConnectionId, event: Heard) {
        if self.events.len() >= MAX_HELD || says_nothing(&event) {
            return;
        }
        let bytes = self.bytes.saturating_add(weight(&event));
        if bytes <= MAX_HELD_BYTES {
            self.bytes = bytes;
            self.events.push_back((connection, event));
        }
    }
}

fn says_nothing(event: &Heard) -> bool {
    match event {
        Heard::Message { rpc, invalid_messages } => {
            rpc.messages.is_empty()
                && rpc.subscriptions.is_empty()
                && says_no_extensions(&rpc.control_msgs)
                && invalid_messages.is_empty()
        }
        _ => false,
    }
}

/// Whether no more is controlled than that there are no extensions, which gossipsub reads from each message; it
/// shows nothing of it but its text.
fn says_no_extensions(control: &[impl fmt::Debug]) -> bool {
    let [one] = control else { return control.is_empty() };
    let mut rest = Rest("Extensions(None)");
    write!(rest, "{one:?}").is_ok() && rest.0.is_empty()
}

/// What a text has still to say.
struct Rest(&'static str);

impl fmt::Write for Rest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// About how much memory it takes.
fn weight(event: &Heard) -> usize {
    let Heard::Message { rpc, invalid_messages } = event else { return 0 };
    let messages = rpc.messages.iter().chain(invalid_messages.iter().map(|(m, _)| m));
    let mut length = Length(messages.map(bytes_of).fold(0, usize::saturating_add));
    // gossipsub shows nothing of control messages but their text, which is about as long as what they
    // take. Ids of no length take twelve times the bytes that came.
    let _ = write!(length, "{:?}", rpc.control_msgs);
    length.0
}

fn bytes_of(message: &RawMessage) -> usize {
    let own = [size_of::<RawMessage>(), message.data.len(), message.topic.as_str().len()];
    let more = [&message.signature, &message.key].into_iter().flatten().map(Vec::len);
    own.into_iter().chain(more).fold(0, usize::saturating_add)
}

/// How long a text is, up to where it is too long.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        if self.0 > MAX_HELD_BYTES { Err(fmt::Error) } else { Ok(()) }
    }
}
