use super::*;
use crate::lint::{Level, lint};
use crate::requirement::Requirement;
use serde_json::{Value as Json, json};

/// The channel of the published vectors, bent.
fn bent(bend: impl FnOnce(&mut ChannelDescriptor)) -> (ChannelDescriptor, CheckedChannel) {
    let vectors = include_str!("../../../spec/vectors/decision.json");
    let vectors: Json = serde_json::from_str(vectors).expect("vectors");
    let text = vectors["cases"][0]["input"]["descriptor"].as_str().expect("a text");
    let mut channel: ChannelDescriptor = serde_json::from_str(text).expect("a descriptor");
    bend(&mut channel);
    let checked = channel.check().expect("a channel");
    (channel, checked)
}

fn asks(needs: Json) -> Vec<Requirement> {
    let condition = serde_json::from_value(needs).expect("a condition");
    vec![Requirement::new("r", "it says", condition)]
}

fn found(bend: impl FnOnce(&mut ChannelDescriptor)) -> Vec<(Level, &'static str)> {
    let (channel, checked) = bent(bend);
    // What else is said is another matter.
    let here = [
        codes::LINT_NEVER,
        codes::LINT_EMPTY,
        codes::LINT_RETENTION,
        codes::LINT_EXCLUSION,
        codes::LINT_RECIPIENTS,
    ];
    let all = lint(&channel, &checked, None).into_iter();
    let all = all.filter(|l| here.contains(&l.code));
    all.map(|l| (l.level, l.code.id())).collect()
}

#[test]
fn what_nobody_can_ever_satisfy_is_an_error() {
    let of = |needs: Json| found(|d| d.subscribe = asks(needs));
    let role = "flex.gb.dso";
    let never = vec![(Level::Error, "GP-LINT-NEVER")];
    for needs in [
        json!({"when": "issued < time"}),
        json!({"when": "arrived < time"}),
        json!({"when": "recipient == sender"}),
        json!({"not": {"when": "issued < time"}}),
        json!({"all": [{"role": role}, {"when": "expires > time"}]}),
        json!({"role": role, "where": ["visa.since <= issued"]}),
        json!({"role": role, "where": ["visa.zone == 'GB-1'", "visa.zone == 'GB-2'"]}),
        json!({"role": role, "where": ["visa.kw > 5", "5 >= visa.kw"]}),
        json!({"all": [{"when": "sender == 'a'"}, {"when": "'b' == sender"}]}),
    ] {
        assert_eq!(of(needs.clone()), never, "{needs}");
    }
    let part = json!({"any": [{"role": role}, {"when": "issued < time"}]});
    assert_eq!(of(part), [(Level::Warning, "GP-LINT-NEVER")]);
    for fine in [
        json!({"role": role, "where": ["visa.zone == 'GB-1'", "visa.zone != 'GB-2'"]}),
        json!({"role": role, "where": ["visa.kw > 5", "visa.kw <= 6"]}),
        json!({"any": [{"when": "sender == 'a'"}, {"when": "sender == 'b'"}]}),
    ] {
        assert_eq!(of(fine.clone()), [], "{fine}");
    }
    // A message says when it was made.
    assert_eq!(found(|d| d.publish = asks(json!({"when": "issued <= time"}))), []);
}

#[test]
fn what_holds_of_more_than_was_meant_is_a_warning() {
    use crate::topic::Attribute;
    let zones = |d: &mut ChannelDescriptor, needs: Json| {
        let zones = Attribute {
            value_type: ValueType::Texts,
            from: Some("/zones".into()),
            optional: false,
        };
        d.topics[0].attributes.insert("zones".into(), zones);
        d.publish = asks(needs);
    };
    let within = json!({"when": "message.zones within ['GB-1']"});
    let both = json!({"all": [within.clone(), {"when": "message.zones contains 'GB-1'"}]});
    assert_eq!(found(|d| zones(d, within)), [(Level::Warning, "GP-LINT-EMPTY")]);
    assert_eq!(found(|d| zones(d, both)), []);
    let listed = json!({"did": ["did:example:a"]});
    let excluded = [(Level::Warning, "GP-LINT-EXCLUSION")];
    assert_eq!(found(|d| d.publish = asks(json!({"not": listed.clone()}))), excluded);
    assert_eq!(found(|d| d.publish = asks(listed)), []);
    let to_one = json!({"when": "recipient != sender"});
    let multicast = |d: &mut ChannelDescriptor, most: u64| {
        d.mode = Mode::Multicast;
        d.limits.max_recipients = most;
        d.publish = asks(to_one.clone());
    };
    assert_eq!(found(|d| multicast(d, 2)), [(Level::Warning, "GP-LINT-RECIPIENTS")]);
    assert_eq!(found(|d| multicast(d, 1)), []);
    let short = found(|d| d.retention.seconds = d.limits.max_lifetime_seconds - 1);
    assert_eq!(short, [(Level::Warning, "GP-LINT-RETENTION")]);
}

#[test]
fn what_is_over_is_told_from_then_on() {
    let over = UnixMillis::new(1_772_366_400_000);
    let (before, from) = (UnixMillis::new(over.get() - 1), over);
    let count = |now: UnixMillis, bend: &dyn Fn(&mut ChannelDescriptor)| {
        let (channel, checked) = bent(bend);
        let found = lint_at(&channel, &checked, now);
        assert!(found.iter().all(|l| l.code == codes::LINT_OVER), "{found:?}");
        found.len()
    };
    let retired = |d: &mut ChannelDescriptor| d.topics[0].versions[0].retired = Some(over);
    let until = json!({"between": {"until": over}});
    let between = |d: &mut ChannelDescriptor| d.publish = asks(until.clone());
    let after = |d: &mut ChannelDescriptor| d.publish = asks(json!({"not": until.clone()}));
    assert_eq!((count(before, &retired), count(from, &retired)), (0, 1));
    assert_eq!((count(before, &between), count(from, &between)), (0, 1));
    assert_eq!((count(before, &after), count(from, &after)), (0, 0));
}
