//! A node: the network, the thread that checks and keeps, and the socket by which it is asked.
//!
//! ```text
//! net (swarm task)  --NetEvent-->  worker (thread: checking, store, material)
//!                   <--Command---
//! control socket    --Asked----->  worker  --answer, when what it is about is durable-->
//! ```

mod answering;
mod authorised;
mod beginnings;
mod behind;
mod catch_up;
mod channels;
mod clock;
pub mod control;
mod crowding;
mod descriptors;
mod disk;
mod elsewhere;
mod endings;
mod evidence;
mod export;
mod fates;
mod fetch;
mod files;
mod forgetting;
mod forks;
mod gaps;
mod grants;
mod group;
mod handle;
mod heads;
mod hold;
mod inbox;
mod invitations;
mod knowledge;
mod listening;
mod looked;
mod material;
mod metrics;
mod opener;
mod outbox;
mod owed;
mod own;
mod own_rights;
mod owner;
mod passed_over;
mod passing;
mod peers;
mod publishing;
mod readers;
mod receipts;
mod references;
mod rounds;
mod said;
mod sealing;
mod server;
mod settings;
mod settling;
mod shelf;
mod silence;
mod standing;
mod starts;
mod statements;
mod system;
mod ticket;
mod typed;
mod unopened;
mod unreported;
mod views;
mod worker;

pub use clock::system_clock;
pub use export::{
    Export, ExportError, Exported, Keys, Payloads, Progress, export, messages_by_channel,
};
pub use files::files_of;
pub use handle::Watch;
pub use hold::{Hold, hold};
pub use invitations::Invitations;
pub use listening::{Listen, Listener};
pub use material::{MAX_FILE, Material, MaterialError, OwnAuthorisation, OwnPresentation, Taken};
pub use settings::{Alone, MetricsSettings, NodeSettings};
pub use starts::KnownStore;
pub use ticket::{Invitation, MAX_TICKET, PREFIX as TICKET_PREFIX, TicketError};
pub use typed::{
    AskError, AtRecipient, Delivered, Given, Lost, Outgoing, Reached, Refused, RefusedFor, Said,
    Sent, Withheld,
};

use crate::checking::{Checker, Limits};
use crate::codes;
use crate::net::{self, NetworkError};
use crate::store::{Store, StoreError};
use control::{Asked, ControlResult};
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::key::{KeyError, PublicKey, SecretKey};
use gridpass_identity::time::UnixMillis;
use knowledge::{Arrived, Knowledge};
use libp2p::PeerId;
use metrics::Metrics;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use worker::{Ending, Parts, Task, Worker};

/// The most tasks that wait for the worker.
const MAX_TASKS: usize = 4096;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// What it was given cannot be used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key is none for a node.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Its thread ended while it started: a defect.
    #[error("the worker ended")]
    Ended,
    /// A folder or file failed.
    #[error("{0}: {1}")]
    Folder(PathBuf, String),
}

impl NodeError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Material(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Key(e) => e.code(),
            Self::Network(e) => e.code(),
            Self::Ended => gridpass_identity::codes::INTERNAL,
            Self::Folder(..) => codes::NODE_FOLDER,
        }
    }
}

/// The key of a node. Its did:key is the node's DID, and its peer id.
pub struct NodeKey {
    /// The secret.
    pub key: SecretKey,
    /// Its name.
    pub key_id: DidUrl,
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKey({}, not shown)", self.key_id)
    }
}

/// Who a node is.
pub(crate) struct Me {
    participant: Did,
    node: Did,
    peer: PeerId,
    key: SecretKey,
    public_key: PublicKey,
    key_id: DidUrl,
}

/// A node that runs. Dropping it does not stop it; [`Node::stop`] does. One that was dropped has its folder,
/// its log and its ports as before: until somebody stops it over its socket, or this process ends, none can
/// be started in that folder.
pub struct Node {
    tasks: mpsc::Sender<Task>,
    newest: watch::Receiver<u64>,
    happened: watch::Receiver<()>,
    metrics: Arc<Metrics>,
    stopped: watch::Receiver<bool>,
    failure: Arc<OnceLock<AskError>>,
    unanswered: server::Unanswered,
    /// What was found when it was opened: damage, files that could not be read.
    pub found: Vec<String>,
    /// The participant that it acts for.
    pub participant: Did,
    /// Its own DID.
    pub node: Did,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({} for {})", self.node, self.participant)
    }
}

/// The folder of a node in a profile's.
#[must_use]
pub fn folder_of(profile: &Path) -> PathBuf {
    profile.join("node")
}

/// The folder of what a node was given.
#[must_use]
pub fn material_of(folder: &Path) -> PathBuf {
    folder.join("material")
}

/// The control socket of a node.
#[must_use]
pub fn socket_of(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

impl Node {
    /// Starts a node in its folder, on the current runtime. It answers on its socket when this
    /// returns; after an error nothing of it runs, and its folder and ports are free. The clock is asked
    /// again and again: [`system_clock`], or a test's.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(
        folder: &Path,
        key: NodeKey,
        mut settings: NodeSettings,
        clock: fn() -> UnixMillis,
    ) -> Result<Self, NodeError> {
        make_private(folder)?;
        // Before anything is read: what is written there from now on is not read any more.
        let place = folder.to_owned();
        let lock = tokio::task::spawn_blocking(move || hold::take(&place));
        let lock = lock.await.map_err(|_| NodeError::Ended)??;
        let keypair = net::keypair(&key.key)?;
        let peer = keypair.public().to_peer_id();
        let node = key.key_id.did().clone();
        let invitations = Invitations::open(folder)?;
        for invitation in invitations.all() {
            settings.network.peers.extend(invitation.addresses());
        }
        let (tasks, received) = mpsc::channel(MAX_TASKS);
        let (newest_in, newest) = watch::channel(0);
        let (happened_in, happened) = watch::channel(());
        let metrics = Arc::new(Metrics::default());
        let (ready, is_ready) = oneshot::channel();
        let (network, told) = oneshot::channel();
        let (stopped_in, stopped) = watch::channel(false);
        let (failure, unanswered) = (Arc::new(OnceLock::new()), server::Unanswered::default());
        let (failed, not_answered) = (Arc::clone(&failure), unanswered.clone());
        let place = folder.to_owned();
        let shelf = Arc::new(shelf::Shelf::default());
        let (files, unread) = files::Files::open(folder, &peer)
            .map_err(|e| NodeError::Folder(files_of(folder), e.to_string()))?;
        let files = Arc::new(files);
        let library = Arc::new(files::Both(Arc::clone(&shelf), Arc::clone(&files)));
        let (on_shelf, waiting) = (Arc::clone(&shelf), tasks.downgrade());
        let (shared, network_settings) = (Arc::clone(&metrics), settings.network.clone());
        let disk = disk::Disk::start();
        let disk = disk.map_err(|e| NodeError::Folder(folder.into(), e.to_string()))?;
        // The core's schemas cannot be shared between threads: it is made where it is used.
        let thread = std::thread::Builder::new().name("gridpass-worker".into()).spawn(move || {
            let found = open((place.as_path(), lock), &key, (node, peer), clock);
            let (me, knowledge, damage) = match found {
                Ok(found) => found,
                Err(e) => {
                    let _ = ready.send(Err(e));
                    return;
                }
            };
            newest_in.send_replace(knowledge.store.last_number());
            let _ = ready.send(Ok((me.participant.clone(), me.node.clone(), damage.clone())));
            let Ok((net, exchange)) = told.blocking_recv() else {
                // Who waits for the end of a node that does not start finds its folder free.
                drop(knowledge);
                stopped_in.send_replace(true);
                return;
            };
            let checker = Checker::new(me.participant.clone(), &Limits::default());
            let mut worker = Worker::new(Parts {
                me,
                settings,
                clock,
                checker,
                knowledge,
                net,
                exchange,
                shelf: on_shelf,
                files,
                tasks: waiting,
                newest: newest_in,
                happened: happened_in,
                metrics: shared,
                damage,
                invitations,
                disk,
            });
            worker.join_all();
            worker.go_on_with_files();
            let ending = worker.run(received);
            // Said before anything can fail once more.
            let why = worker.failure();
            let by_itself = why.is_some();
            if let Some(why) = why {
                let _ = failed.set(why);
            }
            // As long as the store's lock is held: afterwards, what has this name can be another node's.
            let _ = std::fs::remove_file(socket_of(&place));
            drop(worker);
            if let Some(Ending { done, answered }) = ending {
                let _ = done.send(());
                let _ = answered.blocking_recv();
            } else if by_itself {
                not_answered.wait();
            }
            stopped_in.send_replace(true);
        });
        thread.map_err(|e| NodeError::Folder(folder.into(), e.to_string()))?;
        let (participant, node, mut found) = is_ready.await.map_err(|_| NodeError::Ended)??;
        found.extend(unread);
        let socket = socket_of(folder);
        let begun = async {
            net::check_free(&network_settings.listen).await?;
            // What may fail comes before the worker goes on: nobody could stop it after an error.
            let listener = server::bind(&socket)?;
            let network_now =
                net::start_with::<Task>(keypair, &network_settings, tasks.clone(), library)
                    .inspect_err(|_| drop(std::fs::remove_file(&socket)))?;
            Ok::<_, NodeError>((listener, network_now))
        }
        .await;
        let (listener, network_now) = match begun {
            Ok(begun) => begun,
            Err(e) => {
                // Without a network the worker ends, and gives up the folder.
                drop(network);
                ended(stopped).await;
                return Err(e);
            }
        };
        network.send(network_now).map_err(|_| NodeError::Ended)?;
        let ticking = tasks.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                tick.tick().await;
                if ticking.send(Task::Tick).await.is_err() {
                    return;
                }
            }
        });
        let node = Self {
            tasks,
            newest,
            happened,
            metrics,
            stopped,
            failure,
            unanswered,
            found,
            participant,
            node,
        };
        server::serve(listener, &node);
        Ok(node)
    }

    /// Asks it something.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask(&self, asked: Asked) -> ControlResult {
        ask(&self.tasks, asked).await
    }

    /// What writes the figures for Prometheus.
    pub fn metrics(&self) -> impl Fn() -> String + Clone + Send + Sync + 'static {
        let metrics = Arc::clone(&self.metrics);
        move || metrics.text()
    }

    /// Lets it believe that so much more time went by since it started: what it waits for comes the sooner.
    /// For tests.
    #[doc(hidden)]
    pub async fn hurry(&self, by: Duration) {
        let _ = self.tasks.send(Task::Hurry(by)).await;
    }

    /// Lets it believe that the disk of its index failed. For tests.
    #[doc(hidden)]
    pub async fn fail(&self) {
        let _ = self.tasks.send(Task::Fail).await;
    }

    /// Whether what comes is kept: the last group became durable. A node for which this is not so
    /// acknowledges nothing.
    pub fn keeps(&self) -> impl Fn() -> bool + Clone + Send + Sync + 'static {
        let metrics = Arc::clone(&self.metrics);
        move || metrics.keeps()
    }

    /// Why it ended by itself, if it did: its disk failed so that nobody can tell what is there. Everybody who waited
    /// for an answer was told, its folder and ports are free, and what it acknowledged is kept: a program waits for
    /// [`Node::ended`], asks this, and starts a new one in the same folder when the disk is well again.
    #[must_use]
    pub fn failure(&self) -> Option<AskError> {
        // A worker that ends as it should says so.
        let vanished = self.stopped.has_changed().is_err() && !*self.stopped.borrow();
        let defect = || {
            let internal = gridpass_identity::codes::INTERNAL;
            AskError::from((internal, NodeError::Ended.to_string()))
        };
        self.failure.get().cloned().or_else(|| vanished.then(defect))
    }

    /// Waits until it has ended: somebody stopped it, also over its socket, or it failed ([`Node::failure`]).
    pub async fn ended(&self) {
        ended(self.stopped.clone()).await;
    }

    /// Makes durable what it took, and ends. Then another can be started in its folder.
    pub async fn stop(&self) {
        drop(stop(&self.tasks).await);
        // Somebody else may have told it to.
        self.ended().await;
    }
}

/// Waits until the worker has ended.
async fn ended(mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow_and_update() {
        if stopped.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the worker to end, and waits until it has. Whoever asked is told before what this gives is dropped:
/// then the process may go.
pub(crate) async fn stop(tasks: &mpsc::Sender<Task>) -> oneshot::Sender<()> {
    let ((done, is_done), (asker, answered)) = (oneshot::channel(), oneshot::channel());
    if tasks.send(Task::Stop(Ending { done, answered })).await.is_ok() {
        let _ = is_done.await;
    }
    asker
}

pub(crate) async fn ask(tasks: &mpsc::Sender<Task>, asked: Asked) -> ControlResult {
    let (reply, answer) = oneshot::channel();
    let gone = || -> ControlResult {
        Err((codes::NODE_NOT_RUNNING, "the node has ended".to_owned()).into())
    };
    if tasks.send(Task::Control(Box::new(asked), reply)).await.is_err() {
        return gone();
    }
    answer.await.unwrap_or_else(|_| gone())
}

fn make_private(folder: &Path) -> Result<(), NodeError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |e: std::io::Error| NodeError::Folder(folder.into(), e.to_string());
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)
}

type Opened = (Me, Knowledge, Vec<String>);

/// Opens what a node has on disk.
fn open(
    (folder, lock): (&Path, File),
    key: &NodeKey,
    (node, peer): (Did, PeerId),
    clock: fn() -> UnixMillis,
) -> Result<Opened, NodeError> {
    let now = clock();
    let (material, unread) = Material::open(&material_of(folder), node.clone(), now)?;
    let mut found: Vec<String> =
        unread.iter().map(|(path, e)| format!("{}: {e} [{}]", path.display(), e.code())).collect();
    let trust = Arc::clone(material.trust()?);
    let participant = material
        .authorisation
        .as_ref()
        .map_or_else(|| node.clone(), |a| a.authorisation.principal.clone());
    let place = folder.join("store");
    // What could not be read may be why it seems to be somebody else.
    for line in &found {
        tracing::warn!("{line}");
    }
    let unnoted = owner::check(&place, &participant, &node)?;
    let (mut store, opened) = Store::open_held(lock, &place)?;
    if unnoted {
        owner::note(&place, &participant)?;
    }
    found.extend(opened.told().iter().map(|(code, sentence)| format!("{sentence} [{code}]")));
    found.extend(starts::doubt(&place, &mut store)?);
    let me = Me {
        participant,
        node,
        peer,
        key: key.key.clone(),
        public_key: key.key.public_key(),
        key_id: key.key_id.clone(),
    };
    let opener = opener::Opener::new(me.node.clone(), me.key.clone());
    let knowledge = Knowledge { store, material, arrived: Arrived::default(), trust, opener };
    Ok((me, knowledge, found))
}

#[cfg(test)]
mod tests {
    use super::NodeKey;
    use crate::test_kit;

    #[test]
    fn the_key_of_a_node_is_not_printed() {
        let key = test_kit::key(7);
        let key_id = test_kit::did_of(&key);
        let shown = format!("NodeKey({key_id}, not shown)");
        assert_eq!(format!("{:?}", NodeKey { key, key_id }), shown);
    }
}
