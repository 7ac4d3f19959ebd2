//! Fuzz targets for what `gridpass-credentials` reads: see [`crate::fuzz`].

use crate::world::{self, NOW, Party};
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::general::{self, General};
use gridpass_credentials::keeping;
use gridpass_credentials::parcel::Parcel;
use gridpass_credentials::request::{self, Refusal, VisaRequest};
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::sd_jwt::SdJwtIn;
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::vcdm::Credential;
use gridpass_credentials::verify::SeenLists;
use gridpass_credentials::visa::Visa;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use std::sync::LazyLock;

/// What every verification of a fuzz target rests on.
pub static TRUST: LazyLock<(Trust, Vec<StatusList>)> = LazyLock::new(|| {
    let root = Party::new(1);
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    (world::trust(&[&root], &[&role]), world::clear_lists(&[&root]))
});

/// A credential in any form: as a visa, as a node authorisation, as anything.
pub fn credential(data: &[u8]) {
    let Ok(secured) = Secured::parse(data, Kind::Credential) else { return };
    let again = Secured::parse(secured.text().as_bytes(), Kind::Credential).expect("its own text");
    assert_eq!(again.id(), secured.id(), "a name is of the text");
    let member = Secured::from_json(secured.to_member(), Kind::Credential).expect("its own member");
    assert_eq!(member.document(), secured.document(), "an envelope changes nothing");
    if let Ok(read) = Credential::read(secured.document().clone()) {
        let _ = NodeAuthorisation::read(&read);
        if let Ok(visa) = Visa::read(&read) {
            let written = visa.to_credential().expect("what was read can be written");
            assert_eq!(Visa::read(&written).expect("and read again").claims, visa.claims);
        }
    }
    let (trust, lists) = &*TRUST;
    let report = world::verify_alone(&secured, &[], trust, lists);
    assert!(report.to_json().is_ok());
    let general = General { now: NOW, domain: None, challenge: None };
    let resolver = OfflineResolver::new(&NoSnapshots);
    let _ = general::verify_credential(&secured.to_member(), &general, &resolver);
}

/// A presentation, verified to the end. None of the corpus passes but the one that is made for it.
pub fn presentation(data: &[u8]) {
    let (trust, lists) = &*TRUST;
    let expect = world::expectation();
    let report = world::verify_bytes(data, trust, lists, &expect, &SeenLists::new());
    assert!(report.to_json().is_ok());
    if report.outcome != Outcome::Passed {
        assert_eq!(report.granted().count(), 0, "a refused presentation grants nothing");
    }
}

/// A status list.
pub fn status_list(data: &[u8]) {
    let Ok(list) = keeping::read_list(data) else { return };
    for index in [0, 1, list.bits().entries() - 1] {
        let set = list.bits().get(index).expect("inside");
        assert_eq!(list.was_set(index, NOW).expect("inside").unwrap_or(set), set);
    }
    assert!(list.bits().get(list.bits().entries()).is_err());
}

/// An SD-JWT, with and without key binding.
pub fn sd_jwt(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = SdJwtIn::parse(text) else { return };
    let none = read.disclose(&[]).expect("nothing is always there");
    let none = SdJwtIn::parse(&none).expect("its own text");
    assert!(none.withheld() >= read.withheld(), "withholding reveals nothing");
}

/// A role definition.
pub fn role(data: &[u8]) {
    let Ok((definition, id)) = RoleDefinition::parse(data, None) else { return };
    let (again, bytes) = definition.encode().expect("what was read can be written");
    assert_eq!((again, bytes.as_slice()), (id, data), "one document, one form");
}

/// A charter.
pub fn charter(data: &[u8]) {
    let Ok(charter) = SignedCharter::parse(data) else { return };
    let again = SignedCharter::from_json(charter.to_json()).expect("its own JSON");
    assert_eq!(again.id(), charter.id());
    let resolver = OfflineResolver::new(&NoSnapshots);
    let _ = charter.check_first(&resolver, NOW);
}

/// A trust pack.
pub fn trust_pack(data: &[u8]) {
    let Ok(trust) = Trust::open(data, None, NOW) else { return };
    assert_eq!(trust.report().outcome(), Outcome::Passed, "an opened pack holds");
    assert_eq!(trust.id(), &ContentId::of_bytes(data).expect("a name"));
}

/// A parcel, a request and a refusal.
pub fn parcel(data: &[u8]) {
    if let Ok(parcel) = Parcel::parse(data) {
        let bytes = parcel.encode().expect("what was read can be written");
        assert_eq!(Parcel::parse(&bytes).as_ref(), Ok(&parcel));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let resolver = OfflineResolver::new(&NoSnapshots);
    let _ = request::receive::<VisaRequest>(text, None, &resolver, NOW);
    let _ = request::receive::<Refusal>(text, None, &resolver, NOW);
}
