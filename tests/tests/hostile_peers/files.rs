//! A peer that may read, and gives other bytes for the blocks of a file.

use crate::blocks::{Given, peer_id};
use crate::scene::{PATIENCE, Peer, Scene, Shared, ask};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::role::RoleName;
use gridpass_messaging::exchange::{FetchError, Library};
use gridpass_messaging::files::held::Part;
use gridpass_messaging::files::{Held, Reference, stage::stage};
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::node::files_of;
use gridpass_messaging::sync::{Hello, Request, Response};
use gridpass_tests::messages::{Market, Sender};
use gridpass_tests::nodes::{self, clock};
use gridpass_tests::world::Party;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The honest one sends a file; gives the message and what is kept of the file.
async fn send(s: &Scene, content: &[u8]) -> (EnvelopeId, Held) {
    send_as(s, content, |_| ()).await
}

/// The same, with a reference that is bent.
async fn send_as(
    s: &Scene,
    content: &[u8],
    bend: impl FnOnce(&mut Reference),
) -> (EnvelopeId, Held) {
    let folder = files_of(s._folders[1].path());
    let staged = folder.join("new-test");
    std::fs::create_dir(&staged).expect("a folder");
    let channel = &s.market.channel;
    let cut = stage(&mut &content[..], &staged, channel, None, 16 * 1024, &mut |_| {});
    let (manifest, size) = cut.expect("cut");
    ask(&s.honest, Asked::FileAdd { staged: "new-test".into() }).await;
    let held = Held::open(&folder.join(manifest.as_str()), &manifest).expect("held");
    let (name, media_type) = ("model.xml".to_owned(), "application/xml".to_owned());
    let mut reference = Reference { manifest, size, name, media_type, key: None };
    bend(&mut reference);
    let payload = reference.to_payload(Map::new()).to_string();
    (say(s, channel, payload.as_bytes()).await, held)
}

/// The honest one sends something in a channel.
async fn say(s: &Scene, channel: &ContentId, payload: &[u8]) -> EnvelopeId {
    let message = NewMessage {
        channel: channel.to_string(),
        topic: "bids".into(),
        version: None,
        payload: payload.into(),
        recipients: Vec::new(),
        thread: None,
        attributes: json!({"zone": "GB-1", "quantityKw": 5}).as_object().expect("one").clone(),
        lifetime_millis: None,
        reference: None,
    };
    let sent = ask(&s.honest, Asked::Send(message)).await;
    EnvelopeId::parse(sent["id"].as_str().expect("an id")).expect("an id")
}

/// What somebody says about a file that somebody else sent.
fn reference_to(held: &Held) -> Vec<u8> {
    let reference = Reference {
        manifest: held.id().clone(),
        size: held.manifest().size,
        name: "mine".into(),
        media_type: "text/plain".into(),
        key: None,
    };
    reference.to_payload(Map::new()).to_string().into_bytes()
}

/// The names of its parts: manifest, list, a block.
fn parts(held: &Held) -> Vec<ContentId> {
    let part = |part| ContentId::of_bytes(&held.read(part).expect("here")).expect("a name");
    [Part::Manifest, Part::List(0), Part::Block(0)].map(part).into()
}

async fn shown(s: &Scene, message: &EnvelopeId) -> Value {
    let asked = Asked::Files { file: Some(message.to_string()) };
    ask(&s.operator, asked).await["files"][0].clone()
}

async fn fetched(s: &Scene, message: &EnvelopeId) {
    until("the message is there", async || s.inbox().await.contains(message)).await;
    ask(&s.operator, Asked::FileFetch { message: message.clone() }).await;
}

/// A peer that takes part in block exchange, and is known to.
async fn exchanging(s: &Scene, party: &Party, given: &Arc<Given>, hello: Hello) -> Peer {
    let library: Arc<dyn Library> = Arc::<Given>::clone(given);
    let peer = Peer::with(party, &s.market, &s.address, library).await;
    peer.enter(hello, &s.market).await;
    until("both exchange blocks", async || {
        let exchanges = ask(&s.operator, Asked::Content { cid: None }).await["peers"].clone();
        peer.exchange.is_speaker(&peer.node)
            && exchanges.as_array().expect("peers").contains(&json!(peer_id(party)))
    })
    .await;
    peer
}

async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !look().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_gives_altered_blocks_of_a_file_is_named_and_the_file_comes_from_others() {
    let s = Scene::new().await;
    let content: Vec<u8> = (0..4_000_000_u32).flat_map(|n| [n as u8, (n >> 9) as u8]).collect();
    let (message, held) = send(&s, &content).await;
    // Another operator, who may read: it says that it has every block, and gives others.
    let party = Party::new(91);
    let given = Arc::new(Given::default());
    for number in 0..held.manifest().blocks() {
        let mut bytes = held.read(Part::Block(number)).expect("here");
        let id = ContentId::of_bytes(&bytes).expect("a name");
        bytes[7] ^= 1;
        given.give(&id, &bytes);
    }
    let presentation = nodes::presentation(&s.market, &party, true);
    let liar =
        Peer::with(&party, &s.market, &s.address, Arc::<Given>::clone(&given) as Arc<dyn Library>)
            .await;
    liar.has(&presentation);
    liar.enter(s.hello(&party, Some(presentation.id())), &s.market).await;
    until("the operator's node lets it read", async || {
        let peers = ask(&s.operator, Asked::Peers).await;
        let may = |p: &Value| p["peer"] == peer_id(&party) && p["mayRead"][0].is_string();
        let exchanges = ask(&s.operator, Asked::Content { cid: None }).await["peers"].clone();
        peers["peers"].as_array().expect("peers").iter().any(may)
            && exchanges.as_array().expect("peers").contains(&json!(peer_id(&party)))
    })
    .await;
    until("the message is there", async || s.inbox().await.contains(&message)).await;
    ask(&s.operator, Asked::FileFetch { message: message.clone() }).await;
    until("the file is whole", async || shown(&s, &message).await["state"] == "whole").await;
    assert_eq!(shown(&s, &message).await["altered"], json!([peer_id(&party)]));
    let place = files_of(s._folders[0].path()).join(held.id().as_str());
    let came = Held::open(&place, held.id()).expect("held");
    let mut joined = Vec::new();
    let size = u64::try_from(content.len()).expect("small");
    came.write_content(None, size, &mut joined, &mut |_| {}).expect("whole");
    assert!(joined == content);
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_19_a_stranger_that_names_a_file_as_its_presentation_is_handed_none_of_it() {
    let s = Scene::new().await;
    let (_, held) = send(&s, &[7; 50_000]).await;
    let parts = parts(&held);
    // The operator may have it, and is given it.
    until("the operator is given a block", async || {
        let fetch = Asked::Fetch { cid: parts[2].clone(), peers: true };
        s.operator.ask(fetch).await.is_ok()
    })
    .await;
    let (stranger, given) = (Party::new(95), Arc::new(Given::default()));
    let hello = s.hello(&stranger, None);
    let peer = exchanging(&s, &stranger, &given, hello).await;
    let mut number = 0;
    for part in &parts {
        let asked = |s: &Shared| s.documents_asked.iter().filter(|id| *id == part).count();
        // When it is asked again, looking for it elsewhere was over.
        while asked(&peer.shared.lock().expect("not poisoned")) < 2 {
            number += 1;
            assert!(number < 100, "it is not asked for {part}");
            let hello = Hello { agent: format!("{number}"), ..s.hello(&stranger, Some(part)) };
            assert!(matches!(peer.ask(Request::Hello(hello)).await, Ok(Response::Hello(_))));
            for _ in 0..20 {
                let answer = peer.ask(Request::Document(part.clone())).await;
                assert_eq!(answer, Ok(Response::NotHere), "the stranger was handed {part}");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        // By another stream, on which it may come a moment later.
        until("it is looked for by block exchange", async || given.was_asked(part)).await;
    }
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_19_a_message_that_names_somebody_elses_file_gets_its_sender_none_of_it() {
    let s = Scene::new().await;
    let (message, held) = send(&s, &[7; 50_000]).await;
    let (author, given) = (Party::new(96), Arc::new(Given::default()));
    let presentation = s.market.presentation(&author);
    let peer = exchanging(&s, &author, &given, s.hello(&author, None)).await;
    peer.has(&presentation);
    let mut sender = Sender::new(&author, &presentation, &s.market.channel);
    // Its message is fetched before the file is known, and once more when it is whole.
    let mut names = Vec::new();
    for _ in 0..2 {
        let envelope = sender.sign(sender.header("GB-1", clock()), &reference_to(&held));
        (sender.sent, sender.last) = (sender.sent + 1, Some(envelope.id().clone()));
        peer.send(&envelope).await;
        names.push(envelope.id().clone());
    }
    fetched(&s, &names[0]).await;
    fetched(&s, &message).await;
    until("the file is whole", async || shown(&s, &message).await["state"] == "whole").await;
    fetched(&s, &names[1]).await;
    let file = shown(&s, &message).await;
    assert_eq!(file["messages"].as_array().map(Vec::len), Some(3), "{file}");
    assert_eq!(file["name"], "model.xml", "{file}");
    // It is known for whom it acts by now: the operator's node judged it.
    s.is_heard(1).await;
    for _ in 0..20 {
        for part in parts(&held) {
            let cid = part.to_cid().expect("a CID");
            let refused = peer.exchange.fetch(&cid, &[peer.node]).await;
            assert_eq!(refused, Err(FetchError::NotThere(1)), "{part}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Who sent it may have it back.
    let file = shown(&s, &message).await;
    assert!(file["given"].as_object().is_some_and(Map::is_empty), "{file}");
    let cid = parts(&held)[2].clone();
    ask(&s.honest, Asked::FileRemove { file: held.id().to_string() }).await;
    until("the sender is given a block", async || {
        s.honest.ask(Asked::Fetch { cid: cid.clone(), peers: true }).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_longer_than_its_message_says_is_not_fetched() {
    let s = Scene::new().await;
    let (message, held) = send_as(&s, &[7; 500_000], |r| r.size = 10).await;
    fetched(&s, &message).await;
    until("it is refused", async || shown(&s, &message).await["state"] == "stopped").await;
    let file = shown(&s, &message).await;
    assert_eq!((&file["code"], &file["here"]), (&json!("GP-FILE-MALFORMED"), &Value::Null));
    let place = files_of(s._folders[0].path()).join(held.id().as_str());
    assert!(!place.join("blocks").exists());
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_another_channel_gives_nobody_a_file() {
    let s = Scene::new().await;
    let (message, held) = send(&s, &[7; 50_000]).await;
    fetched(&s, &message).await;
    until("the file is whole", async || shown(&s, &message).await["state"] == "whole").await;
    // The same market with another channel, in which both are too.
    let other = Market::with_operators(|d| {
        d.limits.max_messages_per_minute = 1_000_000;
        d.retention.history = false;
        d.name = RoleName::parse("flex.gb.other").expect("a name");
    });
    assert_eq!(other.descriptor.framework, s.market.descriptor.framework);
    for (node, number, operator) in [(&s.operator, 21, true), (&s.honest, 22, false)] {
        let presentation = nodes::presentation(&other, &Party::new(number), operator);
        for file in [nodes::channel(&other).to_string(), presentation.text().to_owned()] {
            ask(node, Asked::Add { content: STANDARD.encode(file) }).await;
        }
    }
    // Its sender has it no more, and may name it where it likes.
    ask(&s.honest, Asked::FileRemove { file: held.id().to_string() }).await;
    let elsewhere = say(&s, &other.channel, &reference_to(&held)).await;
    until("the message is there", async || s.inbox().await.contains(&elsewhere)).await;
    let refused = s.operator.ask(Asked::FileFetch { message: elsewhere.clone() }).await;
    assert_eq!(refused.expect_err("refused").code.id(), "GP-FILE-SEALING");
    assert_eq!(shown(&s, &message).await["messages"].as_array().map(Vec::len), Some(1));
}

/// `/dev/full` refuses what is written as a full disk does.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_waits_while_the_disk_is_full_and_goes_on_when_there_is_room() {
    let s = Scene::new().await;
    let content: Vec<u8> = (0..500_000_u32).flat_map(|n| [n as u8, (n >> 9) as u8]).collect();
    let (message, held) = send(&s, &content).await;
    let place = files_of(s._folders[0].path()).join(held.id().as_str());
    std::fs::create_dir_all(&place).expect("a folder");
    let blocks = place.join("blocks");
    std::os::unix::fs::symlink("/dev/full", &blocks).expect("a full disk");
    until("the message is there", async || s.inbox().await.contains(&message)).await;
    ask(&s.operator, Asked::FileFetch { message: message.clone() }).await;
    let shown = async || {
        let asked = Asked::Files { file: Some(message.to_string()) };
        ask(&s.operator, asked).await["files"][0].clone()
    };
    until("the full disk is named", async || shown().await["code"] == "GP-FILE-FULL").await;
    let waits = shown().await;
    assert_eq!((&waits["state"], &waits["here"]), (&json!("waiting"), &json!(0)), "{waits}");
    let why = waits["why"].as_str().expect("why");
    assert!(why.contains("blocks") && why.contains("No space left"), "{why}");
    // Messages go on meanwhile, and so does the file when there is room: nobody has to say so.
    s.is_heard(1).await;
    std::fs::remove_file(&blocks).expect("room again");
    until("the file is whole", async || shown().await["state"] == "whole").await;
    assert!(shown().await["code"].is_null());
    let came = Held::open(&place, held.id()).expect("held");
    let mut joined = Vec::new();
    let size = u64::try_from(content.len()).expect("small");
    came.write_content(None, size, &mut joined, &mut |_| {}).expect("whole");
    assert!(joined == content);
}
