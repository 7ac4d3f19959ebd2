//! Parting with a visa that one holds.

use super::consent::end_of;
use super::standing::Known;
use crate::context::{GlobalArgs, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown as harmless;
use clap::Args;
use gridpass_credentials::keeping::{self, KeepError};
use serde_json::json;

/// Remove a visa that you hold from this wallet. It is not revoked by that, and its issuer is not told
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa list\n  \
     gridpass visa export bafkrei… -o copy.json       where it may be needed again\n  \
     gridpass visa remove bafkrei…"
))]
pub struct RemoveArgs {
    /// The visa, by id or hash; by role only where you hold no other of it
    visa: String,
}

pub fn remove(global: &GlobalArgs, args: &RemoveArgs) -> Outcomes {
    let mut wallet = global.wallet()?;
    let name = &args.visa;
    let mut found = keeping::visas_named(&wallet, name)?;
    let (visa, held) = match (found.pop(), found.is_empty()) {
        (Some(only), true) => only,
        // Not even of one and its renewal: which of them is to go, only its holder knows.
        (Some(_), false) => {
            let failure = Failure::from(KeepError::Ambiguous { name: name.clone() });
            return Err(
                failure.next("Name the one that is to go by its hash: `gridpass visa list`.")
            );
        }
        (None, _) => return Err(KeepError::NotFound { what: "visa", name: name.clone() }.into()),
    };
    let state = Known::of(&wallet)?.standing(&wallet, &held, &visa)?.state;
    let evidence = held.read()?.0.id().clone();
    keeping::drop_visa(&mut wallet, &evidence, &mut rng())?;
    let mut text = format!(
        "Removed the visa {}, {state} until {}\n  held by          {}\n  issued by        {}\n  \
         id               {}\n  hash             {evidence}\n",
        visa.role,
        end_of(&visa),
        visa.subject,
        visa.issuer,
        harmless(&visa.id)
    );
    if state == "held" {
        text.push_str(
            "What was shown of it before still counts. To hold it again: its issuer runs `gridpass \
             visa export`, and you `gridpass visa accept FILE`\n",
        );
    }
    let json = json!({"visa": visa, "evidence": evidence, "state": state});
    Ok(Answer::new("gridpass.visa.remove/1", json, text))
}
