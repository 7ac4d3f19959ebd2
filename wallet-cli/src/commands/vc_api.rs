//! `gridpass vc-api`: the W3C CCG's VC API on loopback, so that conformance suites and other
//! software can drive the library. For trying out: its status list lives as long as the process.

use super::sign::identity;
use crate::context::{GlobalArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::warnings::hint;
use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use clap::Args;
use gridpass_credentials::codes;
use gridpass_credentials::general::{self, General};
use gridpass_credentials::integrity::{ProofOptions, Suite};
use gridpass_credentials::secured::{Form, Signer, secure_credential};
use gridpass_credentials::status::{Bits, MIN_ENTRIES, NewStatusList};
use gridpass_credentials::visa::{Purpose, STATUS_TYPE, StatusEntry};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::SecretKey;
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use rand_core::Rng as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// Serve the W3C VC API on this machine: issue and verify credentials and presentations
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id new --name api --method key\n  \
     gridpass vc-api --as api --listen 127.0.0.1:8080\n  \
     (POST /credentials/issue, /credentials/verify, /presentations/issue, /presentations/verify;\n   \
     any credential is signed that keeps the data model: never expose it to others)"
))]
pub struct VcApiArgs {
    /// The address, on loopback; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The identity that signs, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    /// The address under which others reach it, as its status lists name it
    #[arg(long, value_name = "URL")]
    public: Option<String>,
    /// Answer {"verifiableCredential": …} instead of the bare credential
    #[arg(long)]
    wrap: bool,
}

/// The signing keys: for statements, and for saying who presents.
struct Keys {
    did: Did,
    assertion: (DidUrl, SecretKey),
    authentication: (DidUrl, SecretKey),
}

struct Server {
    keys: Keys,
    public: String,
    wrap: bool,
}

pub fn run(global: &GlobalArgs, args: &VcApiArgs) -> Outcomes {
    if !args.listen.ip().is_loopback() {
        let message = format!("{} is not a loopback address", args.listen.ip());
        return Err(Failure::new(crate::codes::USAGE, message)
            .next("It signs whatever it is given: listen on 127.0.0.1 or [::1] only."));
    }
    let wallet = global.wallet()?;
    let me = identity(&wallet, args.identity.as_deref())?;
    let keys = Keys {
        assertion: wallet.active_secret(&me, Relationship::AssertionMethod)?,
        authentication: wallet.active_secret(&me, Relationship::Authentication)?,
        did: me.did,
    };
    // The wallet is for one process: it is not held while the server runs.
    drop(wallet);
    let failed =
        |e: std::io::Error| Failure::new(crate::codes::LISTEN, format!("{}: {e}", args.listen));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let public = args.public.clone().unwrap_or_else(|| format!("http://{address}"));
        hint(format_args!("{} listens on http://{address}", keys.did));
        let server = Server { keys, public, wrap: args.wrap };
        axum::serve(listener, router(Arc::new(server))).await.map_err(failed)
    })?;
    Ok(Answer::new("gridpass.vc-api/1", json!({}), ""))
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/credentials/issue", post(issue))
        .route("/credentials/verify", post(verify))
        .route("/presentations/issue", post(present))
        .route("/presentations/prove", post(present))
        .route("/presentations/verify", post(verify_presentation))
        .route("/status/{purpose}", get(status_list))
        .with_state(server)
}

type Reply = (StatusCode, Json<Value>);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Options {
    cryptosuite: Option<Suite>,
    credential_status: Option<Value>,
    domain: Option<String>,
    challenge: Option<String>,
}

/// A member of the request's body, and its options.
fn read(body: &Value, name: &str) -> Result<(Value, Options), Reply> {
    let content = body
        .get(name)
        .cloned()
        .ok_or_else(|| refuse(crate::codes::USAGE, &format!("the body has no {name}")))?;
    let options = match body.get("options") {
        None | Some(Value::Null) => Options::default(),
        Some(options) => serde_json::from_value(options.clone())
            .map_err(|e| refuse(crate::codes::USAGE, &format!("options: {e}")))?,
    };
    Ok((content, options))
}

fn refuse(code: gridpass_identity::code::Code, message: &str) -> Reply {
    let problem = json!({"code": code, "title": message, "next": code.0.remedy});
    (StatusCode::BAD_REQUEST, Json(json!({"verified": false, "problemDetails": [problem]})))
}

impl Server {
    fn proof_options(&self, options: &Options, purpose: Relationship) -> ProofOptions {
        let key = match purpose {
            Relationship::Authentication => &self.keys.authentication,
            _ => &self.keys.assertion,
        };
        ProofOptions {
            suite: options.cryptosuite.unwrap_or(Suite::EddsaRdfc2022),
            key_id: key.0.clone(),
            purpose,
            created: now(),
            expires: None,
            challenge: options.challenge.clone(),
            domain: options.domain.clone(),
        }
    }

    /// An entry of the server's own list.
    fn entry(&self) -> StatusEntry {
        let index = rng().next_u64() % MIN_ENTRIES;
        StatusEntry {
            purpose: Purpose::Revocation,
            list: format!("{}/status/revocation", self.public),
            index,
        }
    }
}

async fn issue(State(server): State<Arc<Server>>, Json(body): Json<Value>) -> Reply {
    let (mut credential, options) = match read(&body, "credential") {
        Ok(read) => read,
        Err(reply) => return reply,
    };
    let wants_status = options.credential_status.as_ref().is_some_and(|s| s != false);
    if let (true, Value::Object(object)) = (wants_status, &mut credential) {
        object.insert("credentialStatus".into(), server.entry().to_json());
    }
    let proof = server.proof_options(&options, Relationship::AssertionMethod);
    match general::sign_credential(credential, &proof, &server.keys.assertion.1) {
        Ok(signed) if server.wrap => {
            (StatusCode::CREATED, Json(json!({"verifiableCredential": signed})))
        }
        Ok(signed) => (StatusCode::CREATED, Json(signed)),
        Err(e) => refuse(e.code(), &e.to_string()),
    }
}

async fn present(State(server): State<Arc<Server>>, Json(body): Json<Value>) -> Reply {
    let (presentation, options) = match read(&body, "presentation") {
        Ok(read) => read,
        Err(reply) => return reply,
    };
    let proof = server.proof_options(&options, Relationship::Authentication);
    match general::sign_presentation(presentation, &proof, &server.keys.authentication.1) {
        Ok(signed) if server.wrap => {
            (StatusCode::CREATED, Json(json!({"verifiablePresentation": signed})))
        }
        Ok(signed) => (StatusCode::CREATED, Json(signed)),
        Err(e) => refuse(e.code(), &e.to_string()),
    }
}

async fn verify(State(server): State<Arc<Server>>, Json(body): Json<Value>) -> Reply {
    let (credential, _) = match read(&body, "verifiableCredential") {
        Ok(read) => read,
        Err(reply) => return reply,
    };
    let general = General { now: now(), domain: None, challenge: None };
    let resolver = OfflineResolver::new(&NoSnapshots);
    let mut report = general::verify_credential(&credential, &general, &resolver);
    report.checks.extend(server.status_checks(&credential));
    answer(&report)
}

async fn verify_presentation(State(server): State<Arc<Server>>, Json(body): Json<Value>) -> Reply {
    let (presentation, options) = match read(&body, "verifiablePresentation") {
        Ok(read) => read,
        Err(reply) => return reply,
    };
    let general = General {
        now: now(),
        domain: options.domain.as_deref(),
        challenge: options.challenge.as_deref(),
    };
    let resolver = OfflineResolver::new(&NoSnapshots);
    let mut report = general::verify_presentation(&presentation, &general, &resolver);
    let members = presentation.get("verifiableCredential");
    let one = members.map(std::slice::from_ref).unwrap_or_default();
    for credential in members.and_then(Value::as_array).map_or(one, Vec::as_slice) {
        report.checks.extend(server.status_checks(credential));
    }
    answer(&report)
}

impl Server {
    /// The status of credentials: this server knows its own list, and no other.
    fn status_checks(&self, credential: &Value) -> Vec<Check> {
        let statuses = credential.get("credentialStatus");
        let one = statuses.map(std::slice::from_ref).unwrap_or_default();
        let list = statuses.and_then(Value::as_array).map_or(one, Vec::as_slice);
        let ours = format!("{}/status/revocation", self.public);
        list.iter()
            .filter(|s| s.get("type").is_some_and(|t| t == STATUS_TYPE))
            .map(|status| match status.as_object().map(StatusEntry::read) {
                Some(Ok(entry)) if entry.list == ours && entry.index < MIN_ENTRIES => {
                    Check::passed("status", codes::STATUS_CLEAR, "not revoked")
                }
                Some(Ok(entry)) if entry.list == ours => {
                    Check::failed("status", codes::STATUS_RANGE, "the index lies outside")
                }
                Some(Ok(_)) => Check::indeterminate(
                    "status",
                    codes::STATUS_UNKNOWN,
                    "the status list is not at hand, and nothing is fetched",
                ),
                Some(Err(e)) => Check::failed("status", e.code(), e.to_string()),
                None => Check::failed("status", codes::VISA_MALFORMED, "it is not an object"),
            })
            .collect()
    }
}

/// 200 only where every check passed.
fn answer(report: &Report) -> Reply {
    let verified = report.outcome() == Outcome::Passed;
    let problems: Vec<Value> = report
        .checks
        .iter()
        .filter(|c| c.outcome != Outcome::Passed)
        .map(|c| json!({"code": c.code, "title": c.sentence, "next": c.code.0.remedy}))
        .collect();
    let status = if verified { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let body = json!({
        "verified": verified,
        "outcome": report.outcome(),
        "checks": report.checks,
        "problemDetails": problems,
    });
    (status, Json(body))
}

async fn status_list(State(server): State<Arc<Server>>, Path(purpose): Path<String>) -> Reply {
    if purpose != Purpose::Revocation.name() {
        let message = format!("there is no list of {purpose:?}");
        return (StatusCode::NOT_FOUND, Json(json!({"title": message})));
    }
    let bits = Bits::clear(MIN_ENTRIES);
    let id = format!("{}/status/revocation", server.public);
    let new = NewStatusList {
        id: &id,
        issuer: &server.keys.did,
        purpose: Purpose::Revocation,
        version: 1,
        dated: now(),
        expires: None,
        bits: &bits,
        changes: &[],
    };
    let (key_id, key) = &server.keys.assertion;
    let signer = Signer { key, key_id, now: now() };
    let signed = new.to_credential().map_err(|e| (e.code(), e.to_string())).and_then(|c| {
        secure_credential(&c, Form::EddsaRdfc2022, &[], signer, &mut rng())
            .map_err(|e| (e.code(), e.to_string()))
    });
    match signed {
        Ok(list) => (StatusCode::OK, Json(list.to_member())),
        Err((code, message)) => refuse(code, &message),
    }
}
