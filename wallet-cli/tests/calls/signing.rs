//! Files and messages that are signed, verified, sealed and opened.

use crate::common::waiting::wait_for_next_second;
use crate::common::{Place, codes_of, contains};
use std::io::Write as _;
use std::process::Stdio;

#[test]
fn signatures_verify_as_of_their_time_after_rotation_and_compromise() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.write("order.txt", "reduce by 10 MW");
    place.ok(&["sign", "order.txt", "-o", "order.jws"]);
    let verify = |more: &[&str]| {
        let args = [&["--json", "verify-signature", "order.jws", "--log", "did.jsonl"], more];
        let ran = place.run(&args.concat());
        (ran.status, codes_of(&ran.json()))
    };
    let export = ["id", "export", "root", "-o", "did.jsonl", "--force"];
    place.ok(&export);
    assert_eq!(verify(&[]), (0, vec!["GP-KEY-CURRENT".into(), "GP-SIGNATURE-VALID".into()]));
    wait_for_next_second();
    place.ok(&["id", "rotate", "root"]);
    place.ok(&export);
    assert_eq!(verify(&[]).0, 0);
    assert_eq!(verify(&[]).1[0], "GP-KEY-ROTATED-SINCE");
    let (status, codes) = verify(&["--at", "2099-01-01T00:00:00Z"]);
    assert_eq!((status, codes[0].as_str()), (12, "GP-KEY-ROTATED"));
    let (status, codes) = verify(&["--signer", "did:web:tso.example"]);
    assert_eq!((status, codes[0].as_str()), (10, "GP-SIGNER-OTHER"));

    place.ok(&["sign", "order.txt", "-o", "order.jws", "--force"]);
    wait_for_next_second();
    let future = ["id", "rotate", "root", "--compromised-since", "2099-01-01T00:00:00Z"];
    place.refused("GP-COMPROMISE-TIME", 2, &future);
    let since = "2020-01-01T00:00:00Z";
    let rotated = place.ok(&["id", "rotate", "root", "--compromised-since", since]);
    for key in ["#assertion-1", "#assertion-2"] {
        assert!(rotated.text().contains(key), "{key} was in use since then: {}", rotated.text());
    }
    place.ok(&export);
    let (status, codes) = verify(&["-o", "content.txt"]);
    assert_eq!((status, codes[0].as_str()), (13, "GP-KEY-COMPROMISED"));
    assert!(!place.path("content.txt").exists(), "content of a failed verification was written");
}

#[test]
fn tampered_and_detached_signatures() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    place.write("a.txt", "content");
    place.ok(&["sign", "a.txt", "--detached", "-o", "a.jws"]);
    place.refused("GP-PAYLOAD-MISSING", 2, &["verify-signature", "a.jws"]);
    place.ok(&["verify-signature", "a.jws", "--payload", "a.txt"]);
    place.write("b.txt", "content!");
    let ran = place.run(&["--json", "verify-signature", "a.jws", "--payload", "b.txt", "-o", "c"]);
    assert_eq!(ran.status, 10);
    assert!(codes_of(&ran.json()).contains(&"GP-SIGNATURE-INVALID".into()));
    assert!(!place.path("c").exists());
    place.write("none.jws", "eyJhbGciOiJub25lIn0.e30.");
    place.refused("GP-JWS-HEADER-REFUSED", 10, &["verify-signature", "none.jws"]);
    place.refused("GP-FILE-EXISTS", 8, &["sign", "a.txt", "-o", "a.jws"]);
    place.refused("GP-FILE-NOT-READ", 5, &["sign", "absent.txt"]);
}

#[test]
fn a_signers_document_that_is_out_of_reach_is_unknown_not_forged() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "web", "--location", "dso.example"]);
    place.write("a.txt", "content");
    place.ok(&["sign", "a.txt", "-o", "a.jws"]);
    // The wallet could tell, and there is no passphrase to open it with.
    let ran = place.run_bare(&["--json", "verify-signature", "a.jws"]);
    assert_eq!((ran.status, codes_of(&ran.json())), (11, vec!["GP-INPUT-NEEDED".to_owned()]));
    place.ok(&["verify-signature", "a.jws"]);
    // Nobody here has ever seen it.
    let other = Place::new();
    std::fs::copy(place.path("a.jws"), other.path("a.jws")).expect("sent");
    let ran = other.run(&["--json", "verify-signature", "a.jws"]);
    assert_eq!((ran.status, codes_of(&ran.json())), (11, vec!["GP-DID-NOT-FOUND".to_owned()]));
}

#[test]
fn sealed_messages_open_for_their_recipient_only() {
    let alice = Place::with_wallet();
    let bob = Place::with_wallet();
    alice.new_identity("a", &[]);
    let to = bob.new_identity("b", &["--key-type", "p256"]);
    alice.write("bid.txt", "10 MW at 84");
    alice.ok(&["seal", "bid.txt", "--to", &to, "-o", "bid.jwe"]);
    std::fs::copy(alice.path("bid.jwe"), bob.path("bid.jwe")).expect("sent by e-mail");
    alice.refused("GP-JWE-NOT-FOR-US", 5, &["open", "bid.jwe"]);
    bob.ok(&["open", "bid.jwe", "-o", "bid.txt"]);
    assert_eq!(bob.read("bid.txt"), "10 MW at 84");
    let ran = bob.run(&["--json", "open", "bid.jwe", "--from", &to]);
    assert_eq!(ran.status, 10, "another sender than expected");
    assert!(codes_of(&ran.json()).contains(&"GP-SIGNER-OTHER".into()));
    // An auditor verifies what was kept.
    bob.ok(&["open", "bid.jwe", "--keep-signature", "-o", "bid.jws"]);
    let args = ["verify-signature", "bid.jws", "--purpose", "authentication", "--audience", &to];
    bob.ok(&args);

    alice.ok(&["seal", "bid.txt", "--to", &to, "--unsigned", "-o", "anon.jwe"]);
    std::fs::copy(alice.path("anon.jwe"), bob.path("anon.jwe")).expect("sent by e-mail");
    let ran = bob.run(&["--json", "open", "anon.jwe", "-o", "anon.txt"]);
    assert_eq!((ran.status, codes_of(&ran.json())), (11, vec!["GP-UNSIGNED".to_owned()]));
    assert!(!bob.path("anon.txt").exists());
    bob.ok(&["open", "anon.jwe", "--insecure-accept-unsigned", "-o", "anon.txt"]);
    alice.refused("GP-DID-NOT-FOUND", 5, &["seal", "bid.txt", "--to", "did:web:x.example"]);
}

#[test]
fn seal_and_open_work_in_a_pipe() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let pipe = |args: &[&str], input: &[u8]| {
        let mut child = place
            .bare()
            .args(["--passphrase-file", "passphrase.txt"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let bytes = [0, 1, 2, 0xff, b'\n', 0x1b];
    let sealed = pipe(&["seal", "-", "--to", &did], &bytes);
    assert_eq!(pipe(&["open", "-"], &sealed), bytes);
    assert!(!contains(&pipe(&["id", "list"], b""), "\u{1b}["), "no colour where nobody looks");
}

#[test]
fn a_node_cannot_issue() {
    let place = Place::with_wallet();
    place.new_identity("n", &["--node"]);
    place.write("a.txt", "x");
    place.ok(&["sign", "a.txt", "-o", "a.jws"]);
    place.ok(&["verify-signature", "a.jws", "--purpose", "authentication"]);
    place.refused("GP-NODE-CANNOT-ACT", 15, &["sign", "a.txt", "--purpose", "assertion"]);
}
