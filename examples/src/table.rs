//! The table of a scenario as policy cases: the same file format as the published ones, made from
//! the visas that the scenario gives its participants, and run by the same runner.

use crate::build::Names;
use crate::documents::quantity::day_of;
use crate::scenario::{ChannelPlan, PolicyRow, Scenario, ScenarioError, Standing, VisaPlan};
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cases::{CASES_TYPE, Case, CaseFile, Held, Message};
use gridpass_policy::facts::{CheckFacts, Finding};
use gridpass_policy::policy::Policy;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// When cases are decided that do not say when: Monday 2 March 2026, 10:00 UTC.
pub const AT: UnixMillis = UnixMillis::from_millis(1_772_445_600_000);

const DAY_MILLIS: u64 = 24 * 3600 * 1000;
/// For how long before and after [`AT`] consents are given where a table is decided.
const BEFORE_MILLIS: u64 = 30 * DAY_MILLIS;
const AFTER_MILLIS: u64 = 300 * DAY_MILLIS;

impl Scenario {
    /// Decides the whole table with the policy engine, participants having DIDs at their domains; gives a
    /// sentence for each case that comes out otherwise than it says.
    ///
    /// ```
    /// use gridpass_examples::scenario::Scenario;
    ///
    /// assert!(Scenario::default().differences().is_ok_and(|all| all.is_empty()));
    /// ```
    ///
    /// # Errors
    /// [`ScenarioError`] for a channel that does not compile, or a case that asks nothing.
    pub fn differences(&self) -> Result<Vec<String>, ScenarioError> {
        let wrong = |place: &str, e: &dyn std::fmt::Display| ScenarioError::Reference {
            place: place.to_owned(),
            reason: e.to_string(),
        };
        let mut dids = BTreeMap::new();
        for participant in &self.participants {
            let did = Did::parse(&format!("did:web:{}", participant.domain()));
            let did = did.map_err(|e| wrong(&participant.name, &e))?;
            dids.insert(participant.name.clone(), did);
        }
        let from = UnixMillis::new(AT.get().saturating_sub(BEFORE_MILLIS));
        let (until, gate) = (AT.plus_millis(AFTER_MILLIS), day_of(AT.plus_millis(DAY_MILLIS)));
        let names = Names { dids, from, until, gate };
        let mut found = Vec::new();
        for channel in &self.channels {
            let name = channel.name.as_str();
            let (framework, dated) = (ContentId::of_nothing(), UnixMillis::new(0));
            let descriptor = self.channel_descriptor(channel, &names, &framework, dated)?;
            let policy = Policy::compile(descriptor).map_err(|e| wrong(name, &e))?;
            let file = self.cases(channel, &names)?;
            for case in &file.cases {
                let ran = file.run(case, &policy).map_err(|e| wrong(&case.name, &e))?;
                if !ran.differences.is_empty() {
                    found.push(format!("{}: {}", case.name, ran.differences.join("; ")));
                }
            }
        }
        Ok(found)
    }

    /// The cases of a channel.
    ///
    /// # Errors
    /// [`ScenarioError::Reference`] for a participant without a DID.
    pub fn cases(&self, channel: &ChannelPlan, names: &Names) -> Result<CaseFile, ScenarioError> {
        let rows = self.policy.iter().filter(|r| r.channel == channel.name.as_str());
        let cases = rows.map(|row| self.case(row, names)).collect::<Result<_, _>>()?;
        Ok(CaseFile {
            document_type: CASES_TYPE.into(),
            format_version: 1,
            title: format!("{}: {}", self.title, channel.title),
            channel: format!("{}.channel.json", channel.name.as_str()),
            at: AT,
            parties: names.dids.clone(),
            cases,
        })
    }

    fn case(&self, row: &PolicyRow, names: &Names) -> Result<Case, ScenarioError> {
        let visas = self.participant(&row.sender).map(|p| p.visas.as_slice()).unwrap_or_default();
        let shown = visas.iter().filter(|v| !row.without.contains(&v.id));
        let holds = shown
            .map(|visa| self.held(visa, row.standing.get(&visa.id).copied(), names))
            .collect::<Result<_, _>>()?;
        let publish = row.publish.as_ref().map(|message| {
            let attributes = names.resolve_all(&message.attributes)?;
            Ok::<_, ScenarioError>(Message { attributes, ..message.clone() })
        });
        Ok(Case {
            name: row.name.clone(),
            at: row.at,
            sender: row.sender.clone(),
            holds,
            publish: publish.transpose()?,
            subscribe: row.subscribe,
            keep: row.keep,
            usage: None,
            expect: row.expect,
            because: row.because.clone(),
            codes: row.codes.clone(),
        })
    }

    fn held(
        &self,
        visa: &VisaPlan,
        standing: Option<Standing>,
        names: &Names,
    ) -> Result<Held, ScenarioError> {
        Ok(Held {
            role: visa.role.as_str().to_owned(),
            claims: self.claims(visa, names)?,
            issuer: Some(visa.issuer.clone()),
            authority: self.authority(visa, names)?,
            standing: standing.map(stands),
        })
    }

    /// What the visa says by which the issuer of another one may issue it.
    fn authority(
        &self,
        visa: &VisaPlan,
        names: &Names,
    ) -> Result<Map<String, Value>, ScenarioError> {
        let roles = self.role(visa.role.as_str()).map(|r| r.issuers.roles.as_slice());
        let issuer = self.participant(&visa.issuer);
        let held = issuer.map(|p| p.visas.as_slice()).unwrap_or_default();
        let of = held.iter().find(|v| roles.unwrap_or_default().contains(&v.role));
        of.map_or_else(|| Ok(Map::new()), |visa| self.claims(visa, names))
    }
}

fn stands(standing: Standing) -> CheckFacts {
    let (outcome, code, sentence): (_, Code, _) = match standing {
        Standing::Revoked => {
            (Finding::Failed, credential_codes::VISA_REVOKED, "revoked by its issuer")
        }
        Standing::Suspended => {
            (Finding::Failed, credential_codes::VISA_SUSPENDED, "suspended by its issuer")
        }
        Standing::Expired => (Finding::Failed, credential_codes::VISA_EXPIRED, "its time is over"),
        Standing::Stale => (
            Finding::Indeterminate,
            credential_codes::STATUS_STALE,
            "its status is older than the channel allows",
        ),
    };
    CheckFacts { outcome, code: code.id().into(), sentence: sentence.into() }
}
