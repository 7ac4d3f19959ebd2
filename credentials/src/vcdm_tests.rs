use super::*;
use proptest::prelude::*;
use serde_json::json;

fn credential() -> Value {
    json!({
        "@context": [context::CREDENTIALS_V2],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2027-01-01T00:00:00+01:00",
        "credentialSubject": {"id": "did:example:holder", "degree": "x"},
        "name": {"@value": "A visa", "@language": "en"},
        "credentialStatus": [{"type": "BitstringStatusListEntry"}],
        "credentialSchema": {"id": "https://example.org/schema", "type": "JsonSchema"},
        "relatedResource": [{"id": "https://example.org/a", "digestSRI": "sha384-x"}],
    })
}

fn changed(name: &str, value: Value) -> Result<Credential, ModelError> {
    let mut json = credential();
    json[name] = value;
    Credential::read(json)
}

#[test]
fn reads_what_the_data_model_allows() -> Result<(), ModelError> {
    let read = Credential::read(credential())?;
    assert_eq!(read.issuer(), "did:example:issuer");
    assert_eq!(read.valid_until().map(|t| t.to_string()), Some("2026-12-31T23:00:00Z".into()));
    assert_eq!(read.subjects().count(), 1);
    changed("issuer", json!({"id": "https://issuer.example", "name": "The issuer"}))?;
    changed("credentialSubject", json!([{"a": 1}, {"id": "x:y"}]))?;
    changed("name", json!([{"@value": "a", "@language": "en", "@direction": "ltr"}]))?;
    Ok(())
}

#[test]
fn refuses_what_the_data_model_forbids() {
    for (name, value) in [
        ("@context", json!(context::CREDENTIALS_V2)),
        ("@context", json!([])),
        ("@context", json!(["https://example.org", context::CREDENTIALS_V2])),
        ("@context", json!([context::CREDENTIALS_V2, 5])),
        ("@context", json!([context::CREDENTIALS_V2, "not a url"])),
        ("id", json!("not a url")),
        ("id", json!(["x:y"])),
        ("id", json!(null)),
        ("type", json!([])),
        ("type", json!(["Other"])),
        ("type", json!(["VerifiableCredential", 5])),
        ("type", json!({"VerifiableCredential": 1})),
        ("issuer", json!("not a url")),
        ("issuer", json!({})),
        ("issuer", json!(["x:y"])),
        ("issuer", json!(null)),
        ("credentialSubject", json!({})),
        ("credentialSubject", json!([])),
        ("credentialSubject", json!([{}])),
        ("credentialSubject", json!("x:y")),
        ("credentialSubject", json!({"id": "not a url"})),
        ("validFrom", json!("2026-01-01")),
        ("validFrom", json!("2026-01-01T00:00:00")),
        ("validFrom", json!(5)),
        ("validUntil", json!("2025-01-01T00:00:00Z")),
        ("credentialStatus", json!({"id": "x:y"})),
        ("credentialStatus", json!({"id": "not a url", "type": "X"})),
        ("credentialSchema", json!({"type": "JsonSchema"})),
        ("credentialSchema", json!({"id": "x:y"})),
        ("termsOfUse", json!({"id": "x:y"})),
        ("evidence", json!("x")),
        ("refreshService", json!([{}])),
        ("relatedResource", json!([{"id": "x:y"}])),
        (
            "relatedResource",
            json!([{"id": "x:y", "digestSRI": "a"}, {"id": "x:y", "digestSRI": "b"}]),
        ),
        ("name", json!(5)),
        ("name", json!({"value": "x"})),
        ("description", json!({"@value": "x", "@direction": "up"})),
    ] {
        assert!(changed(name, value.clone()).is_err(), "{name}: {value}");
    }
    for name in ["@context", "type", "issuer", "credentialSubject"] {
        let mut json = credential();
        json.as_object_mut().expect("an object").remove(name);
        assert!(Credential::read(json).is_err(), "without {name}");
    }
}

#[test]
fn reads_and_refuses_presentations() -> Result<(), ModelError> {
    let good = json!({
        "@context": [context::CREDENTIALS_V2],
        "type": "VerifiablePresentation",
        "holder": {"id": "did:example:holder"},
        "verifiableCredential": {
            "@context": context::CREDENTIALS_V2,
            "type": "EnvelopedVerifiableCredential",
            "id": "data:application/vc+jwt,eyJ",
        },
    });
    let read = Presentation::read(good.clone())?;
    assert_eq!((read.holder(), read.credentials().len()), (Some("did:example:holder"), 1));
    for (name, value) in [
        ("holder", json!("not a url")),
        ("type", json!("VerifiableCredential")),
        ("verifiableCredential", json!("eyJ")),
        ("verifiableCredential", json!([["x"]])),
        (
            "verifiableCredential",
            json!([{"type": "EnvelopedVerifiableCredential", "id": "https://x.example"}]),
        ),
    ] {
        let mut json = good.clone();
        json[name] = value;
        assert!(Presentation::read(json).is_err(), "{name}");
    }
    Ok(())
}

#[test]
fn an_enveloped_credential_is_as_long_as_it_is_and_names_are_short() -> Result<(), ModelError> {
    let shown = |id: String| {
        json!({
            "@context": [context::CREDENTIALS_V2],
            "type": "VerifiablePresentation",
            "verifiableCredential": {"type": "EnvelopedVerifiableCredential", "id": id},
        })
    };
    Presentation::read(shown(format!("data:application/vc+jwt,{}", "a".repeat(600_000))))?;
    for (id, why) in [
        (format!("data:application/vc+jwt,{}<", "a".repeat(5000)), "a sign that no URL has"),
        (format!("https://x.example/{}", "a".repeat(100)), "another scheme"),
        ("data:".to_owned(), "nothing in it"),
    ] {
        assert!(Presentation::read(shown(id)).is_err(), "{why}");
    }
    let long = format!("data:text/plain,{}", "a".repeat(5000));
    assert!(changed("id", json!(long)).is_err(), "what names a credential is short");
    assert!(changed("issuer", json!(long)).is_err(), "who issues it, too");
    Ok(())
}

#[test]
fn reads_times_with_any_offset() {
    let at = |text: &str| date_time_stamp(text).map(|t| t.to_string());
    assert_eq!(at("2026-01-01T00:00:00-05:30"), Ok("2026-01-01T05:30:00Z".into()));
    assert_eq!(at("2026-01-01T00:00:00.5+14:00"), Ok("2025-12-31T10:00:00.5Z".into()));
    for text in ["", "+05:00", "2026-01-01T00:00:00+15:00", "2026-01-01T00:00:00+0500", "é€é€é€é€"]
    {
        assert!(date_time_stamp(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn the_readers_never_panic(text in "\\PC{0,40}", name in "[a-zA-Z@]{1,20}") {
        let _ = date_time_stamp(&text);
        let _ = changed(&name, json!(text));
        let _ = Presentation::read(json!({name: text}));
    }
}
