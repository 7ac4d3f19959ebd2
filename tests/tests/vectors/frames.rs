//! Messages of block exchange.

use crate::{Case, Found, hex, unhex};
use futures::io::Cursor;
use gridpass_messaging::exchange::message::{Message, Wanted};
use gridpass_messaging::exchange::next_message;
use serde_json::{Value, json};
use std::io::ErrorKind;

/// Messages on a stream, each with its length before it: how many are read, and what ends it.
pub(crate) fn stream(case: &Case) -> Found {
    let mut io = Cursor::new(case.bytes("stream").expect("a stream"));
    let asked = case.input["asked"].as_bool().expect("whether something was asked for");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async move {
        let mut messages = 0;
        let ends = loop {
            match next_message(&mut io, || asked).await {
                Ok(Some(_)) => messages += 1,
                Ok(None) => break "whole",
                Err(e) if e.kind() == ErrorKind::InvalidData => break "malformed",
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => break "cut off",
                Err(e) => panic!("{}: {e}", case.name),
            }
        };
        Found::from([("messages", json!(messages)), ("ends", json!(ends))])
    })
}

/// A message, without the length before it.
pub(crate) fn bitswap(case: &Case) -> Found {
    let bytes = unhex(case.text("message_hex").expect("a message"));
    let Ok(read) = Message::parse(&bytes) else {
        return Found::from([("malformed", json!(true))]);
    };
    let wanted = |wanted| match wanted {
        Wanted::Block => "block",
        Wanted::Have => "have",
        Wanted::Nothing => "nothing",
    };
    let wants: Value = read
        .wants
        .iter()
        .map(|w| {
            let cid = w.cid.to_string();
            json!({"cid": cid, "wanted": wanted(w.wanted), "told": w.send_dont_have})
        })
        .collect();
    let blocks: Value = read
        .blocks
        .iter()
        .map(|b| json!({"cid": b.cid.to_string(), "hex": hex(&b.data)}))
        .collect();
    let presences: Value = read
        .presences
        .iter()
        .map(|(cid, here)| json!({"cid": cid.to_string(), "here": here}))
        .collect();
    Found::from([
        ("full", json!(read.full)),
        ("wants", wants),
        ("blocks", blocks),
        ("presences", presences),
        ("again_hex", json!(hex(&read.into_bytes()))),
    ])
}
