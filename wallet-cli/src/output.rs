//! What a command gives back, and how it is printed: text for people, one JSON object with
//! `--json`, raw bytes where the command makes a file.

use crate::codes;
use crate::shown::{for_terminal, guarded, json_line, shown};
use anstyle::{AnsiColor, Style};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_identity::code::Code;
use gridpass_identity::report::{Check, Outcome, Report};
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{IsTerminal as _, Write as _};

/// The answer of a command that did its work.
#[derive(Debug, Default)]
pub struct Answer {
    /// The command, in the name of the JSON form: `gridpass.id.new/1`.
    pub schema: &'static str,
    /// The JSON form, an object, without the schema.
    pub json: Map<String, Value>,
    /// The text form.
    pub text: String,
    /// Bytes for standard output, instead of the text form.
    pub raw: Option<Vec<u8>>,
    /// Whether these are a document that the JSON form has no other member for.
    pub is_document: bool,
    /// The exit status.
    pub exit: u8,
    /// What is done though the answer be lost.
    pub done: Option<Done>,
}

/// What a call did, and what stays done where its answer or its file cannot be written.
#[derive(Debug)]
pub struct Done {
    /// For programs: what was made, by its id.
    pub json: Value,
    /// For people, such as `the visa … is issued`.
    pub sentence: String,
    /// What is to be done, and not the same call again.
    pub next: String,
}

impl Done {
    /// A failure after it was done, which says so.
    #[must_use]
    pub fn all_the_same(self, failure: Failure) -> Failure {
        let message = format!("{}; {} all the same", failure.message, self.sentence);
        Failure { message, next: Some(self.next), done: Some(Box::new(self.json)), ..failure }
    }
}

impl Answer {
    /// An answer whose JSON form is an object.
    #[must_use]
    pub fn new(schema: &'static str, json: Value, text: impl Into<String>) -> Self {
        let json = match json {
            Value::Object(map) => map,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { schema, json, text: text.into(), ..Self::default() }
    }

    /// Gives bytes instead of text, which the JSON form has a member for.
    #[must_use]
    pub fn with_raw(self, raw: Vec<u8>) -> Self {
        Self { raw: Some(raw), ..self }
    }

    /// Gives a document instead of text. In the JSON form it is the member `content`: whoever reads that gets
    /// at it without a file.
    #[must_use]
    pub fn with_document(self, raw: Vec<u8>) -> Self {
        Self { is_document: true, ..self.with_raw(raw) }
    }

    /// Ends with the status that a report asks for.
    #[must_use]
    pub fn with_report(mut self, report: &Report) -> Self {
        self.exit = report_exit(report);
        let outcome = serde_json::to_value(report.outcome()).unwrap_or_default();
        self.json.insert("outcome".into(), outcome);
        self.json.insert("checks".into(), json!(report.checks));
        self.text.push_str(&report_text(report));
        self
    }

    /// Prints to standard output.
    pub fn print(self, as_json: bool) -> std::io::Result<()> {
        let mut out = anstream::stdout().lock();
        if self.schema.is_empty() {
            // The command has said what it had to say while it ran.
        } else if as_json {
            let mut map = Map::new();
            map.insert("schema".into(), json!(self.schema));
            map.extend(self.json);
            if let Some(raw) = self.raw.filter(|_| self.is_document) {
                let (name, text) = member_of(raw);
                map.insert(name.into(), json!(text));
            }
            writeln!(out, "{}", json_line(&Value::Object(map)))?;
        } else if let Some(raw) = self.raw {
            // Not through the colour filter: these are a file's bytes.
            let mut out = std::io::stdout().lock();
            if out.is_terminal() {
                // Somebody looks at them, and what others wrote must not act on the terminal.
                out.write_all(for_terminal(&raw).as_bytes())?;
            } else {
                out.write_all(&raw)?;
            }
            out.flush()?;
        } else if !self.text.is_empty() {
            writeln!(out, "{}", guarded(self.text.trim_end()))?;
        }
        out.flush()
    }
}

/// A document as a member of a JSON answer: as it is where it is text.
fn member_of(document: Vec<u8>) -> (&'static str, String) {
    match String::from_utf8(document) {
        Ok(text) => ("content", text),
        Err(e) => ("content_base64", STANDARD.encode(e.as_bytes())),
    }
}

/// The status for a report: 11 where something cannot be decided, else the failed check's own.
fn report_exit(report: &Report) -> u8 {
    outcome_exit(report.outcome(), report.deciding().map(|check| check.code))
}

/// The status for an outcome and the code that decided it.
pub fn outcome_exit(outcome: Outcome, deciding: Option<Code>) -> u8 {
    match (outcome, deciding.map(|code| codes::exit_status(code.class()))) {
        (Outcome::Passed, _) => 0,
        (Outcome::Indeterminate, _) => 11,
        // A failed check never ends like an error of another kind.
        (Outcome::Failed, Some(exit @ 10..)) => exit,
        (Outcome::Failed, _) => 10,
    }
}

fn report_text(report: &Report) -> String {
    let mut text = checks_text(&report.checks);
    if let (Some(check), false) = (report.deciding(), report.outcome() == Outcome::Passed) {
        text.push_str(&format!("next: {}\n", check.code.0.remedy));
    }
    text
}

/// So many of something, for people: `1 visa`, `2 visas`.
pub fn counted(count: impl fmt::Display, one: &str, many: &str) -> String {
    let count = count.to_string();
    let what = if count == "1" { one } else { many };
    format!("{count} {what}")
}

/// Checks as lines for people.
pub fn checks_text(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let (mark, sentence) = (mark(check.outcome), shown(&check.sentence));
        text.push_str(&format!("{mark} {:<10} {sentence} [{}]\n", check.name, check.code));
    }
    text
}

/// An outcome as a coloured word, as wide as every other.
pub fn mark(outcome: Outcome) -> String {
    let (mark, color) = match outcome {
        Outcome::Passed => ("passed", AnsiColor::Green),
        Outcome::Failed => ("FAILED", AnsiColor::Red),
        Outcome::Indeterminate => ("unknown", AnsiColor::Yellow),
    };
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{mark:<8}{style:#}")
}

/// Why a command did not do its work.
#[derive(Debug)]
pub struct Failure {
    /// The stable reason code.
    pub code: Code,
    /// What happened in this case.
    pub message: String,
    /// What to do next, where this case allows more than the code's own remedy.
    pub next: Option<String>,
    /// What was done all the same, for programs.
    pub done: Option<Box<Value>>,
    /// Whether it passes by itself in this case, though not whenever its code is given.
    pub passes: bool,
}

impl Failure {
    /// A failure with the code's own remedy.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: None, done: None, passes: false }
    }

    /// Says that the same call may be made again.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { passes: true, ..self }
    }

    /// Whether it helps to make the same call again later. Not where something was done: it would be done twice.
    pub fn is_transient(&self) -> bool {
        (self.passes || self.code.is_transient()) && self.done.is_none()
    }

    /// What to do next.
    pub fn remedy(&self) -> &str {
        self.next.as_deref().unwrap_or(self.code.0.remedy)
    }

    /// Says the exact next step.
    #[must_use]
    pub fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// Says what to look at, where nobody knows whether the change of the wallet was made.
    #[must_use]
    pub fn look(self, next: impl Into<String>) -> Self {
        match self.code == gridpass_identity::codes::STORE_UNCONFIRMED {
            true => self.next(next),
            false => self,
        }
    }

    /// Prints to standard error and gives the exit status.
    pub fn print(&self, as_json: bool) -> u8 {
        let exit = codes::exit_status(self.code.class());
        let next = self.remedy();
        let mut err = anstream::stderr().lock();
        // Nothing can be told to somebody whose standard error is closed.
        let _ = if as_json {
            let mut error = json!({
                "schema": "gridpass.error/1",
                "code": self.code,
                "message": self.message,
                "next": next,
                "exit": exit,
                "transient": self.is_transient(),
            });
            if let (Some(done), Some(error)) = (&self.done, error.as_object_mut()) {
                error.insert("done".into(), json!(done));
            }
            writeln!(err, "{}", json_line(&error))
        } else {
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            let (message, next) = (shown(&self.message), shown(next));
            writeln!(err, "{red}error{red:#} [{}]: {message}\n  next: {next}", self.code)
        };
        exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)
    }
}

/// Tells something on standard error that is not the answer: a warning, a hint.
pub fn note(text: impl fmt::Display) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{}", guarded(&text.to_string()));
}

/// Tells the same to a program, as an object on a line of its own.
pub fn object(value: &Value) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{}", json_line(value));
}

/// Tells a report beside the content that goes to standard output. With `--json` the answer has it.
pub fn beside(answer: &Answer) {
    if !crate::warnings::in_json() {
        note(answer.text.trim_end());
    }
}

macro_rules! failure_from {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(e: $error) -> Self {
                Self::new(e.code(), e.to_string())
            }
        }
    )*};
}
failure_from!(
    gridpass_credentials::charter::CharterError,
    gridpass_credentials::content_id::ContentIdError,
    gridpass_credentials::keeping::KeepError,
    gridpass_credentials::parcel::ParcelError,
    gridpass_credentials::request::RequestError,
    gridpass_credentials::role::RoleError,
    gridpass_credentials::secured::SecuredError,
    gridpass_credentials::status::StatusError,
    gridpass_credentials::trust::IdentityMaterialError,
    gridpass_credentials::trust::TrustError,
    gridpass_credentials::visa::VisaError,
    gridpass_identity::did::DidError,
    gridpass_messaging::bundle::BundleError,
    gridpass_messaging::content::ContentError,
    gridpass_messaging::node::ExportError,
    gridpass_messaging::node::MaterialError,
    gridpass_identity::document::DocumentError,
    gridpass_identity::jwe::JweError,
    gridpass_identity::jws::JwsError,
    gridpass_identity::key::KeyError,
    gridpass_identity::method::webvh::WebvhError,
    gridpass_identity::resolve::ResolveError,
    gridpass_identity::wallet::WalletError,
    gridpass_identity::wallet::backup::BackupError,
    gridpass_identity::wallet::messages::SealError,
    gridpass_identity::wallet::store::StoreError,
    gridpass_policy::cases::CaseError,
    gridpass_policy::channel::ChannelError,
    gridpass_policy::decision::RecordError,
    gridpass_policy::policy::PolicyError,
);

impl From<gridpass_credentials::issuing::IssueError> for Failure {
    fn from(e: gridpass_credentials::issuing::IssueError) -> Self {
        let mut failure = Self::new(e.code(), e.to_string());
        if let gridpass_credentials::issuing::IssueError::Refused(report) = &e {
            failure.next = Some(format!("Nothing was issued. {}", codes::to_issuer(report.code)));
        }
        failure
    }
}

impl From<gridpass_policy::keeping::KeepChannelError> for Failure {
    fn from(e: gridpass_policy::keeping::KeepChannelError) -> Self {
        use gridpass_policy::keeping::KeepChannelError;
        let failure = Self::new(e.code(), e.to_string());
        match e {
            KeepChannelError::NotFound(_) => failure
                .next("See what there is: `gridpass channel list`; or name the file of a channel."),
            _ => failure,
        }
    }
}

/// What a command returns.
pub type Outcomes = Result<Answer, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_something_is_no_plural() {
        let told: Vec<String> = (0..3_u64).map(|n| counted(n, "visa is", "visas are")).collect();
        assert_eq!(told, ["0 visas are", "1 visa is", "2 visas are"]);
        assert_eq!(counted("1", "node", "nodes"), "1 node");
    }

    #[test]
    fn what_was_done_is_not_called_for_again() {
        let late = || Failure::new(codes::FETCH_TIMEOUT, "it is late");
        assert!(late().is_transient());
        assert!(!Failure::new(codes::USAGE, "a word").is_transient());
        assert!(Failure::new(codes::USAGE, "a word").passing().is_transient());
        let next = "Look first.".to_owned();
        let done = Done { json: json!({"id": "a"}), sentence: "it is sent".into(), next };
        let failure = done.all_the_same(late().passing());
        assert_eq!(failure.message, "it is late; it is sent all the same");
        assert_eq!((failure.remedy(), failure.is_transient()), ("Look first.", false));
        assert_eq!(failure.done.as_deref(), Some(&json!({"id": "a"})));
    }
}
