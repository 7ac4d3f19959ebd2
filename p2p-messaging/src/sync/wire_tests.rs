use super::*;
use crate::test_kit::{NOW, cid};
use proptest::prelude::*;

fn did(text: &str) -> Did {
    Did::parse(&format!("did:example:{text}")).expect("a DID")
}

fn hello(visits: usize) -> Hello {
    Hello {
        agent: "gridpass/0.1".into(),
        participant: did("alpha"),
        authorisation: Some(ByteBuf::from(b"authorisation".to_vec())),
        visits: (0..visits)
            .map(|n| Visit { channel: cid(&format!("c{n}")), presentation: cid("p") })
            .collect(),
        charter: None,
    }
}

fn head(number: usize) -> ChainHead {
    let sender = did(&format!("s{number:05}"));
    let message = ContentId::of_bytes(&number.to_be_bytes()).expect("a name").to_string();
    let message = message.replacen("bafkrei", "bafyrei", 1);
    let message = EnvelopeId::parse(&message).expect("an id");
    ChainHead {
        key: format!("{sender}#k"),
        sender,
        whole: 1,
        newest: 2,
        message,
        contradicted: number % 2 == 1,
    }
}

#[test]
fn what_is_sent_is_read() {
    let range = |from, until| Request::Range {
        channel: cid("c"),
        sender: did("alpha"),
        key: "did:example:alpha#k".into(),
        from,
        until,
    };
    let list = ListHead {
        list: "urn:example:list".into(),
        signer: did("regulator"),
        version: 5,
        dated: NOW,
    };
    for request in [
        Request::Hello(hello(3)),
        Request::Document(cid("x")),
        Request::Heads { channel: cid("c"), after: None },
        Request::Heads { channel: cid("c"), after: Some((did("alpha"), "k".into())) },
        range(1, u64::MAX),
        Request::Proof { channel: cid("c"), sender: did("alpha"), key: "k".into() },
        Request::Lists { known: vec![list], after: None, until: None },
        Request::lists([], Some(("urn:example:list".into(), did("regulator")))),
    ] {
        let bytes = request.encode().expect("bytes");
        assert_eq!(Request::decode(&bytes), Ok(request));
    }
    for bad in [range(0, 5), range(6, 5), Request::Hello(hello(257))] {
        assert!(bad.encode().is_err(), "{bad:?}");
        let bytes = serde_ipld_dagcbor::to_vec(&bad).expect("bytes");
        assert!(Request::decode(&bytes).is_err(), "{bad:?}");
    }
    for response in [
        Response::Hello(hello(0)),
        Response::Document(ByteBuf::from(b"x".to_vec())),
        Response::NotHere,
        Response::heads(vec![head(2), head(1)], None),
        Response::Range(page([b"one".to_vec(), b"two".to_vec()])),
        Response::Lists { lists: Vec::new(), next: None },
        Response::Refused("GP-POLICY-UNMET".into()),
    ] {
        let bytes = response.encode().expect("bytes");
        assert_eq!(Response::decode(&bytes), Ok(response));
    }
    assert!(Response::Refused("because".into()).encode().is_err());
    assert!(Request::decode(&vec![0; MAX_REQUEST + 1]).is_err());
}

#[test]
fn heads_come_in_pages_and_none_is_left_out() {
    let all: Vec<_> = (0..2500).rev().map(head).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let Response::Heads { heads, more } = Response::heads(all.clone(), after.as_ref()) else {
            panic!("heads");
        };
        assert!(heads.len() <= MAX_HEADS);
        after = heads.last().map(|h| (h.sender.clone(), h.key.clone()));
        seen.extend(heads);
        if !more {
            break;
        }
    }
    assert_eq!(seen.len(), 2500);
    assert!(seen.is_sorted_by(|a, b| a.sender < b.sender));
}

#[test]
fn a_page_is_bounded_and_never_empty() {
    let large = vec![0; MAX_PAGE + 1];
    assert_eq!(page([large.clone(), large.clone()]).len(), 1);
    assert_eq!(page(vec![vec![0; 1000]; 5000]).len(), MAX_PAGE / 1008);
    assert!(page(Vec::<Vec<u8>>::new()).is_empty());
    // One envelope of the greatest length still fits a response.
    let longest = vec![0; crate::envelope::MAX_WIRE];
    assert!(Response::Range(page([longest])).encode().is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::decode(&bytes);
        let _ = Response::decode(&bytes);
    }
}
