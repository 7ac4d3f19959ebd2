//! Delivered messages one after the other, for a program that runs the node in its own process: what
//! `listen` and `done` are on the control socket.

use super::Node;
use super::control::Asked;
use super::readers::is_for;
use super::typed::{AskError, Delivered, Given};
use crate::codes;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The most messages that are read at once for a listener.
pub(super) const PAGE: u32 = 64;

/// What a program listens to, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub(super) after: Option<u64>,
    pub(super) reader: Option<String>,
    pub(super) channel: Option<String>,
}

impl Listen {
    /// To what is delivered after a number, which the program keeps itself; 0 is before the first.
    #[must_use]
    pub fn after(number: u64) -> Self {
        Self { after: Some(number), reader: None, channel: None }
    }

    /// From where the reader of this name left off, which the node keeps: [`Listener::done`].
    #[must_use]
    pub fn reader(name: &str) -> Self {
        Self { after: None, reader: Some(name.to_owned()), channel: None }
    }

    /// Only to this channel: its CID or its name. A reader has a place of its own in each channel, under
    /// what it is named by here, and one more in everything.
    #[must_use]
    pub fn in_channel(mut self, channel: &str) -> Self {
        self.channel = Some(channel.to_owned());
        self
    }
}

/// The node that is listened to.
pub(super) enum Of<'n> {
    Borrowed(&'n Node),
    Shared(Arc<Node>),
}

impl<'n> From<&'n Node> for Of<'n> {
    fn from(node: &'n Node) -> Self {
        Self::Borrowed(node)
    }
}

impl From<Arc<Node>> for Of<'_> {
    fn from(node: Arc<Node>) -> Self {
        Self::Shared(node)
    }
}

impl Deref for Of<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        match self {
            Self::Borrowed(node) => node,
            Self::Shared(node) => node,
        }
    }
}

/// Gives delivered messages one after the other: [`Node::listen`], [`Node::listen_shared`].
pub struct Listener<'n> {
    node: Of<'n>,
    listen: Listen,
    /// The number of the last that was read.
    after: u64,
    /// The most that are read at once.
    most: u32,
    /// What was read, and not given yet.
    read: VecDeque<Value>,
}

impl fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({:?})", self.listen)
    }
}

impl<'n> Listener<'n> {
    pub(super) fn new(node: impl Into<Of<'n>>, listen: Listen, after: u64, most: u32) -> Self {
        Self { node: node.into(), listen, after, most, read: VecDeque::new() }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`AskError`]. `GP-LOG-DAMAGED` where the node's log is damaged, and a message may be lost: the listener
    /// is past it, and goes on with the next call. [`Listener::next_given`] tells its number, for
    /// [`Listener::done_until`]: a reader that was never done with it is told again when it listens anew.
    pub async fn next(&mut self) -> Result<Delivered, AskError> {
        self.next_given().await?.message()
    }

    /// Waits for the next message, or for what stands in its place where the node's log is damaged.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn next_given(&mut self) -> Result<Given, AskError> {
        let mut watch = self.node.watch();
        loop {
            while let Some(message) = self.read.pop_front() {
                if is_for(&message, self.listen.channel.as_deref()) {
                    return Given::read(message);
                }
            }
            let asked = Asked::Given { after: self.after, most: self.most };
            let mut page = self.node.ask(asked).await?;
            let messages = page.get_mut("messages").and_then(Value::as_array_mut);
            self.read = messages.map(std::mem::take).unwrap_or_default().into();
            if self.read.is_empty() {
                watch.changed().await?;
            } else {
                self.after = page.get("last").and_then(Value::as_u64).unwrap_or(u64::MAX);
            }
        }
    }

    /// The reader is done with a message that it was given, and with those before it: that is durable when
    /// this returns. Whoever listens in its name from then on is given what comes after.
    ///
    /// # Errors
    /// `GP-NODE-REQUEST` where it listens in no reader's name.
    pub async fn done(&self, message: &Delivered) -> Result<(), AskError> {
        self.done_until(message.number).await
    }

    /// The same by a number, such as that of what is [lost](super::Lost).
    ///
    /// # Errors
    /// As [`Listener::done`].
    pub async fn done_until(&self, number: u64) -> Result<(), AskError> {
        let Listen { reader, channel, .. } = self.listen.clone();
        let Some(reader) = reader else {
            let why = "no reader is named, whose place the node could keep";
            return Err(AskError::from((codes::NODE_REQUEST, why.to_owned())));
        };
        self.node.ask(Asked::Done { reader, channel, number }).await?;
        Ok(())
    }
}
