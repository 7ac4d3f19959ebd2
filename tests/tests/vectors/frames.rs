//! Messages of block exchange.

use crate::{Case, Found, hex, unhex};
use gridpass_messaging::exchange::message::{Message, Wanted};
use serde_json::{Value, json};

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
