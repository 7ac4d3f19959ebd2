//! What nodes say to each other about a sealed channel, by gossip: that they may read, and what they
//! are given. A statement is a JWS by the node's key; `spec/sealing.md`.

use super::Member;
use super::grant::Grant;
use crate::checking::Chain;
use crate::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jws::{self, Header, JwsIn, SignatureVerdict};
use gridpass_identity::key::SecretKey;
use gridpass_identity::method;
use gridpass_identity::time::UnixMillis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the formats.
const FORMAT_VERSION: u32 = 1;
const MEMBERSHIP: &str = "gridpass-membership+jwt";
const GRANT: &str = "gridpass-grant+jwt";
/// The longest statement, in bytes.
pub const MAX_STATEMENT: usize = 64 * 1024;
/// The most epochs that somebody says it lacks.
pub const MAX_LACKS: usize = 16;

/// Why bytes are no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a statement: {0}")]
pub struct StatementError(String);

impl StatementError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::SEALING_MALFORMED
    }
}

fn malformed<E: std::fmt::Display>(e: E) -> StatementError {
    StatementError(e.to_string())
}

/// A node says that it may read a channel, by which documents, and which epochs it was not handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The channel's descriptor.
    pub channel: ContentId,
    /// Who.
    pub member: Member,
    /// When it was signed.
    pub issued: UnixMillis,
    /// Epochs of messages that it has, and cannot open.
    pub lacks: Vec<ContentId>,
}

/// What is stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A node may read.
    Membership(Membership),
    /// A node is given keys, at a time.
    Grant(Grant, UnixMillis),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MembershipRow {
    format_version: u32,
    channel: ContentId,
    participant: Did,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    authorisation: Option<ContentId>,
    presentation: ContentId,
    issued: UnixMillis,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lacks: Vec<ContentId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GrantRow {
    format_version: u32,
    channel: ContentId,
    sender: Did,
    to: Did,
    issued: UnixMillis,
    keys: Value,
}

impl Statement {
    /// Signs it with the node's key.
    ///
    /// # Errors
    /// [`StatementError`] for one that nobody would read, or a key that cannot sign.
    pub fn sign(&self, key: &SecretKey, key_id: &DidUrl) -> Result<String, StatementError> {
        let (typ, payload) = match self {
            Self::Membership(m) => {
                let row = MembershipRow {
                    format_version: FORMAT_VERSION,
                    channel: m.channel.clone(),
                    participant: m.member.participant.clone(),
                    authorisation: m.member.authorisation.clone(),
                    presentation: m.member.presentation.clone(),
                    issued: m.issued,
                    lacks: m.lacks.iter().take(MAX_LACKS).cloned().collect(),
                };
                (MEMBERSHIP, json::canonicalize(&row).map_err(malformed)?)
            }
            Self::Grant(grant, issued) => {
                let row = GrantRow {
                    format_version: FORMAT_VERSION,
                    channel: grant.chain.channel.clone(),
                    sender: grant.chain.sender.clone(),
                    to: grant.to.clone(),
                    issued: *issued,
                    keys: serde_json::from_str(&grant.jwe).map_err(malformed)?,
                };
                (GRANT, json::canonicalize(&row).map_err(malformed)?)
            }
        };
        let header =
            Header { kid: Some(key_id.clone()), typ: Some(typ.into()), ..Header::default() };
        let text = jws::sign(&payload, key, &header).map_err(malformed)?;
        SignedStatement::parse(text.as_bytes())?;
        Ok(text)
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ContentId {
        match self {
            Self::Membership(m) => &m.channel,
            Self::Grant(grant, _) => &grant.chain.channel,
        }
    }

    /// When it was signed.
    #[must_use]
    pub fn issued(&self) -> UnixMillis {
        match self {
            Self::Membership(m) => m.issued,
            Self::Grant(_, issued) => *issued,
        }
    }
}

/// A statement as it was read: signed by the node that it names.
#[derive(Clone, Debug)]
pub struct SignedStatement(Statement);

impl SignedStatement {
    /// Reads one, and verifies its signature: the key is the node's own, a did:key.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_STATEMENT {
            return Err(malformed("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(malformed)?;
        let jws = JwsIn::parse(text).map_err(malformed)?;
        let kid = jws.header().kid.clone().ok_or_else(|| malformed("no key is named"))?;
        let payload = jws.payload(None).map_err(malformed)?;
        let statement = match jws.header().typ.as_deref() {
            Some(MEMBERSHIP) => Self::membership(payload, &kid)?,
            Some(GRANT) => Self::grant(payload, &kid)?,
            _ => return Err(malformed("its type is another")),
        };
        let key = method::key::to_public_key(kid.did()).map_err(malformed)?;
        match jws.verify(&key, None).map_err(malformed)? {
            SignatureVerdict::Fits => Ok(Self(statement)),
            SignatureVerdict::DoesNotFit => Err(malformed("its signature does not fit")),
        }
    }

    fn membership(payload: &[u8], kid: &DidUrl) -> Result<Statement, StatementError> {
        let row: MembershipRow = read(payload)?;
        let node = kid.did().clone();
        let is_own = row.participant == node;
        let of_this_version = row.format_version == FORMAT_VERSION;
        if !of_this_version || row.lacks.len() > MAX_LACKS {
            return Err(malformed("its version is not known, or it lacks more than 16 epochs"));
        }
        if is_own == row.authorisation.is_some() {
            return Err(malformed("an authorisation stands there exactly where a node signs"));
        }
        let member = Member {
            node,
            participant: row.participant,
            authorisation: row.authorisation,
            presentation: row.presentation,
        };
        let (channel, issued, lacks) = (row.channel, row.issued, row.lacks);
        Ok(Statement::Membership(Membership { channel, member, issued, lacks }))
    }

    fn grant(payload: &[u8], kid: &DidUrl) -> Result<Statement, StatementError> {
        let row: GrantRow = read(payload)?;
        if row.format_version != FORMAT_VERSION {
            return Err(malformed("its version is not known"));
        }
        let chain = Chain { channel: row.channel, sender: row.sender, key: kid.clone() };
        let grant = Grant { chain, to: row.to, jwe: row.keys.to_string() };
        Ok(Statement::Grant(grant, row.issued))
    }

    /// What it says.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.0
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, StatementError> {
    let limits = Limits { bytes: MAX_STATEMENT, depth: 8 };
    json::from_slice_strict(payload, limits).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::super::grant::chain_of;
    use super::super::{ChainKey, HandedKey};
    use super::*;
    use crate::test_kit::{NOW, cid, did_of, key};

    fn membership(bend: impl FnOnce(&mut Membership)) -> Membership {
        let node = did_of(&key(2)).did().clone();
        let member = Member {
            participant: did_of(&key(1)).did().clone(),
            node,
            authorisation: Some(cid("authorisation")),
            presentation: cid("presentation"),
        };
        let mut said =
            Membership { channel: cid("channel"), member, issued: NOW, lacks: vec![cid("epoch")] };
        bend(&mut said);
        said
    }

    #[test]
    fn what_a_node_signed_is_read_and_nothing_else() {
        let said = Statement::Membership(membership(|_| ()));
        let text = said.sign(&key(2), &did_of(&key(2))).expect("signed");
        let read = SignedStatement::parse(text.as_bytes()).expect("it reads");
        assert_eq!(read.statement(), &said);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(SignedStatement::parse(&bytes).is_err(), "byte {at}");
        }
        let by_another = said.sign(&key(3), &did_of(&key(2)));
        assert!(by_another.is_err(), "it would not be read");
    }

    #[test]
    fn an_authorisation_is_named_where_it_is_needed_and_nowhere_else() {
        let without = Statement::Membership(membership(|m| m.member.authorisation = None));
        assert!(without.sign(&key(2), &did_of(&key(2))).is_err());
        let alone = |m: &mut Membership| {
            m.member.participant = m.member.node.clone();
            m.member.authorisation = None;
        };
        let said = Statement::Membership(membership(alone));
        assert!(said.sign(&key(2), &did_of(&key(2))).is_ok());
        let spared = Statement::Membership(membership(|m| {
            m.member.participant = m.member.node.clone();
        }));
        assert!(spared.sign(&key(2), &did_of(&key(2))).is_err());
    }

    #[test]
    fn a_grant_is_of_the_chain_whose_key_signed_it() {
        let chain = chain_of(1);
        let to = did_of(&key(2)).did().clone();
        let handed =
            HandedKey { epoch: Some(cid("epoch")), first: 1, from: 2, key: ChainKey::new([3; 32]) };
        let grant = Grant::new(&chain, &to, std::slice::from_ref(&handed)).expect("sealed");
        let text = Statement::Grant(grant, NOW).sign(&key(1), &chain.key).expect("signed");
        let read = SignedStatement::parse(text.as_bytes()).expect("it reads");
        let Statement::Grant(grant, issued) = read.statement() else { panic!("a grant") };
        assert_eq!((&grant.chain, *issued), (&chain, NOW));
        assert_eq!(grant.take(&key(2)).expect("opens"), [handed]);
    }
}
