//! What is between this node and one peer: what the peer wants, what is wanted of it, what was lately.

use super::lock;
use super::message::{Message, Want, Wanted, digest_of};
use hashlink::{LinkedHashMap, LruCache};
use ipld_core::cid::Cid;
use libp2p::PeerId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// The most that a peer may want at once; what it wants beyond that is not looked at.
pub(super) const MAX_WANTS: usize = 1024;
/// The most that is wanted of a peer at once: who wants more waits.
const MAX_OWN: usize = 256;
/// The most streams of a peer that are read.
const MAX_STREAMS: usize = 4;
/// How many blocks that were asked for are remembered: an answer may come late, or twice.
const MAX_LATELY: usize = 4096;

/// Two that dial each other have two connections at once: no process ends and comes back in so short a
/// time.
const AT_ONCE: Duration = Duration::from_secs(1);

type Digest = [u8; 32];

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// These bytes, which were hashed.
    Block(Vec<u8>),
    /// It has it.
    Here,
    /// It does not have it, gives it to others, or says nothing.
    NotHere,
    /// It sent other bytes.
    Altered,
}

struct Own {
    cid: Cid,
    wanted: Wanted,
    waiting: Vec<oneshot::Sender<Said>>,
}

struct State {
    /// And when it was wanted.
    theirs: LinkedHashMap<Cid, (Want, Instant)>,
    /// When the last connection was made.
    met: Option<Instant>,
    to_ask: VecDeque<Want>,
    own: HashMap<Digest, Own>,
    lately: LruCache<Digest, ()>,
    writing: bool,
}

/// What is between this node and one peer.
pub(crate) struct Desk {
    pub(super) peer: PeerId,
    state: Mutex<State>,
    /// There is something to write.
    pub(super) work: Notify,
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// Somebody who waits for an answer; who waits no more says so.
pub(crate) struct Waiting {
    desk: Arc<Desk>,
    digest: Digest,
    answer: oneshot::Receiver<Said>,
    _room: OwnedSemaphorePermit,
}

impl Waiting {
    pub(crate) async fn answer(mut self) -> Said {
        (&mut self.answer).await.unwrap_or(Said::NotHere)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answer.close();
        self.desk.nobody_waits(&self.digest);
    }
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing is to be said against it.
    Well,
    /// A block was in it that was not asked for.
    Unasked,
}

impl Desk {
    pub(super) fn new(peer: PeerId) -> Self {
        let state = State {
            theirs: LinkedHashMap::new(),
            met: None,
            to_ask: VecDeque::new(),
            own: HashMap::new(),
            lately: LruCache::new(MAX_LATELY),
            writing: false,
        };
        Self {
            peer,
            state: Mutex::new(state),
            work: Notify::new(),
            places: Arc::new(Semaphore::new(MAX_STREAMS)),
            room: Arc::new(Semaphore::new(MAX_OWN)),
        }
    }

    /// A place for a stream that is read.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Whether a block may come: something was asked for, now or lately.
    pub(super) fn expects_blocks(&self) -> bool {
        let state = lock(&self.state);
        !state.own.is_empty() || !state.lately.is_empty()
    }

    /// Asks for a block, or whether it is there.
    pub(super) async fn want(self: &Arc<Self>, cid: Cid, wanted: Wanted) -> Option<Waiting> {
        let digest = digest_of(&cid)?;
        let room = Arc::clone(&self.room).acquire_owned().await.ok()?;
        let (said, answer) = oneshot::channel();
        let mut state = lock(&self.state);
        let ask = match state.own.get_mut(&digest) {
            // Who has asked for the block need not ask whether it is there.
            Some(own) if own.wanted == Wanted::Block || own.wanted == wanted => {
                own.waiting.push(said);
                false
            }
            Some(own) => {
                own.wanted = wanted;
                own.waiting.push(said);
                true
            }
            None => {
                state.own.insert(digest, Own { cid, wanted, waiting: vec![said] });
                true
            }
        };
        if ask {
            state.to_ask.push_back(Want { cid, wanted, send_dont_have: true });
        }
        drop(state);
        Some(Waiting { desk: Arc::clone(self), digest, answer, _room: room })
    }

    /// Somebody waits no more: where nobody else does, the peer is told, unless it answered.
    fn nobody_waits(&self, digest: &Digest) {
        let mut state = lock(&self.state);
        let Some(own) = state.own.get_mut(digest) else { return };
        own.waiting.retain(|w| !w.is_closed());
        if !own.waiting.is_empty() {
            return;
        }
        let cid = own.cid;
        state.own.remove(digest);
        state.lately.insert(*digest, ());
        let before = state.to_ask.len();
        state.to_ask.retain(|w| w.cid != cid);
        // Where it was told already.
        if state.to_ask.len() == before {
            let wanted = Wanted::Nothing;
            state.to_ask.push_back(Want { cid, wanted, send_dont_have: false });
            drop(state);
            self.work.notify_one();
        }
    }

    /// Takes what the peer said.
    pub(super) fn take(&self, message: Message) -> Taken {
        let mut state = lock(&self.state);
        if message.full {
            state.theirs.clear();
        }
        for want in message.wants {
            let full = state.theirs.len() >= MAX_WANTS && !state.theirs.contains_key(&want.cid);
            if want.wanted == Wanted::Nothing {
                state.theirs.remove(&want.cid);
            } else if !full {
                state.theirs.insert(want.cid, (want, Instant::now()));
            }
        }
        let mut taken = Taken::Well;
        for block in message.blocks {
            let Some(digest) = digest_of(&block.cid) else { continue };
            match state.own.remove(&digest) {
                Some(own) => {
                    state.lately.insert(digest, ());
                    answer(own, &Said::Block(block.data));
                }
                None if state.lately.get(&digest).is_some() => {}
                None => taken = Taken::Unasked,
            }
        }
        if taken == Taken::Unasked {
            // Which of them it was to be cannot be said: nothing more is believed of it.
            state.fail(&Said::Altered);
        }
        for (cid, here) in message.presences {
            let Some(digest) = digest_of(&cid) else { continue };
            let answers = state.own.get(&digest).is_some_and(|o| !here || o.wanted == Wanted::Have);
            if answers && let Some(own) = state.own.remove(&digest) {
                state.lately.insert(digest, ());
                answer(own, if here { &Said::Here } else { &Said::NotHere });
            }
        }
        taken
    }

    /// What is to be said to the peer about own wants.
    pub(super) fn asks(&self, most: usize) -> Vec<Want> {
        let mut state = lock(&self.state);
        let count = state.to_ask.len().min(most);
        state.to_ask.drain(..count).collect()
    }

    /// The next thing that the peer wants, and whether there was no other connection since it said so.
    pub(super) fn next_want(&self) -> Option<(Want, bool)> {
        let mut state = lock(&self.state);
        let (_, (want, at)) = state.theirs.pop_front()?;
        Some((want, !state.was_met_since(at)))
    }

    /// The peer is connected once more: it may be another process that knows nothing of the one before.
    pub(super) fn met(&self, at: Instant) {
        lock(&self.state).met = Some(at);
    }

    /// Whether it was connected once more since.
    pub(super) fn was_met_since(&self, at: Instant) -> bool {
        lock(&self.state).was_met_since(at)
    }

    pub(super) fn has_work(&self) -> bool {
        let state = lock(&self.state);
        !state.theirs.is_empty() || !state.to_ask.is_empty()
    }

    /// Whether somebody is to begin writing: one at a time.
    pub(super) fn begin_writing(&self) -> bool {
        let mut state = lock(&self.state);
        !std::mem::replace(&mut state.writing, true)
    }

    /// Ends writing, unless there is something to write.
    pub(super) fn end_writing(&self) -> bool {
        let mut state = lock(&self.state);
        let end = state.theirs.is_empty() && state.to_ask.is_empty();
        state.writing = !end;
        end
    }

    /// The peer cannot be told anything, or is gone: nobody waits for it, and it waits for nothing.
    pub(super) fn unreachable(&self) {
        let mut state = lock(&self.state);
        state.theirs.clear();
        state.to_ask.clear();
        state.fail(&Said::NotHere);
    }
}

impl State {
    fn was_met_since(&self, at: Instant) -> bool {
        let since = |met: Instant| met.checked_duration_since(at);
        self.met.and_then(since).is_some_and(|since| since > AT_ONCE)
    }

    fn fail(&mut self, said: &Said) {
        for (digest, own) in std::mem::take(&mut self.own) {
            self.lately.insert(digest, ());
            answer(own, said);
        }
    }
}

fn answer(own: Own, said: &Said) {
    for waiting in own.waiting {
        let _ = waiting.send(said.clone());
    }
}
