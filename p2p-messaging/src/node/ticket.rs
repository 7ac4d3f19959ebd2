//! A join ticket: one line by which a node finds another, and the channels that it is invited to.

use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

/// What a ticket begins with: its kind and version.
pub const PREFIX: &str = "gridpass-join-1:";
/// The longest ticket, in characters.
pub const MAX_TICKET: usize = 16 * 1024;
/// The most addresses in one.
pub(super) const MAX_ADDRESSES: usize = 16;
/// The most channels in one.
pub(super) const MAX_CHANNELS: usize = 64;

/// The text is no ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a join ticket: {0}")]
pub struct TicketError(String);

impl TicketError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::NODE_TICKET
    }
}

/// Where a node is reached, and what it invites to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Invitation {
    /// The trust framework.
    pub framework: ContentId,
    /// Addresses, each ending in the peer.
    pub addresses: Vec<String>,
    /// Channels.
    #[serde(default)]
    pub channels: Vec<ContentId>,
}

impl Invitation {
    /// As one line.
    ///
    /// # Errors
    /// [`TicketError`] for one that nobody would read.
    pub fn to_ticket(&self) -> Result<String, TicketError> {
        self.check()?;
        let mut bytes = serde_ipld_dagcbor::to_vec(self).map_err(|e| TicketError(e.to_string()))?;
        // So that a character that was lost in copying is noticed.
        let sum = crc32fast::hash(&bytes).to_be_bytes();
        bytes.extend(sum);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a line.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn parse(ticket: &str) -> Result<Self, TicketError> {
        let refuse = |why: &str| TicketError(why.to_owned());
        let ticket = ticket.trim();
        if ticket.len() > MAX_TICKET {
            return Err(refuse("it is too long"));
        }
        let text = ticket
            .strip_prefix(PREFIX)
            .ok_or_else(|| refuse("it does not begin with gridpass-join-1:"))?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse("it has other characters"))?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| refuse("it is too short"))?;
        if crc32fast::hash(body).to_be_bytes() != *sum {
            return Err(refuse("a part of it is missing or changed"));
        }
        let invitation: Self =
            serde_ipld_dagcbor::from_slice(body).map_err(|e| TicketError(e.to_string()))?;
        invitation.check()?;
        Ok(invitation)
    }

    fn check(&self) -> Result<(), TicketError> {
        let fits = (1..=MAX_ADDRESSES).contains(&self.addresses.len())
            && self.channels.len() <= MAX_CHANNELS;
        if !fits || self.peer().is_none() || self.addresses().len() != self.addresses.len() {
            return Err(TicketError("its addresses are not those of one peer".into()));
        }
        Ok(())
    }

    /// The addresses that can be read.
    #[must_use]
    pub fn addresses(&self) -> Vec<Multiaddr> {
        let peer = self.peer();
        let all = self.addresses.iter().filter_map(|a| a.parse::<Multiaddr>().ok());
        all.filter(|a| ends_in(a) == peer).collect()
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        ends_in(&self.addresses.first()?.parse().ok()?)
    }
}

fn ends_in(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last()? {
        libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::cid;
    use proptest::prelude::*;

    fn invitation() -> Invitation {
        let peer = PeerId::random();
        Invitation {
            framework: cid("framework"),
            addresses: vec![
                format!("/ip4/192.0.2.1/tcp/4801/p2p/{peer}"),
                format!("/ip4/192.0.2.1/udp/4801/quic-v1/p2p/{peer}"),
            ],
            channels: vec![cid("channel")],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let invitation = invitation();
        let ticket = invitation.to_ticket().expect("a ticket");
        assert_eq!(Invitation::parse(&format!(" {ticket}\n")), Ok(invitation));
    }

    #[test]
    fn addresses_of_two_peers_are_refused() {
        let mut invitation = invitation();
        invitation.addresses.push(format!("/ip4/192.0.2.1/tcp/1/p2p/{}", PeerId::random()));
        assert!(invitation.to_ticket().is_err());
    }

    proptest! {
        #[test]
        fn a_changed_character_is_noticed(at in 0_usize..60, to in "[A-Za-z0-9]") {
            let ticket = invitation().to_ticket().expect("a ticket");
            let at = PREFIX.len() + at;
            let mut changed = ticket.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != ticket);
            prop_assert!(Invitation::parse(&changed).is_err());
        }

        #[test]
        fn nothing_panics(text in ".{0,200}") {
            let _ = Invitation::parse(&text);
            let _ = Invitation::parse(&format!("{PREFIX}{text}"));
        }
    }
}
