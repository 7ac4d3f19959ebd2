//! What a sender's contradiction is, for people: no more than the two messages prove.

use crate::shown::shown;
use gridpass_messaging::codes;
use serde_json::Value;

/// A sentence about two messages that contradict each other.
pub fn contradiction(fork: &Value) -> String {
    let text = |name: &str| shown(fork.get(name).and_then(Value::as_str).unwrap_or_default());
    let (sender, first, second) = (text("sender"), text("first"), text("second"));
    let number = |name: &str| fork.get(name).and_then(Value::as_u64);
    let code = fork.get("code").and_then(Value::as_str).unwrap_or_default();
    let (Some(a), Some(b)) = (number("firstSequence"), number("sequence")) else {
        return format!("{sender} signed {first} and {second}, which contradict each other");
    };
    let (low, high) = (a.min(b), a.max(b));
    let (before, after) = if a <= b { (first, second) } else { (second, first) };
    if code == codes::SEQUENCE_FORK.id() {
        format!("{sender} signed two messages with number {b}: {before} and {after}")
    } else if code == codes::SEQUENCE_BROKEN.id() {
        format!("{sender}: its number {high}, {after}, does not follow its number {low}, {before}")
    } else if code == codes::ENVELOPE_ORDER.id() {
        format!("{sender}: its number {high}, {after}, is dated before its number {low}, {before}")
    } else {
        format!("{sender} signed {before} and {after}, which contradict each other")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_said_of_a_sender_that_the_messages_do_not_prove() {
        let told = |code: Value, first: Value, second: u64| {
            contradiction(&json!({"sender": "did:web:x.example", "code": code, "first": "A",
                "firstSequence": first, "second": "B", "sequence": second}))
        };
        let fork = told(json!("GP-SEQUENCE-FORK"), json!(2), 2);
        assert_eq!(fork, "did:web:x.example signed two messages with number 2: A and B");
        let broken = told(json!("GP-SEQUENCE-BROKEN"), json!(1), 2);
        assert_eq!(broken, "did:web:x.example: its number 2, B, does not follow its number 1, A");
        let late = told(json!("GP-SEQUENCE-BROKEN"), json!(3), 2);
        assert_eq!(late, "did:web:x.example: its number 3, A, does not follow its number 2, B");
        let dated = told(json!("GP-ENVELOPE-ORDER"), json!(1), 2);
        assert_eq!(dated, "did:web:x.example: its number 2, B, is dated before its number 1, A");
        // The first is not here any more, or an older node says nothing of it.
        for told in [told(Value::Null, Value::Null, 2), told(Value::Null, json!(1), 2)] {
            assert_eq!(told, "did:web:x.example signed A and B, which contradict each other");
        }
    }
}
