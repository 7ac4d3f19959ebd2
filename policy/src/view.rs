//! What conditions see of the facts: the visas that count, the message's values, the time. Both the
//! direct evaluation and the Cedar request are made from it, so that they cannot see different
//! things.

use crate::channel::Indeterminate;
use crate::comparison::{AttributeTypes, Operand, Term};
use crate::condition::{Reads, ReadsByRole, RoleReference};
use crate::facts::{Admission, Finding, MessageFacts, Question, UseFacts, VisaFacts};
use crate::odrl;
use crate::value::{Value, ValueType};
use crate::window::minute_of_week;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeMap;

/// The most visas for one role that are looked at.
pub const MAX_SLOTS: usize = 8;

/// One visa, as far as conditions read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisaView {
    /// Its place in the admission.
    pub index: usize,
    /// Who issued it.
    pub issuer: Did,
    /// The claims that are read, those that have the type that is asked.
    pub claims: BTreeMap<String, Value>,
    /// The same of the visa that authorised its issuer.
    pub authority: BTreeMap<String, Value>,
}

/// The visas for one role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleView {
    /// Those that count as held.
    pub granted: Vec<VisaView>,
    /// Those that count where a condition asks that something is *not* held.
    pub possible: Vec<VisaView>,
}

/// Which visas that nobody can decide about count as held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// None: the rule.
    None,
    /// Those of which nothing is open but the status, where the channel says so.
    Status,
    /// All, as if each came out well: to tell what is undecided from what is refused.
    All,
}

impl From<Indeterminate> for Open {
    fn from(rule: Indeterminate) -> Self {
        match rule {
            Indeterminate::Deny => Self::None,
            Indeterminate::Allow => Self::Status,
        }
    }
}

/// The sender as conditions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderView {
    /// Its DID.
    pub did: Did,
    /// Its visas, by the roles that the channel names.
    pub roles: BTreeMap<RoleReference, RoleView>,
}

impl SenderView {
    /// The sender of an admission, as a channel that reads `reads` sees it.
    #[must_use]
    pub fn new(admission: &Admission, reads: &ReadsByRole, open: Open) -> Self {
        let mut roles = BTreeMap::new();
        for (role, wanted) in reads {
            let mut view = RoleView::default();
            for (index, visa) in admission.visas.iter().enumerate() {
                if !role.names(&visa.role, visa.definition.as_str()) {
                    continue;
                }
                let (held, perhaps) = counts(visa, open);
                let seen = views(index, visa, wanted);
                if held {
                    view.granted.extend(seen.iter().cloned());
                }
                if perhaps {
                    view.possible.extend(seen);
                }
            }
            roles.insert(role.clone(), view);
        }
        Self { did: admission.sender.clone(), roles }
    }

    /// The most visas for one of these roles, held or perhaps held.
    #[must_use]
    pub fn slots<'r>(&self, roles: impl IntoIterator<Item = &'r RoleReference>) -> usize {
        let of = |v: &RoleView| v.granted.len().max(v.possible.len());
        roles.into_iter().filter_map(|r| self.roles.get(r)).map(of).max().unwrap_or_default()
    }
}

/// Whether a visa counts as held, and whether it counts as perhaps held, where a condition asks that
/// something is not.
fn counts(visa: &VisaFacts, open: Open) -> (bool, bool) {
    match (visa.standing.outcome, open) {
        (Finding::Passed, _) => (true, true),
        (Finding::Failed, _) => (false, false),
        (Finding::Indeterminate, Open::None) => (false, true),
        (Finding::Indeterminate, Open::Status) => (visa.only_status_open, true),
        (Finding::Indeterminate, Open::All) => (true, false),
    }
}

/// A visa as conditions see it: once for each visa that authorised its issuer, where they read of
/// it, so that each is asked with its own.
fn views(index: usize, visa: &VisaFacts, wanted: &Reads) -> Vec<VisaView> {
    let one = |authority| VisaView {
        index,
        issuer: visa.issuer.clone(),
        claims: read_claims(&visa.claims, &wanted.claims),
        authority,
    };
    if wanted.authority.is_empty() || visa.authorities.is_empty() {
        return vec![one(BTreeMap::new())];
    }
    let mut views = Vec::new();
    for authority in &visa.authorities {
        let view = one(read_claims(authority, &wanted.authority));
        if !views.contains(&view) {
            views.push(view);
        }
    }
    views
}

fn read_claims(
    claims: &serde_json::Map<String, serde_json::Value>,
    wanted: &BTreeMap<String, ValueType>,
) -> BTreeMap<String, Value> {
    let read = |(name, kind): (&String, &ValueType)| {
        Some((name.clone(), Value::read(claims.get(name)?, *kind)?))
    };
    wanted.iter().filter_map(read).collect()
}

/// The question as conditions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// The time that is decided at.
    pub now: UnixMillis,
    /// The minute of the week of that time.
    pub minute_of_week: u16,
    /// The message's attributes that have their type.
    pub attributes: BTreeMap<String, Value>,
    /// Whom it is addressed to.
    pub recipients: Vec<Did>,
    /// When it was made.
    pub issued: Option<UnixMillis>,
    /// Until when it counts.
    pub expires: Option<UnixMillis>,
    /// When it came to whoever decides.
    pub arrived: Option<UnixMillis>,
    /// The topic.
    pub topic: Option<String>,
    /// The topic's version.
    pub version: Option<u32>,
    /// The payload's size.
    pub payload_bytes: Option<u64>,
    /// Whether it is sealed.
    pub sealed: Option<bool>,
}

impl RequestView {
    /// Of a question.
    #[must_use]
    pub fn new(question: &Question, attributes: &AttributeTypes, now: UnixMillis) -> Self {
        let empty = Self {
            now,
            minute_of_week: minute_of_week(now),
            attributes: BTreeMap::new(),
            recipients: Vec::new(),
            issued: None,
            expires: None,
            arrived: None,
            topic: None,
            version: None,
            payload_bytes: None,
            sealed: None,
        };
        match question {
            Question::Publish(message) => Self::of_message(message, attributes, empty),
            Question::Subscribe | Question::Keep => empty,
            Question::Use(asked) => Self { attributes: of_use(asked), ..empty },
        }
    }

    fn of_message(message: &MessageFacts, attributes: &AttributeTypes, empty: Self) -> Self {
        Self {
            attributes: read_claims(&message.attributes, attributes),
            recipients: message.recipients.clone(),
            issued: Some(message.issued),
            expires: Some(message.expires),
            arrived: message.arrived,
            topic: Some(message.topic.clone()),
            version: Some(message.version),
            payload_bytes: Some(message.payload_bytes),
            sealed: Some(message.sealed),
            ..empty
        }
    }

    /// The value of one side of a comparison; absent where it was not given. `visa` is the one that
    /// the comparison is about.
    #[must_use]
    pub fn value(
        &self,
        term: &Term,
        sender: &SenderView,
        visa: Option<&VisaView>,
    ) -> Option<Value> {
        let text = |did: &Did| Value::Text(did.to_string());
        match &term.operand {
            Operand::Visa(name) => visa?.claims.get(name).cloned(),
            Operand::Authority(name) => visa?.authority.get(name).cloned(),
            Operand::Issuer => visa.map(|v| text(&v.issuer)),
            Operand::Message(name) => self.attributes.get(name).cloned(),
            Operand::Sender => Some(text(&sender.did)),
            Operand::Recipient => match self.recipients.as_slice() {
                [one] => Some(text(one)),
                _ => None,
            },
            // Nobody is within everything: a message to nobody in particular has no recipients.
            Operand::Recipients => (!self.recipients.is_empty())
                .then(|| Value::Texts(self.recipients.iter().map(Did::to_string).collect())),
            Operand::Now => Some(Value::Time(self.now)),
            Operand::Issued => self.issued.map(Value::Time),
            Operand::Expires => self.expires.map(Value::Time),
            Operand::Arrived => self.arrived.map(Value::Time),
            Operand::Literal(value) => Some(value.clone()),
        }
    }
}

fn of_use(asked: &UseFacts) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    if let Some(target) = &asked.target {
        values.insert(odrl::TARGET.to_owned(), Value::Text(target.clone()));
    }
    if let Some(purpose) = &asked.purpose {
        values.insert(odrl::PURPOSE.to_owned(), Value::Text(purpose.clone()));
    }
    let undertakes = asked.undertakes.iter().cloned().collect();
    values.insert(odrl::UNDERTAKES.to_owned(), Value::Texts(undertakes));
    values
}
