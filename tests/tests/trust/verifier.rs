//! A verifier without a wallet remembers what it saw: what is older is not believed any more.

use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::Secured;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Comparison;
use gridpass_credentials::verifier::Verifier;
use gridpass_credentials::visa::Purpose;
use gridpass_identity::report::Outcome;
use gridpass_tests::world::{self, NOW, Party, days_ago};
use serde_json::json;

struct Scene {
    root: Party,
    role: RoleDefinition,
    pack: Vec<u8>,
    presentation: Secured,
    /// What takes the visa back.
    change: Change,
}

fn scene() -> Scene {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let charter = world::sign_charter(world::charter(&[&root], &[&role]), &[&root]);
    let pack = world::pack(&[charter], &[&role]);
    let visa = world::visa(&root, &holder, &role, |_| ());
    let change = Change { index: visa.status[0].index, set: true, at: days_ago(1) };
    let presentation = world::present(&holder, &[&world::issue(&root, &visa)]);
    Scene { root, role, pack, presentation, change }
}

impl Scene {
    fn verifier(&self) -> Verifier {
        let pin = ContentId::of_bytes(&self.pack).expect("a name");
        Verifier::open(&self.pack, &pin, NOW).expect("a verifier")
    }

    /// The list of revocations in a version.
    fn list(&self, version: u64, changes: &[Change]) -> StatusList {
        world::list_by(&self.root, &self.root, Purpose::Revocation, changes, |list| {
            list["credentialSubject"]["statusList"]["version"] = json!(version);
        })
    }

    fn clear(&self) -> [StatusList; 2] {
        [self.list(5, &[]), world::list(&self.root, Purpose::Suspension, &[])]
    }

    fn parcel(&self, lists: &[StatusList]) -> Parcel {
        let text = self.presentation.text().to_owned();
        let mut parcel = Parcel::new(ParcelKind::Presentation, Some(text));
        parcel.status_lists = lists.iter().map(|l| l.secured().text().to_owned()).collect();
        parcel
    }

    fn verify(&self, verifier: &Verifier, lists: &[StatusList]) -> (Outcome, &'static str) {
        let report = verifier.verify(&self.parcel(lists), &world::expectation()).expect("a report");
        (report.outcome, report.code.id())
    }
}

#[test]
fn threads_share_one() {
    fn may<T: Send + Sync>() {}
    may::<Verifier>();
}

#[test]
fn only_the_pack_that_is_named_is_pinned() {
    let s = scene();
    let other = ContentId::of_bytes(b"another").expect("a name");
    let refused = Verifier::open(&s.pack, &other, NOW).expect_err("another pack");
    assert_eq!(refused.code().id(), "GP-CID-OTHER");
    assert_eq!(s.verifier().pack(), s.pack);
}

#[test]
fn a_list_that_was_shown_once_is_not_undone_by_an_older_one() {
    let s = scene();
    let verifier = s.verifier();
    let passes = s.verify(&verifier, &s.clear());
    assert_eq!(passes.0, Outcome::Passed, "{passes:?}");
    // It remembers them: they need not come again.
    assert_eq!(s.verify(&verifier, &[]).0, Outcome::Passed);
    let revoked = (Outcome::Failed, "GP-VISA-REVOKED");
    assert_eq!(s.verify(&verifier, &[s.list(6, &[s.change])]), revoked);
    assert_eq!(s.verify(&verifier, &s.clear()), revoked, "with the list from before");
    // So does the verifier of the next process, who was given what this one saw.
    let next = s.verifier();
    for list in verifier.lists() {
        next.take_list(list.as_bytes(), &[], NOW).expect("it was taken before");
    }
    assert_eq!(verifier.lists().len(), 2);
    assert_eq!(s.verify(&next, &s.clear()), revoked);
    // One who saw nothing takes what it is shown.
    assert_eq!(s.verify(&s.verifier(), &s.clear()).0, Outcome::Passed);
}

#[test]
fn a_list_is_taken_from_its_signer_and_not_back_in_time() {
    let s = scene();
    let verifier = s.verifier();
    let take = |list: &StatusList| {
        let taken = verifier.take_list(list.secured().text().as_bytes(), &[], NOW);
        taken.map_err(|e| e.code().id())
    };
    assert_eq!(take(&s.list(6, &[s.change])), Ok(()));
    assert_eq!(take(&s.list(6, &[s.change])), Ok(()), "the same again");
    assert_eq!(take(&s.list(5, &[])), Err("GP-STATUS-ROLLBACK"));
    assert_eq!(take(&s.list(6, &[])), Err("GP-STATUS-FORK"));
    // In the root's name, by another's key.
    let named = Party { did: s.root.did.clone(), ..Party::new(9) };
    let forged = world::list_by(&s.root, &named, Purpose::Revocation, &[], |_| ());
    assert_eq!(take(&forged), Err("GP-SIGNER-OTHER"));
    assert_eq!(verifier.lists().len(), 1);
    assert_eq!(s.verify(&verifier, &s.clear()), (Outcome::Failed, "GP-VISA-REVOKED"));
}

#[test]
fn what_a_stranger_signs_by_the_name_of_a_list_is_not_remembered() {
    let s = scene();
    let verifier = s.verifier();
    let stranger = Party::new(9);
    let theirs = world::list_by(&s.root, &stranger, Purpose::Revocation, &[], |_| ());
    let [revocation, suspension] = s.clear();
    assert_eq!(s.verify(&verifier, &[revocation, suspension, theirs]).0, Outcome::Passed);
    assert_eq!(verifier.lists().len(), 2);
}

#[test]
fn a_pack_is_taken_only_where_it_goes_on_from_the_one_before() {
    let s = scene();
    let mut verifier = s.verifier();
    let first = world::charter(&[&s.root], &[&s.role]);
    let second = first.next(days_ago(50)).expect("a charter");
    let sign = |charter| world::sign_charter(charter, &[&s.root]);
    let newer = world::pack(&[sign(first.clone()), sign(second)], &[&s.role]);
    assert_eq!(verifier.take_pack(&s.pack, NOW).expect("the same"), Comparison::Same);
    assert_eq!(verifier.take_pack(&newer, NOW).expect("newer"), Comparison::Newer);
    let refused = verifier.take_pack(&s.pack, NOW).expect_err("older");
    assert_eq!(refused.code().id(), "GP-CHARTER-ROLLBACK");
    let other = Party::new(8);
    let role = world::definition("flex.gb.aggregator", world::dids(&[&other]), |_| ());
    let theirs = world::sign_charter(world::charter(&[&other], &[&role]), &[&other]);
    let refused = verifier.take_pack(&world::pack(&[theirs], &[&role]), NOW);
    assert_eq!(refused.expect_err("another framework").code().id(), "GP-CHARTER-UNRELATED");
    assert_eq!(verifier.pack(), newer);
    assert_eq!(s.verify(&verifier, &s.clear()).0, Outcome::Passed);
}
