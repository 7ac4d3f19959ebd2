//! Questions on the control socket.

use crate::{Case, Found, refused};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_messaging::node::control::parse;
use gridpass_tests::world::Party;
use serde_json::{Value, json};

/// A line: what it asks, without what was left out or is null.
pub(crate) fn question(case: &Case) -> Found {
    match parse(case.text("line").expect("a line").as_bytes()) {
        Err(e) => refused(e.code),
        Ok(asked) => {
            let mut asked = json!(asked);
            asked.as_object_mut().expect("an object").retain(|_, value| {
                let is_empty = value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty);
                *value != Value::Null && !is_empty
            });
            Found::from([("question", asked)])
        }
    }
}

/// What is said on a connection: which question each line is, or none. The answers are held against those of a
/// node that runs (`nodes/conversation.rs`); here it is seen that each says one thing.
pub(crate) fn conversation(case: &Case) -> Found {
    let channel = ContentId::of_bytes(b"a channel").expect("a name");
    let message = EnvelopeId::of_block(b"a block").expect("a name");
    let says = case.text("says").expect("what is said");
    let says = says
        .replace("$CHANNEL", channel.as_str())
        .replace("$NAME", "flex.gb.bids")
        .replace("$NODE", Party::new(72).did.as_str())
        .replace("$MESSAGE", message.as_str());
    let lines: Vec<&str> = says.split('\n').collect();
    let (_, whole) = lines.split_last().expect("what stands behind the last line feed");
    let asked = |line: &&str| parse(line.as_bytes()).ok().map(|asked| json!(asked)["do"].take());
    let questions: Vec<Option<Value>> = whole.iter().map(asked).collect();
    let answers = case.expected["answers"].as_array().expect("answers");
    let one = |answer: &&Value| answer.get("ok").is_some() != answer.get("error").is_some();
    assert!(answers.iter().all(|answer| one(&answer)), "{}", case.name);
    Found::from([("questions", json!(questions)), ("answers", json!(answers))])
}
