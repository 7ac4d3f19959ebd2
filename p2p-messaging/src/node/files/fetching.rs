//! Fetching a file: several blocks at once from each peer that may have it too, more from who is quick,
//! fewer from who is slow or has little.

use super::Offer;
use super::here::FileHere;
use super::lanes::Lanes;
use super::library::Files;
use crate::exchange::{Exchange, FetchError};
use crate::files::manifest::cid_of;
use crate::files::{FileError, Held, Manifest, SPARE, left_on_disk};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use gridpass_credentials::content_id::ContentId;
use libp2p::PeerId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often is looked who is there.
const LOOK: Duration = Duration::from_millis(250);
/// How long is waited before asking again who had nothing.
const AGAIN: Duration = Duration::from_millis(500);
/// How often is made durable what came: about so much is fetched again after a crash.
const SAVE: Duration = Duration::from_secs(2);
/// Or after how many blocks.
const SAVE_BLOCKS: u64 = 128;
/// How often senders are asked whether they have what they refer to.
const VOUCH: Duration = Duration::from_secs(5);
/// How long is waited for room on a full disk before it is tried again.
const FULL: Duration = Duration::from_secs(5);

pub(super) enum Came {
    Here,
    NotHere,
    Altered,
    Failed(FileError),
}

type Flight = BoxFuture<'static, (PeerId, u64, Duration, Came)>;

/// Fetches a file from now on, where it is to be and nobody does.
pub(super) fn start(files: &Arc<Files>, exchange: &Exchange, here: &Arc<FileHere>) {
    let mut live = here.live();
    if live.running || !here.is_due(&live) {
        return;
    }
    (live.running, live.failed) = (true, None);
    drop(live);
    let (files, here, on) = (Arc::clone(files), Arc::clone(here), exchange.clone());
    exchange.spawn(async move {
        loop {
            let ended = run(&files, &on, &here).await;
            if let Err(FileError::Full(_)) = &ended {
                wait_for_room(&here, ended).await;
                continue;
            }
            let mut live = here.live();
            // Resumed while it came to an end.
            let again = ended.is_ok() && here.is_due(&live);
            live.failed = ended.err();
            if let Some(e) = &live.failed {
                tracing::warn!(file = %here.id, code = %e.code(), "fetching stopped: {e}");
            }
            if !again {
                live.running = false;
                live.why = None;
                break;
            }
        }
        if here.is_whole() {
            tracing::info!(file = %here.id, "a file is here");
        }
    });
}

/// The disk is full: it is named, and after a while it goes on with what is durable.
async fn wait_for_room(here: &Arc<FileHere>, ended: Result<(), FileError>) {
    if let Err(e) = ended {
        tracing::warn!(file = %here.id, code = %e.code(), "fetching waits: {e}");
        here.live().failed = Some(e);
    }
    let _ = tokio::time::timeout(FULL, here.wake.notified()).await;
    if here.held().is_some() && here.should_run() {
        let again = Arc::clone(here);
        // What was written since may be here or not.
        match blocking(move || Held::open(&again.folder, &again.id)).await {
            Ok(held) => drop(here.hold(held)),
            Err(e) => {
                tracing::warn!(file = %here.id, code = %e.code(), "it is not read again: {e}")
            }
        }
    }
}

async fn run(
    files: &Arc<Files>,
    exchange: &Exchange,
    here: &Arc<FileHere>,
) -> Result<(), FileError> {
    let held = match here.held() {
        Some(held) => held,
        None => match describe(files, exchange, here).await? {
            Some(held) => here.hold(held),
            None => return Ok(()),
        },
    };
    let fetched = blocks(files, exchange, here, &held).await;
    // Also where it failed: what came is not fetched again.
    let (saving, removed) = (Arc::clone(&held), here.live().removed);
    let saved = if removed { Ok(()) } else { blocking(move || saving.sync()).await };
    fetched.and(saved)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(FileError::Io(e.to_string())))
}

/// Those who may have the file and speak block exchange: first who gave something of it, then who acts
/// for a sender.
fn peers(files: &Arc<Files>, exchange: &Exchange, here: &Arc<FileHere>) -> Vec<PeerId> {
    let mut peers = here.asked_by(|offers| files.rights.allowed(offers));
    let mut live = here.live();
    peers.retain(|p| exchange.is_speaker(p) && !live.altered.contains(p));
    peers.sort_by_key(|p| !live.from.contains_key(p));
    live.why = peers.is_empty().then_some("nobody is connected who may have it");
    let due = live.vouching.is_none_or(|at| at.elapsed() >= VOUCH);
    drop(live);
    if due {
        vouch(files, exchange, here);
    }
    peers
}

/// Asks the nodes of those whose messages refer to the file, and who may not have it by others, whether
/// they have it: only then is it given to others by what they say. Its manifest cannot be made by who
/// knows its name.
pub(super) fn vouch(files: &Arc<Files>, exchange: &Exchange, here: &Arc<FileHere>) {
    here.live().vouching = Some(Instant::now());
    let (unvouched, Ok(cid)) = (here.unvouched(), here.id.to_cid()) else { return };
    if unvouched.is_empty() {
        return;
    }
    let (files, on, here) = (Arc::clone(files), exchange.clone(), Arc::clone(here));
    exchange.spawn(async move {
        for offer in unvouched {
            let mut peers = files.rights.of_sender(&offer);
            peers.retain(|p| on.is_speaker(p));
            if peers.is_empty() || on.fetch(&cid, &peers).await.is_err() {
                continue;
            }
            let here = Arc::clone(&here);
            if let Err(e) = blocking(move || here.vouch(&offer.message)).await {
                tracing::warn!(code = %e.code(), "{e}");
            }
        }
    });
}

/// Whether so little of the disk is left that nothing more is fetched; says so.
fn is_short_of_disk(here: &FileHere) -> bool {
    let short = left_on_disk(&here.folder) < SPARE;
    if short {
        here.live().why = Some("less than 256 MiB of the disk are left");
    }
    short
}

/// Gets the manifest and the lists; nothing where that is not to be any more.
async fn describe(
    files: &Arc<Files>,
    exchange: &Exchange,
    here: &Arc<FileHere>,
) -> Result<Option<Held>, FileError> {
    let Some(bytes) = document(files, exchange, here, &here.id).await else { return Ok(None) };
    let manifest = Manifest::parse(&bytes)?;
    let state = here.state();
    let of_channel = |o: &Offer| o.channel == manifest.channel;
    if !state.offers.iter().any(of_channel) {
        return Err(FileError::Malformed("it was made for another channel".into()));
    }
    manifest.fits(state.sealed, state.size)?;
    if manifest.is_fragmented() {
        return Err(FileError::Malformed("it is cut into more blocks than its size needs".into()));
    }
    let mut lists = Vec::new();
    for (number, name) in manifest.lists().iter().enumerate() {
        let Some(list) = document(files, exchange, here, name).await else { return Ok(None) };
        manifest.read_list(number, &list)?;
        lists.push(list);
    }
    let here = Arc::clone(here);
    let begin = move || {
        here.change(|state| state.offers.retain(|o| o.channel == manifest.channel))?;
        Held::begin(&here.folder, &here.id, &manifest, &lists)
    };
    blocking(begin).await.map(Some)
}

/// Gets one document, however long it takes.
async fn document(
    files: &Arc<Files>,
    exchange: &Exchange,
    here: &Arc<FileHere>,
    name: &ContentId,
) -> Option<Vec<u8>> {
    let cid = name.to_cid().ok()?;
    while here.should_run() {
        let peers = peers(files, exchange, here);
        if !peers.is_empty() && !is_short_of_disk(here) {
            match exchange.fetch(&cid, &peers).await {
                Ok(found) => return Some(found.bytes),
                Err(FetchError::Altered(by)) => here.live().altered.extend(by),
                Err(_) => here.live().why = Some("nobody who is asked has it"),
            }
        }
        let _ = tokio::time::timeout(AGAIN, here.wake.notified()).await;
    }
    None
}

/// Gets the blocks.
async fn blocks(
    files: &Arc<Files>,
    exchange: &Exchange,
    here: &Arc<FileHere>,
    held: &Arc<Held>,
) -> Result<(), FileError> {
    let begins = files.begins.checked_rem(held.manifest().blocks()).unwrap_or_default();
    let (mut lanes, mut short) = (Lanes::new(begins), false);
    let (mut flying, mut flights) = (BTreeSet::new(), FuturesUnordered::<Flight>::new());
    let (mut looked, mut saved) = (None::<Instant>, (Instant::now(), held.count()));
    let mut saving: Option<tokio::task::JoinHandle<Result<(), FileError>>> = None;
    let mut failed = None;
    while here.should_run() && !held.is_whole() {
        if looked.is_none_or(|at| at.elapsed() >= LOOK) {
            lanes.are(&peers(files, exchange, here));
            short = is_short_of_disk(here);
            here.sample();
            looked = Some(Instant::now());
        }
        let room = || Arc::clone(&files.room).try_acquire_owned().ok().filter(|_| !short);
        while let Some(place) = room() {
            let next = lanes.next(held, &flying, Instant::now());
            let Some((peer, number)) = next else { break };
            let Some(cid) = held.digest(number).and_then(cid_of) else { break };
            flying.insert(number);
            let (exchange, held) = (exchange.clone(), Arc::clone(held));
            flights.push(Box::pin(async move {
                let began = Instant::now();
                let came = match exchange.fetch(&cid, &[peer]).await {
                    Ok(found) => match blocking(move || held.put(number, &found.bytes)).await {
                        Ok(()) => Came::Here,
                        Err(e) => Came::Failed(e),
                    },
                    Err(FetchError::Altered(_)) => Came::Altered,
                    Err(_) => Came::NotHere,
                };
                drop(place);
                (peer, number, began.elapsed(), came)
            }));
        }
        if flights.is_empty() && !lanes.is_empty() && !short {
            here.live().why = Some("nobody who is asked has what is missing");
        }
        tokio::select! {
            Some((peer, number, took, came)) = flights.next() => {
                flying.remove(&number);
                if let Came::Failed(e) = came {
                    failed = Some(e);
                    break;
                }
                landed(here, peer, &came);
                lanes.landed(&peer, (number, took), &came, Instant::now());
            }
            () = tokio::time::sleep(LOOK) => {}
            () = here.wake.notified() => {}
        }
        if saving.as_ref().is_some_and(tokio::task::JoinHandle::is_finished)
            && let Some(done) = saving.take()
        {
            done.await.unwrap_or_else(|e| Err(FileError::Io(e.to_string())))?;
        }
        let (since, before) = saved;
        let new = held.count().saturating_sub(before);
        if saving.is_none() && (new >= SAVE_BLOCKS || (new > 0 && since.elapsed() >= SAVE)) {
            saved = (Instant::now(), held.count());
            let held = Arc::clone(held);
            saving = Some(tokio::task::spawn_blocking(move || held.sync()));
        }
    }
    here.sample();
    let saved = match saving {
        // Also where it failed: two do not write one file at once.
        Some(saving) => saving.await.unwrap_or_else(|e| Err(FileError::Io(e.to_string()))),
        None => Ok(()),
    };
    failed.map_or(saved, Err)
}

fn landed(here: &FileHere, peer: PeerId, came: &Came) {
    let mut live = here.live();
    match came {
        Came::Here => {
            let count = live.from.entry(peer).or_default();
            *count = count.saturating_add(1);
            (live.why, live.failed) = (None, None);
        }
        Came::Altered => {
            live.altered.insert(peer);
        }
        Came::NotHere | Came::Failed(_) => {}
    }
}
