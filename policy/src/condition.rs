//! The readable form of a requirement: roles, all, any, not, so many of, comparisons, windows of
//! time, DIDs. Here it is read and checked; [`crate::policy`] makes Cedar of it.

use crate::comparison::{AttributeTypes, Comparison, Operand};
use crate::requirement::RequirementError::{self, AlwaysOrNever, Malformed, TooLarge};
use crate::value::ValueType;
use crate::window::Hours;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleName;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The deepest nesting.
pub const MAX_DEPTH: usize = 8;
/// The most parts of one condition.
pub const MAX_PARTS: usize = 64;
/// The most comparisons in the `where` of one role.
pub const MAX_WHERE: usize = 16;
/// The most DIDs in one list.
pub const MAX_DIDS: usize = 256;

/// A condition as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Condition {
    /// The sender holds a visa for a role, of which all of `where` is true.
    Role {
        /// The role: its name in the charter, or the CID of its definition.
        role: String,
        /// Comparisons about that visa.
        #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
        comparisons: Vec<String>,
    },
    /// A consumer's consent covers it: [`crate::consent`] says what that asks of the visa.
    Consent {
        /// What the consent must be.
        consent: ConsentNeed,
    },
    /// Every one of these.
    All {
        /// The members.
        all: Vec<Condition>,
    },
    /// At least one of these.
    Any {
        /// The members.
        any: Vec<Condition>,
    },
    /// Not this.
    Not {
        /// What must not be.
        not: Box<Condition>,
    },
    /// At least so many of these.
    AtLeast {
        /// How many.
        #[serde(rename = "atLeast")]
        at_least: usize,
        /// The members.
        of: Vec<Condition>,
    },
    /// A comparison that speaks of no visa.
    When {
        /// The comparison.
        when: String,
    },
    /// Between two points in time.
    Between {
        /// The points.
        between: Between,
    },
    /// Within hours that come again.
    Hours {
        /// The hours.
        hours: Hours,
    },
    /// The sender is one of these.
    Sender {
        /// The DIDs.
        did: Vec<Did>,
    },
}

/// One form of condition, with members that have names: what `serde` says of an untagged enum ("did
/// not match any variant") helps nobody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(clippy::struct_field_names)]
struct Form {
    role: Option<String>,
    #[serde(rename = "where")]
    comparisons: Option<Vec<String>>,
    consent: Option<ConsentNeed>,
    all: Option<Vec<Condition>>,
    any: Option<Vec<Condition>>,
    not: Option<Box<Condition>>,
    at_least: Option<usize>,
    of: Option<Vec<Condition>>,
    when: Option<String>,
    between: Option<Between>,
    hours: Option<Hours>,
    did: Option<Vec<Did>>,
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let form = Form::deserialize(deserializer)?;
        if form.comparisons.is_some() && form.role.is_none() {
            return Err(D::Error::custom("`where` stands only beside `role`"));
        }
        if form.at_least.is_some() != form.of.is_some() {
            return Err(D::Error::custom("`atLeast` and `of` stand together"));
        }
        let comparisons = form.comparisons.unwrap_or_default();
        let at_least = form.at_least.zip(form.of);
        let found = [
            form.role.map(|role| Self::Role { role, comparisons }),
            form.consent.map(|consent| Self::Consent { consent }),
            form.all.map(|all| Self::All { all }),
            form.any.map(|any| Self::Any { any }),
            form.not.map(|not| Self::Not { not }),
            at_least.map(|(at_least, of)| Self::AtLeast { at_least, of }),
            form.when.map(|when| Self::When { when }),
            form.between.map(|between| Self::Between { between }),
            form.hours.map(|hours| Self::Hours { hours }),
            form.did.map(|did| Self::Sender { did }),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(D::Error::custom(
                "a condition is exactly one of role, consent, all, any, not, atLeast with of, \
                 when, between, hours, did",
            )),
        }
    }
}

/// From a point in time, until another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// From then on.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixMillis>,
    /// Until then, not included.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
}

/// What a consumer's consent must cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentNeed {
    /// The role definition of the consent: its name in the charter, or its CID.
    pub role: String,
    /// The purpose that it must be given for: a text in quotes, or `message.NAME`.
    pub purpose: String,
    /// The data that it must be about: a text in quotes, or `message.NAME`.
    pub data: String,
    /// Whose data it is: the attribute of the message that names the metering point.
    pub about: String,
}

/// A role as a condition names it: by name in the charter, or by CID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleReference(String);

impl RoleReference {
    /// Reads a reference.
    ///
    /// # Errors
    /// [`RequirementError::Role`].
    pub fn parse(text: &str) -> Result<Self, RequirementError> {
        if ContentId::parse(text).is_ok() || RoleName::parse(text).is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(RequirementError::Role(text.chars().take(80).collect()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a visa of this role and definition is meant.
    #[must_use]
    pub fn names(&self, role: &str, definition: &str) -> bool {
        self.0 == role || self.0 == definition
    }
}

/// A condition that was read, with types that fit. Only [`Condition::check`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// See [`Condition::Role`].
    Role(RoleReference, Vec<Comparison>),
    /// See [`Condition::All`].
    All(Vec<Checked>),
    /// At least so many of these; one of them for [`Condition::Any`].
    AtLeast(usize, Vec<Checked>),
    /// See [`Condition::Not`].
    Not(Box<Checked>),
    /// See [`Condition::When`].
    When(Comparison),
    /// See [`Condition::Between`].
    Between(Option<UnixMillis>, Option<UnixMillis>),
    /// See [`Condition::Hours`]: the window and its intervals.
    Hours(Hours, Vec<(u16, u16)>),
    /// See [`Condition::Sender`].
    Sender(Vec<Did>),
}

impl Condition {
    /// How much it is to compile: its parts, comparisons and DIDs.
    #[must_use]
    pub fn size(&self) -> usize {
        let all = |members: &[Self]| members.iter().map(Self::size).fold(1, usize::saturating_add);
        match self {
            Self::Role { comparisons, .. } => comparisons.len().saturating_add(1),
            Self::Consent { .. } => 8,
            Self::All { all: members }
            | Self::Any { any: members }
            | Self::AtLeast { of: members, .. } => all(members),
            Self::Not { not } => not.size().saturating_add(1),
            Self::Sender { did } => did.len().saturating_add(1),
            Self::When { .. } | Self::Between { .. } | Self::Hours { .. } => 1,
        }
    }

    /// Refuses what is too deep or too large, can never hold or always does, or compares what does
    /// not fit.
    ///
    /// # Errors
    /// [`RequirementError`] about the part that is at fault.
    pub fn check(&self, attributes: &AttributeTypes) -> Result<Checked, RequirementError> {
        let mut parts = 0_usize;
        self.check_within(attributes, MAX_DEPTH, &mut parts)
    }

    fn check_within(
        &self,
        attributes: &AttributeTypes,
        depth: usize,
        parts: &mut usize,
    ) -> Result<Checked, RequirementError> {
        let too_deep = || TooLarge(format!("a condition is nested more than {MAX_DEPTH} deep"));
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        *parts = parts.saturating_add(1);
        if *parts > MAX_PARTS {
            return Err(TooLarge(format!("a condition has more than {MAX_PARTS} parts")));
        }
        let mut members = |list: &[Self], name: &str| -> Result<Vec<Checked>, RequirementError> {
            if list.is_empty() {
                return Err(AlwaysOrNever(format!("{name} of nothing is always or never")));
            }
            list.iter().map(|m| m.check_within(attributes, depth, parts)).collect()
        };
        Ok(match self {
            Self::Role { role, comparisons } => role_with(role, comparisons, attributes)?,
            Self::Consent { consent } => {
                crate::consent::check(consent)?;
                let comparisons = crate::consent::comparisons(consent);
                role_with(&consent.role, &comparisons, attributes)?
            }
            Self::All { all } => Checked::All(members(all, "all")?),
            Self::Any { any } => Checked::AtLeast(1, members(any, "any")?),
            Self::AtLeast { at_least, of } => {
                if *at_least == 0 || *at_least > of.len() {
                    let reason = format!("at least {at_least} of {} is always or never", of.len());
                    return Err(AlwaysOrNever(reason));
                }
                Checked::AtLeast(*at_least, members(of, "atLeast")?)
            }
            Self::Not { not } => {
                Checked::Not(Box::new(not.check_within(attributes, depth, parts)?))
            }
            Self::When { when } => Checked::When(Comparison::parse(when, attributes, false)?),
            Self::Between { between: Between { from, until } } => {
                let in_order = match (from, until) {
                    (None, None) => false,
                    (Some(from), Some(until)) => from < until,
                    _ => true,
                };
                if !in_order {
                    let reason = "between has neither end, or ends before it begins";
                    return Err(AlwaysOrNever(reason.into()));
                }
                Checked::Between(*from, *until)
            }
            Self::Hours { hours } => Checked::Hours(hours.clone(), hours.intervals()?),
            Self::Sender { did } => {
                if did.is_empty() || did.len() > MAX_DIDS {
                    return Err(Malformed(format!("did has no DID, or more than {MAX_DIDS}")));
                }
                Checked::Sender(did.clone())
            }
        })
    }
}

fn role_with(
    role: &str,
    comparisons: &[String],
    attributes: &AttributeTypes,
) -> Result<Checked, RequirementError> {
    let role = RoleReference::parse(role)?;
    if comparisons.len() > MAX_WHERE {
        let reason = format!("{} has more than {MAX_WHERE} comparisons", role.as_str());
        return Err(TooLarge(reason));
    }
    let read = comparisons.iter().map(|c| Comparison::parse(c, attributes, true));
    Ok(Checked::Role(role, read.collect::<Result<_, _>>()?))
}

/// What conditions read of the visas for one role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Claims of the visa.
    pub claims: BTreeMap<String, ValueType>,
    /// Claims of the visa that authorised its issuer.
    pub authority: BTreeMap<String, ValueType>,
}

/// What the conditions of a channel read, by role.
pub type ReadsByRole = BTreeMap<RoleReference, Reads>;

impl Checked {
    /// Notes what it reads of visas.
    ///
    /// # Errors
    /// [`RequirementError::Types`], if one claim is read as two types.
    pub fn note_reads(&self, reads: &mut ReadsByRole) -> Result<(), RequirementError> {
        match self {
            Self::Role(role, comparisons) => {
                let of_role = reads.entry(role.clone()).or_default();
                for term in comparisons.iter().flat_map(Comparison::terms) {
                    let (map, name) = match &term.operand {
                        Operand::Visa(name) => (&mut of_role.claims, name),
                        Operand::Authority(name) => (&mut of_role.authority, name),
                        _ => continue,
                    };
                    note(map, name, term.value_type)
                        .map_err(|e| e.at(format!("{name} of {}", role.as_str())))?;
                }
                Ok(())
            }
            Self::All(members) | Self::AtLeast(_, members) => {
                members.iter().try_for_each(|m| m.note_reads(reads))
            }
            Self::Not(inner) => inner.note_reads(reads),
            Self::When(_) | Self::Between(..) | Self::Hours(..) | Self::Sender(_) => Ok(()),
        }
    }

    /// The attributes of the message that it reads.
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<&str> {
        match self {
            Self::Role(_, comparisons) => comparisons.iter().flat_map(names).collect(),
            Self::All(members) | Self::AtLeast(_, members) => {
                members.iter().flat_map(Self::attributes).collect()
            }
            Self::Not(inner) => inner.attributes(),
            Self::When(comparison) => names(comparison).collect(),
            Self::Between(..) | Self::Hours(..) | Self::Sender(_) => BTreeSet::new(),
        }
    }

    /// Gives every operand of its comparisons.
    pub fn operands(&self, tell: &mut dyn FnMut(&Operand)) {
        match self {
            Self::Role(_, comparisons) => {
                comparisons.iter().flat_map(Comparison::terms).for_each(|t| tell(&t.operand));
            }
            Self::All(members) | Self::AtLeast(_, members) => {
                members.iter().for_each(|m| m.operands(tell));
            }
            Self::Not(inner) => inner.operands(tell),
            Self::When(comparison) => {
                comparison.terms().iter().for_each(|t| tell(&t.operand));
            }
            Self::Between(..) | Self::Hours(..) | Self::Sender(_) => {}
        }
    }

    /// Whether it compares when a message came.
    #[must_use]
    pub fn reads_arrival(&self) -> bool {
        let mut reads = false;
        self.operands(&mut |operand| reads |= *operand == Operand::Arrived);
        reads
    }

    /// The roles that it asks not to be held. A sender who leaves the visa out does not hold it, as
    /// far as anybody can see.
    #[must_use]
    pub fn excluded_roles(&self) -> BTreeSet<&RoleReference> {
        let mut found = BTreeSet::new();
        self.note_excluded(false, &mut found);
        found
    }

    fn note_excluded<'c>(&'c self, excluding: bool, found: &mut BTreeSet<&'c RoleReference>) {
        match self {
            Self::Role(role, _) if excluding => {
                found.insert(role);
            }
            Self::All(members) | Self::AtLeast(_, members) => {
                members.iter().for_each(|m| m.note_excluded(excluding, found));
            }
            Self::Not(inner) => inner.note_excluded(!excluding, found),
            Self::Role(..)
            | Self::When(_)
            | Self::Between(..)
            | Self::Hours(..)
            | Self::Sender(_) => {}
        }
    }

    /// Whether its answer changes with time alone.
    #[must_use]
    pub fn reads_time(&self) -> bool {
        let is_time = |operand: &Operand| {
            matches!(operand, Operand::Now | Operand::Issued | Operand::Expires | Operand::Arrived)
        };
        let timed = |c: &Comparison| c.terms().iter().any(|t| is_time(&t.operand));
        match self {
            Self::Role(_, comparisons) => comparisons.iter().any(timed),
            Self::All(members) | Self::AtLeast(_, members) => members.iter().any(Self::reads_time),
            Self::Not(inner) => inner.reads_time(),
            Self::When(comparison) => timed(comparison),
            Self::Between(..) | Self::Hours(..) => true,
            Self::Sender(_) => false,
        }
    }
}

fn names(comparison: &Comparison) -> impl Iterator<Item = &str> {
    comparison.terms().into_iter().filter_map(|t| match &t.operand {
        Operand::Message(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Notes the type that a name is read as.
///
/// # Errors
/// [`RequirementError::Types`], if it was read as another.
pub fn note(
    map: &mut BTreeMap<String, ValueType>,
    name: &str,
    value_type: ValueType,
) -> Result<(), RequirementError> {
    match map.insert(name.to_owned(), value_type) {
        Some(first) if first != value_type => {
            Err(RequirementError::Types { first, second: value_type })
        }
        _ => Ok(()),
    }
}
