//! Issuing for several requests. Each is answered for itself, in a change of the wallet of its own: one that is
//! refused keeps nobody from the others, and a call that was interrupted is made again.

use super::examining::{Examined, examine, read};
use super::issue::{IssueArgs, Made, answer_to, answered_before, issue_one, issued_already};
use super::take_wallet;
use super::wanted::{as_requested, refuse_unfit};
use crate::codes;
use crate::commands::arguments::{Material, identities_of};
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, read_input};
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use crate::warnings::step;
use gridpass_credentials::parcel::Parcel;
use gridpass_credentials::register;
use gridpass_identity::wallet::Wallet;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Whether several requests are meant. One that a folder is named for is answered like them, but where more is
/// decided of it.
pub fn is_meant(args: &IssueArgs) -> bool {
    let is_one_of_many = || {
        let despite = args.despite_revocation || args.despite_refusal;
        let decided = args.again || despite || !args.claims.is_empty();
        let is_file = args.files.first().is_some_and(|file| file != Path::new("-"));
        is_file && !decided && args.output.file().is_some_and(names_folder)
    };
    args.files.len() > 1 || args.files.iter().any(|file| file.is_dir()) || is_one_of_many()
}

/// Whether a path is a folder's, of one that is there or is to be made.
fn names_folder(path: &Path) -> bool {
    path.is_dir() || path.to_string_lossy().ends_with(std::path::MAIN_SEPARATOR)
}

/// What came of a request.
struct Done {
    /// `issued`, `written again` or `issued before`.
    what: &'static str,
    /// The id of the visa.
    visa: String,
}

pub fn issue(global: &GlobalArgs, args: &IssueArgs) -> Outcomes {
    let requests = requests(args)?;
    // Whatever keeps it from being opened is the same for all.
    let mut place = Some(global.wallet_of_trust()?);
    if let Some(folder) = args.output.file().filter(|path| !path.is_dir()) {
        std::fs::create_dir(folder).map_err(|e| {
            Failure::new(codes::FILE_NOT_WRITTEN, format!("{}: {e}", folder.display()))
        })?;
    }
    let (mut rows, mut refused, mut exit) = (Vec::new(), String::new(), 0);
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let all = requests.len();
    for (number, (target, file)) in (1_usize..).zip(&requests) {
        let name = shown(file.display());
        let (what, row) = match one(global, args, &mut place, file, target) {
            Ok(Done { what, visa }) => {
                step(format_args!("{number}/{all} {name}: {what}"), format!("{name}: {what}"));
                let (file, target) = (file.display().to_string(), target.display().to_string());
                (what, json!({"request": file, "outcome": what, "visa": visa, "file": target}))
            }
            Err(e) => {
                let what = "refused";
                step(format_args!("{number}/{all} {name}: {what}: {e}"), format!("{name}: {e}"));
                let next = e.next.as_deref().unwrap_or(e.code.0.remedy);
                refused.push_str(&format!(
                    "{name}: {} [{}]\n  next: {}\n",
                    shown(&e.message),
                    e.code,
                    shown(next)
                ));
                if exit == 0 {
                    exit = codes::exit_status(e.code.class());
                }
                let (file, code, message) = (file.display().to_string(), e.code, &e.message);
                let row = json!({
                    "request": file,
                    "outcome": what,
                    "code": code,
                    "message": message,
                    "next": next,
                });
                (what, row)
            }
        };
        let count = counts.entry(what).or_default();
        *count = count.saturating_add(1);
        rows.push(row);
    }
    let said: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let of = match all {
        1 => "1 request".to_owned(),
        _ => format!("{all} requests"),
    };
    let text = format!("Of {of}: {}\n{refused}", said.join(", "));
    let count = |what: &str| counts.get(what).copied().unwrap_or_default();
    let json = json!({
        "requests": rows,
        "issued": count("issued"),
        "written_again": count("written again"),
        "issued_before": count("issued before"),
        "refused": count("refused"),
    });
    let mut answer = Answer::new("gridpass.visa.issue-many/1", json, text);
    answer.exit = exit;
    Ok(answer)
}

/// The requests, each with the file that its visa is written to: named alike, in the folder that is given.
fn requests(args: &IssueArgs) -> Result<BTreeMap<PathBuf, PathBuf>, Failure> {
    let usage = |message: String, next: &str| Err(Failure::new(codes::USAGE, message).next(next));
    if args.again || !args.claims.is_empty() {
        let message = "--again, --claim and --claims are for one request".to_owned();
        return usage(message, "Call it with the one request that they are for.");
    }
    if args.despite_revocation || args.despite_refusal {
        let message =
            "--despite-revocation and --despite-refusal are decided of one request".to_owned();
        let next = "Call it without: each that needs it is named. Issue those one by one with it.";
        return usage(message, next);
    }
    let may_be_folder = |path: &&Path| path.is_dir() || path.symlink_metadata().is_err();
    let Some(folder) = args.output.file().filter(may_be_folder) else {
        let message = "the visas of several requests are written into a folder".to_owned();
        return usage(message, "Name a folder for them with -o DIR.");
    };
    let mut files = Vec::new();
    for path in &args.files {
        if path.is_dir() {
            files.extend(files_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let mut all: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for file in files {
        let Some(name) = file.file_name().filter(|_| file != Path::new("-")) else {
            let message = format!("{} is no file", file.display());
            return usage(message, "Name the files of the requests, or their folder.");
        };
        let target = folder.join(name);
        let there = target.canonicalize().ok();
        if there.is_some() && there == file.canonicalize().ok() {
            let message = format!("{} would be written over", file.display());
            return usage(message, "Write the visas into another folder than the requests'.");
        }
        if let Some(other) = all.insert(target, file.clone())
            && other != file
        {
            let message = format!("{} and {} have one name", other.display(), file.display());
            return usage(message, "Call it for each of their folders, with a folder of its own.");
        }
    }
    if all.is_empty() {
        return usage("there is no request in the folder".into(), "Name the requests' folder.");
    }
    Ok(all)
}

/// The files in a folder, without hidden ones.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !is_hidden && entry.path().is_file() {
                files.push(entry.path());
            }
        }
        Ok(files)
    };
    read().map_err(|e| Failure::new(codes::FILE_NOT_READ, format!("{}: {e}", folder.display())))
}

/// One request. The wallet is in its place again afterwards.
fn one(
    global: &GlobalArgs,
    args: &IssueArgs,
    place: &mut Option<Wallet>,
    file: &Path,
    target: &Path,
) -> Result<Done, Failure> {
    let parcel = read(file)?;
    let mut material = args.trust.gather_in(global, place, &parcel)?;
    let examined = examine(&parcel, &material);
    let mut wallet = take_wallet(&mut material, global)?;
    let done = examined.and_then(|e| answered(&mut wallet, args, &material, &e, target));
    *place = Some(wallet);
    done
}

fn answered(
    wallet: &mut Wallet,
    args: &IssueArgs,
    material: &Material,
    examined: &Examined,
    target: &Path,
) -> Result<Done, Failure> {
    let output = OutputArgs { output: Some(target.to_owned()), force: args.output.force };
    // An earlier call was interrupted, or is repeated: nothing is issued twice.
    if let Some((record, visa, state)) = answer_to(wallet, &examined.request.id)? {
        // Whether its file is there says nothing of one that does not count.
        if !matches!(state, "in force" | "not yet") {
            return Err(answered_before(&record, &visa, state));
        }
        let there = read_input(target, MAX_INPUT).ok();
        let there = there.and_then(|bytes| Parcel::parse(&bytes).ok());
        if there.is_some_and(|there| there.content.as_deref() == Some(record.text.as_str())) {
            return Ok(Done { what: "issued before", visa: visa.id });
        }
        output.write(register::parcel_of(wallet, &record)?.encode()?)?;
        return Ok(Done { what: "written again", visa: visa.id });
    }
    output.check()?;
    refuse_unfit(examined)?;
    let wanted = as_requested(wallet, args, material, examined)?;
    let Made { mut parcel, dids, visa, .. } = issue_one(wallet, args, wanted)?;
    let mut write = || -> Result<(), Failure> {
        parcel.identities = identities_of(&*wallet, &dids)?;
        output.write(parcel.encode()?)?;
        Ok(())
    };
    write().map_err(|e| issued_already(e, &visa))?;
    Ok(Done { what: "issued", visa })
}
