//! The policy of a channel: its requirements compiled to Cedar once, and asked many times.
//!
//! In: a descriptor; then facts about a sender, a question and a time. Out: a ruling with every
//! reason. Cedar decides; what it says is put into words here.

use crate::cedar::{self, CHECKS, PERMIT};
use crate::channel::{ChannelDescriptor, ChannelError, CheckedChannel};
use crate::checks::{self, Retiring};
use crate::codes;
use crate::comparison::AttributeTypes;
use crate::condition::{ReadsByRole, RoleReference};
use crate::decision::{Decision, Reason, Ruling, Verdict};
use crate::direct::{self, World};
use crate::facts::{Admission, Question};
use crate::odrl::{self, Action};
use crate::request::{self, ContextReads, Names};
use crate::requirement::{Asked, CheckedRequirement};
use crate::value::Value;
use crate::view::{MAX_SLOTS, Open, RequestView, SenderView};
use cedar_policy::{
    Authorizer, Decision as CedarDecision, Effect, Entities, PolicyId, PolicySet, Response, Schema,
    ValidationMode, Validator,
};
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;
use std::sync::OnceLock;

/// Why a policy cannot be made of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The descriptor is refused.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A policy in Cedar is refused.
    #[error("the Cedar of {place} is refused: {reason}")]
    Cedar {
        /// The requirement.
        place: String,
        /// Why.
        reason: String,
    },
}

impl PolicyError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Channel(e) => e.code(),
            Self::Cedar { .. } => codes::CEDAR_REFUSED,
        }
    }
}

/// Which requirements are asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SetName {
    Publish(String),
    Subscribe,
    Keep,
    Use(Action),
}

/// The requirements of one question, compiled for a number of visas for one role.
struct CompiledSet {
    slots: usize,
    policies: PolicySet,
    text: String,
}

/// The requirements of one question.
struct Asking {
    requirements: Vec<CheckedRequirement>,
    reads: ContextReads,
    /// The roles whose visas it looks at.
    roles: BTreeSet<RoleReference>,
    /// For one visa for each role, which is the rule, and for as many as are looked at.
    compiled: [CompiledSet; 2],
}

/// The policy of a channel.
pub struct Policy {
    id: ContentId,
    descriptor: ChannelDescriptor,
    checked: CheckedChannel,
    asking: BTreeMap<SetName, Asking>,
    authorizer: Authorizer,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Policy({})", self.id)
    }
}

/// A sender whose facts were taken in: what is kept between its messages.
#[derive(Clone, Debug)]
pub struct Admitted {
    admission: Admission,
    id: OnceLock<ContentId>,
    sender: SenderView,
    entities: Entities,
    names: Option<Names>,
    /// Questions that were allowed, where the answer hangs on nothing but them and these facts: not
    /// on the time, and not on a policy that was written by hand.
    allowed: BTreeSet<Allowed>,
}

/// The question, its attributes, and its recipients.
type Allowed = (SetName, BTreeMap<String, Value>, Vec<Did>);

/// The most questions that are remembered for one sender; then it starts anew.
const MAX_ALLOWED: usize = 256;

impl Admitted {
    /// The facts.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Their name. Made when it is first asked for: most admissions are never recorded.
    ///
    /// # Errors
    /// [`ContentIdError`] if a claim has no canonical form.
    pub fn id(&self) -> Result<&ContentId, ContentIdError> {
        if let Some(id) = self.id.get() {
            return Ok(id);
        }
        let (id, _) = self.admission.encode()?;
        Ok(self.id.get_or_init(|| id))
    }
}

impl Policy {
    /// Compiles a descriptor. The same on every peer: nothing but the descriptor goes in.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn compile(descriptor: ChannelDescriptor) -> Result<Self, PolicyError> {
        let (id, _) = ContentId::of_json(&descriptor).map_err(ChannelError::from)?;
        let checked = descriptor.check()?;
        let mut asking = BTreeMap::new();
        for (topic, requirements) in &checked.publish {
            let set = Asking::compile(requirements, &checked.reads, &checked.attributes)?;
            asking.insert(SetName::Publish(topic.clone()), set);
        }
        let subscribe = Asking::compile(&checked.subscribe, &checked.reads, &checked.attributes)?;
        asking.insert(SetName::Subscribe, subscribe);
        if !checked.keep.is_empty() {
            let keep = Asking::compile(&checked.keep, &checked.reads, &checked.attributes)?;
            asking.insert(SetName::Keep, keep);
        }
        for (action, requirements) in &checked.terms {
            let set = Asking::compile(requirements, &checked.reads, &odrl::attributes())?;
            asking.insert(SetName::Use(*action), set);
        }
        Ok(Self { id, descriptor, checked, asking, authorizer: Authorizer::new() })
    }

    /// The descriptor's name.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// The descriptor.
    #[must_use]
    pub fn descriptor(&self) -> &ChannelDescriptor {
        &self.descriptor
    }

    /// The descriptor's requirements, read.
    #[must_use]
    pub fn checked(&self) -> &CheckedChannel {
        &self.checked
    }

    /// The Cedar schema that every policy of the channel is validated against.
    #[must_use]
    pub fn cedar_schema(&self) -> String {
        cedar::schema(&self.checked.reads, &self.checked.attributes, MAX_SLOTS)
    }

    /// The Cedar that is asked for a question; nothing where no requirement is about it.
    #[must_use]
    pub fn cedar(&self, question: &Question, admitted: &Admitted) -> Option<&str> {
        let asking = self.asking.get(&name_of(question))?;
        Some(asking.for_slots(admitted.sender.slots(&asking.roles))?.text.as_str())
    }

    /// Whether the requirements of a topic ask when a message came: then that is a fact about it, and
    /// recorded. Of a policy in Cedar they do where its text has the word `arrived`.
    #[must_use]
    pub fn reads_arrival(&self, topic: &str) -> bool {
        let asking = self.asking.get(&SetName::Publish(topic.to_owned()));
        asking.is_some_and(|a| a.reads.arrival())
    }

    /// Takes in the facts about a sender.
    #[must_use]
    pub fn admit(&self, admission: Admission) -> Admitted {
        let open = self.descriptor.indeterminate.into();
        let sender = SenderView::new(&admission, &self.checked.reads, open);
        let entities = request::entities(&sender);
        let names = Names::new(&sender);
        let allowed = BTreeSet::new();
        Admitted { admission, id: OnceLock::new(), sender, entities, names, allowed }
    }

    /// Decides, and records.
    ///
    /// # Errors
    /// [`ContentIdError`] if a claim has no canonical form.
    pub fn decide(
        &self,
        admitted: &mut Admitted,
        question: &Question,
        at: UnixMillis,
    ) -> Result<Decision, ContentIdError> {
        let ruling = self.rule(admitted, question, at);
        let id = admitted.id()?;
        Ok(Decision::of_ruling(self, &admitted.admission, id, (question, at), &ruling))
    }

    /// Decides.
    #[must_use]
    pub fn rule(&self, admitted: &mut Admitted, question: &Question, at: UnixMillis) -> Ruling {
        self.rule_by(admitted, question, (at, Retiring::Issued))
    }

    /// Decides as it was done while a version of a topic was retired by the judge's time alone; nothing where
    /// that is not another question. A record that was made so is no forgery: what the two rules say differs only
    /// where clocks do that are right enough.
    #[must_use]
    pub fn rule_of_before(
        &self,
        admitted: &mut Admitted,
        question: &Question,
        at: UnixMillis,
    ) -> Option<Ruling> {
        let Question::Publish(message) = question else { return None };
        let topic = self.descriptor.topic(&message.topic)?;
        topic.version(message.version)?.retired?;
        Some(self.rule_by(admitted, question, (at, Retiring::Judged)))
    }

    fn rule_by(
        &self,
        admitted: &mut Admitted,
        question: &Question,
        (at, retiring): (UnixMillis, Retiring),
    ) -> Ruling {
        let channel = (&self.id, &self.descriptor);
        // A use has attributes of its own, which the view takes from the question.
        let attributes = &self.checked.attributes;
        let admission = &admitted.admission;
        let mut reasons = checks::check(channel, attributes, admission, question, (at, retiring));
        let name = name_of(question);
        let asking = self.asking.get(&name);
        let slots = asking.map_or(0, |a| admitted.sender.slots(&a.roles));
        match asking.map(|a| (a, a.for_slots(slots))) {
            None => reasons.extend(nothing_asked(question)),
            Some((_, None)) => {
                let sentence = format!("{slots} visas for one role are shown");
                reasons.push(Reason::of_facts(codes::TOO_MANY_VISAS.id(), sentence));
            }
            Some((asking, Some(set))) => {
                let view = RequestView::new(question, attributes, at);
                let in_order = reasons.is_empty();
                let asked_before = asking
                    .reads
                    .only_the_question()
                    .then(|| (name, view.attributes.clone(), view.recipients.clone()));
                if in_order && asked_before.as_ref().is_some_and(|q| admitted.allowed.contains(q)) {
                    return Ruling { verdict: Verdict::Allow, reasons };
                }
                match request::of_view(
                    &view,
                    admitted.names.as_ref(),
                    &asking.reads,
                    question,
                    in_order,
                ) {
                    Err(reason) => {
                        reasons.push(Reason::of_facts(codes::POLICY_ERROR.id(), reason));
                    }
                    Ok(asked) => {
                        let response = self.authorizer.is_authorized(
                            &asked,
                            &set.policies,
                            &admitted.entities,
                        );
                        if response.decision() == CedarDecision::Allow
                            && response.diagnostics().errors().next().is_none()
                            && reasons.is_empty()
                        {
                            if admitted.allowed.len() >= MAX_ALLOWED {
                                admitted.allowed.clear();
                            }
                            admitted.allowed.extend(asked_before);
                            return Ruling { verdict: Verdict::Allow, reasons };
                        }
                        reasons.extend(self.put_into_words(asking, &response, admitted, &view));
                    }
                }
            }
        }
        if reasons.is_empty() {
            // Cedar said no and named nothing: never a yes.
            let sentence = "the policy denied and named no requirement";
            reasons.push(Reason::of_facts(codes::POLICY_ERROR.id(), sentence));
        }
        Ruling { verdict: Verdict::Deny, reasons }
    }

    fn put_into_words(
        &self,
        asking: &Asking,
        response: &Response,
        admitted: &Admitted,
        view: &RequestView,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for error in response.diagnostics().errors() {
            let text: String = error.to_string().chars().take(300).collect();
            reasons.push(Reason::of_facts(codes::POLICY_ERROR.id(), text));
        }
        let forbidding: Vec<String> =
            response.diagnostics().reason().map(ToString::to_string).collect();
        let world = World { sender: &admitted.sender, request: view };
        for requirement in &asking.requirements {
            if !forbidding.contains(&requirement.id) {
                continue;
            }
            let Asked::Condition(condition) = &requirement.asked else {
                reasons.push(Reason::of_requirement(
                    codes::POLICY_UNMET,
                    &requirement.id,
                    &requirement.says,
                    Vec::new(),
                ));
                continue;
            };
            let hopeful = SenderView::new(&admitted.admission, &self.checked.reads, Open::All);
            let undecided = direct::holds(condition, World { sender: &hopeful, request: view });
            let code = if undecided { codes::POLICY_UNDECIDED } else { codes::POLICY_UNMET };
            let mut causes = direct::causes(condition, world, &admitted.admission);
            causes.truncate(direct::MAX_CAUSES);
            reasons.push(Reason::of_requirement(code, &requirement.id, &requirement.says, causes));
        }
        reasons
    }
}

fn name_of(question: &Question) -> SetName {
    match question {
        Question::Publish(message) => SetName::Publish(message.topic.clone()),
        Question::Subscribe => SetName::Subscribe,
        Question::Keep => SetName::Keep,
        Question::Use(asked) => SetName::Use(asked.action),
    }
}

/// Why nothing can be asked: an unknown topic was named by the checks already.
fn nothing_asked(question: &Question) -> Option<Reason> {
    match question {
        Question::Use(asked) => {
            let sentence = format!("no permission covers to {} the data", asked.action);
            Some(Reason::of_facts(codes::ACTION_NOT_PERMITTED.id(), sentence))
        }
        Question::Keep => {
            let sentence = "nobody keeps messages for others in this channel".to_owned();
            Some(Reason::of_facts(codes::NO_KEEPERS.id(), sentence))
        }
        Question::Publish(_) | Question::Subscribe => None,
    }
}

impl Asking {
    fn compile(
        requirements: &[CheckedRequirement],
        reads: &ReadsByRole,
        attributes: &AttributeTypes,
    ) -> Result<Self, PolicyError> {
        let compiled = [
            CompiledSet::compile(requirements, reads, attributes, 1)?,
            CompiledSet::compile(requirements, reads, attributes, MAX_SLOTS)?,
        ];
        let mut of_conditions = ReadsByRole::new();
        let mut by_hand = false;
        for requirement in requirements {
            match &requirement.asked {
                // Two types of one claim were refused when the channel was checked.
                Asked::Condition(condition) => {
                    let _ = condition.note_reads(&mut of_conditions);
                }
                Asked::Cedar(_) => by_hand = true,
            }
        }
        // A policy in Cedar may look at every role that the channel reads.
        let roles = if by_hand { reads } else { &of_conditions }.keys().cloned().collect();
        let reads = ContextReads::of(requirements);
        Ok(Self { requirements: requirements.to_vec(), reads, roles, compiled })
    }

    fn for_slots(&self, slots: usize) -> Option<&CompiledSet> {
        self.compiled.iter().find(|c| slots <= c.slots)
    }
}

impl CompiledSet {
    fn compile(
        requirements: &[CheckedRequirement],
        reads: &ReadsByRole,
        attributes: &AttributeTypes,
        slots: usize,
    ) -> Result<Self, PolicyError> {
        let refuse = |place: &str, reason: String| PolicyError::Cedar {
            place: place.to_owned(),
            reason: reason.chars().take(600).collect(),
        };
        let (schema, _) = Schema::from_cedarschema_str(&cedar::schema(reads, attributes, slots))
            .map_err(|e| refuse("the schema", e.to_string()))?;
        let mut set = PolicySet::new();
        let written = cedar::policies(
            &requirements
                .iter()
                .filter(|r| matches!(r.asked, Asked::Condition(_)))
                .cloned()
                .collect::<Vec<_>>(),
            slots,
        );
        let parsed =
            PolicySet::from_str(&written).map_err(|e| refuse("a requirement", e.to_string()))?;
        for policy in parsed.policies() {
            let id = policy.annotation("id").unwrap_or_default().to_owned();
            set.add(policy.new_id(PolicyId::new(&id))).map_err(|e| refuse(&id, e.to_string()))?;
        }
        for requirement in requirements {
            let Asked::Cedar(cedar) = &requirement.asked else { continue };
            let id = PolicyId::new(&requirement.id);
            // Exactly one policy: a second one, or a template, does not parse.
            let policy = cedar_policy::Policy::parse(Some(id), cedar)
                .map_err(|e| refuse(&requirement.id, e.to_string()))?;
            if policy.effect() != Effect::Forbid {
                let reason = "it permits; a requirement forbids what does not satisfy it";
                return Err(refuse(&requirement.id, reason.into()));
            }
            set.add(policy).map_err(|e| refuse(&requirement.id, e.to_string()))?;
        }
        validate(&set, schema, requirements).map_err(|(id, reason)| refuse(&id, reason))?;
        Ok(Self { slots, policies: set, text: cedar::policies(requirements, slots) })
    }
}

/// Strict validation. A warning about a policy that was written by hand counts too: it says that
/// the policy can never forbid, or means something else than it seems to.
fn validate(
    set: &PolicySet,
    schema: Schema,
    requirements: &[CheckedRequirement],
) -> Result<(), (String, String)> {
    let found = Validator::new(schema).validate(set, ValidationMode::Strict);
    if let Some(error) = found.validation_errors().next() {
        return Err((error.policy_id().to_string(), error.to_string()));
    }
    let by_hand =
        |id: &str| requirements.iter().any(|r| r.id == id && matches!(r.asked, Asked::Cedar(_)));
    for warning in found.validation_warnings() {
        let id = warning.policy_id().to_string();
        if by_hand(&id) {
            return Err((id, warning.to_string()));
        }
        debug_assert!(id != PERMIT && id != CHECKS, "{warning}");
    }
    Ok(())
}

#[cfg(test)]
#[path = "policy_tests/mod.rs"]
mod tests;
