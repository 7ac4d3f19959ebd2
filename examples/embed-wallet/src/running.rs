//! Nodes that run in this process: equipped by their participants, then started.

use crate::error::{Error, Result};
use crate::market::{BIDS, Channel};
use crate::party::Party;
use crate::{Shell, blocking};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::issuing::{Issuer, NewAuthorisation};
use gridpass_credentials::keeping;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::secured::Binding;
use gridpass_credentials::status::StatusList;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::node::{AskError, Node, NodeKey, NodeSettings, Sent, hold};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// For how long a node may act for its participant (90 days at most), and shows its visas: 30 days. **Then it can neither
/// send nor read**: in time, have the participant sign both anew, and give them to the node while it runs (`Node::give`);
/// its `status` says when they end.
pub const MONTH_MILLIS: u64 = 30 * 24 * 3600 * 1000;
/// How long this program waits for something before it says that it does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that runs.
pub struct Running {
    /// Its own wallet, with nothing in it but its key.
    pub party: Party,
    /// Where it keeps what it was given and what came.
    pub folder: PathBuf,
    /// What it is asked by.
    pub node: Node,
}

/// For whom and how long a node's participant shows its visas in a channel.
pub fn in_channel(channel: &Channel, shell: &Shell<'_>) -> Binding {
    let expires = shell.now().plus_millis(MONTH_MILLIS);
    Binding { audience: channel.id().to_string(), nonce: None, expires }
}

impl Running {
    /// A participant authorises a node, gives it what it needs to take part in a channel, with the visas
    /// that the participant shows there, and starts it.
    pub async fn start(
        participant: &mut Party,
        name: &str,
        channel: &Channel,
        shown: &Parcel,
        shell: &mut Shell<'_>,
    ) -> Result<Self> {
        let (party, folder) = blocking(|| equip(participant, name, channel, shown, shell))?;
        let mut settings = NodeSettings::default();
        settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().map_err(Error::new)?];
        // There is nobody else to be found here; and what gossip lost is asked for after a second.
        settings.network.discover = false;
        settings.catch_up_seconds = 1;
        let node = Node::start(&folder, key_of(&party)?, settings, shell.clock).await?;
        Ok(Self { party, folder, node })
    }

    /// Finds another node by its ticket, and waits until that has shown that it may read the channel.
    pub async fn meet(&self, other: &Self, channel: &Channel) -> Result<()> {
        let ticket = soon(other.node.ticket(&[])).await?;
        self.node.join(&ticket).await?;
        soon(self.node.reader(&other.node.participant, channel.id())).await
    }

    /// Sends a bid. It is checked first as every peer will check it.
    pub async fn send(&self, channel: &Channel, bid: &Value) -> Result<Sent, AskError> {
        let payload = bid.to_string();
        self.node.send(NewMessage::new(channel.id().as_str(), BIDS, payload.as_bytes())).await
    }

    /// Waits until this state of a status list counts here: it comes by gossip, like a message.
    pub async fn knows(&self, list: &StatusList) -> Result<()> {
        let here = |known: &Value| {
            known.get("list").and_then(Value::as_str) == Some(list.id.as_str())
                && known.get("version").and_then(Value::as_u64) >= list.version
        };
        soon(async {
            let mut watch = self.node.watch();
            loop {
                let all = self.node.ask(Asked::Lists).await?;
                let lists = all.get("lists").and_then(Value::as_array);
                if lists.is_some_and(|lists| lists.iter().any(here)) {
                    return Ok(());
                }
                watch.changed().await?;
            }
        })
        .await
    }
}

/// A node's own wallet and folder, with what it needs in it.
fn equip(
    participant: &mut Party,
    name: &str,
    channel: &Channel,
    shown: &Parcel,
    shell: &mut Shell<'_>,
) -> Result<(Party, PathBuf)> {
    let party = Party::node(name, shell)?;
    let mut files = vec![
        keeping::pinned_bytes(&participant.wallet)?,
        channel.signed.to_json().to_string().into_bytes(),
        channel.schema.clone(),
        shown.encode()?,
        authorise(participant, party.did(), shell)?.encode()?,
    ];
    for log in &channel.owner {
        files.push(serde_json::to_vec(log).map_err(Error::new)?);
    }
    let folder = party.folder.join("node");
    // No node starts here until the material is dropped: it would not know of what is given.
    let (mut material, unread) = hold(&folder)?.material(party.did().clone(), shell.now())?;
    if let Some((path, why)) = unread.first() {
        let sentence = format!("{}: {why}", path.display());
        return Err(Error { code: Some(why.code()), sentence });
    }
    for file in &files {
        // It tells by itself what a file is.
        material.give(file, shell.now())?;
    }
    drop(material);
    Ok((party, folder))
}

/// The participant signs that a node acts for it, for a while.
fn authorise(participant: &mut Party, node: &Did, shell: &mut Shell<'_>) -> Result<Parcel> {
    let (now, trust) = (shell.now(), participant.trust(shell)?);
    let new = NewAuthorisation {
        node,
        purposes: NodePurpose::ALL.into_iter().collect(),
        channels: None,
        validity_millis: MONTH_MILLIS,
    };
    let (wallet, identity) = (&mut participant.wallet, &participant.me);
    let mut desk = Issuer { wallet, identity, trust: &trust, now };
    let (_, text, list) = desk.authorise_node(&new, shell.rng)?;
    let mut parcel = Parcel::new(ParcelKind::NodeAuthorisation, Some(text));
    parcel.status_lists.push(list.secured().text().to_owned());
    parcel.identities = participant.published()?;
    Ok(parcel)
}

/// The key by which a node speaks and signs.
pub fn key_of(node: &Party) -> Result<NodeKey> {
    let (key_id, key) = node.key(Relationship::CapabilityInvocation)?;
    Ok(NodeKey { key, key_id })
}

/// Waits for something, and not for ever.
pub async fn soon<T>(what: impl Future<Output = Result<T, AskError>>) -> Result<T> {
    let waited = tokio::time::timeout(PATIENCE, what).await;
    Ok(waited.map_err(|_| Error::new("waited for a minute in vain"))??)
}
