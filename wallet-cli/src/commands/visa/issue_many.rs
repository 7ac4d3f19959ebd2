//! Issuing for several requests. Each is answered for itself: one that is refused keeps nobody from the others,
//! and a call that was interrupted is made again. What is the same for all is done once, and they are entered
//! some at a time: a visa's file is written when the register has it.

use super::examining::{Examined, examine, read};
use super::issue::{
    IssueArgs, Made, answer_to, answered_before, in_force, issue_one, issued_already, others,
};
use super::many::{self, NotDone, Told};
use super::standing::Known;
use super::take_wallet;
use super::wanted::{as_requested, refuse_unfit};
use crate::codes;
use crate::commands::arguments::{Material, Opened, identities_of};
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::output::{Answer, Failure, Outcomes};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::many::Batch;
use gridpass_credentials::parcel::Parcel;
use gridpass_credentials::register;
use gridpass_identity::code::{Class, Code};
use gridpass_identity::did::Did;
use gridpass_identity::wallet::Wallet;
use serde_json::{Map, Value, json};
use std::path::Path;

/// So many are entered in one change of the wallet, and take their places on the status lists in another: few
/// enough that it is seen how it goes on.
const ROUND: usize = 16;

/// Whether several requests are meant. One that a folder is named for is answered like them, but where more is
/// decided of it.
pub fn is_meant(args: &IssueArgs) -> bool {
    let is_one_of_many = || {
        let despite = args.despite_revocation || args.despite_refusal;
        let decided = args.again || despite || !args.claims.is_empty();
        let is_file = args.files.first().is_some_and(|file| file != Path::new("-"));
        is_file && !decided && args.output.file().is_some_and(many::names_folder)
    };
    many::are_several(&args.files) || is_one_of_many()
}

/// What may come of a request. `refused` is what the rules say of it; what `failed` says nothing of it.
const OUTCOMES: [&str; 6] =
    ["issued", "written again", "issued before", NOT_WRITTEN, "refused", "failed"];
/// Of a visa that is in force, and is not in its file.
const NOT_WRITTEN: &str = "issued-not-written";

/// What came of a request.
struct Done {
    /// `issued`, `written again` or `issued before`.
    what: &'static str,
    /// The id of the visa.
    visa: String,
    /// Which others of the role its holder has from here.
    in_force: Value,
}

/// What comes of a request, as far as it is known before its round is entered.
enum Answered {
    Already(Result<Done, NotDone>),
    /// A visa whose file is written once it is entered.
    Made(Box<Made>),
}

/// A request of this round, for which a visa is made.
struct Asked {
    request: ContentId,
    holder: Did,
    definition: ContentId,
}

/// What is at hand for all of them.
struct Desk<'d> {
    global: &'d GlobalArgs,
    args: &'d IssueArgs,
    place: Option<Opened>,
    known: Known,
    batch: Batch,
    /// For whom visas are made that are not entered yet.
    waiting: Vec<Asked>,
}

/// The requests of a round, with the file of each visa, and which request it is.
type Round<'r> = Vec<(&'r Path, &'r Path, Map<String, Value>, Answered)>;

pub fn issue(global: &GlobalArgs, args: &IssueArgs) -> Outcomes {
    refuse_decisions(args)?;
    let (requests, passed_over) = many::targets(&args.files, &args.output, "visas")?;
    // Whatever keeps it from being opened is the same for all.
    let opened = args.trust.open(global)?;
    many::make_folder(&args.output)?;
    let known = Known::of(opened.wallet())?;
    let batch = Batch::new(opened.wallet(), ROUND.min(requests.len()))?;
    let mut desk = Desk { global, args, place: Some(opened), known, batch, waiting: Vec::new() };
    let mut told = Told::of(requests.len(), passed_over);
    let mut round: Round<'_> = Vec::new();
    for (target, file) in &requests {
        let mut about = Map::new();
        let answered = loop {
            if let Some(answered) = desk.answer(file, target, &mut about) {
                break answered;
            }
            desk.end(&mut round, &mut told);
        };
        round.push((file.as_path(), target.as_path(), about, answered));
        // Where nothing waits, nothing is waited for.
        if desk.waiting.is_empty() || desk.waiting.len() >= ROUND {
            desk.end(&mut round, &mut told);
        }
    }
    desk.end(&mut round, &mut told);
    let (text, exit) = (told.text(), told.exit);
    let json = Value::Object(told.json(&OUTCOMES));
    let mut answer = Answer::new("gridpass.visa.issue-many/1", json, text);
    answer.exit = exit;
    Ok(answer)
}

/// What keeps a visa from being issued: by the rules, or for a reason that says nothing of the request.
fn judged(failure: Failure) -> NotDone {
    let what = if is_verdict(failure.code) { "refused" } else { "failed" };
    NotDone::new(what, failure)
}

fn is_verdict(code: Code) -> bool {
    use gridpass_credentials::codes;
    match code.class() {
        Class::Failed
        | Class::Indeterminate
        | Class::Expired
        | Class::Revoked
        | Class::Untrusted
        | Class::Denied => true,
        _ => matches!(code, codes::REQUEST_ANSWERED | codes::REQUEST_REFUSED),
    }
}

/// Refuses what is decided of one request alone.
fn refuse_decisions(args: &IssueArgs) -> Result<(), Failure> {
    let usage = |message: &str, next: &str| Err(Failure::new(codes::USAGE, message).next(next));
    if args.again || !args.claims.is_empty() {
        let message = "--again, --claim and --claims are for one request";
        return usage(message, "Call it with the one request that they are for.");
    }
    if args.despite_revocation || args.despite_refusal {
        let message = "--despite-revocation and --despite-refusal are decided of one request";
        let next = "Call it without: each that needs it is named. Issue those one by one with it.";
        return usage(message, next);
    }
    Ok(())
}

impl Desk<'_> {
    /// What comes of a request. Nothing where the round is to be entered first: one before it in the round is the
    /// same request, or has a visa of the role for the same holder.
    fn answer(
        &mut self,
        file: &Path,
        target: &Path,
        about: &mut Map<String, Value>,
    ) -> Option<Answered> {
        self.examined(file, target, about).unwrap_or_else(|e| Some(Answered::Already(Err(e))))
    }

    /// The wallet is in its place again afterwards.
    fn examined(
        &mut self,
        file: &Path,
        target: &Path,
        about: &mut Map<String, Value>,
    ) -> Result<Option<Answered>, NotDone> {
        let parcel = read(file)?;
        let mut material = self.args.trust.gather_in(self.global, &mut self.place, &parcel)?;
        let examined = examine(&parcel, &material);
        let mut wallet = take_wallet(&mut material, self.global)?;
        let answered = examined.map_err(NotDone::from).and_then(|examined| {
            *about = many::about(&examined.request);
            self.answered(&mut wallet, &material, &examined, target)
        });
        material.wallet = Some(wallet);
        self.place = material.give_back();
        answered
    }

    fn answered(
        &mut self,
        wallet: &mut Wallet,
        material: &Material,
        examined: &Examined,
        target: &Path,
    ) -> Result<Option<Answered>, NotDone> {
        let (request, asked) = (&examined.request.id, &examined.request.statement);
        let is_same = |other: &Asked| {
            let same_role =
                (&other.holder, &other.definition) == (&asked.holder, &asked.definition);
            &other.request == request || same_role
        };
        if self.waiting.iter().any(is_same) {
            return Ok(None);
        }
        let output = self.output(target);
        // An earlier call was interrupted, or is repeated: nothing is issued twice.
        if let Some((record, visa, state)) = answer_to(wallet, &mut self.known, request)? {
            // Whether its file is there says nothing of one that does not count.
            if !matches!(state, "in force" | "not yet") {
                let refused = NotDone::new("refused", answered_before(&record, &visa, state));
                return Err(refused.with("visa", json!(visa.id)));
            }
            let there = read_input(target, MAX_INPUT).ok();
            let there = there.and_then(|bytes| Parcel::parse(&bytes).ok());
            let is_there = there.is_some_and(|p| p.content.as_deref() == Some(&*record.text));
            if !is_there {
                let write = || -> Result<(), Failure> {
                    output.write(register::parcel_of(wallet, &record)?.encode()?)?;
                    Ok(())
                };
                write().map_err(|e| not_written(e, &visa.id))?;
            }
            let what = if is_there { "issued before" } else { "written again" };
            let roles = [asked.role.as_str(), asked.definition.as_str()];
            let others = others(wallet, &mut self.known, &asked.holder, &roles)?;
            let in_force = in_force(&others, &[Some(visa.id.as_str()), asked.renews.as_deref()]);
            return Ok(Some(Answered::Already(Ok(Done { what, visa: visa.id, in_force }))));
        }
        output.check()?;
        refuse_unfit(examined).map_err(|e| NotDone::new("refused", e))?;
        let wanted = as_requested(wallet, &mut self.known, self.args, material, examined);
        let wanted = wanted.map_err(judged)?;
        let by = (&material.trust, &mut self.known);
        let made = issue_one(wallet, by, self.args, wanted, Some(&mut self.batch));
        let made = made.map_err(judged)?;
        self.waiting.push(Asked {
            request: request.clone(),
            holder: asked.holder.clone(),
            definition: asked.definition.clone(),
        });
        Ok(Some(Answered::Made(Box::new(made))))
    }

    fn output(&self, target: &Path) -> OutputArgs {
        OutputArgs { output: Some(target.to_owned()), force: self.args.output.force }
    }

    /// Enters what the round made, writes the files, and tells what came of each.
    fn end(&mut self, round: &mut Round<'_>, told: &mut Told) {
        let entered = self.enter();
        for (file, target, about, answered) in round.drain(..) {
            let done = match (answered, &entered) {
                (Answered::Already(done), _) => done,
                (Answered::Made(made), Ok(())) => self.write(*made, target),
                (Answered::Made(_), Err(e)) => {
                    let failure = Failure::new(e.code, e.message.clone());
                    Err(Failure { next: e.next.clone(), passes: e.passes, ..failure }.into())
                }
            };
            let row = done.map(|Done { what, visa, in_force }| {
                let file = target.display().to_string();
                (what, json!({"visa": visa, "file": file, "in_force": in_force}))
            });
            told.tell(file, about, row);
        }
    }

    fn enter(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.waiting.clear();
        let opened = opened(&mut self.place, self.global, self.args)?;
        self.batch.enter(opened.wallet_mut(), now(), &mut rng())?;
        Ok(())
    }

    fn write(&mut self, made: Made, target: &Path) -> Result<Done, NotDone> {
        let Made { mut parcel, dids, visa, answer } = made;
        let output = self.output(target);
        let mut write = || -> Result<(), Failure> {
            let wallet = opened(&mut self.place, self.global, self.args)?.wallet();
            self.known.note(wallet, &visa)?;
            parcel.identities = identities_of(wallet, &dids)?;
            output.write(parcel.encode()?)?;
            Ok(())
        };
        write().map_err(|e| not_written(e, &visa))?;
        let in_force = answer.json.get("in_force").cloned().unwrap_or_default();
        Ok(Done { what: "issued", visa, in_force })
    }
}

/// That a visa is in force, and its file is not there.
fn not_written(failure: Failure, visa: &str) -> NotDone {
    NotDone::new(NOT_WRITTEN, issued_already(failure, visa)).with("visa", json!(visa))
}

/// What is open, or is opened again.
fn opened<'p>(
    place: &'p mut Option<Opened>,
    global: &GlobalArgs,
    args: &IssueArgs,
) -> Result<&'p mut Opened, Failure> {
    let held = match place.take() {
        Some(held) => held,
        None => args.trust.open(global)?,
    };
    Ok(place.insert(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rules_say_of_a_request_is_told_from_what_merely_failed() {
        use gridpass_credentials::codes as reasons;
        for code in [reasons::CLAIMS_UNFIT, reasons::REQUEST_REFUSED, reasons::VISA_REVOKED] {
            assert_eq!(judged(Failure::new(code, "no")).what, "refused", "{code}");
        }
        let broken = gridpass_identity::codes::WALLET_IN_USE;
        for code in [codes::FILE_EXISTS, codes::FILE_NOT_WRITTEN, codes::FILE_NOT_READ, broken] {
            assert_eq!(judged(Failure::new(code, "no")).what, "failed", "{code}");
        }
        let not_written = not_written(Failure::new(codes::FILE_NOT_WRITTEN, "full"), "v");
        assert_eq!((not_written.what, &not_written.more["visa"]), (NOT_WRITTEN, &json!("v")));
    }
}
