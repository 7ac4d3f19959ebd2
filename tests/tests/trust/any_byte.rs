//! A chain of depth 4 under a 3-of-5 charter, with claims, preconditions and status, verifies; the
//! same with any one byte changed anywhere never passes.

use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::secured::Form;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::SeenLists;
use gridpass_identity::report::Outcome;
use gridpass_tests::world::{self, NOW, Party, days_ago};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Everything that travels, as bytes.
struct Parcel {
    pack: Vec<u8>,
    pin: ContentId,
    presentation: Vec<u8>,
    lists: Vec<Vec<u8>>,
}

fn build(form: Form, outer: Form) -> Parcel {
    let parties: Vec<Party> = (1..=6).map(Party::new).collect();
    let signers: Vec<Party> = (11..=15).map(Party::new).collect();
    let root = &parties[0];
    let base = world::definition("flex.gb.licence", world::dids(&[root]), |_| ());
    let first = world::definition("flex.gb.a", world::dids(&[root]), |_| ());
    let second = world::definition("flex.gb.b", world::holders(&[&first]), |_| ());
    let third = world::definition("flex.gb.c", world::holders(&[&second]), |_| ());
    let fourth = world::definition("flex.gb.d", world::holders(&[&third]), |_| ());
    let role = world::definition("flex.gb.aggregator", world::holders(&[&fourth]), |d| {
        d.preconditions =
            Some(Requirement::All { all: vec![Requirement::Role { role: world::id(&base) }] });
    });
    let roles = [&first, &second, &third, &fourth, &role, &base];
    let mut charter = world::charter(&[root], &roles);
    charter.rule.signers = signers.iter().map(|s| s.did.clone()).collect();
    charter.rule.threshold = 3;
    let signed = world::sign_charter(charter, &[&signers[0], &signers[2], &signers[4]]);
    let pack = world::pack(&[signed], &roles);
    let issue = |issuer: &Party, subject: &Party, role| {
        world::issue_as(issuer, &world::visa(issuer, subject, role, |_| ()), form, days_ago(10))
    };
    let holder = &parties[5];
    let mut visas = vec![issue(&parties[4], holder, &role), issue(root, holder, &base)];
    for i in 0..4 {
        visas.push(issue(&parties[i], &parties[i + 1], roles[i]));
    }
    let shown: Vec<_> = visas.iter().collect();
    let presentation = world::present_as(holder, &shown, outer, &world::binding());
    let lists = world::clear_lists(&parties[..5].iter().collect::<Vec<_>>());
    Parcel {
        pin: ContentId::of_bytes(&pack).expect("a name"),
        pack,
        presentation: presentation.text().as_bytes().to_vec(),
        lists: lists.iter().map(|l| l.secured().text().as_bytes().to_vec()).collect(),
    }
}

impl Parcel {
    fn outcome(&self) -> Outcome {
        let Ok(trust) = Trust::open(&self.pack, Some(&self.pin), NOW) else {
            return Outcome::Failed;
        };
        let read: Result<Vec<StatusList>, _> =
            self.lists.iter().map(|l| keeping::read_list(l)).collect();
        let Ok(lists) = read else { return Outcome::Failed };
        let expect = world::expectation();
        world::verify_bytes(&self.presentation, &trust, &lists, &expect, &SeenLists::new()).outcome
    }

    fn changed(&self, part: usize, at: usize, bit: u8) -> (Self, String) {
        let mut copy = Self {
            pack: self.pack.clone(),
            pin: self.pin.clone(),
            presentation: self.presentation.clone(),
            lists: self.lists.clone(),
        };
        let count = copy.lists.len();
        // The presentation is most of what a stranger sends: it gets half of the cases.
        let (name, bytes) = match part % (2 * (count + 1)) {
            0 => ("the pack".to_owned(), &mut copy.pack),
            n if n <= count => (format!("list {}", n - 1), &mut copy.lists[n - 1]),
            _ => ("the presentation".to_owned(), &mut copy.presentation),
        };
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        (copy, format!("{name}, byte {at}, bit {bit}"))
    }
}

static JWT: LazyLock<Parcel> = LazyLock::new(|| build(Form::Jwt, Form::Jwt));
static SD_JWT: LazyLock<Parcel> = LazyLock::new(|| build(Form::SdJwt, Form::Jwt));
static RDFC: LazyLock<Parcel> = LazyLock::new(|| build(Form::EddsaRdfc2022, Form::EddsaRdfc2022));
static JCS: LazyLock<Parcel> = LazyLock::new(|| build(Form::EddsaJcs2022, Form::EddsaJcs2022));

#[test]
fn the_whole_passes_unchanged() {
    for parcel in [&JWT, &SD_JWT, &RDFC, &JCS] {
        assert_eq!(parcel.outcome(), Outcome::Passed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_byte_can_be_changed(part: usize, at: usize, bit in 0..8_u8, form in 0..4_usize) {
        let parcel = [&JWT, &SD_JWT, &JCS, &RDFC][form];
        let (changed, place) = parcel.changed(part, at, bit);
        prop_assert_ne!(changed.outcome(), Outcome::Passed, "{}", place);
    }
}

/// Every byte of a presentation, in the default form.
#[test]
fn not_one_byte_of_a_presentation_can_be_changed() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    let lists = world::clear_lists(&[&root]);
    let visa = world::issue(&root, &world::visa(&root, &holder, &role, |_| ()));
    let good = world::present(&holder, &[&visa]).text().as_bytes().to_vec();
    let outcome = |bytes: &[u8]| {
        world::verify_bytes(bytes, &trust, &lists, &world::expectation(), &SeenLists::new()).outcome
    };
    assert_eq!(outcome(&good), Outcome::Passed);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert_ne!(outcome(&bytes), Outcome::Passed, "byte {at}");
    }
}
