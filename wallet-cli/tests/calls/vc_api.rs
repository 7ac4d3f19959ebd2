//! The VC API as other software calls it, over HTTP on loopback.

use crate::common::Place;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

struct Server {
    child: Child,
    address: String,
    did: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(place: &Place, more: &[&str]) -> Self {
        let did = place.new_identity("api", &["--method", "key"]);
        let mut command = place.bare();
        command.args(["--passphrase-file", "passphrase.txt", "vc-api"]).args(more);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut address = String::new();
        while !address.contains("listens on ") {
            address.clear();
            assert_ne!(stderr.read_line(&mut address).expect("text"), 0, "it ended");
        }
        let address = address.trim().rsplit(' ').next().expect("an address").to_owned();
        // Nobody reads on; what is written later must not block the server.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, address, did }
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let agent = ureq::Agent::new_with_config(
            ureq::config::Config::builder().http_status_as_error(false).build(),
        );
        let mut response = agent
            .post(format!("{}{path}", self.address))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .expect("an answer");
        let text = response.body_mut().read_to_string().expect("text");
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn credential(&self) -> Value {
        json!({
            "@context": [
                "https://www.w3.org/ns/credentials/v2",
                {"Accreditation": "https://example.org/Accreditation"},
            ],
            "type": ["VerifiableCredential", "Accreditation"],
            "issuer": self.did,
            "credentialSubject": {"id": "did:example:aggregator", "name": "An aggregator"},
        })
    }
}

#[test]
fn credentials_are_issued_and_verified_with_both_suites() {
    let place = Place::with_wallet();
    let server = Server::start(&place, &[]);
    for suite in ["eddsa-rdfc-2022", "eddsa-jcs-2022"] {
        let options = json!({"cryptosuite": suite, "credentialStatus": true});
        let body = json!({"credential": server.credential(), "options": options});
        let (status, signed) = server.post("/credentials/issue", &body);
        assert_eq!(
            (status, signed["proof"]["cryptosuite"].as_str()),
            (201, Some(suite)),
            "{signed}"
        );
        let verify = |credential: &Value| {
            server.post("/credentials/verify", &json!({"verifiableCredential": credential}))
        };
        let (status, answer) = verify(&signed);
        assert_eq!((status, &answer["verified"]), (200, &json!(true)), "{answer}");
        let mut forged = signed.clone();
        forged["credentialSubject"]["name"] = json!("Another");
        let (status, answer) = verify(&forged);
        assert_eq!((status, &answer["verified"]), (400, &json!(false)));
        assert_eq!(answer["problemDetails"][0]["code"], "GP-SIGNATURE-INVALID");
        // By nobody, by another, and nothing at all.
        let mut unsigned = signed.clone();
        unsigned["proof"] = Value::Null;
        assert_eq!(verify(&unsigned).0, 400);
        let mut other = signed.clone();
        other["issuer"] = json!("did:example:other");
        assert_eq!(verify(&other).0, 400);
        assert_eq!(server.post("/credentials/verify", &json!({})).0, 400);

        let list = signed["credentialStatus"]["statusListCredential"].as_str().expect("a URL");
        let mut response = ureq::get(list).call().expect("the list");
        let list = response.body_mut().read_to_string().expect("text");
        let list: Value = serde_json::from_str(&list).expect("JSON");
        assert_eq!(verify(&list).0, 200, "the list is a credential too");
    }
    for (pointer, value) in [
        ("/credentialSubject/unmapped", json!(1)),
        ("/type/1", json!("Unmapped")),
        ("/@context/1", json!("https://attacker.example/v1")),
        ("/validUntil", json!("yesterday")),
    ] {
        let mut credential = server.credential();
        let (parent, name) = pointer.rsplit_once('/').expect("a path");
        match credential.pointer_mut(parent).expect(pointer) {
            Value::Array(list) => list[1] = value,
            object => object[name] = value,
        }
        let (status, _) = server.post("/credentials/issue", &json!({"credential": credential}));
        assert_eq!(status, 400, "{pointer}");
    }
}

#[test]
fn presentations_are_for_a_domain_and_a_challenge() {
    let place = Place::with_wallet();
    let server = Server::start(&place, &["--wrap"]);
    let (_, issued) =
        server.post("/credentials/issue", &json!({"credential": server.credential()}));
    let presentation = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": server.did,
        "verifiableCredential": [issued["verifiableCredential"]],
    });
    let options = json!({"domain": "dso.example", "challenge": "c-1"});
    let body = json!({"presentation": presentation, "options": options});
    let (status, signed) = server.post("/presentations/issue", &body);
    assert_eq!(status, 201, "{signed}");
    let verify = |domain: &str, challenge: &str| {
        let options = json!({"domain": domain, "challenge": challenge});
        let presentation = &signed["verifiablePresentation"];
        let body = json!({"verifiablePresentation": presentation, "options": options});
        server.post("/presentations/verify", &body).0
    };
    assert_eq!(verify("dso.example", "c-1"), 200);
    assert_eq!(verify("dso.example", "c-2"), 400);
    assert_eq!(verify("tso.example", "c-1"), 400);
}

#[test]
fn it_listens_on_loopback_only() {
    let place = Place::with_wallet();
    place.new_identity("api", &["--method", "key"]);
    place.refused("GP-USAGE", 2, &["vc-api", "--listen", "0.0.0.0:0"]);
}
