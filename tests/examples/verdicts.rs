//! Writes the verdict vectors: `cargo run --release -p gridpass-tests --example verdicts`
//! `> spec/vectors/visa-verdicts.json`. Read what changed before you commit it.

#![allow(clippy::print_stdout)]

use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{SeenLists, VisaReport};
use gridpass_credentials::visa::{Purpose, Visa};
use gridpass_tests::world::{self, NOW, Party, days_ago};
use serde_json::{Value, json};

/// A regulator, a licensing body that it authorises, a supplier that the body licenses.
struct World {
    root: Party,
    body: Party,
    holder: Party,
    authority: RoleDefinition,
    role: RoleDefinition,
    pack: Vec<u8>,
}

fn build(retired: Option<(u64, u64)>) -> World {
    let (root, body, holder) = (Party::new(1), Party::new(2), Party::new(3));
    let authority = world::definition("flex.gb.licensing-body", world::dids(&[&root]), |_| ());
    let role = world::definition("flex.gb.supplier", world::holders(&[&authority]), |_| ());
    let mut charter = world::charter(&[&root], &[&authority, &role]);
    if let Some((days, grace)) = retired {
        charter.roles[1].retired = Some(days_ago(days));
        charter.roles[1].grace_seconds = Some(grace * 24 * 3600);
    }
    let pack = world::pack(&[world::sign_charter(charter, &[&root])], &[&authority, &role]);
    World { root, body, holder, authority, role, pack }
}

impl World {
    fn lists(&self) -> Vec<StatusList> {
        world::clear_lists(&[&self.root, &self.body])
    }

    fn visa(&self, form: Form, bend: impl FnOnce(&mut Visa)) -> Secured {
        let visa = world::visa(&self.body, &self.holder, &self.role, bend);
        world::issue_as(&self.body, &visa, form, days_ago(10))
    }

    fn body_visa(&self) -> Secured {
        let visa = world::visa(&self.root, &self.body, &self.authority, |v| {
            v.valid_from = days_ago(50);
        });
        world::issue_as(&self.root, &visa, Form::Jwt, days_ago(50))
    }

    fn index(&self) -> u64 {
        let visa = world::visa(&self.body, &self.holder, &self.role, |_| ());
        visa.status_of(Purpose::Revocation).expect("an entry").index
    }
}

fn case(name: &str, w: &World, presentation: &Secured, lists: &[StatusList]) -> Value {
    let trust = Trust::open(&w.pack, None, NOW).expect("a pack");
    let expect = world::expectation();
    let bytes = presentation.text().as_bytes();
    let report: VisaReport = world::verify_bytes(bytes, &trust, lists, &expect, &SeenLists::new());
    let texts: Vec<_> = lists.iter().map(|l| l.secured().text()).collect();
    json!({
        "name": name,
        "input": {
            "presentation": presentation.text(),
            "trust_pack": String::from_utf8_lossy(&w.pack),
            "status_lists": texts,
            "now": NOW,
            "audience": world::AUDIENCE,
            "nonce": "n-1",
        },
        "expected": {"outcome": report.outcome, "code": report.code, "report": report},
    })
}

fn main() {
    let w = build(None);
    let (lists, authority) = (w.lists(), w.body_visa());
    let good = w.visa(Form::Jwt, |_| ());
    let shown = |visas: &[&Secured]| world::present(&w.holder, visas);
    let mut cases = vec![case("a delegated visa", &w, &shown(&[&good, &authority]), &lists)];
    for form in [Form::SdJwt, Form::EddsaRdfc2022, Form::EddsaJcs2022] {
        let visa = w.visa(form, |_| ());
        let visa = match form {
            Form::SdJwt => world::reread(&visa.disclose(&["zone"]).expect("discloses")),
            _ => visa,
        };
        cases.push(case(form.name(), &w, &shown(&[&visa, &authority]), &lists));
    }
    cases.push(case("the issuer's visa is missing", &w, &shown(&[&good]), &lists));
    let forged = world::visa(&w.body, &w.body, &w.authority, |_| ());
    let forged = world::issue(&w.body, &forged);
    cases.push(case("a forged intermediate", &w, &shown(&[&good, &forged]), &lists));
    let thief = Party::new(9);
    let visa = world::visa(&w.body, &w.holder, &w.role, |_| ());
    let by_thief = world::issue(&thief, &visa);
    cases.push(case("signed by a stranger", &w, &shown(&[&by_thief, &authority]), &lists));
    for (name, bend) in [
        ("expired", (|v| v.valid_until = days_ago(1)) as fn(&mut Visa)),
        ("not valid yet", |v| v.valid_from = world::in_days(1)),
        ("claims that do not fit", |v| drop(v.claims.remove("zone"))),
        ("valid for too long", |v| v.valid_until = world::in_days(3000)),
    ] {
        let visa = w.visa(Form::Jwt, bend);
        cases.push(case(name, &w, &shown(&[&visa, &authority]), &lists));
    }
    let presentation = shown(&[&good, &authority]);
    cases.push(case("no status list", &w, &presentation, &[]));
    for (name, purpose) in [("revoked", Purpose::Revocation), ("suspended", Purpose::Suspension)] {
        let set = [Change { index: w.index(), set: true, at: days_ago(2) }];
        let mut lists = w.lists();
        lists.retain(|l| l.id != w.body.list_id(purpose));
        lists.push(world::list(&w.body, purpose, &set));
        cases.push(case(name, &w, &presentation, &lists));
    }
    let stolen = world::present(&thief, &[&good, &authority]);
    cases.push(case("presented by a thief", &w, &stolen, &lists));
    for (name, binding) in [
        ("to another audience", Binding { audience: "did:example:x".into(), ..world::binding() }),
        ("with another nonce", Binding { nonce: Some("n-2".into()), ..world::binding() }),
        ("after its end", Binding { expires: days_ago(1), ..world::binding() }),
    ] {
        let other = world::present_as(&w.holder, &[&good, &authority], Form::Jwt, &binding);
        cases.push(case(name, &w, &other, &lists));
    }
    for (name, retired) in [("retired, within grace", (5, 30)), ("retired, after grace", (5, 4))] {
        let w = build(Some(retired));
        cases.push(case(name, &w, &presentation, &lists));
    }
    let file = json!({
        "source": "Gridpass; made by tests/examples/verdicts.rs",
        "kind": "visa-verdict",
        "cases": cases,
    });
    println!("{}", serde_json::to_string_pretty(&file).expect("JSON"));
}
