//! The table of a scenario as policy cases: the same file format as the published ones, made from
//! the visas that the scenario gives its participants, and run by the same runner.

use crate::build::Names;
use crate::scenario::{ChannelPlan, PolicyRow, Scenario, ScenarioError, Standing, VisaPlan};
use gridpass_credentials::codes as credential_codes;
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cases::{CASES_TYPE, Case, CaseFile, Held, Message};
use gridpass_policy::facts::{CheckFacts, Finding};
use serde_json::{Map, Value};

/// When cases are decided that do not say when: Monday 2 March 2026, 10:00 UTC.
pub const AT: UnixMillis = UnixMillis::from_millis(1_772_445_600_000);

impl Scenario {
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
