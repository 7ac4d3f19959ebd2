//! Readers: applications that go on where they left off, in everything or in one channel.

use super::control::{Answered, ControlResult};
use super::group::After;
use super::worker::Worker;
use crate::codes;
use crate::store::Entry;
use gridpass_identity::code::Code;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// The longest name of a reader, in bytes.
const MAX_NAME: usize = 128;
/// What the names of places in one channel begin with.
const IN_CHANNEL: &str = "reader in ";

/// The name under which is kept how far a reader is. One channel counts for itself: what a reader of
/// one is done with says nothing of another.
fn place(reader: &str, channel: Option<&str>) -> Result<String, (Code, String)> {
    let refuse = |why: &str| Err((codes::NODE_REQUEST, why.to_owned()));
    if !(1..=MAX_NAME).contains(&reader.len()) {
        return refuse("a reader's name has 1 to 128 bytes");
    }
    if reader.contains(char::is_control) {
        return refuse("a reader's name has no control characters");
    }
    if [IN_CHANNEL, super::receipts::CURSOR].iter().any(|own| reader.starts_with(own)) {
        return refuse("names that begin like this are the node's own; choose another");
    }
    Ok(match channel {
        None => reader.to_owned(),
        // Neither a CID nor a channel's name has a space: no two of these are the same.
        Some(channel) => format!("{IN_CHANNEL}{channel} {reader}"),
    })
}

/// Refuses numbers of another log: nothing comes after them before this one is as long.
pub(super) fn check_number(number: u64, last: u64) -> Result<(), (Code, String)> {
    if number <= last {
        return Ok(());
    }
    let sentence = format!(
        "the last number of this node's log is {last}, so {number} is of another: begin at 0, and \
         tell by the ids which you had"
    );
    Err((codes::NODE_NUMBER, sentence))
}

/// Where a reader is. A place that the log does not have is none: better a message twice than never.
fn place_in(kept: u64, last: u64) -> u64 {
    if kept > last { 0 } else { kept }
}

/// Whether a message, as it is shown, is of a channel that was named by its CID or name.
fn is_in(message: &Value, channel: &str) -> bool {
    let is = |member: &str| message.get(member).and_then(Value::as_str) == Some(channel);
    is("channel") || is("channelName")
}

/// Whether somebody is given it who listens to one channel, or to everything. Of what is lost nobody knows
/// in which channel it was: whoever listens is told.
pub(super) fn is_for(message: &Value, only: Option<&str>) -> bool {
    only.is_none_or(|channel| message.get("channel").is_none() || is_in(message, channel))
}

impl Worker {
    /// A name or CID of a channel that is here, or was left: what was said there is read all the same.
    fn check_channel(&self, channel: &str) -> Result<(), (Code, String)> {
        let material = &self.knowledge.material;
        let known = (material.channels.iter().chain(&material.left))
            .any(|(id, c)| id.as_str() == channel || c.descriptor().name.as_str() == channel);
        if known {
            return Ok(());
        }
        let shown: String = channel.chars().take(80).collect();
        Err((codes::CHANNEL_UNKNOWN, format!("the node has no channel {shown:?}")))
    }

    /// From where on a listener is given messages.
    pub(super) fn listen_from(
        &self,
        after: Option<u64>,
        reader: Option<&str>,
        channel: Option<&str>,
    ) -> Answered {
        channel.map_or(Ok(()), |c| self.check_channel(c))?;
        let kept = reader.map(|r| place(r, channel)).transpose()?;
        let store = &self.knowledge.store;
        let last = store.last_number();
        check_number(after.unwrap_or_default(), last)?;
        let kept = kept.map(|place| place_in(store.cursor(&place), last));
        Ok(json!({"after": after.or(kept).unwrap_or_default()}))
    }

    /// A reader is done with the messages up to a number; of one channel, with those that are in it. What
    /// it was done with, it stays done with.
    pub(super) fn done(
        &mut self,
        (reader, channel): (&str, Option<&str>),
        number: u64,
        reply: oneshot::Sender<ControlResult>,
    ) {
        let last = self.knowledge.store.last_number();
        let checked = channel.map_or(Ok(()), |c| self.check_channel(c));
        let checked = checked.and_then(|()| check_number(number, last));
        match checked.and_then(|()| place(reader, channel)) {
            Ok(reader) => {
                let kept = place_in(self.knowledge.store.cursor(&reader), last);
                let number = number.max(kept);
                self.stage(Entry::Cursor { reader, number });
                self.after.push(After::Answer(reply, Ok(json!({"number": number}))));
            }
            Err(refused) => {
                let _ = reply.send(Err(refused.into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_has_a_place_of_its_own_in_each_channel_and_in_everything() {
        let mut all: Vec<String> = Vec::new();
        for reader in ["scada", "in flex.gb.bids scada", "flex.gb.bids scada", "a b", "b"] {
            for channel in [None, Some("flex.gb.bids"), Some("flex.gb.orders"), Some("a.a")] {
                all.push(place(reader, channel).expect("a place"));
            }
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "{all:?}");
    }

    #[test]
    fn a_number_of_another_log_is_refused_and_no_place() {
        assert_eq!((check_number(0, 0), check_number(43, 43)), (Ok(()), Ok(())));
        assert_eq!(check_number(44, 43).expect_err("refused").0, codes::NODE_NUMBER);
        assert_eq!([place_in(43, 43), place_in(44, 43)], [43, 0]);
    }

    #[test]
    fn the_nodes_own_names_and_those_that_are_none_are_refused() {
        let own = place("scada", Some("flex.gb.bids")).expect("a place");
        let receipts = format!("{}did:key:z6Mk at 12D3", crate::node::receipts::CURSOR);
        let (longer, lines) = ("x".repeat(MAX_NAME + 1), "x\ny".to_owned());
        for reader in [own, receipts, longer, String::new(), lines] {
            for channel in [None, Some("flex.gb.bids")] {
                let refused = place(&reader, channel).expect_err("refused");
                assert_eq!(refused.0, codes::NODE_REQUEST);
            }
        }
    }

    #[test]
    fn a_message_is_of_a_channel_by_its_name_and_by_its_cid() {
        let message = json!({"channel": "bafkrei1", "channelName": "flex.gb.bids"});
        assert!(is_in(&message, "bafkrei1") && is_in(&message, "flex.gb.bids"));
        assert!(!is_in(&message, "flex.gb.bid") && !is_in(&json!({"channelName": null}), ""));
        assert!(is_for(&message, None) && !is_for(&message, Some("flex.gb.bid")));
        assert!(is_for(&json!({"number": 17, "from": 17}), Some("flex.gb.bid")), "what is lost");
    }
}
