//! A peer that may read, and gives other bytes for the blocks of a file.

use crate::blocks::{Given, peer_id};
use crate::scene::{PATIENCE, Peer, Scene, ask};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_messaging::exchange::Library;
use gridpass_messaging::files::held::Part;
use gridpass_messaging::files::{Held, Reference, stage::stage};
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::node::files_of;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The honest one sends a file; gives the message, the file and what is kept of it.
async fn send(s: &Scene, content: &[u8]) -> (EnvelopeId, Held) {
    let folder = files_of(s._folders[1].path());
    let staged = folder.join("new-test");
    std::fs::create_dir(&staged).expect("a folder");
    let channel = &s.market.channel;
    let cut = stage(&mut &content[..], &staged, channel, None, 16 * 1024, &mut |_| {});
    let (manifest, size) = cut.expect("cut");
    ask(&s.honest, Asked::FileAdd { staged: "new-test".into() }).await;
    let held = Held::open(&folder.join(manifest.as_str()), &manifest).expect("held");
    let (name, media_type) = ("model.xml".to_owned(), "application/xml".to_owned());
    let reference = Reference { manifest, size, name, media_type, key: None };
    let message = NewMessage {
        channel: channel.to_string(),
        topic: "bids".into(),
        version: None,
        payload: STANDARD.encode(reference.to_payload(Map::new()).to_string()),
        recipients: Vec::new(),
        thread: None,
        attributes: json!({"zone": "GB-1", "quantityKw": 5}).as_object().expect("one").clone(),
        lifetime_millis: None,
    };
    let sent = ask(&s.honest, Asked::Send(message)).await;
    (EnvelopeId::parse(sent["id"].as_str().expect("an id")).expect("an id"), held)
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
    let shown = async || {
        let asked = Asked::Files { file: Some(message.to_string()) };
        ask(&s.operator, asked).await["files"][0].clone()
    };
    until("the file is whole", async || shown().await["state"] == "whole").await;
    assert_eq!(shown().await["altered"], json!([peer_id(&party)]));
    let place = files_of(s._folders[0].path()).join(held.id().as_str());
    let came = Held::open(&place, held.id()).expect("held");
    let mut joined = Vec::new();
    let size = u64::try_from(content.len()).expect("small");
    came.write_content(None, size, &mut joined, &mut |_| {}).expect("whole");
    assert!(joined == content);
    s.is_heard(1).await;
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
