//! What a holder must hold first: roles, all of some, any of some, so many of some.
//!
//! Evaluated in three values: a role that cannot be decided makes the whole undecided only where
//! it matters.

use crate::content_id::ContentId;
use crate::role::RoleError;
use gridpass_identity::report::Outcome;
use serde::{Deserialize, Serialize};

/// The deepest nesting.
pub const MAX_DEPTH: usize = 8;
/// The most members of the whole.
pub const MAX_MEMBERS: usize = 64;

/// A requirement about roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Requirement {
    /// A role, by the CID of its definition.
    Role {
        /// The definition.
        role: ContentId,
    },
    /// Every one of these. Of none: always.
    All {
        /// The members.
        all: Vec<Requirement>,
    },
    /// At least one of these. Of none: never.
    Any {
        /// The members.
        any: Vec<Requirement>,
    },
    /// At least so many of these.
    AtLeast {
        /// How many.
        #[serde(rename = "atLeast")]
        at_least: usize,
        /// The members.
        of: Vec<Requirement>,
    },
}

impl Requirement {
    /// Refuses what is too deep, too large, or can never hold.
    ///
    /// # Errors
    /// [`RoleError::Malformed`] about the part that is at fault.
    pub fn check(&self) -> Result<(), RoleError> {
        let refuse = |reason: String| Err(RoleError::Malformed(reason));
        let mut members = 0_usize;
        let mut open = vec![(self, 1_usize)];
        // Walked, not recursed: the depth is the document's choice.
        while let Some((part, depth)) = open.pop() {
            members = members.saturating_add(1);
            if depth > MAX_DEPTH {
                return refuse(format!("a requirement is nested more than {MAX_DEPTH} deep"));
            }
            if members > MAX_MEMBERS {
                return refuse(format!("a requirement has more than {MAX_MEMBERS} members"));
            }
            if let Self::Any { any } = part
                && any.is_empty()
            {
                return refuse("any of nothing can never hold".into());
            }
            if let Self::AtLeast { at_least, of } = part
                && (*at_least == 0 || *at_least > of.len())
            {
                return refuse(format!("at least {at_least} of {} is always or never", of.len()));
            }
            open.extend(part.members().iter().map(|m| (m, depth.saturating_add(1))));
        }
        Ok(())
    }

    /// Every role that it names, in the order in which they stand there.
    #[must_use]
    pub fn roles(&self) -> Vec<&ContentId> {
        let mut roles = Vec::new();
        let mut open = vec![self];
        while let Some(part) = open.pop() {
            if let Self::Role { role } = part
                && !roles.contains(&role)
            {
                roles.push(role);
            }
            open.extend(part.members().iter().rev());
        }
        roles
    }

    fn members(&self) -> &[Self] {
        match self {
            Self::Role { .. } => &[],
            Self::All { all } => all,
            Self::Any { any } => any,
            Self::AtLeast { of, .. } => of,
        }
    }

    /// Whether it holds, given what is known of each role. Call [`Requirement::check`] first: it
    /// bounds the depth that this descends to.
    pub fn evaluate(&self, holds: &dyn Fn(&ContentId) -> Outcome) -> Outcome {
        let needed = match self {
            Self::Role { role } => return holds(role),
            Self::All { all } => all.len(),
            Self::Any { .. } => 1,
            Self::AtLeast { at_least, .. } => *at_least,
        };
        let (mut passed, mut undecided) = (0_usize, 0_usize);
        for member in self.members() {
            match member.evaluate(holds) {
                Outcome::Passed => passed = passed.saturating_add(1),
                Outcome::Indeterminate => undecided = undecided.saturating_add(1),
                Outcome::Failed => {}
            }
        }
        if passed >= needed {
            Outcome::Passed
        } else if passed.saturating_add(undecided) >= needed {
            Outcome::Indeterminate
        } else {
            Outcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn role(n: u8) -> ContentId {
        ContentId::of_bytes(&[n]).expect("a name")
    }

    fn read(value: serde_json::Value) -> Requirement {
        serde_json::from_value(value).expect("a requirement")
    }

    #[test]
    fn reads_the_written_form_and_writes_it_again() {
        let value = json!({"all": [
            {"role": role(1)},
            {"any": [{"role": role(2)}, {"role": role(3)}]},
            {"atLeast": 2, "of": [{"role": role(4)}, {"role": role(5)}, {"role": role(6)}]},
        ]});
        let requirement = read(value.clone());
        assert_eq!(requirement.check(), Ok(()));
        assert_eq!(serde_json::to_value(requirement).expect("JSON"), value);
        for unknown in [json!({"not": {"role": role(1)}}), json!({"all": [], "any": []})] {
            assert!(serde_json::from_value::<Requirement>(unknown).is_err());
        }
    }

    #[test]
    fn refuses_what_can_never_hold_or_is_too_large() {
        let mut deep = json!({"role": role(1)});
        for _ in 0..MAX_DEPTH {
            deep = json!({ "all": [deep] });
        }
        let wide: Vec<_> = (0..MAX_MEMBERS).map(|_| json!({"role": role(1)})).collect();
        for value in [
            json!({"any": []}),
            json!({"atLeast": 0, "of": [{"role": role(1)}]}),
            json!({"atLeast": 2, "of": [{"role": role(1)}]}),
            deep,
            json!({ "all": wide }),
        ] {
            let refused = read(value.clone()).check().expect_err("refused");
            assert!(matches!(refused, RoleError::Malformed(_)), "{value}");
            assert_eq!(refused.code().id(), "GP-ROLE-MALFORMED");
        }
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![Just(Outcome::Passed), Just(Outcome::Failed), Just(Outcome::Indeterminate)]
    }

    fn requirement() -> impl Strategy<Value = Requirement> {
        let leaf = (0..6_u8).prop_map(|n| Requirement::Role { role: role(n) });
        leaf.prop_recursive(3, 16, 4, |inner| {
            let list = prop::collection::vec(inner, 1..4);
            prop_oneof![
                list.clone().prop_map(|all| Requirement::All { all }),
                list.clone().prop_map(|any| Requirement::Any { any }),
                list.prop_map(|of| Requirement::AtLeast { at_least: of.len().div_ceil(2), of }),
            ]
        })
    }

    /// The same in two values, written another way.
    fn plain(requirement: &Requirement, holds: &dyn Fn(&ContentId) -> bool) -> bool {
        match requirement {
            Requirement::Role { role } => holds(role),
            Requirement::All { all } => all.iter().all(|r| plain(r, holds)),
            Requirement::Any { any } => any.iter().any(|r| plain(r, holds)),
            Requirement::AtLeast { at_least, of } => {
                of.iter().filter(|r| plain(r, holds)).count() >= *at_least
            }
        }
    }

    proptest! {
        /// Undecided means: it could come out either way. Decided means: it could not.
        #[test]
        fn the_third_value_is_told_exactly_where_it_matters(
            requirement in requirement(),
            known in prop::collection::vec(outcome(), 6),
        ) {
            let index = |id: &ContentId| (0..6_u8).find(|n| &role(*n) == id).expect("one of six");
            let of = |id: &ContentId| known[usize::from(index(id))];
            let best = plain(&requirement, &|id| of(id) != Outcome::Failed);
            let worst = plain(&requirement, &|id| of(id) == Outcome::Passed);
            let expected = match (worst, best) {
                (true, _) => Outcome::Passed,
                (false, true) => Outcome::Indeterminate,
                (false, false) => Outcome::Failed,
            };
            prop_assert_eq!(requirement.evaluate(&of), expected);
        }
    }
}
