//! What a node is given: told by what is in it, kept, and there again.

mod channels;
mod contradictions;
mod lists;
mod logs;
mod presented;

use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, TrustPack};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::codes;
use gridpass_messaging::node::{Material, Taken};
use gridpass_policy::channel::{ChannelDescriptor, SignedChannel};
use gridpass_tests::channels::{SCHEMA, schema};
use gridpass_tests::messages::{Market, authorise};
use gridpass_tests::world::{self, NOW, Party, in_days};
use std::path::Path;

const XSD: &[u8] = b"<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"/>\n";

struct Scene {
    market: Market,
    owner: Party,
    node: Party,
    folder: tempfile::TempDir,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let (owner, node) = (Party::new(11), Party::new(12));
    Scene { market: Market::new(|_| ()), owner, node, folder }
}

impl Scene {
    fn material(&self) -> Material {
        open(self.folder.path(), &self.node)
    }

    fn trust(&self) -> Vec<u8> {
        self.trust_with(Vec::new())
    }

    /// A trust pack that brings these logs.
    fn trust_with(&self, logs: Vec<IdentityMaterial>) -> Vec<u8> {
        let charter = world::charter(&[&self.market.regulator], &[&self.market.role]);
        let charter = world::sign_charter(charter, &[&self.market.regulator]);
        TrustPack::new(&[charter], &[&self.market.role], logs).encode().expect("a pack").1
    }

    fn channel(&self) -> Vec<u8> {
        self.signed(&self.market.descriptor)
    }

    fn signed(&self, descriptor: &ChannelDescriptor) -> Vec<u8> {
        let mut channel = SignedChannel::unsigned(descriptor.clone()).expect("a channel");
        channel.sign(self.market.regulator.at(descriptor.dated)).expect("signs");
        channel.to_json().to_string().into_bytes()
    }

    fn presentation(&self, form: Form, until: UnixMillis) -> Secured {
        let visa = world::visa(&self.market.regulator, &self.owner, &self.market.role, |_| ());
        let visa = world::issue(&self.market.regulator, &visa);
        let audience = self.market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: until };
        world::present_as(&self.owner, &[&visa], form, &binding)
    }
}

fn open(folder: &Path, node: &Party) -> Material {
    let (material, unread) = Material::open(folder, node.did.clone(), NOW).expect("a folder");
    assert!(unread.is_empty(), "{unread:?}");
    material
}

#[test]
fn everything_is_told_by_what_is_in_it_and_there_again() {
    let s = scene();
    let list = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    let presentation = s.presentation(Form::Jwt, in_days(30));
    let authorisation = authorise(&s.owner, &s.node, |_| ());
    // Manifests of schemas have a type and a version, as what is ours has.
    let part = named(b"a file of it");
    let manifests = [
        r#"{"type":"gridpass-csv","formatVersion":1,"maxRows":9,"columns":[{"name":"kw","datatype":"decimal"}]}"#
            .to_owned(),
        // Its file may be given after it, or come from a peer.
        format!(r#"{{"type":"gridpass-xsd","formatVersion":1,"main":"a.xsd","files":{{"a.xsd":"{part}"}}}}"#),
        r#"{"type":"gridpass-cim","formatVersion":1,"profiles":["http://iec.ch/EQ/1"],"maxBytes":99}"#
            .to_owned(),
    ];
    let mut files: Vec<(Vec<u8>, Taken)> = vec![
        (s.trust(), Taken::Trust),
        (s.channel(), Taken::Channel(s.market.channel.clone())),
        (SCHEMA.to_vec(), Taken::Document(schema())),
        (XSD.to_vec(), Taken::Document(named(XSD))),
        (
            format!(" {}\n", presentation.text()).into_bytes(),
            Taken::Presentation(s.market.channel.clone()),
        ),
        (authorisation.text().into(), Taken::Authorisation),
        (
            list.secured().text().into(),
            Taken::List(list.id.clone(), s.market.regulator.did.clone()),
        ),
    ];
    for manifest in &manifests {
        let id =
            ContentId::of_json(&serde_json::from_str::<serde_json::Value>(manifest).expect("json"))
                .expect("a CID");
        files.push((manifest.clone().into_bytes(), Taken::Document(id.0)));
    }
    let mut material = s.material();
    for (bytes, expected) in &files {
        let taken = material.give(bytes, NOW).expect("taken");
        assert_eq!(taken, std::slice::from_ref(expected));
    }
    drop(material);
    let again = s.material();
    assert!(again.trust().is_ok());
    assert!(again.channels.contains_key(&s.market.channel));
    assert_eq!(again.documents.len(), 5);
    assert_eq!(again.presentations[&s.market.channel].id, *presentation.id());
    assert_eq!(again.authorisation.expect("one").id, *authorisation.id());
    assert_eq!(again.lists.len(), 1);
}

fn named(bytes: &[u8]) -> ContentId {
    ContentId::of_bytes(bytes).expect("a CID")
}

#[test]
fn what_a_node_has_no_use_for_is_refused_and_not_left_in_its_folder() {
    let s = scene();
    let mut material = s.material();
    material.give(&s.trust(), NOW).expect("taken");
    let before = files_in(s.folder.path());
    let presentation = s.presentation(Form::Jwt, in_days(30));
    let list = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    let trust = s.trust();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let words =
        "abandon ability able about above absent absorb abstract absurd abuse access accident\n";
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("an empty line", b"\n".to_vec()),
        ("the words of a wallet", words.into()),
        ("a trust pack that was cut off", half(&trust)),
        ("a presentation that was cut off", half(presentation.text().as_bytes())),
        ("a status list that was cut off", half(list.secured().text().as_bytes())),
        ("a channel that was cut off", half(&s.channel())),
        ("an XML schema that was cut off", half(XSD)),
        ("other XML", b"<order/>".to_vec()),
        ("other JSON", br#"{"zone":"GB-1"}"#.to_vec()),
        ("a backup", b"age-encryption.org/v1\n-> scrypt\n".to_vec()),
    ] {
        let e = material.give(&bytes, NOW).expect_err(what);
        assert_eq!(e.code(), codes::NODE_FILE, "{what}: {e}");
        assert!(e.to_string().contains("a node takes a trust pack"), "{what}: {e}");
    }
    let e = material.give(br#"{"$schema":"https://example.org/","type":"object"}"#, NOW);
    assert_eq!(e.expect_err("another kind of schema").code().id(), "GP-SCHEMA-MALFORMED");
    let request = Parcel::new(ParcelKind::Request, Some("eyJ".into())).encode().expect("a parcel");
    assert_eq!(material.give(&request, NOW).expect_err("a request").code(), codes::NODE_FILE);
    assert_eq!(files_in(s.folder.path()), before);
    assert!(material.documents.is_empty());
}

/// The names of the files in a folder.
fn files_in(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries.map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    names
}

fn offer(material: &mut Material, list: &StatusList) -> bool {
    let text = list.secured().text().as_bytes();
    !material.give(text, NOW).expect("it holds").is_empty()
}

fn at_hand(material: &Material) -> Vec<(u64, UnixMillis)> {
    material.lists.iter().map(StatusList::order).collect()
}

/// Its files, those that are being written aside.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let mut all: Vec<_> = all.filter(|p| !named_in(p).starts_with('.')).collect();
    all.sort();
    all
}

fn named_in(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).expect("a name")
}
