//! `gridpass policy simulate`.

use crate::codes;
use crate::commands::arguments::{TrustArgs, parse_duration};
use crate::commands::channel::{compile, find};
use crate::commands::resolve::parse_time;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, read_input};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::resolving::parse_dids;
use crate::shown::shown;
use clap::Args;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{Evidence, Expectation, verify_presentation_with};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::admission::AdmissionSource;
use gridpass_policy::channel::Sealing;
use gridpass_policy::decision::Verdict;
use gridpass_policy::facts::{Admission, CheckFacts, MessageFacts, Question, UseFacts};
use gridpass_policy::odrl::Action;
use gridpass_policy::policy::Policy;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Decide about a real presentation and a message that was not sent
///
/// The presentation is verified as the channel's peers would; the message is assumed to be signed.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass policy simulate bids.signed.json presentation.json --topic bids \\\n      \
     --attribute zone=GB-1 --trust trust.json --status lists.json\n  \
     gridpass policy simulate flex.gb.bids presentation.json --subscribe\n  \
     gridpass policy simulate bids.json presentation.json --use derive --purpose settlement"
))]
pub struct SimulateArgs {
    /// The channel: a file, or one of the wallet's by name or CID
    channel: String,
    /// The presentation, made for the channel (its CID as the audience); - for standard input
    presentation: PathBuf,
    /// Send a message of this topic
    #[arg(long, value_name = "TOPIC", required_unless_present_any = ["subscribe", "keep", "use_action"])]
    topic: Option<String>,
    /// The topic's version [default: the newest]
    #[arg(long, value_name = "N", requires = "topic")]
    topic_version: Option<u32>,
    /// An attribute of the message; a value that is JSON is read as such, unless it is a text
    #[arg(long, value_name = "NAME=VALUE", requires = "topic")]
    attribute: Vec<String>,
    /// A recipient
    #[arg(long, value_name = "DID", requires = "topic")]
    to: Vec<String>,
    /// The payload's size in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1)]
    payload_bytes: u64,
    /// How long the message counts
    #[arg(long, value_name = "TIME", default_value = "1m")]
    lifetime: String,
    /// When it came, where a requirement compares `arrived` (RFC 3339, UTC) [default: when it is judged]
    #[arg(long, value_name = "TIME", requires = "topic")]
    arrived: Option<String>,
    /// Ask to receive instead
    #[arg(long, conflicts_with = "topic")]
    subscribe: bool,
    /// Ask to hold sealed messages for others instead
    #[arg(long, conflicts_with_all = ["topic", "subscribe"])]
    keep: bool,
    /// Ask to use data instead: an action such as derive
    #[arg(long = "use", id = "use_action", value_name = "ACTION", conflicts_with_all = ["topic", "subscribe", "keep"])]
    use_action: Option<String>,
    /// What the data is to be used for
    #[arg(long, value_name = "TEXT", requires = "use_action")]
    purpose: Option<String>,
    /// Which data is to be used
    #[arg(long, value_name = "TEXT", requires = "use_action")]
    target: Option<String>,
    /// A duty that is undertaken, such as attribute
    #[arg(long, value_name = "DUTY", requires = "use_action")]
    undertake: Vec<String>,
    /// The nonce that the presentation must carry
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
    /// Write decision.json and admission.json into this folder
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
}

pub fn run(global: &GlobalArgs, args: &SimulateArgs) -> Outcomes {
    let policy = compile(&find(global, &args.channel)?)?;
    let bytes = read_input(&args.presentation, MAX_INPUT)?;
    let parcel = Parcel::parse_or_bare(&bytes, ParcelKind::Presentation)?;
    let material = args.trust.gather(global, &parcel)?;
    let snapshots = material.snapshots()?;
    let resolver = OfflineResolver::new(&snapshots);
    let (trust, lists, seen) = (&material.trust, &material.lists, &material.seen);
    let evidence = Evidence { trust, lists, resolver: &resolver, seen };
    let expect = Expectation {
        now: material.at,
        clock: material.clock,
        audience: Some(policy.id().as_str()),
        nonce: args.nonce.as_deref(),
        presenter: None,
    };
    let content = parcel.content.as_deref().unwrap_or_default();
    let mut memo = SignatureMemo::default();
    let proofs: Vec<_> = material.supporting.iter().map(|t| t.as_bytes().to_vec()).collect();
    let content = content.as_bytes();
    let report = verify_presentation_with(content, &proofs, &evidence, &expect, &mut memo);
    let Some(sender) = report.presenter.clone() else {
        return Err(Failure::new(report.code, report.sentence));
    };
    let facts = Admission::of_report(&AdmissionSource {
        channel: (policy.id(), policy.descriptor()),
        sender: &sender,
        report: &report,
        clock: material.clock,
        trust,
        node: None,
    });
    let question = question(args, &policy, material.at)?;
    let mut admitted = policy.admit(facts);
    let decision = policy.decide(&mut admitted, &question, material.at)?;
    if let Some(folder) = &args.record {
        let (_, decision) = decision.encode()?;
        let (_, admission) = admitted.admission().encode()?;
        for (name, bytes) in [("decision.json", decision), ("admission.json", admission)] {
            OutputArgs { output: Some(folder.join(name)), force: false }.write(bytes)?;
        }
    }
    let verdict = match decision.verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
    };
    let mut text = format!("{verdict}: {}\n", shown(decision.sentence()));
    for reason in &decision.reasons {
        let name = reason.requirement.as_deref().unwrap_or("facts");
        let (name, sentence) = (shown(name), shown(&reason.sentence));
        text.push_str(&format!("  {name}: {sentence} [{}]\n", shown(&reason.code)));
        for cause in &reason.causes {
            let (sentence, code) = (shown(&cause.sentence), shown(&cause.code));
            text.push_str(&format!("    because {sentence} [{code}]\n"));
        }
    }
    let until = admitted.admission().expires;
    text.push_str(&format!("The facts about {sender} count until {until}.\n"));
    let json = json!({"decision": decision, "admission": admitted.admission()});
    let mut answer = Answer::new("gridpass.policy.simulate/1", json, text);
    if decision.verdict == Verdict::Deny {
        answer.exit = codes::exit_status(gridpass_identity::code::Class::Denied);
    }
    Ok(answer)
}

fn question(args: &SimulateArgs, policy: &Policy, at: UnixMillis) -> Result<Question, Failure> {
    let channel = policy.descriptor();
    if let Some(action) = &args.use_action {
        let action = Action::parse(action).ok_or_else(|| {
            Failure::new(codes::USAGE, format!("{action:?} is not an action of the subset of ODRL"))
        })?;
        return Ok(Question::Use(UseFacts {
            action,
            target: args.target.clone(),
            purpose: args.purpose.clone(),
            undertakes: args.undertake.clone(),
        }));
    }
    if args.keep {
        return Ok(Question::Keep);
    }
    let Some(name) = args.topic.as_ref().filter(|_| !args.subscribe) else {
        return Ok(Question::Subscribe);
    };
    let topic = channel.topic(name).ok_or_else(|| {
        let message = format!("the channel has no topic {name:?}");
        Failure::new(gridpass_policy::codes::TOPIC_UNKNOWN, message)
    })?;
    let version = match args.topic_version {
        None => topic.versions.last(),
        Some(number) => topic.version(number),
    };
    let version = version.ok_or_else(|| {
        let message = format!("the topic {name} has no such version");
        Failure::new(gridpass_policy::codes::TOPIC_UNKNOWN, message)
    })?;
    let mut attributes = Map::new();
    for text in &args.attribute {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::new(codes::USAGE, format!("{text:?} is not NAME=VALUE, such as zone=GB-1"))
        })?;
        let known = topic.attributes.get(name).map(|a| a.value_type);
        let plain = Value::from(value);
        let value = match known {
            Some(
                gridpass_policy::value::ValueType::Text | gridpass_policy::value::ValueType::Time,
            ) => plain,
            _ => serde_json::from_str(value).unwrap_or(plain),
        };
        attributes.insert(name.to_owned(), value);
    }
    let recipients: Vec<Did> = parse_dids(&args.to)?;
    let arrived = args.arrived.as_deref().map(parse_time).transpose()?.unwrap_or(at);
    let assumed = "assumed: nothing was sent";
    Ok(Question::Publish(Box::new(MessageFacts {
        envelope: None,
        topic: name.clone(),
        version: version.version,
        schema: version.schema.clone(),
        media_type: version.media_type.clone(),
        recipients,
        issued: at,
        expires: at.plus_millis(parse_duration(&args.lifetime)?),
        arrived: policy.reads_arrival(name).then_some(arrived),
        payload_bytes: args.payload_bytes,
        sealed: channel.sealing == Sealing::Members,
        attributes,
        signature: CheckFacts::new(Outcome::Passed, identity_codes::SIGNATURE_VALID, assumed),
        payload: None,
        sealing: None,
        sent_last_minute: None,
    })))
}
