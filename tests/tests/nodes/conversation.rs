//! The conversation of `spec/vectors/control-conversation.json`, with a node that runs.

use crate::running::{Running, until};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::socket_of;
use gridpass_tests::messages::Market;
use gridpass_tests::world::Party;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// Says everything on one connection; gives so many answers, and what comes behind them until the node ends it.
async fn talk(socket: &Path, says: &str, answers: usize) -> (Vec<Value>, String) {
    let mut stream = BufReader::new(UnixStream::connect(socket).await.expect("it is reached"));
    stream.get_mut().write_all(says.as_bytes()).await.expect("said");
    let mut found = Vec::new();
    // Whoever watches or listens, and ends its side, is given nothing more: not before this came.
    for _ in 0..answers {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_line(&mut line)).await;
        read.expect("in time").expect("an answer");
        assert!(line.ends_with('\n'), "{says}: {line:?} after {found:?}");
        found.push(serde_json::from_str(&line).expect("JSON"));
        if says.matches('\n').count() < answers {
            // The last line has no end: that this is all is seen at the end of our side.
            let _ = stream.get_mut().shutdown().await;
        }
    }
    // The node may have ended it.
    let _ = stream.get_mut().shutdown().await;
    let mut behind = String::new();
    let rest = stream.read_to_string(&mut behind);
    tokio::time::timeout(Duration::from_secs(60), rest).await.expect("it ends").expect("text");
    (found, behind)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Whether an answer is what is expected: an error of that code, or exactly those members, of those kinds.
fn differs(expected: &Value, found: &Value) -> Option<String> {
    if let Some(code) = expected.get("error") {
        let error = &found["error"];
        let has_reasons = error["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty());
        let told = error["message"].is_string() && has_reasons == expected.get("reasons").is_some();
        return (&error["code"] != code || !told).then(|| format!("not {code}: {found}"));
    }
    let (expected, Some(found)) = (&expected["ok"], found.get("ok")) else {
        return Some(format!("not {expected}: {found}"));
    };
    let Some(members) = expected.as_object() else {
        return (expected != kind(found)).then(|| format!("not {expected}: {found}"));
    };
    let Some(there) = found.as_object() else { return Some(format!("no object: {found}")) };
    for (name, kinds) in members {
        let Some(value) = there.get(name) else { return Some(format!("no {name}: {found}")) };
        let kinds = kinds.as_str().expect("kinds");
        if !kinds.split('|').any(|one| one == kind(value)) {
            return Some(format!("{name} is no {kinds}: {value}"));
        }
    }
    let more = there.keys().find(|name| !members.contains_key(*name));
    more.map(|name| format!("{name} is not in the specification: {found}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_answers_as_the_published_conversation_says() {
    let market = Market::with_operators(|_| ());
    let running = Running::start(&market, 71, false).await;
    until("an address", async || {
        running.node.ask(Asked::Invite { channels: Vec::new() }).await.ok()
    })
    .await;
    running.node.hurry(Duration::from_secs(11)).await;
    let path = gridpass_tests::root().join("spec/vectors/control-conversation.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let socket = socket_of(running.folder.path());
    let (mut message, mut differ, mut answered) = (String::new(), Vec::new(), 0);
    for case in file["cases"].as_array().expect("cases") {
        let says = case["input"]["says"].as_str().expect("text");
        let says = says
            .replace("$CHANNEL", market.channel.as_str())
            .replace("$NAME", market.descriptor.name.as_str())
            .replace("$NODE", Party::new(72).did.as_str())
            .replace("$MESSAGE", &message);
        let expected = case["expected"]["answers"].as_array().expect("answers");
        let (found, behind) = talk(&socket, &says, expected.len()).await;
        for (expected, found) in expected.iter().zip(&found) {
            answered += 1;
            differ.extend(differs(expected, found).map(|why| format!("{}: {why}", case["name"])));
        }
        let sent = found.first().and_then(|f| f["ok"]["id"].as_str());
        if let Some(id) = sent.filter(|_| message.is_empty()) {
            message = id.to_owned();
        }
        // Whoever watches is told again and again, and whoever asks beside it is not answered.
        let goes_on = case["input"]["goesOn"] == true;
        if !behind.lines().all(|line| goes_on && line == "{\"ok\":{}}") {
            differ.push(format!("{}: behind it came {behind}", case["name"]));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(answered >= 50 && !message.is_empty(), "{answered} answers");
    running.node.stop().await;
}
