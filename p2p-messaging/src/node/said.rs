//! What the nodes of each recipient say of one own message, put together: one of them may have refused what
//! another delivered, and both are of use to whoever sent it.

use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What one node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) at: UnixMillis,
    /// Why it was refused; nothing where it was delivered.
    pub(super) refused: Option<Vec<String>>,
}

impl Said {
    fn shown(&self) -> Map<String, Value> {
        let state = if self.refused.is_some() { "refused" } else { "delivered" };
        let mut shown = Map::new();
        shown.insert("state".to_owned(), json!(state));
        shown.insert("at".to_owned(), json!(self.at));
        if let Some(reasons) = &self.refused {
            shown.insert("reasons".to_owned(), json!(reasons));
        }
        shown
    }
}

/// By recipient, and by node.
#[derive(Default)]
pub(super) struct SaidByNodes(BTreeMap<Did, BTreeMap<Did, Said>>);

impl SaidByNodes {
    /// A node says so. What it delivered after all, such as when a key came, it did not refuse.
    pub(super) fn take(&mut self, recipient: &Did, node: &Did, said: Said) {
        let nodes = self.0.entry(recipient.clone()).or_default();
        if nodes.get(node).is_none_or(|before| before.refused.is_some()) {
            nodes.insert(node.clone(), said);
        }
    }

    /// What each recipient says: that it was delivered, where one of its nodes says so. Where these say
    /// different things, what each of them says too.
    pub(super) fn together(&self) -> BTreeMap<String, Value> {
        self.0.iter().map(|(recipient, nodes)| (recipient.to_string(), of_one(nodes))).collect()
    }
}

fn of_one(nodes: &BTreeMap<Did, Said>) -> Value {
    let delivered = nodes.values().filter(|said| said.refused.is_none()).min_by_key(|s| s.at);
    let counts = delivered.or_else(|| nodes.values().max_by_key(|said| said.at));
    let mut shown = counts.map(Said::shown).unwrap_or_default();
    if nodes.values().any(|said| counts.is_some_and(|counts| counts.refused != said.refused)) {
        let each = nodes.iter().map(|(node, said)| {
            let mut shown = said.shown();
            shown.insert("node".to_owned(), json!(node));
            Value::Object(shown)
        });
        shown.insert("nodes".to_owned(), each.collect());
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_identity::code::Code;

    fn did(text: &str) -> Did {
        Did::parse(text).expect("a DID")
    }

    fn said(at: u64, refused: Option<Code>) -> Said {
        let refused = refused.map(|code| vec![code.id().to_owned()]);
        Said { at: UnixMillis::new(at), refused }
    }

    #[test]
    fn where_nodes_of_a_recipient_say_different_things_each_is_told() {
        let (tso, first, second) =
            (did("did:web:tso.example"), did("did:key:zFirst"), did("did:key:zSecond"));
        let stranger = crate::codes::SEALING_STRANGER;
        let mut nodes = SaidByNodes::default();
        nodes.take(&tso, &first, said(1000, Some(stranger)));
        let alone = nodes.together();
        assert_eq!(alone[tso.as_str()]["state"], "refused");
        assert!(alone[tso.as_str()].get("nodes").is_none());
        // The other delivered it: that counts, and the refusal is shown beside.
        nodes.take(&tso, &second, said(2000, None));
        let both = &nodes.together()[tso.as_str()];
        assert_eq!(both["state"], "delivered");
        assert_eq!(both["at"], json!(UnixMillis::new(2000)));
        assert!(both.get("reasons").is_none());
        let refused = json!({
            "node": first, "state": "refused",
            "at": UnixMillis::new(1000), "reasons": [stranger.id()],
        });
        let delivered = json!({"node": second, "state": "delivered", "at": UnixMillis::new(2000)});
        assert_eq!(both["nodes"], json!([refused, delivered]));
        // It is delivered there too in the end, and no later word takes that back.
        nodes.take(&tso, &first, said(3000, None));
        nodes.take(&tso, &first, said(4000, Some(stranger)));
        let agreed = &nodes.together()[tso.as_str()];
        assert_eq!(agreed, &json!({"state": "delivered", "at": UnixMillis::new(2000)}));
    }

    #[test]
    fn refusals_for_different_reasons_are_told_each() {
        let tso = did("did:web:tso.example");
        let (stranger, left_out) = (crate::codes::SEALING_STRANGER, crate::codes::SEALING_LEFT_OUT);
        let mut nodes = SaidByNodes::default();
        nodes.take(&tso, &did("did:key:zFirst"), said(1000, Some(stranger)));
        nodes.take(&tso, &did("did:key:zSecond"), said(2000, Some(left_out)));
        let told = &nodes.together()[tso.as_str()];
        assert_eq!(told["reasons"], json!([left_out.id()]), "the later one stands for both");
        assert_eq!(told["nodes"].as_array().map(Vec::len), Some(2));
    }
}
