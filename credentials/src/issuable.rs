//! Whether what a charter lists can be issued at all: a role whose issuers are no roots, or hold what nobody
//! can be given, is listed in vain, and nobody is told before the first request.

use crate::charter::Charter;
use crate::content_id::ContentId;
use crate::role::{RoleDefinition, RoleName};
use gridpass_identity::report::Outcome;
use std::collections::BTreeMap;

/// What stands in the way of a listed role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The definition.
    pub definition: ContentId,
    /// Its name.
    pub name: RoleName,
    /// What stands in its way, for people.
    pub why: String,
}

/// Roles that are listed and not retired, with how many issuers stand between a holder and a root.
type Depths<'d> = BTreeMap<&'d ContentId, u8>;

/// What stands in the way of the roles that a charter lists and does not retire before its date: of a
/// definition that is not given nothing is said.
#[must_use]
pub fn obstacles(charter: &Charter, definitions: &[(ContentId, RoleDefinition)]) -> Vec<Obstacle> {
    let listed = charter.roles.iter().filter(|r| !r.is_retired(charter.dated));
    let given = listed.filter_map(|r| definitions.iter().find(|(id, _)| *id == r.definition));
    let open: Vec<_> = given.collect();
    let mut depths = Depths::new();
    // Definitions are named by their hashes, and refer to each other in no circle: the rounds end.
    for _ in 0..=open.len() {
        for (id, definition) in &open {
            if can_be_held(definition, &depths)
                && let Some(depth) = depth(charter, definition, &depths)
                && depth <= definition.max_chain_depth
            {
                depths.insert(id, depth);
            }
        }
    }
    let mut found = Vec::new();
    for (id, definition) in &open {
        let mut add = |why: String| {
            let (definition, name) = (id.clone(), definition.name.clone());
            found.push(Obstacle { definition, name, why });
        };
        match depth(charter, definition, &depths) {
            None => add("nobody can issue it: none of its issuers is a root of the charter, or can be given a \
                         role that it names as issuer and the charter lists"
                .into()),
            Some(depth) if depth > definition.max_chain_depth => add(format!(
                "nobody can issue it: at least {depth} issuers stand between a holder and a root, and it allows {}",
                definition.max_chain_depth
            )),
            Some(_) if !can_be_held(definition, &depths) => {
                add("nobody can hold it: it requires roles that nobody can be given by this charter".into());
            }
            Some(_) => {}
        }
        let revokers = definition.revokers.iter().flat_map(|r| &r.roles);
        for role in revokers.filter(|role| !depths.contains_key(role)) {
            add(format!(
                "a role that may revoke it can be given to nobody by this charter: {role}"
            ));
        }
    }
    found
}

fn can_be_held(definition: &RoleDefinition, depths: &Depths<'_>) -> bool {
    let holds = |role: &ContentId| match depths.contains_key(role) {
        true => Outcome::Passed,
        false => Outcome::Failed,
    };
    let required = definition.preconditions.as_ref();
    required.is_none_or(|required| required.evaluate(&holds) == Outcome::Passed)
}

fn depth(charter: &Charter, definition: &RoleDefinition, depths: &Depths<'_>) -> Option<u8> {
    if definition.issuers.dids.iter().any(|did| charter.roots.contains(did)) {
        return Some(0);
    }
    let issuers = definition.issuers.roles.iter().filter_map(|role| depths.get(role));
    Some(issuers.min()?.saturating_add(1))
}
