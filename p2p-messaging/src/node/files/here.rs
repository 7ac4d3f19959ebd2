//! One file of a node: what it was told of it, how far it is here, what it is doing about it.

use super::Offer;
use crate::files::held::{read_bounded, write_whole};
use crate::files::{FileError, Held, Reference};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use libp2p::PeerId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const STATE: &str = "state.json";
const TYPE: &str = "gridpass-file-state";
const VERSION: u32 = 1;
/// The longest state.
const MAX_STATE: u64 = 4 * 1024 * 1024;
/// The most messages that refer to one file.
const MAX_OFFERS: usize = 64;
/// The most peers of which is remembered what they were given.
const MAX_GIVEN: usize = 1024;
/// Over what time the rate is measured.
const RATE: Duration = Duration::from_secs(5);

/// What is kept about a file beside its blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct State {
    r#type: String,
    format_version: u32,
    /// The name of the manifest.
    pub file: ContentId,
    /// What the reference says of it; the key is not kept.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// The bytes of its content.
    pub size: u64,
    /// Whether its blocks are sealed.
    pub sealed: bool,
    /// Whether it is to be fetched.
    pub wanted: bool,
    /// Whether the operator lets it stand.
    pub paused: bool,
    /// The messages that refer to it.
    pub offers: Vec<Offer>,
    /// Those of them by which others are given it: whose senders are known to have it, or may.
    pub vouched: BTreeSet<EnvelopeId>,
}

/// What is going on.
#[derive(Default)]
pub(super) struct Live {
    pub running: bool,
    pub removed: bool,
    /// Why it stopped, or stands still.
    pub failed: Option<FileError>,
    pub why: Option<&'static str>,
    /// How many blocks came from whom.
    pub from: BTreeMap<PeerId, u64>,
    /// Those that sent other bytes.
    pub altered: BTreeSet<PeerId>,
    /// When senders were last asked whether they have what they refer to.
    pub vouching: Option<Instant>,
    /// How many blocks were given to whom.
    pub given: BTreeMap<PeerId, u64>,
    samples: VecDeque<(Instant, u64)>,
}

pub(super) struct FileHere {
    pub id: ContentId,
    pub folder: PathBuf,
    state: Mutex<State>,
    /// Who writes the state: not held by who reads it.
    writing: Mutex<()>,
    held: RwLock<Option<Arc<Held>>>,
    live: Mutex<Live>,
    /// Something changed that its task looks at.
    pub wake: Notify,
}

impl State {
    pub(super) fn new(file: &ContentId) -> Self {
        Self {
            r#type: TYPE.to_owned(),
            format_version: VERSION,
            file: file.clone(),
            name: String::new(),
            media_type: String::new(),
            size: 0,
            sealed: false,
            wanted: false,
            paused: false,
            offers: Vec::new(),
            vouched: BTreeSet::new(),
        }
    }
}

impl FileHere {
    /// One that is new here, or was staged.
    pub(super) fn new(folder: &Path, id: &ContentId, held: Option<Held>) -> Self {
        Self {
            id: id.clone(),
            folder: folder.to_owned(),
            state: Mutex::new(State::new(id)),
            writing: Mutex::default(),
            held: RwLock::new(held.map(Arc::new)),
            live: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Opens what is in a folder.
    pub(super) fn open(folder: &Path, id: &ContentId) -> Result<Self, FileError> {
        let malformed = |e: String| FileError::Malformed(e);
        let bytes = read_bounded(&folder.join(STATE), MAX_STATE)?;
        let state: State = serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))?;
        if state.r#type != TYPE || state.format_version != VERSION || &state.file != id {
            return Err(malformed("its state is another file's, or of another version".into()));
        }
        let held = match Held::open(folder, id) {
            Ok(held) => Some(held),
            // Not begun, or damaged: it is fetched again from the beginning.
            Err(e) if state.wanted => {
                tracing::info!(file = %id, "it is begun anew: {e}");
                None
            }
            Err(e) => return Err(e),
        };
        let here = Self::new(folder, id, held);
        *here.lock_state() = state;
        Ok(here)
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> State {
        self.lock_state().clone()
    }

    pub(super) fn with_offers<T>(&self, look: impl FnOnce(&[Offer]) -> T) -> T {
        look(&self.lock_state().offers)
    }

    /// Those by which it is asked for: all in its channel, as far as that is known.
    pub(super) fn asked_by<T>(&self, look: impl FnOnce(&[&Offer]) -> T) -> T {
        let held = self.held();
        let channel = held.as_ref().map(|h| &h.manifest().channel);
        let state = self.lock_state();
        let of = |o: &&Offer| channel.is_none_or(|c| c == &o.channel);
        look(&state.offers.iter().filter(of).collect::<Vec<_>>())
    }

    /// Those by which others are given it: nobody gets a file by naming it.
    pub(super) fn given_by<T>(
        &self,
        channel: &ContentId,
        look: impl FnOnce(&mut dyn Iterator<Item = &Offer>) -> T,
    ) -> T {
        let state = self.lock_state();
        let of = |o: &&Offer| &o.channel == channel && state.vouched.contains(&o.message);
        look(&mut state.offers.iter().filter(of))
    }

    /// Those by which others are not given it.
    pub(super) fn unvouched(&self) -> Vec<Offer> {
        let state = self.lock_state();
        state.offers.iter().filter(|o| !state.vouched.contains(&o.message)).cloned().collect()
    }

    /// By a message others are given it from now on.
    pub(super) fn vouch(&self, message: &EnvelopeId) -> Result<(), FileError> {
        self.change(|state| {
            if state.offers.iter().any(|o| &o.message == message) {
                state.vouched.insert(message.clone());
            }
        })
    }

    /// Changes what is kept about it, durably, or not at all.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), FileError> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = self.state();
        change(&mut changed);
        let kept = |o: &Offer, of: &EnvelopeId| &o.message == of;
        let offers = &changed.offers;
        changed.vouched.retain(|of| offers.iter().any(|o| kept(o, of)));
        let bytes =
            serde_json::to_vec(&changed).map_err(|e| FileError::Malformed(e.to_string()))?;
        write_whole(&self.folder, STATE, &bytes)?;
        *self.lock_state() = changed;
        drop(writing);
        self.wake.notify_one();
        Ok(())
    }

    /// A message refers to it. What it is called and how long it is say the messages until its manifest is
    /// here; after that, none does any more.
    pub(super) fn offered(
        &self,
        offer: Offer,
        reference: &Reference,
        wanted: bool,
    ) -> Result<(), FileError> {
        let described = self.held().is_some();
        self.change(|state| {
            if !described || state.offers.is_empty() {
                state.name.clone_from(&reference.name);
                state.media_type.clone_from(&reference.media_type);
                (state.size, state.sealed) = (reference.size, reference.key.is_some());
            }
            state.wanted |= wanted;
            if !state.offers.iter().any(|o| o.message == offer.message) {
                if state.offers.len() >= MAX_OFFERS {
                    let vouched = |o: &Offer| state.vouched.contains(&o.message);
                    let first = state.offers.iter().position(|o| !vouched(o)).unwrap_or(0);
                    state.offers.remove(first);
                }
                state.offers.push(offer);
            }
        })
    }

    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn hold(&self, held: Held) -> Arc<Held> {
        let held = Arc::new(held);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&held));
        held
    }

    pub(super) fn is_whole(&self) -> bool {
        self.held().is_some_and(|h| h.is_whole())
    }

    /// Whether it is to be fetched on.
    pub(super) fn should_run(&self) -> bool {
        let live = self.live();
        self.is_due(&live)
    }

    /// The same, for who has looked what is going on.
    pub(super) fn is_due(&self, live: &Live) -> bool {
        let state = self.lock_state();
        let wants = state.wanted && !state.paused;
        drop(state);
        // Also where all is here and not durable.
        let done = self.held().is_some_and(|h| h.is_whole() && !h.is_unsaved());
        wants && !live.removed && !done
    }

    /// A block was given to a peer.
    pub(super) fn gave(&self, peer: &PeerId) {
        let given = &mut self.live().given;
        if given.len() < MAX_GIVEN || given.contains_key(peer) {
            let count = given.entry(*peer).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn bytes(&self) -> u64 {
        let Some(held) = self.held() else { return 0 };
        let (count, blocks, size) = (held.count(), held.manifest().blocks(), self.state().size);
        if count == blocks {
            return size;
        }
        count.saturating_mul(held.manifest().block_size.into()).min(size)
    }

    /// Notes how far it is, for the rate.
    pub(super) fn sample(&self) {
        let (bytes, now) = (self.bytes(), Instant::now());
        let samples = &mut self.live().samples;
        samples.push_back((now, bytes));
        while samples.len() > 2
            && samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE)
        {
            samples.pop_front();
        }
    }

    /// What an operator is shown of it.
    pub(super) fn show(&self) -> Value {
        let (state, held, bytes) = (self.state(), self.held(), self.bytes());
        let live = self.live();
        // Until all of it is durable, it is not.
        let whole =
            !live.running && live.failed.is_none() && held.as_ref().is_some_and(|h| h.is_whole());
        let rate = match (live.samples.front(), live.samples.back()) {
            (Some((from, before)), Some((until, after))) if live.running => {
                let millis = until.duration_since(*from).as_millis().max(1);
                let bytes = u128::from(after.saturating_sub(*before)).saturating_mul(1000);
                bytes.checked_div(millis).and_then(|rate| u64::try_from(rate).ok())
            }
            _ => None,
        };
        let status = match (whole, state.wanted, state.paused, &live.failed) {
            (true, ..) => "whole",
            (_, _, true, _) => "paused",
            (.., Some(FileError::Full(_))) => "waiting",
            (.., Some(_)) => "stopped",
            (_, true, ..) if live.why.is_some() || !live.running => "waiting",
            (_, true, ..) => "fetching",
            _ => "damaged",
        };
        let error = live.failed.as_ref();
        let count = |of: &BTreeMap<PeerId, u64>| -> serde_json::Map<String, Value> {
            of.iter().map(|(peer, n)| (peer.to_string(), json!(n))).collect()
        };
        json!({
            "file": self.id,
            "name": state.name,
            "mediaType": state.media_type,
            "size": state.size,
            "sealed": state.sealed,
            "state": status,
            "bytes": bytes,
            "blocks": held.as_ref().map(|h| h.manifest().blocks()),
            "here": held.as_ref().map(|h| h.count()),
            "bytesPerSecond": rate,
            "from": count(&live.from),
            "altered": live.altered.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "given": count(&live.given),
            "why": error.map(ToString::to_string).or_else(|| live.why.map(str::to_owned)),
            "code": error.map(|e| e.code().id()),
            "messages": state.offers,
        })
    }
}
