//! What is said of a change of visas that was made before, or may have been: what others rely on is the list.

use crate::output::Failure;
use gridpass_credentials::codes::STATUS_UNCHANGED;
use gridpass_identity::did::Did;

/// The calls that write the newest lists of these.
pub fn publishing(signers: &[Did]) -> String {
    let commands: Vec<String> = signers
        .iter()
        .map(|did| format!("`gridpass status publish --as {did} -o lists.json`"))
        .collect();
    commands.join(" and ")
}

/// A call that failed or was killed after the change has written no list, and the next finds nothing to change:
/// says how to have the list all the same.
pub fn not_changed(failure: Failure, signers: &[Did]) -> Failure {
    if signers.is_empty() {
        return failure;
    }
    let lists = publishing(signers);
    if failure.code == STATUS_UNCHANGED && failure.next.is_none() {
        return failure.next(format!(
            "If others may not know it yet, write the list that says so: {lists}. What you issued, and its \
             state: `gridpass visa list --issued`."
        ));
    }
    failure.look(format!(
        "Look whether it is done: `gridpass visa list --issued`. If it is, do not do it again, and write the \
         new list: {lists}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_identity::codes::{STORE_IO, STORE_UNCONFIRMED};

    #[test]
    fn the_list_is_the_next_step_of_what_is_done_or_may_be() {
        let did = Did::parse("did:web:dso.example").expect("a DID");
        let next = |code| not_changed(Failure::new(code, "why"), std::slice::from_ref(&did)).next;
        for code in [STATUS_UNCHANGED, STORE_UNCONFIRMED] {
            let said = next(code).expect("a step");
            let call = "`gridpass status publish --as did:web:dso.example -o lists.json`";
            assert!(said.contains(call), "{said}");
        }
        assert_eq!(next(STORE_IO), None, "nothing was done");
        let own = Failure::new(STATUS_UNCHANGED, "why").next("Leave it out.");
        assert_eq!(not_changed(own, &[did]).next.as_deref(), Some("Leave it out."));
    }
}
