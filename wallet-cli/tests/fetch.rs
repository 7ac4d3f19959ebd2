//! Fetching over HTTPS, from a server of this test on this machine: what is taken, what is refused.

// A panic is a test's verdict.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)]

mod common;

use common::Place;
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

/// A server that gives one answer to each path, and the PEM of the authority behind it.
struct Server {
    port: u16,
    authority: String,
}

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
    let ok =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    match path {
        "/good/did.json" => ok(&document(did("good"))),
        "/other/did.json" => ok(&document(did("good"))),
        "/broken/did.json" => ok("{"),
        "/moved/did.json" => {
            format!("HTTP/1.1 302 Found\r\nlocation: https://localhost:{port}/good/did.json\r\ncontent-length: 0\r\n\r\n")
        }
        // Longer than is read; the client hangs up.
        "/huge/did.json" => ok(&" ".repeat(17 * 1024 * 1024)),
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
    }
    .into_bytes()
}

fn start() -> Server {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_cert = authority.self_signed(&key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, key);
    let server_key = rcgen::KeyPair::generate().expect("a key");
    let server = rcgen::CertificateParams::new(vec!["localhost".into()]).expect("parameters");
    let server = server.signed_by(&server_key, &issuer).expect("a certificate");
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
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
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
                let _ = tls.write_all(&response(&path, port)).and_then(|()| tls.flush());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            });
        }
    });
    Server { port, authority: authority_cert.pem() }
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
