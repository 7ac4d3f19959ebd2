//! Saying to a peer what it is to be told: what is wanted of it, and what it wants. One message is
//! written while the next is made; who does not take them waits, and nobody else.

use super::desk::Desk;
use super::message::{Block, MAX_BLOCK, MAX_ENTRIES, Message, Want, Wanted};
use super::{Opened, Shared};
use futures::{AsyncWrite, AsyncWriteExt as _};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The bytes from which a message is long enough: with one more block it is still one.
const ENOUGH: usize = 1024 * 1024;
/// How many things that a peer wants are looked up before others have their turn.
const MAX_LOOKED_UP: usize = 64;
/// How long a peer has to take a message.
const ONE_MESSAGE: Duration = Duration::from_secs(60);
/// How long a stream is kept without anything to say.
const SILENCE: Duration = Duration::from_secs(30);

/// Sees to it that what there is to say is said.
pub(super) fn wake(shared: &Arc<Shared>, desk: &Arc<Desk>) {
    if !desk.has_work() {
        return;
    }
    if desk.begin_writing() {
        shared.runtime.spawn(write(Arc::clone(shared), Arc::clone(desk)));
    } else {
        desk.work.notify_one();
    }
}

/// Says what there is to say until there is nothing any more.
async fn write(shared: Arc<Shared>, desk: Arc<Desk>) {
    let mut opened: Option<Opened> = None;
    let mut since = Instant::now();
    let mut message = make(&shared, &desk).await;
    loop {
        if message.is_empty() && desk.has_work() {
            // What was looked up is not here, and nobody wants to be told so.
            tokio::task::yield_now().await;
            since = Instant::now();
            message = make(&shared, &desk).await;
            continue;
        }
        if message.is_empty() {
            let _ = tokio::time::timeout(SILENCE, desk.work.notified()).await;
            if desk.end_writing() {
                break;
            }
            since = Instant::now();
            message = make(&shared, &desk).await;
            continue;
        }
        let now = Instant::now();
        let (written, next) =
            tokio::join!(say(&shared, &desk, &mut opened, (message, since)), make(&shared, &desk));
        since = now;
        if let Err(why) = written {
            tracing::debug!(peer = %desk.peer, "block exchange: {why}");
            opened = None;
            desk.unreachable();
            message = Message::default();
        } else {
            message = next;
        }
    }
    if let Some(mut opened) = opened {
        let _ = tokio::time::timeout(ONE_MESSAGE, opened.stream.close()).await;
    }
}

/// Says one thing: on the stream that there is, or where the other side ended that, on a new one.
async fn say(
    shared: &Shared,
    desk: &Desk,
    opened: &mut Option<Opened>,
    (message, since): (Message, Instant),
) -> Result<(), String> {
    let (instead, mut message) = (taken_back(&message), Some(message));
    let mut bytes = Vec::new();
    for _ in 0..2_u8 {
        let fresh = opened.is_none();
        let there = match opened {
            Some(there) => there,
            None => opened.insert(shared.open(desk.peer).await.map_err(|e| e.to_string())?),
        };
        let again = (desk.was_met_since(since)).then(|| instead.clone());
        if let Some(mut message) = again.or_else(|| message.take()) {
            if !there.tells_what_it_has {
                message.presences.clear();
            }
            bytes = framed(message);
        }
        let sending = tokio::time::timeout(ONE_MESSAGE, send(&mut there.stream, &bytes));
        match sending.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(e)) if fresh => return Err(e.to_string()),
            Ok(Err(_)) => *opened = None,
            Err(_) => return Err("it does not take what it wants".into()),
        }
    }
    Err("it takes nothing".into())
}

/// What is said instead where the peer was connected once more since: it may have forgotten what it asked
/// for, and take its blocks for others. It is told that they are not here: what it still wants it asks
/// for again.
fn taken_back(message: &Message) -> Message {
    let blocks = message.blocks.iter().map(|block| (block.cid, false));
    let presences = message.presences.iter().copied().chain(blocks).collect();
    Message { wants: message.wants.clone(), presences, ..Message::default() }
}

fn framed(message: Message) -> Vec<u8> {
    let message = message.into_bytes();
    let mut bytes = Vec::with_capacity(message.len().saturating_add(5));
    prost::encoding::encode_varint(u64::try_from(message.len()).unwrap_or(u64::MAX), &mut bytes);
    bytes.extend(message);
    bytes
}

async fn send<T: AsyncWrite + Unpin>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}

/// The next message: own wants, and what the peer wants, up to what is enough.
async fn make(shared: &Arc<Shared>, desk: &Arc<Desk>) -> Message {
    let mut message = Message { wants: desk.asks(MAX_ENTRIES), ..Message::default() };
    let Some(first) = desk.next_want() else { return message };
    let Ok(_place) = shared.lookups.acquire().await else { return message };
    let (library, asking) = (Arc::clone(&shared.library), Arc::clone(desk));
    let looking = tokio::task::spawn_blocking(move || {
        let (mut next, mut looked_up) = (Some(first), 0_usize);
        while let Some((want, now)) = next {
            match now {
                true => look_up(library.as_ref(), &asking, &want, &mut message),
                // As if it had been answered before.
                false => message.presences.push((want.cid, false)),
            }
            looked_up = looked_up.saturating_add(1);
            let entries = message.blocks.len().max(message.presences.len()).max(looked_up);
            // Who wants more lets others go first.
            if entries >= MAX_LOOKED_UP || message.weight() >= ENOUGH {
                break;
            }
            next = asking.next_want();
        }
        message
    });
    looking.await.unwrap_or_default()
}

fn look_up(library: &dyn super::Library, desk: &Desk, want: &Want, message: &mut Message) {
    let here = match want.wanted {
        Wanted::Block => match library.block(&desk.peer, &want.cid) {
            Some(data) if data.len() <= MAX_BLOCK => {
                message.blocks.push(Block { cid: want.cid, data });
                return;
            }
            _ => false,
        },
        Wanted::Have => library.has(&desk.peer, &want.cid),
        Wanted::Nothing => return,
    };
    if here || want.send_dont_have {
        message.presences.push((want.cid, here));
    }
}
