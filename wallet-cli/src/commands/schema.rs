//! `gridpass schema` and `gridpass topic check`: payload schemas.

use super::arguments::{no_schema, trimmed};
use crate::codes;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, read_input};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted, outcome_exit};
use crate::shown::shown;
use clap::{Args, Subcommand};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::json::{Limits, parse_strict};
use gridpass_identity::report::Outcome;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::payload::evolution::{Evolution, compare};
use gridpass_policy::payload::{PayloadSchema, xsd_manifest};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Work with the schemas of payloads
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass schema validate bid.schema.json bid.json\n  \
     gridpass schema pin UFTP.xsd UFTP-common.xsd UFTP-agr-dso.xsd -o uftp.json\n  \
     gridpass schema validate uftp.json FlexOffer.xml"
))]
pub enum SchemaCommand {
    Validate(ValidateArgs),
    Pin(PinArgs),
}

/// Say whether payloads fit a schema, and where they do not
///
/// The schema is a JSON Schema, or one of the documents that spec/payload-schemas.md describes. The
/// files that an XSD is pinned with are looked for beside it.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass schema validate bid.schema.json bid.json\n  \
     gridpass schema validate uftp.json FlexOffer.xml FlexOrder.xml --json\n  \
     gridpass schema validate uftp.json FlexOffer.xml --files xsd/"
))]
pub struct ValidateArgs {
    /// The schema
    schema: PathBuf,
    /// The payloads; - for standard input
    #[arg(required = true)]
    payloads: Vec<PathBuf>,
    /// The folder with the files that the schema is pinned with [default: the schema's own]
    #[arg(long, value_name = "FOLDER")]
    files: Option<PathBuf>,
}

/// Pin an XSD with every file that it includes and imports
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass schema pin UFTP.xsd UFTP-common.xsd UFTP-agr-dso.xsd -o uftp.json\n  \
     gridpass schema pin UFTP.xsd UFTP-common.xsd --root FlexOffer -o offers.json"
))]
pub struct PinArgs {
    /// The file that is read first
    main: PathBuf,
    /// The others
    files: Vec<PathBuf>,
    /// A root element that payloads may have [default: any that is declared]
    #[arg(long, value_name = "NAME")]
    root: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Say whether a new schema takes everything that the old one takes, and what breaks
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass topic check bid-1.schema.json bid-2.schema.json\n  \
     gridpass topic check uftp-3.0.json uftp-3.1.json --json"
))]
pub struct CheckArgs {
    /// The schema of the version that is in use
    old: PathBuf,
    /// The schema of the new version
    new: PathBuf,
    /// The folder with the files that both are pinned with [default: the schemas' own]
    #[arg(long, value_name = "FOLDER")]
    files: Option<PathBuf>,
}

pub fn run(_: &GlobalArgs, command: &SchemaCommand) -> Outcomes {
    match command {
        SchemaCommand::Validate(args) => validate(args),
        SchemaCommand::Pin(args) => pin(args),
    }
}

/// A schema from a file, with the files beside it that it is pinned with.
fn read_schema(path: &Path, folder: Option<&Path>) -> Result<(ContentId, PayloadSchema), Failure> {
    let bytes = read_input(path, MAX_INPUT)?;
    let value = parse_strict(trimmed(&bytes), Limits::DOCUMENT)
        .map_err(|e| no_schema(path, &bytes, &e.to_string()))?;
    let (id, canonical) = ContentId::of_json(&value)?;
    let mut documents: BTreeMap<ContentId, Vec<u8>> = BTreeMap::new();
    documents.insert(id.clone(), canonical);
    let beside = path.parent().unwrap_or(Path::new("."));
    let folder = folder.unwrap_or(beside);
    let named = value.get("files").and_then(|f| f.as_object()).into_iter().flatten();
    for (name, _) in named {
        // A name with a way in it would lead out of the folder.
        if name.contains(['/', '\\']) || name.starts_with('.') {
            continue;
        }
        if let Ok(file) = std::fs::read(folder.join(name)) {
            documents.insert(ContentId::of_bytes(&file)?, file);
        }
    }
    let schema = PayloadSchema::compile(&id, &|id| documents.get(id).cloned()).map_err(|e| {
        let failure = Failure::new(e.code(), format!("{}: {e}", path.display()));
        if e.code() == policy_codes::SCHEMA_MISSING {
            return failure.next("Name the folder with the schema's files with --files FOLDER.");
        }
        failure
    })?;
    Ok((id, schema))
}

fn validate(args: &ValidateArgs) -> Outcomes {
    let (id, schema) = read_schema(&args.schema, args.files.as_deref())?;
    let mut text = String::new();
    let (mut rows, mut failed) = (Vec::new(), false);
    for path in &args.payloads {
        let name = path.display().to_string();
        // A grid model can be larger than memory: it is read as it comes.
        let found = match &schema {
            PayloadSchema::Cim(cim) if path != Path::new("-") => {
                let file = std::fs::File::open(path);
                let file =
                    file.map_err(|e| Failure::new(codes::FILE_NOT_READ, format!("{name}: {e}")))?;
                cim.validate_reader(file)
            }
            schema => schema.validate(&read_input(path, MAX_INPUT)?),
        };
        failed |= !found.is_empty();
        text.push_str(&format!(
            "{:<8} {}\n",
            if found.is_empty() { "fits" } else { "DIFFERS" },
            shown(&name)
        ));
        for violation in &found {
            let place = if violation.place.is_empty() { "the whole" } else { &violation.place };
            text.push_str(&format!(
                "         {}: {} [{}]\n",
                shown(place),
                shown(&violation.sentence),
                violation.code
            ));
        }
        rows.push(json!({"payload": name, "fits": found.is_empty(), "violations": found}));
    }
    let json = json!({"schema": id, "kind": schema.kind(), "payloads": rows});
    // The envelope's own `schema` names the format of this answer.
    let mut answer = Answer::new("gridpass.schema.validate/1", rename(json), text);
    if failed {
        answer.exit = outcome_exit(Outcome::Failed, Some(policy_codes::PAYLOAD_SCHEMA));
    }
    Ok(answer)
}

fn rename(mut json: serde_json::Value) -> serde_json::Value {
    if let Some(object) = json.as_object_mut()
        && let Some(id) = object.remove("schema")
    {
        object.insert("document".into(), id);
    }
    json
}

fn pin(args: &PinArgs) -> Outcomes {
    args.output.check()?;
    let name = |path: &Path| {
        path.file_name().and_then(|n| n.to_str()).map(str::to_owned).ok_or_else(|| {
            Failure::new(codes::FILE_NOT_READ, format!("{} has no usable name", path.display()))
        })
    };
    let main = name(&args.main)?;
    let mut files = BTreeMap::new();
    for path in std::iter::once(&args.main).chain(&args.files) {
        files.insert(name(path)?, read_input(path, MAX_INPUT)?);
    }
    let (id, bytes) = xsd_manifest(&main, &args.root, &files)?;
    let mut documents: BTreeMap<ContentId, Vec<u8>> = BTreeMap::new();
    documents.insert(id.clone(), bytes.clone());
    for file in files.values() {
        documents.insert(ContentId::of_bytes(file)?, file.clone());
    }
    PayloadSchema::compile(&id, &|id| documents.get(id).cloned())
        .map_err(|e| Failure::new(e.code(), e.to_string()))?;
    let json = json!({"document": id, "files": files.keys().collect::<Vec<_>>()});
    let text = format!(
        "{main} is pinned with {}\n  CID  {id}\nnext: gridpass topic add CHANNEL TOPIC --schema \
         FILE --media-type application/xml",
        counted(files.len(), "file", "files")
    );
    let answer = Answer::new("gridpass.schema.pin/1", json, text);
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}

/// `gridpass topic check`.
pub fn check(args: &CheckArgs) -> Outcomes {
    let (old_id, old) = read_schema(&args.old, args.files.as_deref())?;
    let (new_id, new) = read_schema(&args.new, args.files.as_deref())?;
    let (backward, forward) = (compare(&old, &new), compare(&new, &old));
    let mut text = describe("What fits the old schema fits the new one", &backward);
    text.push_str(&describe("What fits the new schema fits the old one", &forward));
    let json = json!({"old": old_id, "new": new_id, "backward": backward, "forward": forward});
    let mut answer = Answer::new("gridpass.topic.check/1", json, text);
    let code = backward.findings.first().map(|f| f.code);
    answer.exit = outcome_exit(backward.outcome, code);
    Ok(answer)
}

fn describe(question: &str, evolution: &Evolution) -> String {
    let answer = match evolution.outcome {
        Outcome::Passed => "yes",
        Outcome::Failed => "NO",
        Outcome::Indeterminate => "cannot be told",
    };
    let mut text = format!("{question}: {answer}\n");
    for finding in &evolution.findings {
        let place = if finding.place.is_empty() { "the whole" } else { &finding.place };
        let (place, sentence) = (shown(place), shown(&finding.sentence));
        text.push_str(&format!("  {place}: {sentence} [{}]\n", finding.code));
    }
    text
}
