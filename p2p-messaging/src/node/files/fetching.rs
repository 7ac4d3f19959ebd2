//! Fetching a file: several blocks at once from each peer that may have it too, more from who is quick,
//! fewer from who is slow or has little.

use super::here::FileHere;
use super::library::Files;
use crate::exchange::{Exchange, FetchError};
use crate::files::manifest::cid_of;
use crate::files::{FileError, Held, Manifest};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use gridpass_credentials::content_id::ContentId;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most blocks that are on their way from one peer.
const MAX_WINDOW: u32 = 16;
/// With how many it begins.
const FIRST_WINDOW: u32 = 4;
/// How often is looked who is there.
const LOOK: Duration = Duration::from_millis(250);
/// How long is waited before asking again who had nothing.
const AGAIN: Duration = Duration::from_millis(500);
/// How often is made durable what came: about so much is fetched again after a crash.
const SAVE: Duration = Duration::from_secs(2);
/// Or after how many blocks.
const SAVE_BLOCKS: u64 = 128;
/// How long is waited for room on a full disk before it is tried again.
const FULL: Duration = Duration::from_secs(5);
/// A block that comes later than this came too slowly.
const SLOW: Duration = Duration::from_secs(10);

/// A peer that is asked.
struct Lane {
    window: u32,
    flying: u32,
    /// The block that is asked for next, if it is missing.
    next: u64,
    /// In how many blocks running it had nothing to give.
    misses: u32,
    rests_until: Option<Instant>,
}

enum Came {
    Here,
    NotHere,
    Altered,
    Failed(FileError),
}

type Flight = BoxFuture<'static, (PeerId, u64, Duration, Came)>;

/// Fetches a file from now on, where it is to be and nobody does.
pub(super) fn start(files: &Arc<Files>, exchange: &Exchange, here: &Arc<FileHere>) {
    if !here.should_run() || std::mem::replace(&mut here.live().running, true) {
        return;
    }
    here.live().failed = None;
    let (files, here, on) = (Arc::clone(files), Arc::clone(here), exchange.clone());
    exchange.spawn(async move {
        loop {
            let ended = run(&files, &on, &here).await;
            if let Err(FileError::Full(_)) = &ended {
                wait_for_room(&here, ended).await;
                continue;
            }
            // Resumed while it came to an end.
            let again = ended.is_ok() && here.should_run();
            let mut live = here.live();
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

/// Those who may have the file and speak block exchange.
fn peers(files: &Files, exchange: &Exchange, here: &FileHere) -> Vec<PeerId> {
    let altered = here.live().altered.clone();
    let mut peers = here.with_offers(|offers| files.rights.allowed(offers));
    peers.retain(|p| exchange.is_speaker(p) && !altered.contains(p));
    here.live().why = peers.is_empty().then_some("nobody is connected who may have it");
    peers
}

/// Gets the manifest and the lists; nothing where that is not to be any more.
async fn describe(
    files: &Files,
    exchange: &Exchange,
    here: &Arc<FileHere>,
) -> Result<Option<Held>, FileError> {
    let Some(bytes) = document(files, exchange, here, &here.id).await else { return Ok(None) };
    let manifest = Manifest::parse(&bytes)?;
    let state = here.state();
    let of_channel = state.offers.iter().any(|o| o.channel == manifest.channel);
    if !of_channel || manifest.sealed != state.sealed || manifest.size < state.size {
        return Err(FileError::Malformed("the manifest is not that of what was sent".into()));
    }
    let mut lists = Vec::new();
    for (number, name) in manifest.lists().iter().enumerate() {
        let Some(list) = document(files, exchange, here, name).await else { return Ok(None) };
        manifest.read_list(number, &list)?;
        lists.push(list);
    }
    let here = Arc::clone(here);
    blocking(move || Held::begin(&here.folder, &here.id, &manifest, &lists)).await.map(Some)
}

/// Gets one document, however long it takes.
async fn document(
    files: &Files,
    exchange: &Exchange,
    here: &FileHere,
    name: &ContentId,
) -> Option<Vec<u8>> {
    let cid = name.to_cid().ok()?;
    while here.should_run() {
        let peers = peers(files, exchange, here);
        if !peers.is_empty() {
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
    let mut lanes: BTreeMap<PeerId, Lane> = BTreeMap::new();
    let (mut flying, mut flights) = (BTreeSet::new(), FuturesUnordered::<Flight>::new());
    let (mut looked, mut saved) = (None::<Instant>, (Instant::now(), held.count()));
    let mut saving: Option<tokio::task::JoinHandle<Result<(), FileError>>> = None;
    let mut failed = None;
    while here.should_run() {
        if looked.is_none_or(|at| at.elapsed() >= LOOK) {
            let now = peers(files, exchange, here);
            lanes.retain(|peer, lane| lane.flying > 0 || now.contains(peer));
            for peer in now {
                lanes.entry(peer).or_insert_with(|| Lane::new(begins));
            }
            here.sample();
            looked = Some(Instant::now());
        }
        for (peer, lane) in &mut lanes {
            while lane.has_room() {
                let Ok(place) = Arc::clone(&files.room).try_acquire_owned() else { break };
                let Some(number) = held.missing_from(lane.next, &flying) else { break };
                let Some(cid) = held.digest(number).and_then(cid_of) else { break };
                lane.next = number.saturating_add(1);
                lane.flying = lane.flying.saturating_add(1);
                flying.insert(number);
                let (exchange, held, peer) = (exchange.clone(), Arc::clone(held), *peer);
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
        }
        if flights.is_empty() && !lanes.is_empty() {
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
                if let Some(lane) = lanes.get_mut(&peer) {
                    lane.landed(&came, took);
                }
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

impl Lane {
    fn new(next: u64) -> Self {
        Self { window: FIRST_WINDOW, flying: 0, next, misses: 0, rests_until: None }
    }

    fn has_room(&self) -> bool {
        self.flying < self.window && self.rests_until.is_none_or(|until| Instant::now() >= until)
    }

    fn landed(&mut self, came: &Came, took: Duration) {
        self.flying = self.flying.saturating_sub(1);
        match came {
            Came::Here if took < SLOW => {
                self.window = self.window.saturating_add(1).min(MAX_WINDOW);
                self.misses = 0;
            }
            Came::Here => self.window = (self.window / 2).max(1),
            Came::NotHere => {
                self.window = (self.window / 2).max(1);
                self.misses = self.misses.saturating_add(1);
                // It has little: it is asked now and then.
                if self.misses >= MAX_WINDOW {
                    self.rests_until = Instant::now().checked_add(AGAIN);
                    self.misses = 0;
                }
            }
            Came::Altered | Came::Failed(_) => {
                // What was asked of it beside this is answered, and nothing more is asked.
                self.window = 0;
            }
        }
    }
}
