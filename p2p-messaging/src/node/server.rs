//! The control socket.

use super::control::{Asked, ControlResult, MAX_LINE, parse, to_line};
use super::readers::is_for;
use super::worker::Task;
use super::{Node, NodeError, ask, stop};
use crate::codes;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};

/// The most connections at once.
const MAX_CONNECTIONS: usize = 256;
/// The most messages that are read from the store at once for a listener.
const PAGE: u32 = 256;
/// For how long a node that ends by itself waits, in steps, until what was asked is answered: who asked may not read.
const ANSWERED_WITHIN: (u32, Duration) = (100, Duration::from_millis(20));

/// How many questions over the socket are not answered yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Unanswered(Arc<AtomicUsize>);

impl Unanswered {
    fn one_more(&self) -> One {
        self.0.fetch_add(1, Ordering::SeqCst);
        One(Arc::clone(&self.0))
    }

    /// Waits until there is none: then the process may go.
    pub(super) fn wait(&self) {
        let (steps, pause) = ANSWERED_WITHIN;
        for _ in 0..steps {
            if self.0.load(Ordering::SeqCst) == 0 {
                return;
            }
            std::thread::sleep(pause);
        }
    }
}

/// One of them, until it is answered.
struct One(Arc<AtomicUsize>);

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Server {
    unanswered: Unanswered,
    tasks: mpsc::Sender<Task>,
    newest: watch::Receiver<u64>,
    happened: watch::Receiver<()>,
}

/// Takes the socket. One that a killed node left behind is replaced; the store's lock has shown
/// that nobody else runs here. The worker takes it away before it gives that lock up.
pub(super) fn bind(path: &Path) -> Result<UnixListener, NodeError> {
    let failed = |e: std::io::Error| {
        let hint = if path.as_os_str().len() > 100 {
            ": the path of a socket has at most 107 bytes; choose a shorter --home"
        } else {
            ""
        };
        NodeError::Folder(path.into(), format!("{e}{hint}"))
    };
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(failed)?;
    let private = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
    private.inspect_err(|_| drop(std::fs::remove_file(path))).map_err(failed)?;
    Ok(listener)
}

/// Answers on the socket.
pub(super) fn serve(listener: UnixListener, node: &Node) {
    let server = Server {
        unanswered: node.unanswered.clone(),
        tasks: node.tasks.clone(),
        newest: node.newest.clone(),
        happened: node.happened.clone(),
    };
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stopped = node.stopped.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // Too many open files, mostly: it passes.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    };
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        tokio::spawn(turn_away(stream));
                        continue;
                    };
                    let server = server.clone();
                    tokio::spawn(async move {
                        let _ = server.talk(stream).await;
                        drop(place);
                    });
                }
                _ = stopped.changed() => break,
            }
        }
    });
}

/// Says that there is no place for one more, and ends the connection.
async fn turn_away(mut stream: UnixStream) {
    let sentence = format!("it has {MAX_CONNECTIONS} connections, and takes no more at once");
    let line = to_line(&Err((codes::NODE_BUSY, sentence).into()));
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&line)).await;
}

/// What whoever waits for something is told last.
fn ended() -> Vec<u8> {
    to_line(&Err((codes::NODE_NOT_RUNNING, "the node has ended".to_owned()).into()))
}

impl Server {
    /// Answers questions on a connection, one after the other.
    async fn talk(self, stream: UnixStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        loop {
            let mut line = Vec::new();
            let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
            (&mut read).take(most).read_until(b'\n', &mut line).await?;
            if line.is_empty() {
                return Ok(());
            }
            if line.last() != Some(&b'\n') {
                let why = match line.len() < MAX_LINE {
                    true => "the last line does not end in a line feed: it may be cut off",
                    false => "a line has at most 24 MiB",
                };
                let refused = (codes::NODE_REQUEST, why.to_owned());
                return write.write_all(&to_line(&Err(refused.into()))).await;
            }
            match parse(&line) {
                Err(error) => write.write_all(&to_line(&Err(error))).await?,
                Ok(Asked::Stop) => {
                    let asker = stop(&self.tasks).await;
                    write.write_all(&to_line(&Ok(json!({"stopped": true})))).await?;
                    drop(asker);
                }
                Ok(asked @ Asked::Listen { .. }) => {
                    let mut one = [0_u8; 1];
                    // A listener says nothing more: what ends its side ends this.
                    return tokio::select! {
                        done = self.listen(&mut write, asked) => done,
                        _ = read.read(&mut one) => Ok(()),
                    };
                }
                Ok(Asked::Watch) => {
                    let mut one = [0_u8; 1];
                    return tokio::select! {
                        done = self.watch(&mut write) => done,
                        _ = read.read(&mut one) => Ok(()),
                    };
                }
                Ok(asked) => {
                    let one = self.unanswered.one_more();
                    let answer = ask(&self.tasks, asked).await;
                    write.write_all(&to_line(&answer)).await?;
                    drop(one);
                }
            }
        }
    }

    /// Says that it watches, and then whenever something happened.
    async fn watch(mut self, write: &mut tokio::net::unix::OwnedWriteHalf) -> std::io::Result<()> {
        loop {
            self.happened.mark_unchanged();
            write.write_all(&to_line(&Ok(json!({})))).await?;
            if self.happened.changed().await.is_err() {
                return write.write_all(&ended()).await;
            }
        }
    }

    /// Gives what is there and what comes, a line for each, until the listener goes away.
    async fn listen(
        mut self,
        write: &mut tokio::net::unix::OwnedWriteHalf,
        asked: Asked,
    ) -> std::io::Result<()> {
        let only = match &asked {
            Asked::Listen { channel, .. } => channel.clone(),
            _ => None,
        };
        let begun = ask(&self.tasks, asked).await;
        let from = begun.as_ref().ok().and_then(|v| v.get("after")?.as_u64());
        let Some(mut after) = from else { return write.write_all(&to_line(&begun)).await };
        loop {
            // Noted before reading, so that what comes in between wakes it.
            self.newest.borrow_and_update();
            let page = ask(&self.tasks, Asked::Given { after, most: PAGE }).await;
            let messages = messages(&page);
            if messages.is_empty() {
                if page.is_err() {
                    return write.write_all(&to_line(&page)).await;
                }
                if self.newest.changed().await.is_err() {
                    return write.write_all(&ended()).await;
                }
                continue;
            }
            for message in messages {
                after = message.get("number").and_then(Value::as_u64).unwrap_or(after);
                // What is left out is not given: no reader is done with it.
                if is_for(&message, only.as_deref()) {
                    write.write_all(&to_line(&Ok(message))).await?;
                }
            }
        }
    }
}

fn messages(page: &ControlResult) -> Vec<Value> {
    let all = page.as_ref().ok().and_then(|v| v.get("messages")?.as_array());
    all.cloned().unwrap_or_default()
}
