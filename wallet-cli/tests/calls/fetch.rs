//! Fetching over HTTPS, from a server of this test on this machine: what is taken, what is refused.

use crate::common::{Place, Ran};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server that gives one answer to each path, and the PEM of the authority behind it.
struct Server {
    port: u16,
    authority: String,
    /// What is published while it runs.
    files: Files,
}

type Files = Arc<Mutex<BTreeMap<String, String>>>;

const KEY: &str = "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";

fn response(path: &str, port: u16) -> Vec<u8> {
    let did = |name: &str| format!("did:web:localhost%3A{port}:{name}");
    let document = |id: String| {
        let method = json!({
            "id": format!("{id}#k"),
            "type": "Multikey",
            "controller": id,
            "publicKeyMultibase": KEY,
        });
        json!({"id": id, "verificationMethod": [method], "assertionMethod": ["#k"]}).to_string()
    };
    let none = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into();
    match path {
        "/good/did.json" => ok(&document(did("good"))),
        "/other/did.json" => ok(&document(did("good"))),
        "/broken/did.json" => ok("{"),
        "/moved/did.json" => {
            none(&format!("302 Found\r\nlocation: https://localhost:{port}/good/did.json"))
        }
        "/failing/did.json" | "/failing/did-witness.json" => none("500 Internal Server Error"),
        // It promises more than it sends.
        "/short/did.json" => b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{}".to_vec(),
        // Longer than is read; the client hangs up.
        "/huge/did.json" => ok(&" ".repeat(17 * 1024 * 1024)),
        _ => none("404 Not Found"),
    }
}

fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into()
}

/// A client that takes the server for a proxy says first where it wants to go: here.
fn connected(mut stream: TcpStream) -> TcpStream {
    let mut byte = [0];
    if stream.peek(&mut byte).is_ok() && byte == *b"C" {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            request.extend(byte);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    }
    stream
}

fn start() -> Server {
    start_as("localhost", 4096)
}

/// With a certificate for this name, good until that year.
fn start_as(name: &str, until: i32) -> Server {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_cert = authority.self_signed(&key).expect("a certificate");
    let server_key = rcgen::KeyPair::generate().expect("a key");
    let mut server = rcgen::CertificateParams::new(vec![name.into()]).expect("parameters");
    server.not_after = rcgen::date_time_ymd(until, 1, 1);
    let server = server.signed_by(&server_key, &authority_cert, &key).expect("a certificate");
    let secret = rustls::pki_types::PrivateKeyDer::try_from(server_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(vec![server.der().clone()], secret.expect("a key"))
    .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let files = Files::default();
    let published = Arc::clone(&files);
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            let published = Arc::clone(&published);
            std::thread::spawn(move || {
                let stream = connected(stream);
                let connection = rustls::ServerConnection::new(config).expect("a connection");
                let mut tls = rustls::StreamOwned::new(connection, stream);
                let mut line = String::new();
                let mut reader = BufReader::new(&mut tls);
                if reader.by_ref().take(4096).read_line(&mut line).is_err() {
                    return; // a client that does not trust us
                }
                let mut header = String::from("x");
                while header.trim() != "" {
                    header.clear();
                    if reader.by_ref().take(4096).read_line(&mut header).is_err() {
                        return;
                    }
                }
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let file = published.lock().expect("no panic").get(&path).cloned();
                let answer = file.map_or_else(|| response(&path, port), |body| ok(&body));
                let _ = tls.write_all(&answer).and_then(|()| tls.flush());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            });
        }
    });
    Server { port, authority: authority_cert.pem(), files }
}

#[test]
fn a_document_is_fetched_recorded_with_its_time_and_resolves_offline_later() {
    let server = start();
    let place = Place::with_wallet();
    place.write("ca.pem", &server.authority);
    let did = format!("did:web:localhost%3A{}:good", server.port);
    let resolve = ["id", "resolve", &did];
    place.refused("GP-DID-NOT-FOUND", 5, &resolve);
    let fetch = [&resolve[..], &["--fetch", "--ca-file", "ca.pem", "--save"]].concat();
    let json = place.ok_json("gridpass.id.resolve/1", &fetch);
    assert_eq!(json["source"], "snapshot");
    let seen = json["seen"].as_str().expect("a time").to_owned();
    // From here on no network is used: the time is still the one of the fetch.
    let json = place.ok_json("gridpass.id.resolve/1", &resolve);
    assert_eq!(json["seen"], seen.as_str());
    assert_eq!(json["document"]["id"], did.as_str());
    // It proves nothing about times before it was seen.
    let before = [&resolve[..], &["--at", "2020-01-01T00:00:00Z"]].concat();
    place.refused("GP-DID-NOT-YET", 11, &before);
}

#[test]
fn what_must_be_refused_from_a_server_is_refused() {
    let server = start();
    let place = Place::with_wallet();
    place.write("ca.pem", &server.authority);
    place.write("empty.pem", "");
    let fetch = |name: &str, ca: &'static str, code: &str, status: i32| {
        let did = format!("did:web:localhost%3A{}:{name}", server.port);
        place.refused(code, status, &["id", "resolve", &did, "--fetch", "--ca-file", ca]);
    };
    fetch("other", "ca.pem", "GP-DID-DOCUMENT-OTHER-ID", 10);
    fetch("broken", "ca.pem", "GP-DID-DOCUMENT-MALFORMED", 16);
    fetch("absent", "ca.pem", "GP-FETCH-FAILED", 6);
    fetch("moved", "ca.pem", "GP-FETCH-FAILED", 6);
    fetch("failing", "ca.pem", "GP-FETCH-FAILED", 6);
    fetch("short", "ca.pem", "GP-FETCH-FAILED", 6);
    fetch("huge", "ca.pem", "GP-FETCH-FAILED", 6);
    fetch("good", "empty.pem", "GP-FILE-NOT-READ", 5);
    // Without the test's authority the server is not trusted.
    let did = format!("did:web:localhost%3A{}:good", server.port);
    place.refused("GP-FETCH-FAILED", 6, &["id", "resolve", &did, "--fetch"]);
    place.refused(
        "GP-USAGE",
        2,
        &["id", "resolve", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", "--fetch"],
    );
}

#[test]
fn a_server_that_is_not_the_dids_is_not_believed() {
    let place = Place::with_wallet();
    for (name, until) in [("other.example", 4096), ("localhost", 2020)] {
        let server = start_as(name, until);
        place.write("ca.pem", &server.authority);
        let did = format!("did:web:localhost%3A{}:good", server.port);
        let fetch = ["id", "resolve", &did, "--fetch", "--ca-file", "ca.pem", "--save"];
        let error = place.refused("GP-FETCH-FAILED", 6, &fetch);
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("certificate"), "{message}");
        place.refused("GP-DID-NOT-FOUND", 5, &["id", "resolve", &did]);
    }
}

#[test]
fn nothing_is_taken_over_plain_http() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(&response("/good/did.json", port));
        }
    });
    let place = Place::with_wallet();
    let did = format!("did:web:localhost%3A{port}:good");
    place.refused("GP-FETCH-FAILED", 6, &["id", "resolve", &did, "--fetch"]);
}

#[test]
fn what_was_refused_is_not_kept_and_what_was_kept_stays() {
    let server = start();
    let place = Place::with_wallet();
    place.write("ca.pem", &server.authority);
    let did = |name: &str| format!("did:web:localhost%3A{}:{name}", server.port);
    let fetch = |did: &str, code: &str, status: i32| {
        let args = ["id", "resolve", did, "--fetch", "--ca-file", "ca.pem", "--save"];
        place.refused(code, status, &args);
    };
    for (name, code, status) in
        [("other", "GP-DID-DOCUMENT-OTHER-ID", 10), ("broken", "GP-DID-DOCUMENT-MALFORMED", 16)]
    {
        fetch(&did(name), code, status);
        place.refused("GP-DID-NOT-FOUND", 5, &["id", "resolve", &did(name)]);
    }
    let good = did("good");
    let args = ["id", "resolve", &good, "--fetch", "--ca-file", "ca.pem", "--save"];
    place.ok(&args);
    // The server is taken over and publishes somebody else's document.
    let theirs = String::from(r#"{"id":"did:web:thief.example"}"#);
    server.files.lock().expect("no panic").insert("/good/did.json".into(), theirs);
    fetch(&good, "GP-DID-DOCUMENT-OTHER-ID", 10);
    let json = place.ok_json("gridpass.id.resolve/1", &["id", "resolve", &good]);
    assert_eq!(json["document"]["id"], good.as_str(), "what was known before is lost");
}

/// A did:webvh has a public name, so its server is reached through a proxy, as from an office.
#[test]
fn a_log_is_fetched_whole_and_never_without_what_its_witnesses_said() {
    let server = start_as("dso.example", 4096);
    let publish = |path: &str, body: &str| {
        server.files.lock().expect("no panic").insert(path.to_owned(), body.to_owned());
    };
    let owner = Place::with_wallet();
    let webvh = |name: &str, location: &str| {
        let did = owner.new_identity(name, &["--method", "webvh", "--location", location]);
        let json = owner.ok_json("gridpass.id.show/1", &["id", "show", name]);
        let url = json["publish_at"].as_str().expect("an address");
        let path = url.strip_prefix("https://dso.example").expect("its own domain").to_owned();
        (did, path, owner.ok(&["id", "export", name]).text().to_owned())
    };
    let (did, path, log) = webvh("root", "dso.example");
    owner.write("order.txt", "reduce by 10 MW");
    owner.ok(&["sign", "order.txt", "-o", "order.jws"]);

    let reader = Place::with_wallet();
    reader.write("ca.pem", &server.authority);
    reader.write("order.jws", &owner.read("order.jws"));
    let fetch = |did: &str| {
        let mut command = reader.bare();
        command.env("HTTPS_PROXY", format!("http://127.0.0.1:{}", server.port));
        command.args(["--passphrase-file", "passphrase.txt", "--json", "id", "resolve", did]);
        command.args(["--fetch", "--ca-file", "ca.pem", "--save"]);
        Ran::from(command.output().expect("it runs"))
    };
    let refused = |did: &str, code: &str, status: i32| {
        let ran = fetch(did);
        assert_eq!((ran.error()["code"].as_str(), ran.status), (Some(code), status), "{ran:?}");
    };
    refused(&did, "GP-FETCH-FAILED", 6);
    assert_eq!(reader.run(&["verify-signature", "order.jws"]).status, 11, "nothing is known yet");
    publish(&path, &log.replace("\"method\"", "\"Method\""));
    refused(&did, "GP-WEBVH-LOG-INVALID", 10);
    publish(&path, &log);
    let ran = fetch(&did);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["source"], "verified-log");
    reader.ok(&["verify-signature", "order.jws", "--signer", &did]);

    // A server that fails on the witness file is not one that has none.
    let (did, path, log) = webvh("other", "dso.example:failing");
    publish(&path, &log);
    refused(&did, "GP-FETCH-FAILED", 6);
}
