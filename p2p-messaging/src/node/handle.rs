//! What a program that runs a node in its own process asks of it, with types instead of JSON. Other
//! programs ask the same over the node's socket ([`super::control`]).
//!
//! What is waited for is waited for without an end: whoever has no patience puts a
//! `tokio::time::timeout` around it, and loses nothing by giving up. [`Node::send`] alone does something:
//! it says itself what giving it up means.

use super::Node;
use super::control::{Asked, NewMessage};
use super::listening::{Listen, Listener, PAGE};
use super::typed::{AskError, Delivered, Given, Outgoing, Refused, Said, Sent, read};
use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use serde::Deserialize as _;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

/// Wakes who waits for something at a node.
#[derive(Clone, Debug)]
pub struct Watch {
    durable: watch::Receiver<u64>,
    happened: watch::Receiver<()>,
}

impl Watch {
    /// Waits until something happened at the node since this was made, or waited last: somebody came or
    /// went, something arrived or became durable, a second went by.
    ///
    /// # Errors
    /// `GP-NODE-NOT-RUNNING` when the node has ended.
    pub async fn changed(&mut self) -> Result<(), AskError> {
        let changed = tokio::select! {
            changed = self.durable.changed() => changed,
            changed = self.happened.changed() => changed,
        };
        let (code, message) = (codes::NODE_NOT_RUNNING, "the node has ended");
        changed.map_err(|_| AskError::from((code, message.to_owned())))
    }
}

impl Node {
    /// What to wait with until there may be something new to ask for. Taken before the first look, it
    /// misses nothing.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let (mut durable, mut happened) = (self.newest.clone(), self.happened.clone());
        durable.mark_unchanged();
        happened.mark_unchanged();
        Watch { durable, happened }
    }

    /// Gives it a file while it runs: a status list, a trust pack, a channel, a presentation. It counts
    /// when this returns, and others are told where they are to know.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn give(&self, bytes: &[u8]) -> Result<(), AskError> {
        self.ask(Asked::Add { content: STANDARD.encode(bytes) }).await?;
        Ok(())
    }

    /// Waits until it has an address, and gives a ticket by which other nodes find it.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ticket(&self, channels: &[ContentId]) -> Result<String, AskError> {
        let mut watch = self.watch();
        loop {
            let status = self.status().await?;
            if !list(&status, "listening").is_empty() {
                let invited = self.ask(Asked::Invite { channels: channels.to_vec() }).await?;
                let ticket = invited.get("ticket").and_then(Value::as_str).unwrap_or_default();
                return Ok(ticket.to_owned());
            }
            watch.changed().await?;
        }
    }

    /// Finds the node that a ticket is of, and stays in touch with it.
    ///
    /// # Errors
    /// Why the ticket is none for this node.
    pub async fn join(&self, ticket: &str) -> Result<(), AskError> {
        self.ask(Asked::Join { ticket: ticket.to_owned() }).await?;
        Ok(())
    }

    /// Waits until a node of a participant is connected that showed that it may read a channel. Mostly
    /// that is so at once. Where both nodes dial at the same time it may take five seconds more: one that
    /// did not hear the other subscribe parts with it then, and both begin anew.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn reader(&self, participant: &Did, channel: &ContentId) -> Result<(), AskError> {
        let reads = |peer: &Value| {
            let readable = list(peer, "mayRead");
            peer.get("participant").and_then(Value::as_str) == Some(participant.as_str())
                && readable.iter().any(|c| c.as_str() == Some(channel.as_str()))
        };
        let mut watch = self.watch();
        loop {
            let view = self.ask(Asked::Peers).await?;
            if list(&view, "peers").iter().any(reads) {
                return Ok(());
            }
            watch.changed().await?;
        }
    }

    /// Checks a message as every peer will, keeps it, and sends it. It is durable here when this
    /// returns; what others would refuse is not sent.
    ///
    /// The first message of a channel may wait ten seconds or more, since others are asked first whether
    /// this node sent there before. One that is given up while it waits is not sent; one that is given up
    /// later may be. Whoever gives every message a reference with [`NewMessage::once`] sends it again: where it
    /// was sent, that is answered as it was the first time, also after a restart.
    ///
    /// # Errors
    /// Every reason for which it would be refused.
    pub async fn send(&self, message: NewMessage) -> Result<Sent, AskError> {
        read(self.ask(Asked::Send(message)).await?)
    }

    /// Own messages, the newest first, and what became of them; a thousand at most.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn outbox(&self, most: u32) -> Result<Vec<Outgoing>, AskError> {
        self.outbox_page(most, None).await
    }

    /// The same, those that come after a message: the last of the page before. After the last page it is
    /// empty.
    ///
    /// # Errors
    /// [`AskError`], also for a message that is not this node's.
    pub async fn outbox_before(
        &self,
        message: &EnvelopeId,
        most: u32,
    ) -> Result<Vec<Outgoing>, AskError> {
        self.outbox_page(most, Some(message.clone())).await
    }

    async fn outbox_page(
        &self,
        most: u32,
        before: Option<EnvelopeId>,
    ) -> Result<Vec<Outgoing>, AskError> {
        let mut answer = self.ask(Asked::Outbox { most, before }).await?;
        read(answer.get_mut("messages").map(Value::take).unwrap_or_default())
    }

    /// Messages of others that were refused here after a number, and why; a thousand at most. Of a sender that
    /// is refused often not all are kept: `spec/receipt.md`.
    ///
    /// # Errors
    /// `GP-NODE-NUMBER` for a number of another log.
    pub async fn refused(&self, after: u64, most: u32) -> Result<Vec<Refused>, AskError> {
        let mut answer = self.ask(Asked::Refused { after, most }).await?;
        read(answer.get_mut("messages").map(Value::take).unwrap_or_default())
    }

    /// How it is: its channels, what is missing, damage and more, as `spec/control.md` says.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn status(&self) -> Result<Value, AskError> {
        self.ask(Asked::Status).await
    }

    /// Waits for the next delivered message after a number; 0 is before the first.
    ///
    /// # Errors
    /// [`AskError`]. `GP-LOG-DAMAGED` where the next is lost, as often as it is asked for: [`Node::next_given`]
    /// tells after which number it goes on.
    pub async fn next_delivered(&self, after: u64) -> Result<Delivered, AskError> {
        self.next_given(after).await?.message()
    }

    /// The same, or what stands in its place where the node's log is damaged.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn next_given(&self, after: u64) -> Result<Given, AskError> {
        Listener::new(self, Listen::after(after), after, 1).next_given().await
    }

    /// Listens to everything that is delivered, or to one channel: after a number, or from where a reader
    /// left off. Topic and conversation stand in each message.
    ///
    /// ```no_run
    /// use gridpass_messaging::node::{AskError, Given, Listen, Node};
    ///
    /// async fn dispatch(node: &Node) -> Result<(), AskError> {
    ///     let mut orders =
    ///         node.listen(Listen::reader("dispatch").in_channel("flex.gb.orders")).await?;
    ///     loop {
    ///         let order = match orders.next_given().await? {
    ///             Given::Message(order) => order,
    ///             // The disk lost what stood there: tell somebody, and go on behind it.
    ///             lost => {
    ///                 orders.done_until(lost.number()).await?;
    ///                 continue;
    ///             }
    ///         };
    ///         // When it is dispatched: a program that ends before this is given it again.
    ///         orders.done(&order).await?;
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// `GP-CHANNEL-UNKNOWN` for a channel that the node neither has nor had; `GP-NODE-REQUEST` for a reader's
    /// name that is too long, or the node's own; `GP-NODE-NUMBER` for a number of another log.
    pub async fn listen(&self, listen: Listen) -> Result<Listener<'_>, AskError> {
        let after = self.begin(&listen).await?;
        Ok(Listener::new(self, listen, after, PAGE))
    }

    /// The same of a node that is shared: the listener borrows nothing, so that one value can own both, and a task
    /// can have it for itself.
    ///
    /// ```no_run
    /// use gridpass_messaging::node::{AskError, Listen, Listener, Node};
    /// use std::sync::Arc;
    ///
    /// struct Desk {
    ///     node: Arc<Node>,
    ///     bids: Listener<'static>,
    /// }
    ///
    /// async fn desk(node: Node) -> Result<Desk, AskError> {
    ///     let node = Arc::new(node);
    ///     let bids = node.listen_shared(Listen::reader("desk")).await?;
    ///     Ok(Desk { node, bids })
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Node::listen`].
    pub async fn listen_shared(
        self: &Arc<Self>,
        listen: Listen,
    ) -> Result<Listener<'static>, AskError> {
        let after = self.begin(&listen).await?;
        Ok(Listener::new(Arc::clone(self), listen, after, PAGE))
    }

    /// After which number a listener begins.
    async fn begin(&self, listen: &Listen) -> Result<u64, AskError> {
        let Listen { after, reader, channel } = listen.clone();
        let begun = self.ask(Asked::Listen { after, reader, channel }).await?;
        Ok(begun.get("after").and_then(Value::as_u64).unwrap_or_default())
    }

    /// Waits for what a recipient says of an own message. A channel without receipts has none.
    ///
    /// # Errors
    /// [`AskError`] for a message that is not this participant's.
    pub async fn receipt(&self, message: &EnvelopeId, of: &Did) -> Result<Said, AskError> {
        let mut watch = self.watch();
        loop {
            let fate = self.ask(Asked::Receipts { envelope: message.clone() }).await?;
            let said = fate.get("recipients").and_then(|all| all.get(of.as_str()));
            // While it is on its way it is said to be queued, sent or overdue: that is no receipt.
            if let Some(said) = said.and_then(|said| Said::deserialize(said).ok()) {
                return Ok(said);
            }
            watch.changed().await?;
        }
    }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A program waits in tasks of its own.
#[cfg(test)]
const _: fn(&'static Node) = |node| {
    fn task<T: Send + 'static>(_: T) {}
    task(node.next_delivered(0));
    task(async move { node.listen(Listen::after(0)).await?.next().await });
    task(node.ticket(&[]));
};
