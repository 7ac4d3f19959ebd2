//! The Cedar request: what Cedar is told of sender and question. Made from the same views that the
//! direct evaluation reads.

use crate::comparison::Operand;
use crate::facts::Question;
use crate::requirement::{Asked, CheckedRequirement};
use crate::value::Value;
use crate::view::{MAX_SLOTS, RequestView, RoleView, SenderView, VisaView};
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::str::FromStr as _;

/// The names by which Cedar knows sender, action and channel: made once, since each is parsed.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    principal: EntityUid,
    publish: EntityUid,
    subscribe: EntityUid,
    keep: EntityUid,
    usage: EntityUid,
    resource: EntityUid,
}

impl Names {
    pub(crate) fn new(sender: &SenderView) -> Option<Self> {
        Some(Self {
            principal: uid("Participant", sender.did.as_str())?,
            publish: uid("Action", "publish")?,
            subscribe: uid("Action", "subscribe")?,
            keep: uid("Action", "keep")?,
            usage: uid("Action", "use")?,
            resource: uid("Channel", "this")?,
        })
    }
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    let kind = EntityTypeName::from_str(kind).ok()?;
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn record(
    members: impl IntoIterator<Item = (String, RestrictedExpression)>,
) -> RestrictedExpression {
    // The keys come from maps: none is there twice, which is the only error.
    RestrictedExpression::new_record(members)
        .unwrap_or_else(|_| RestrictedExpression::new_bool(false))
}

fn value(value: &Value) -> RestrictedExpression {
    match value {
        Value::Text(t) => text(t),
        Value::Integer(number) => RestrictedExpression::new_long(*number),
        Value::Boolean(yes) => RestrictedExpression::new_bool(*yes),
        Value::Texts(texts) => RestrictedExpression::new_set(texts.iter().map(|t| text(t))),
        Value::Time(_) => RestrictedExpression::new_long(value.as_long().unwrap_or_default()),
    }
}

fn values(map: &BTreeMap<String, Value>) -> RestrictedExpression {
    record(map.iter().map(|(name, v)| (name.clone(), value(v))))
}

fn visas(sender: &SenderView, of: impl Fn(&RoleView) -> &[VisaView]) -> RestrictedExpression {
    record(sender.roles.iter().map(|(role, view)| {
        let slots = (1_usize..).zip(of(view).iter().take(MAX_SLOTS)).map(|(slot, visa)| {
            let visa = record([
                ("issuer".to_owned(), text(visa.issuer.as_str())),
                ("claims".to_owned(), values(&visa.claims)),
                ("authority".to_owned(), values(&visa.authority)),
            ]);
            (slot.to_string(), visa)
        });
        (role.as_str().to_owned(), record(slots))
    }))
}

/// The sender as an entity. A sender that cannot be made one is not among them, and then every
/// requirement that reads it errs, which denies.
#[must_use]
pub(crate) fn entities(sender: &SenderView) -> Entities {
    let attributes: HashMap<String, RestrictedExpression> = [
        ("did".to_owned(), text(sender.did.as_str())),
        ("granted".to_owned(), visas(sender, |v| &v.granted)),
        ("possible".to_owned(), visas(sender, |v| &v.possible)),
    ]
    .into_iter()
    .collect();
    uid("Participant", sender.did.as_str())
        .and_then(|uid| Entity::new(uid, attributes, HashSet::new()).ok())
        .and_then(|entity| Entities::from_entities([entity], None).ok())
        .unwrap_or_else(Entities::empty)
}

/// The request.
///
/// # Errors
/// A sentence, if Cedar takes it for none.
pub(crate) fn of_view(
    view: &RequestView,
    names: Option<&Names>,
    reads: &ContextReads,
    question: &Question,
    checks_passed: bool,
) -> Result<Request, String> {
    let long = |n: u64| RestrictedExpression::new_long(i64::try_from(n).unwrap_or(i64::MAX));
    let mut members = vec![
        ("checks", text(if checks_passed { "passed" } else { "failed" })),
        ("time", long(view.now.get())),
        ("minuteOfWeek", long(u64::from(view.minute_of_week))),
        ("message", reads.values(&view.attributes)),
    ];
    if reads.times {
        members.extend(view.issued.map(|t| ("issued", long(t.get()))));
        members.extend(view.expires.map(|t| ("expires", long(t.get()))));
    }
    if reads.arrived {
        members.extend(view.arrived.map(|t| ("arrived", long(t.get()))));
    }
    if reads.everything {
        members.extend(view.topic.as_deref().map(|t| ("topic", text(t))));
        members.extend(view.version.map(|v| ("version", long(u64::from(v)))));
        members.extend(view.payload_bytes.map(|b| ("payloadBytes", long(b))));
        members.extend(view.sealed.map(|s| ("sealed", RestrictedExpression::new_bool(s))));
    }
    if reads.recipients {
        if let [one] = view.recipients.as_slice() {
            members.push(("recipient", text(one.as_str())));
        }
        if !view.recipients.is_empty() {
            let all = view.recipients.iter().map(|d| text(d.as_str()));
            members.push(("recipients", RestrictedExpression::new_set(all)));
        }
    }
    let context = Context::from_pairs(members.into_iter().map(|(n, v)| (n.to_owned(), v)))
        .map_err(|e| e.to_string())?;
    let names = names.ok_or("the sender has no name in Cedar")?;
    let action = match question {
        Question::Publish(_) => &names.publish,
        Question::Subscribe => &names.subscribe,
        Question::Keep => &names.keep,
        Question::Use(_) => &names.usage,
    };
    let (principal, resource) = (names.principal.clone(), names.resource.clone());
    Request::new(principal, action.clone(), resource, context, None).map_err(|e| e.to_string())
}

/// What a set of policies reads of the request, so that nothing else has to be told: telling costs
/// as much as deciding.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContextReads {
    /// A policy in Cedar may read everything.
    everything: bool,
    /// Some answer changes with time alone.
    time: bool,
    times: bool,
    arrived: bool,
    recipients: bool,
    attributes: BTreeSet<String>,
}

impl ContextReads {
    pub(crate) fn of(requirements: &[CheckedRequirement]) -> Self {
        let mut reads = Self::default();
        for requirement in requirements {
            match &requirement.asked {
                Asked::Condition(condition) => {
                    reads.time |= condition.reads_time();
                    reads.attributes.extend(condition.attributes().iter().map(|a| (*a).to_owned()));
                    condition.operands(&mut |operand| match operand {
                        Operand::Issued | Operand::Expires => reads.times = true,
                        Operand::Arrived => reads.arrived = true,
                        Operand::Recipient | Operand::Recipients => reads.recipients = true,
                        _ => {}
                    });
                }
                Asked::Cedar(text) => {
                    (reads.everything, reads.times, reads.recipients) = (true, true, true);
                    reads.arrived |= text.contains("arrived");
                }
            }
        }
        reads
    }

    /// Whether the same question about the same facts always has the same answer.
    pub(crate) fn only_the_question(&self) -> bool {
        !(self.everything || self.time || self.times || self.arrived)
    }

    /// Whether some requirement asks when a message came.
    pub(crate) fn arrival(&self) -> bool {
        self.arrived
    }

    fn values(&self, attributes: &BTreeMap<String, Value>) -> RestrictedExpression {
        let told = attributes
            .iter()
            .filter(|(name, _)| self.everything || self.attributes.contains(*name));
        record(told.map(|(name, v)| (name.clone(), value(v))))
    }
}
